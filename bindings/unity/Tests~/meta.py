"""The .meta files, without which Unity ignores what is in an installed package.

python meta.py            write them, and remove those whose file is gone
python meta.py --check    only say what is missing, left over or different

An asset's GUID is made from its path, so a file keeps it however often this runs, and scenes can refer to it.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
NAMESPACE = "world.helios.client:"
TAIL = "  externalObjects: {}\n  userData: \n  assetBundleName: \n  assetBundleVariant: \n"
SCRIPT = (
    "MonoImporter:\n  externalObjects: {}\n  serializedVersion: 2\n  defaultReferences: []\n  executionOrder: 0\n"
    "  icon: {instanceID: 0}\n  userData: \n  assetBundleName: \n  assetBundleVariant: \n"
)
IMPORTERS = {
    ".cs": SCRIPT,
    ".asmdef": "AssemblyDefinitionImporter:\n" + TAIL,
    ".md": "TextScriptImporter:\n" + TAIL,
    ".unity": "DefaultImporter:\n" + TAIL,
}


def guid_of(path: str) -> str:
    return hashlib.md5((NAMESPACE + path).encode(), usedforsecurity=False).hexdigest()


def assets() -> Iterator[Path]:
    """Files and folders that Unity imports: of the package, and of each sample once it is copied into a project."""
    for entry in sorted(PACKAGE.iterdir()):
        if not is_hidden(entry):
            yield from tree(entry)
    for sample in sorted((PACKAGE / "Samples~").iterdir()):
        for entry in sorted(sample.iterdir()):
            if not is_hidden(entry):
                yield from tree(entry)


def tree(entry: Path) -> Iterator[Path]:
    yield entry
    if entry.is_dir():
        for child in sorted(entry.iterdir()):
            if not is_hidden(child):
                yield from tree(child)


def is_hidden(entry: Path) -> bool:
    return entry.name.startswith(".") or entry.name.endswith("~") or entry.suffix == ".meta"


def text_of(asset: Path) -> str:
    head = f"fileFormatVersion: 2\nguid: {guid_of(asset.relative_to(PACKAGE).as_posix())}\n"
    if asset.is_dir():
        return head + "folderAsset: yes\nDefaultImporter:\n" + TAIL
    if asset.name == "package.json":
        return head + "PackageManifestImporter:\n" + TAIL
    if asset.suffix not in IMPORTERS:
        raise ValueError(f"{asset}: no importer known for {asset.suffix!r}; add it to IMPORTERS")
    return head + IMPORTERS[asset.suffix]


def wanted() -> dict[Path, str]:
    return {asset.with_name(asset.name + ".meta"): text_of(asset) for asset in assets()}


def present() -> set[Path]:
    return {path for path in PACKAGE.rglob("*.meta") if "Tests~" not in path.parts}


def problems() -> list[str]:
    want, have = wanted(), present()
    found = [f"left over: {path.relative_to(PACKAGE)}" for path in sorted(have - set(want))]
    for path, text in want.items():
        if path not in have:
            found.append(f"missing: {path.relative_to(PACKAGE)}")
        elif path.read_text(encoding="utf-8") != text:
            found.append(f"different: {path.relative_to(PACKAGE)}")
    return found


def write() -> None:
    want = wanted()
    for path in present() - set(want):
        path.unlink()
    for path, text in want.items():
        path.write_text(text, encoding="utf-8", newline="\n")


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    if not arguments:
        write()
    found = problems()
    print("\n".join(found) or f"{len(wanted())} .meta files are as they should be")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
