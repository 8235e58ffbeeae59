"""What can be chosen for a server, and where a choice is read from: flags, then the environment, then a TOML file.

`ServeSettings(...)` looks only at its arguments; `read_settings` looks everywhere, and tells where a value is from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from helios_world.errors import DependencyError, OptionError

ENVIRONMENT = "HELIOS_"
"""What the names of environment variables begin with: max_sessions is HELIOS_MAX_SESSIONS."""
FILE_VARIABLE = f"{ENVIRONMENT}CONFIG"
"""The variable that names the file where no flag does."""
_ADDRESS = re.compile(r"(tcp://)?[^/\s]+:((?P<port>\d{1,5})|\*)|(ipc|inproc)://\S+")


def checked_address(text: str) -> str:
    """The same address, or ValueError."""
    found = _ADDRESS.fullmatch(text)
    if not found or int(found["port"] or 0) > 65535:
        raise ValueError("an address is host:port, such as 127.0.0.1:5555, or ipc:///path")
    return text


Folder = Annotated[Path, AfterValidator(Path.expanduser)]
Address = Annotated[str, AfterValidator(checked_address)]
Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


class ServeSettings(BaseModel):
    """How worlds are served.

    Raises:
        pydantic.ValidationError: a value of the wrong type or out of range, or a name that is no setting.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    world: Annotated[
        str, Field(min_length=1, description="nano, lands, pattern, or the path of a checkpoint folder.")
    ] = "nano"
    bind: Annotated[
        Address, Field(description="Where to listen: host:port, with port 0 for a free one, or ipc:///path.")
    ] = "127.0.0.1:5555"
    device: Annotated[str, Field(description="auto, cpu, cuda, cuda:1, …")] = "auto"
    dtype: Annotated[str, Field(description="auto, float32 or bfloat16.")] = "auto"
    threads: Annotated[int, Field(ge=1, le=1024, description="Compute threads on a CPU.")] = 1
    options: Annotated[
        dict[str, Any], Field(description="Choices for an official checkpoint, such as steps or offload.")
    ] = {}
    max_sessions: Annotated[int, Field(ge=1, le=65536, description="Sessions at once; one more is refused.")] = 16
    max_batch: Annotated[int, Field(ge=1, le=1024, description="Sessions that are stepped in one forward pass.")] = 8
    batch_wait_ms: Annotated[
        Seconds, Field(le=10_000, description="How long a step waits for others to share its forward pass.")
    ] = 2.0
    idle_seconds: Annotated[
        Seconds, Field(gt=0, description="Without a message for so long, a session is unloaded.")
    ] = 600.0
    session_seconds: Annotated[Seconds, Field(description="The longest that a session lasts; 0 for no limit.")] = 0.0
    resume_seconds: Annotated[
        Seconds, Field(description="How long a session can be resumed after its client has gone.")
    ] = 3600.0
    drain_seconds: Annotated[Seconds, Field(description="On SIGTERM, how long running steps may take to finish.")] = (
        20.0
    )
    state_dir: Annotated[
        Folder | None, Field(description="Where sessions are saved; without it a restart ends them.")
    ] = None
    record_dir: Annotated[
        Folder | None, Field(description="Where sessions are recorded; without it clients cannot ask for it.")
    ] = None
    max_message_mb: Annotated[int, Field(ge=1, le=256, description="The largest message from a client, in MiB.")] = 64
    rate: Annotated[float, Field(gt=0, le=1e6, description="Messages per second from one connection.")] = 200.0
    metrics_port: Annotated[
        int, Field(ge=0, le=65535, description="Prometheus metrics on this port of 127.0.0.1; 0 for none.")
    ] = 0
    log_format: Annotated[Literal["json", "text"], Field(description="json for one object per line, or text.")] = "text"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="The least that is logged.")
    ] = "info"
    keys: Annotated[Folder | None, Field(description="The folder of keys that `helios-world keys` made.")] = None
    insecure: Annotated[bool, Field(description="Listen beyond this machine without keys.")] = False


@dataclass(frozen=True)
class Configuration:
    """Settings, and where they are from.

    Args:
        origins: per setting the flag, the variable, the file or "default".
        unknown: variables that begin as ours do and are no settings.
    """

    settings: ServeSettings
    origins: Mapping[str, str]
    unknown: tuple[str, ...] = ()

    def to_toml(self) -> str:
        """A settings file that says the same; behind each line where its value is from."""
        lines = []
        for name, value in self.settings.model_dump(mode="json").items():
            line = f"# {name} is not set" if value is None else f"{name} = {_literal(value)}"
            lines.append(f"{line}  # {self.origins[name]}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Per setting its value, and what it is from."""
        values = self.settings.model_dump(mode="json")
        return {name: {"value": value, "from": self.origins[name]} for name, value in values.items()}


def read_settings(flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None = None) -> Configuration:
    """Flags before environment variables before a file before the defaults. An empty variable counts for nothing.

    Args:
        flags: by the setting's name.
        environment: such as os.environ.
        file: TOML; None for the one that HELIOS_CONFIG names, if it does.

    Raises:
        OptionError: a value that cannot be; the message names its flag, variable or file.
        OSError: the file cannot be read.
        DependencyError: a file, and no package that reads TOML.
    """
    named = environment.get(FILE_VARIABLE) or None
    file = file if file is not None else Path(named) if named else None
    values: dict[str, Any] = {}
    origins = dict.fromkeys(ServeSettings.model_fields, "default")
    layers = [*([_from_file(file)] if file else []), _from_environment(environment), _from_flags(flags)]
    for layer in layers:
        for name, (value, origin) in layer.items():
            values[name], origins[name] = value, origin
    unknown = _unknown_variables(environment)
    return Configuration(_validate(values, origins), origins, unknown)


_Layer = Mapping[str, tuple[Any, str]]


def flag_of(name: str) -> str:
    """A setting as a flag: max_sessions is --max-sessions. The world has none, it is the argument."""
    return "WORLD" if name == "world" else "--set" if name == "options" else f"--{name.replace('_', '-')}"


def variable_of(name: str) -> str:
    return f"{ENVIRONMENT}{name.upper()}"


def _from_flags(flags: Mapping[str, Any]) -> _Layer:
    return {name: (value, flag_of(name)) for name, value in flags.items()}


def _from_environment(environment: Mapping[str, str]) -> _Layer:
    found = {name: variable_of(name) for name in ServeSettings.model_fields if environment.get(variable_of(name))}
    return {name: (_parsed(name, environment[variable]), variable) for name, variable in found.items()}


def _parsed(name: str, text: str) -> Any:
    """A variable is text, which pydantic converts; only the options are JSON."""
    if name != "options":
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise OptionError(
            f'{variable_of(name)}={text!r} is no JSON object like {{"steps": [1, 1, 1]}}: {error}'
        ) from error


def _unknown_variables(environment: Mapping[str, str]) -> tuple[str, ...]:
    ours = {FILE_VARIABLE, *map(variable_of, ServeSettings.model_fields)}
    return tuple(sorted(name for name in environment if name.startswith(ENVIRONMENT) and name not in ours))


def _from_file(file: Path) -> _Layer:
    try:
        found = _toml().loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise OptionError(f"{file} is no TOML: {error}") from error
    for name in found:
        if name not in ServeSettings.model_fields:
            raise OptionError(f"{file}: there is no setting {name!r}; {_suggestion(name)}")
    return {name: (value, str(file)) for name, value in found.items()}


def _toml() -> Any:
    for name in ("tomllib", "tomli"):
        try:
            return import_module(name)
        except ImportError:
            continue
    raise DependencyError("on Python 3.10 a settings file needs tomli: pip install tomli")


def _literal(value: Any) -> str:
    """In TOML, where strings, numbers and lists look as in JSON. It has no null; such keys are left out."""
    if isinstance(value, dict):
        inner = ", ".join(f"{_literal(key)} = {_literal(item)}" for key, item in value.items() if item is not None)
        return f"{{{inner}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _suggestion(name: str) -> str:
    near = get_close_matches(name, ServeSettings.model_fields, 1)
    return f"perhaps {near[0]!r}" if near else f"there are {sorted(ServeSettings.model_fields)}"


def _validate(values: Mapping[str, Any], origins: Mapping[str, str]) -> ServeSettings:
    try:
        return ServeSettings(**values)
    except ValidationError as error:
        faults = [_explain(fault, origins) for fault in error.errors(include_url=False)]
        raise OptionError("; ".join(faults)) from error


def _explain(fault: Any, origins: Mapping[str, str]) -> str:
    name = str(fault["loc"][0])
    where = origins[name]
    place = where if where in (flag_of(name), variable_of(name)) else f"{where}, {name}"
    return f"{place}: {fault['input']!r}: {fault['msg'].removeprefix('Value error, ')}"
