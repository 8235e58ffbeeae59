"""The files in bindings/wire are what the code makes, and clients can rely on them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helios_runtime.protocol.golden import examples, files, unpack, write
from helios_runtime.protocol.wire import decode_client, decode_server


def test_the_files_are_up_to_date(bindings: Path) -> None:
    kept = {path.name: path.read_bytes() for path in (bindings / "wire").iterdir()}
    assert sorted(kept) == sorted(files())
    stale = [name for name, data in files().items() if kept[name] != data]
    assert not stale, "run: python -m helios_runtime.protocol.golden bindings/wire"


def test_the_command_writes_them(bindings: Path, tmp_path: Path) -> None:
    module = [sys.executable, "-m", "helios_runtime.protocol.golden"]
    subprocess.run([*module, str(tmp_path / "wire")], check=True, timeout=60)
    assert {path.name: path.read_bytes() for path in (tmp_path / "wire").iterdir()} == files()
    assert subprocess.run(module, capture_output=True, timeout=60).returncode != 0


def test_every_message_has_an_example(client_models: Any, server_models: Any) -> None:
    kinds = {type(message) for message, _ in examples().values()}
    assert kinds == {*client_models, *server_models}


def test_the_index_tells_what_is_in_the_files(bindings: Path) -> None:
    for entry in json.loads((bindings / "wire" / "index.json").read_text(encoding="utf-8")):
        frames = unpack((bindings / "wire" / entry["file"]).read_bytes())
        decode = {"client": decode_client, "server": decode_server}[entry["from"]]
        message, buffers = decode(frames)
        assert message.model_dump(mode="json") == entry["header"]
        assert [len(buffer) for buffer in buffers] == [buffer["length"] for buffer in entry["buffers"]]


def test_a_change_is_noticed(tmp_path: Path) -> None:
    write(tmp_path / "wire")
    test_the_files_are_up_to_date(tmp_path)
    (tmp_path / "wire" / "step.bin").write_bytes(b"old")
    with pytest.raises(AssertionError, match="golden"):
        test_the_files_are_up_to_date(tmp_path)
