"""What Unity needs of a package before it compiles anything; no Mono and no Unity is needed to see it."""

from __future__ import annotations

import json
import re
import runpy
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import tree_sitter
import tree_sitter_c_sharp

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "bindings" / "unity"
SOURCES = sorted(PACKAGE.rglob("*.cs"))
ASMDEFS = sorted(PACKAGE.rglob("*.asmdef"))
MOST_LINES = 320
ENGINE_ASSEMBLIES = {"UnityEngine.UI", "Unity.InputSystem", "UnityEngine.TestRunner", "UnityEditor.TestRunner"}
SYMBOL = re.compile(r"\b(?:HELIOS|UNITY|ENABLE)_\w+")
GIVEN_BY_UNITY = re.compile(r"UNITY_\d+(_\d+)*_OR_NEWER|UNITY_INCLUDE_TESTS|ENABLE_(LEGACY_INPUT_MANAGER|INPUT_SYSTEM)")
PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_c_sharp.language()))


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def manifest() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((PACKAGE / "package.json").read_text(encoding="utf-8"))
    return read


def asmdef(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


def assembly_of(source: Path) -> Path | None:
    """The definition in the nearest folder above, as Unity assigns sources."""
    for folder in source.parents:
        for definition in folder.glob("*.asmdef"):
            return definition
        if folder == PACKAGE:
            return None
    return None


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def imported() -> list[Path]:
    return [path for path in SOURCES if "Tests~" not in path.parts]


def test_meta_files_are_complete() -> None:
    meta = runpy.run_path(str(PACKAGE / "Tests~" / "meta.py"))
    assert meta["problems"]() == [], "run: python bindings/unity/Tests~/meta.py"


def guids() -> dict[str, str]:
    found = {}
    for path in PACKAGE.rglob("*.meta"):
        match = re.search(r"^guid: ([0-9a-f]{32})$", path.read_text(encoding="utf-8"), re.M)
        assert match is not None, path
        found[relative(path)] = match[1]
    return found


def test_guids_are_unique() -> None:
    assert [guid for guid, count in Counter(guids().values()).items() if count > 1] == []


@pytest.mark.parametrize("scene", sorted(PACKAGE.rglob("*.unity")), ids=relative)
def test_scenes_refer_to_what_is_there(scene: Path) -> None:
    text = text_of(scene)
    files = {guid: name for name, guid in guids().items()}
    scripts = re.findall(r"m_Script: \{fileID: 11500000, guid: (\w+), type: 3\}", text)
    assert scripts
    for guid in scripts:
        source = PACKAGE / files[guid].removesuffix(".meta")
        assert re.search(rf"class {source.stem} : MonoBehaviour", source.read_text(encoding="utf-8"))
    ids = set(re.findall(r"^--- !u!\d+ &(\d+)$", text, re.M)) | {"0", "11500000"}
    assert set(re.findall(r"fileID: (\d+)", text)) <= ids


@pytest.mark.parametrize("scene", sorted(PACKAGE.rglob("*.unity")), ids=relative)
def test_scenes_set_fields_that_the_component_has(scene: Path) -> None:
    fields = re.findall(r"^  ([a-z]\w*): ", text_of(scene).split("m_EditorClassIdentifier:")[1], re.M)
    source = scene.with_suffix(".cs").read_text(encoding="utf-8")
    assert fields
    assert [name for name in fields if not re.search(rf"public \w+ {name}\b", source)] == []


def test_versions_are_those_of_the_project() -> None:
    project = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M)
    assert project is not None
    client = (PACKAGE / "Runtime/Unity/HeliosWorldBehaviour.Events.cs").read_text(encoding="utf-8")
    assert manifest()["version"] == project[1]
    assert f'"helios-world-unity/{project[1]}"' in client
    assert f"## [{project[1]}]" in (PACKAGE / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_manifest_is_one_that_unity_takes() -> None:
    package = manifest()
    assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+){2,}", package["name"])
    assert re.fullmatch(r"\d{4}\.\d", package["unity"])
    assert package["license"] == "Apache-2.0"
    assert [name for name in package["dependencies"] if not name.startswith("com.unity.modules.")] == []
    for sample in package["samples"]:
        assert (PACKAGE / sample["path"]).is_dir()
        assert list((PACKAGE / sample["path"]).glob("*.unity"))


@pytest.mark.parametrize("path", ASMDEFS, ids=relative)
def test_assembly_definitions_are_consistent(path: Path) -> None:
    definition = asmdef(path)
    assert definition["name"] == path.stem
    known = {other.stem for other in ASMDEFS} | ENGINE_ASSEMBLIES
    assert set(definition["references"]) - known == set()
    assert not set(definition["references"]) & ENGINE_ASSEMBLIES or not path.stem.endswith(".Core")


def test_names_of_assemblies_are_unique() -> None:
    assert len({path.stem for path in ASMDEFS}) == len(ASMDEFS)


def test_the_core_knows_no_engine() -> None:
    core = [path for path in ASMDEFS if path.stem == "HeliosWorld.Core"]
    assert asmdef(core[0])["noEngineReferences"]
    sources = [path for path in SOURCES if path.is_relative_to(PACKAGE / "Runtime" / "Core")]
    assert sources
    assert [relative(path) for path in sources if re.search(r"\bUnity(Engine|Editor)\b", text_of(path))] == []


def test_every_source_belongs_to_an_assembly() -> None:
    assert [relative(path) for path in imported() if assembly_of(path) is None] == []


def test_assemblies_define_the_symbols_that_their_sources_ask_for() -> None:
    assert {relative(path): missing for path in imported() if (missing := undefined_symbols(path))} == {}


def undefined_symbols(source: Path) -> set[str]:
    definition = assembly_of(source)
    assert definition is not None
    given = {each["define"] for each in asmdef(definition)["versionDefines"]}
    conditions = "\n".join(re.findall(r"^\s*#(?:if|elif)\b(.*)$", text_of(source), re.M))
    return {name for name in SYMBOL.findall(conditions) if not GIVEN_BY_UNITY.fullmatch(name)} - given


def test_components_are_in_files_of_their_name() -> None:
    components = {path.stem: re.findall(r"class (\w+) : MonoBehaviour", text_of(path)) for path in imported()}
    assert "HeliosScreen" in components
    assert {stem: names for stem, names in components.items() if names not in ([], [stem])} == {}


def test_sources_are_csharp() -> None:
    assert SOURCES
    trees = {relative(path): PARSER.parse(path.read_bytes()).root_node for path in SOURCES}
    assert {name: first_error(root) for name, root in trees.items() if root.has_error} == {}


def test_what_is_no_csharp_is_found() -> None:
    assert PARSER.parse(b"class A { void B( { } }").root_node.has_error


def first_error(node: tree_sitter.Node) -> str:
    while not (node.is_error or node.is_missing):
        node = next(child for child in node.children if child.has_error or child.is_missing)
    return f"line {node.start_point.row + 1}: {(node.text or b'').decode()[:80]!r}"


def test_sources_stay_small() -> None:
    assert [relative(path) for path in SOURCES if text_of(path).count("\n") > MOST_LINES] == []
