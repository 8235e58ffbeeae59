"""The transformer of an official checkpoint folder, read without a second copy in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from helios_world.model import HeliosTransformer
from helios_world.model.joined import JOINED
from helios_world.model.transformer import KEPT_IN_FLOAT32
from helios_world.official.fingerprint import fingerprint
from helios_world.official.layout import OfficialFolder
from helios_world.official.lora import Change, LoraChoice, changes
from helios_world.official.names import MEMORY_PATCHES, modern_name
from helios_world.official.weights import Stored, check, read, survey

__all__ = ["LoraChoice", "fingerprint", "load_transformer"]


def check_transformer(folder: OfficialFolder, loras: Sequence[LoraChoice] = ()) -> None:
    """Raise what `load_transformer` would for files that are missing or wrong. Reads headers only."""
    shapes = _shapes(_skeleton(folder))
    check(folder.transformer_path, survey(folder.transformer_path, modern_name), shapes)
    changes(loras, shapes)


def load_transformer(
    folder: OfficialFolder,
    device: torch.device | str,
    dtype: torch.dtype,
    *,
    loras: Sequence[LoraChoice] = (),
    merge_on: torch.device | str | None = None,
    initialise_memory: bool = False,
) -> HeliosTransformer:
    """Build the transformer and fill it, one tensor after the other, each in its type and on its device at once.

    All headers are checked before the first tensor is read.

    Args:
        dtype: of the weights, except for those that need float32 and get it.
        loras: adapters to merge into the weights, in float32 and in this order.
        merge_on: the device that merges, if not `device`. Another one rounds otherwise, and a CPU takes minutes.
        initialise_memory: where the files have no embeddings of the history, as those of Wan, make them from the
            one of the noisy latents, as the model's training began.

    Raises:
        CheckpointError: names the file and the key that is wrong or missing.
    """
    model = _skeleton(folder)
    shapes = _shapes(model)
    found = survey(folder.transformer_path, modern_name)
    made = _absent_patches(found, shapes) if initialise_memory else set()
    check(folder.transformer_path, found, {name: shape for name, shape in shapes.items() if name not in made})
    merged = changes(loras, shapes)
    rooms = _Rooms(shapes)
    for name, tensor in _tensors(found, made):
        exact = any(part in KEPT_IN_FLOAT32 for part in name.split("."))
        wanted = torch.float32 if exact else dtype
        whole = _merged(tensor, merged[name], merge_on or device) if name in merged else tensor
        # A copy even where nothing changes: the model must not lie in a file that somebody may write to.
        _put(model, name, rooms.take(name, device, wanted).copy_(whole))
    return model.eval()


def _skeleton(folder: OfficialFolder) -> HeliosTransformer:
    with torch.device("meta"):
        return HeliosTransformer(folder.transformer)


def _shapes(model: nn.Module) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in model.state_dict().items()}


def _absent_patches(found: Mapping[str, Stored], shapes: Mapping[str, torch.Size]) -> set[str]:
    return {name for name in shapes if name.split(".")[0] in MEMORY_PATCHES and name not in found}


def _tensors(found: Mapping[str, Stored], made: set[str]) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in read(found):
        yield name, tensor
        module, _, leaf = name.partition(".")
        if module == "patch_embedding":
            for patch, times in MEMORY_PATCHES.items():
                if f"{patch}.{leaf}" in made:
                    yield f"{patch}.{leaf}", _spread(tensor.float(), times)


def _spread(tensor: Tensor, times: int) -> Tensor:
    """A bias as it is, a convolution as one that takes the mean over `times` as many frames, rows and columns."""
    if tensor.dim() == 1:
        return tensor
    return tensor.repeat(1, 1, times, times, times) / times**3


def _merged(tensor: Tensor, additions: Sequence[Change], device: torch.device | str) -> Tensor:
    total = tensor.to(device, torch.float32)
    for change in additions:
        total = change.added_to(total)
    return total


class _Rooms:
    """Memory for tensors as they come, with places side by side for those that are computed in one product."""

    def __init__(self, shapes: Mapping[str, torch.Size]) -> None:
        self._shapes = shapes
        self._open: dict[str, dict[str, Tensor]] = {}

    def take(self, name: str, device: torch.device | str, dtype: torch.dtype) -> Tensor:
        """An empty tensor for the weight `name`; each is to be taken once."""
        layer = name.split(".")[-2:][0]
        names = [name.replace(f".{layer}.", f".{one}.") for one in JOINED]
        if layer not in JOINED or ".attn1." not in name:
            return torch.empty(self._shapes[name], device=device, dtype=dtype)
        if name not in self._open.setdefault(names[0], {}):
            rows = [self._shapes[one][0] for one in names]
            whole = torch.empty((sum(rows), *self._shapes[name][1:]), device=device, dtype=dtype)
            self._open[names[0]] = dict(zip(names, torch.split(whole, rows), strict=True))
        places = self._open[names[0]]
        place = places.pop(name)
        if not places:
            del self._open[names[0]]
        return place


def _put(model: nn.Module, name: str, tensor: Tensor) -> None:
    owner, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(owner), leaf, nn.Parameter(tensor, requires_grad=False))
