"""The Unity package, compiled with Mono against stand-ins for Unity's assemblies, and its components driven by hand."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "bindings" / "unity"
GUIDE = ROOT / "docs" / "unity.md"
VARIANTS = ("unity2019", "unity2022", "unity6", "bare")
SNIPPET = re.compile(r"^```csharp\n(.*?)^```$", re.M | re.S)
REFERENCES = (
    *("HeliosWorld.Core", "HeliosWorld.Unity", "HeliosWorld.InputSystem"),
    *("UnityEngine", "UnityEngine.UI", "Unity.InputSystem"),
)


def run(*command: str | Path, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=110,
    )


@pytest.fixture(scope="module")
def build(fleet: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder with all that is compiled, and what the build said."""
    missing = fleet.engine("csharp").missing
    if missing is not None:
        (pytest.fail if os.environ.get("HELIOS_ENGINES") == "required" else pytest.skip)(missing)
    folder = tmp_path_factory.mktemp("unity")
    done = run(PACKAGE / "Tests~" / "build.sh", folder, folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


@pytest.mark.parametrize("variant", VARIANTS)
def test_compiles_as_every_unity_would(build: tuple[Path, str], variant: str) -> None:
    folder, said = build
    assert f"compiled: {variant} " in said
    made = {path.stem for path in (folder / variant).glob("HeliosWorld.*.dll")}
    assert {"HeliosWorld.Unity", "HeliosWorld.Editor"} <= made
    assert ("HeliosWorld.InputSystem" in made) == (variant in ("unity2022", "unity6"))
    assert ("HeliosWorld.Samples.FirstPerson" in made) == (variant != "bare")


def test_components(build: tuple[Path, str], nano: Any) -> None:
    if shutil.which("nunit-console") is None:
        pytest.skip("nunit-console not found; run bindings/install-engines")
    folder = build[0] / "unity2022"
    done = run("nunit-console", "-nologo", "HeliosWorld.Unity.Tests.dll", folder=folder, HELIOS_ADDRESS=nano.address)
    count = re.search(r"^Tests run: (\d+), Errors: 0, Failures: 0, Inconclusive: 0", done.stdout, re.M)
    assert done.returncode == 0, done.stdout + done.stderr
    assert count is not None, done.stdout
    assert int(count[1]) > 40
    assert "Not run: 0," in done.stdout


def snippets() -> list[str]:
    return SNIPPET.findall(GUIDE.read_text(encoding="utf-8"))


def test_the_guide_has_examples() -> None:
    assert len(snippets()) > 3


@pytest.mark.parametrize("number", range(len(snippets())))
def test_examples_of_the_guide_compile(build: tuple[Path, str], tmp_path: Path, number: int) -> None:
    (tmp_path / "Example.cs").write_text(snippets()[number], encoding="utf-8")
    references = [f"-r:{name}.dll" for name in REFERENCES]
    done = run(
        *("mcs", "-nologo", "-target:library", "-warnaserror", "-langversion:latest", f"-lib:{build[0] / 'unity2022'}"),
        *references,
        "Example.cs",
        folder=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
