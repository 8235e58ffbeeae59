"""Where the settings of a server come from, and what is said about wrong ones."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from helios_runtime.server.settings import ServeSettings, flag_of, read_settings, variable_of
from helios_world.errors import OptionError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

OTHER: dict[str, Any] = {
    "world": "pattern",
    "bind": "127.0.0.1:7000",
    "device": "cpu",
    "dtype": "float32",
    "threads": 2,
    "options": {"steps": [1, 1, 1], "offload": "group"},
    "max_sessions": 3,
    "max_batch": 4,
    "batch_wait_ms": 0.5,
    "idle_seconds": 60.5,
    "session_seconds": 90.0,
    "resume_seconds": 10.0,
    "drain_seconds": 5.0,
    "state_dir": "sessions",
    "record_dir": "videos",
    "max_message_mb": 8,
    "rate": 50.0,
    "metrics_port": 9095,
    "log_format": "json",
    "log_level": "debug",
    "keys": "keys",
    "insecure": True,
}
"""A value for every setting that is not its default."""
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
values = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def as_variable(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict | bool) else str(value)


def as_flag(value: Any) -> Any:
    return value if isinstance(value, dict | bool) else str(value)


def test_there_is_another_value_for_every_setting() -> None:
    assert set(OTHER) == set(ServeSettings.model_fields)
    usual = ServeSettings()
    assert not [name for name, value in OTHER.items() if value == getattr(usual, name)]


@pytest.mark.parametrize("name", OTHER)
def test_a_flag_a_variable_and_a_file_say_the_same(name: str, tmp_path: Path) -> None:
    file = tmp_path / "serve.toml"
    file.write_text(read_settings({name: OTHER[name]}, {}).to_toml(), encoding="utf-8")
    expected = ServeSettings(**{name: OTHER[name]})
    assert expected != ServeSettings()
    assert read_settings({name: as_flag(OTHER[name])}, {}).settings == expected
    assert read_settings({}, {variable_of(name): as_variable(OTHER[name])}).settings == expected
    assert read_settings({}, {}, file).settings == expected


@given(flag=st.none() | st.integers(1, 9), variable=st.none() | st.integers(1, 9), line=st.none() | st.integers(1, 9))
def test_flags_come_before_variables_before_the_file(
    tmp_path_factory: pytest.TempPathFactory, flag: int | None, variable: int | None, line: int | None
) -> None:
    file = tmp_path_factory.getbasetemp() / "precedence.toml"
    file.write_text("" if line is None else f"max_batch = {line}", encoding="utf-8")
    read = read_settings(
        {} if flag is None else {"max_batch": flag},
        {"HELIOS_MAX_BATCH": "" if variable is None else str(variable)},
        file,
    )
    expected = [(flag, "--max-batch"), (variable, "HELIOS_MAX_BATCH"), (line, str(file)), (8, "default")]
    value, origin = next(pair for pair in expected if pair[0] is not None)
    assert (read.settings.max_batch, read.origins["max_batch"]) == (value, origin)
    assert read.origins["max_sessions"] == "default"


@given(world=texts, options=st.dictionaries(texts, values, max_size=3))
def test_what_is_printed_is_a_file_that_says_the_same(world: str, options: dict[str, Any]) -> None:
    printed = read_settings({"world": world, "options": options}, {}).to_toml()
    again = ServeSettings(**tomllib.loads(printed))
    assert again == ServeSettings(world=world, options=options)


def test_what_is_printed_tells_where_a_value_is_from() -> None:
    read = read_settings({"world": "lands"}, {"HELIOS_THREADS": "2"})
    lines = read.to_toml().splitlines()
    assert 'world = "lands"  # WORLD' in lines
    assert "threads = 2  # HELIOS_THREADS" in lines
    assert "# keys is not set  # default" in lines
    assert read.to_dict()["threads"] == {"value": 2, "from": "HELIOS_THREADS"}


def test_the_file_can_be_named_by_a_variable(tmp_path: Path) -> None:
    for name, threads in (("one", 1), ("two", 2)):
        (tmp_path / f"{name}.toml").write_text(f"threads = {threads}")
    environment = {"HELIOS_CONFIG": str(tmp_path / "two.toml")}
    assert read_settings({}, environment).settings.threads == 2
    assert read_settings({}, environment, tmp_path / "one.toml").settings.threads == 1


def test_settings_look_nowhere_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIOS_MAX_SESSIONS", "3")
    assert ServeSettings().max_sessions == 16


def test_variables_that_are_no_settings_are_told() -> None:
    environment = {"HELIOS_MAX_SESIONS": "3", "HELIOS_RATE": "9", "HELIOS_CONFIG": "", "HOME": "/root"}
    assert read_settings({}, environment).unknown == ("HELIOS_MAX_SESIONS",)


@pytest.mark.parametrize(
    ("flags", "environment", "said"),
    [
        ({"max_sessions": "many"}, {}, "--max-sessions: 'many': "),
        ({"bind": "everywhere"}, {}, "--bind: 'everywhere': an address is host:port"),
        ({"bind": "host:port"}, {}, "--bind: 'host:port': an address is host:port"),
        ({"log_format": "xml"}, {}, "--log-format: 'xml': "),
        ({"rate": "nan"}, {}, "--rate: 'nan': "),
        ({"world": ""}, {}, "WORLD: '': "),
        ({}, {"HELIOS_THREADS": "0"}, "HELIOS_THREADS: '0': "),
        ({}, {"HELIOS_INSECURE": "perhaps"}, "HELIOS_INSECURE: 'perhaps': "),
        ({}, {"HELIOS_OPTIONS": "steps=1"}, "HELIOS_OPTIONS='steps=1' is no JSON object like"),
        ({}, {"HELIOS_OPTIONS": "[1]"}, "HELIOS_OPTIONS: [1]: "),
        ({"max_batch": "0"}, {"HELIOS_RATE": "0"}, "HELIOS_RATE: '0': "),
    ],
)
def test_a_wrong_value_is_shown_with_its_place(flags: dict[str, Any], environment: dict[str, str], said: str) -> None:
    with pytest.raises(OptionError) as refused:
        read_settings(flags, environment)
    assert said in str(refused.value)
    assert all(flag_of(name) in str(refused.value) for name in flags)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max_sesions = 3", "there is no setting 'max_sesions'; perhaps 'max_sessions'"),
        ("zzz = 3", "there is no setting 'zzz'; there are ['batch_wait_ms', "),
        ("max_sessions =", "is no TOML: "),
        ("max_sessions = -1", ", max_sessions: -1: "),
        ("[options]\nsteps = 1\n[rate]", ", rate: {}: "),
    ],
)
def test_what_is_wrong_in_a_file(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "serve.toml"
    file.write_text(text)
    with pytest.raises(OptionError) as refused:
        read_settings({}, {}, file)
    assert str(refused.value).startswith(str(file))
    assert said in str(refused.value)


@pytest.mark.parametrize("bind", ["localhost:1", "0.0.0.0:0", "tcp://[::1]:5555", "tcp://*:*", "ipc:///run/helios"])
def test_addresses(bind: str) -> None:
    assert ServeSettings(bind=bind).bind == bind


def test_settings_do_not_change_and_have_no_other_names() -> None:
    with pytest.raises(ValidationError):
        ServeSettings(port=5555)  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        ServeSettings().threads = 2


def test_the_home_folder_is_found() -> None:
    assert ServeSettings(state_dir="~/sessions").state_dir == Path.home() / "sessions"  # type: ignore[arg-type]
