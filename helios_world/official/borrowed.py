"""Reading parts of a checkpoint whose classes are another library's.

Those libraries warn about weights that are missing or left over and go on; here they are errors. The classes are
built without memory and filled tensor by tensor, so that no second copy of the weights is ever held.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from helios_world.errors import CheckpointError
from helios_world.official import weights
from helios_world.official.settings import read_object

Build = Callable[[], nn.Module]


@dataclass(frozen=True)
class StoredModule:
    """A module's files, checked against its class; nothing but their headers has been read.

    Args:
        build: makes the module; its weights are replaced.
        names: all names of every tensor, by the first of them. There are several where a module uses one twice.
        sources: where every tensor is stored.
    """

    build: Build
    names: Mapping[str, tuple[str, ...]]
    sources: Mapping[str, weights.Stored]

    @classmethod
    def find(cls, folder: Path, stem: str, build: Build) -> StoredModule:
        """Look for `stem`.safetensors, or the shards that `stem`.safetensors.index.json lists.

        Raises:
            CheckpointError: names the file and the key that is missing, left over or of the wrong shape.
        """
        try:
            skeleton = _skeleton(build)
        # The classes check little, so that a wrong setting ends in any kind of error.
        except Exception as error:
            raise CheckpointError(f"{str(folder / 'config.json')!r} is not valid: {error}") from error
        names, shapes = _groups(skeleton)
        sources = _survey(_files(folder, stem), names)
        weights.check(folder, sources, shapes)
        return cls(build, names, sources)

    def read(self, device: torch.device | str, dtype: torch.dtype) -> nn.Module:
        """The module with its weights, ready to compute.

        Raises:
            CheckpointError: a file cannot be read any more.
        """
        module = _skeleton(self.build)
        for first, tensor in weights.read(self.sources):
            # Copied, because what was read is valid until the next tensor only.
            parameter = nn.Parameter(tensor.to(device, dtype, copy=True), requires_grad=False)
            for name in self.names[first]:
                owner, _, leaf = name.rpartition(".")
                module.get_submodule(owner).register_parameter(leaf, parameter)
        return module.eval()


def _skeleton(build: Build) -> nn.Module:
    with torch.device("meta"):
        return build()


def _groups(module: nn.Module) -> tuple[dict[str, tuple[str, ...]], dict[str, torch.Size]]:
    together: dict[Tensor, list[str]] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        together.setdefault(parameter, []).append(name)
    names = {group[0]: tuple(group) for group in together.values()}
    return names, {group[0]: parameter.shape for parameter, group in together.items()}


def _survey(files: list[Path], names: Mapping[str, tuple[str, ...]]) -> dict[str, weights.Stored]:
    """As `weights.survey`; a tensor that is stored under several of its names counts once."""
    first = {name: group[0] for group in names.values() for name in group}
    found: dict[str, weights.Stored] = {}
    for file in files:
        for stored in weights.header(file):
            name = first.get(stored.key, stored.key)
            if name not in found or stored.key == name:
                found[name] = stored
    return found


def _files(folder: Path, stem: str) -> list[Path]:
    index, single = folder / f"{stem}.safetensors.index.json", folder / f"{stem}.safetensors"
    if not index.is_file():
        if not single.is_file():
            raise CheckpointError(f"{str(folder)!r} has neither {single.name} nor {index.name}")
        return [single]
    places = read_object(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise CheckpointError(
            f"{str(index)!r}: weight_map is {str(places)[:80]}; it has to say which file has which key"
        )
    for key, name in places.items():
        if not isinstance(name, str) or Path(name).name != name or not (folder / name).is_file():
            raise CheckpointError(f"{str(index)!r}: {key!r} is in {name!r}, which is no file of this folder")
    return [folder / name for name in sorted(set(places.values()))]
