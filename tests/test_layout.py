"""The layout that keeps the top-level folders from shadowing other packages."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "helios_world": "helios_world",
    "helios_runtime": "runtime/helios_runtime",
    "helios_kernels": "kernels/helios_kernels",
    "helios_demos": "demos/helios_demos",
}
MOST_LINES = 320  # the budget is 300; a little over is better than a cut through one idea
SOURCES = sorted(file for folder in PACKAGES.values() for file in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", ["runtime", "kernels", "bindings", "demos"])
def test_top_level_folders_are_no_packages(folder: str) -> None:
    assert (ROOT / folder).is_dir()
    assert not (ROOT / folder / "__init__.py").exists()


def test_tests_are_no_packages() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))


@pytest.mark.parametrize("name", ["kernels", "runtime", "demos", "bindings"])
def test_our_folders_shadow_nobody(name: str) -> None:
    spec = find_spec(name)
    if spec is not None and spec.origin is not None:
        assert ROOT not in Path(spec.origin).parents


@pytest.mark.parametrize(("package", "folder"), PACKAGES.items())
def test_packages_are_typed_and_found(package: str, folder: str) -> None:
    assert (ROOT / folder / "py.typed").is_file()
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).name == "__init__.py"


@pytest.mark.parametrize("folder", PACKAGES.values())
def test_every_folder_with_code_is_a_package(folder: str) -> None:
    homeless = {file.parent for file in (ROOT / folder).rglob("*.py") if not (file.parent / "__init__.py").is_file()}
    assert not homeless


def test_files_stay_small() -> None:
    long = {str(file.relative_to(ROOT)): length for file in SOURCES if (length := len(lines_of(file))) > MOST_LINES}
    assert not long, "split them by idea"


def test_nothing_is_unpickled() -> None:
    unsafe = re.compile(r"^\s*(?:import|from) pickle|allow_pickle=True|weights_only=False")
    assert not [str(file) for file in SOURCES if any(unsafe.search(line) for line in lines_of(file))]


def lines_of(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()
