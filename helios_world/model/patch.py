"""Latents to tokens and back.

Shapes: B batch, C channels, F frames, h w height and width, N tokens, D width.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class PatchEmbedding(nn.Conv3d):
    """A convolution whose kernel equals its stride, computed as one matrix product.

    That is the same sum in another order, and much faster in float32 on a CPU.
    """

    def __init__(self, channels: int, width: int, patch: tuple[int, int, int]) -> None:
        super().__init__(channels, width, kernel_size=patch, stride=patch)
        self.patch = patch

    def forward(self, latents: Tensor) -> Tensor:
        """[B, C, F, h, w] to [B, N, D], frame by frame and row by row.

        Raises:
            ValueError: F, h or w is no multiple of the patch.
        """
        size = latents.shape[2:]
        if any(length % step for length, step in zip(size, self.patch, strict=True)):
            raise ValueError(f"latents of {list(size)} frames, rows, columns; the patch is {self.patch}")
        (t, y, x), (frames, height, width) = self.patch, size
        grid = latents.reshape(*latents.shape[:2], frames // t, t, height // y, y, width // x, x)
        tokens = grid.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(4).flatten(1, 3)
        return functional.linear(tokens.to(self.weight.dtype), self.weight.flatten(1), self.bias)


class HistoryPatchEmbedding(PatchEmbedding):
    """A patch embedding for any size: the last frame, row and column are repeated to fill the patches."""

    def forward(self, latents: Tensor) -> Tensor:
        pads = [-length % step for length, step in zip(latents.shape[2:], self.patch, strict=True)]
        if any(pads):
            latents = functional.pad(latents, (0, pads[2], 0, pads[1], 0, pads[0]), mode="replicate")
        return super().forward(latents)


def token_grid(latents: Tensor, patch: tuple[int, int, int]) -> tuple[int, int, int]:
    """Tokens of latents [B, C, F, h, w] along frames, rows and columns."""
    (frames, height, width), (t, y, x) = latents.shape[2:], patch
    return frames // t, height // y, width // x


def unpatchify(tokens: Tensor, grid: tuple[int, int, int], patch: tuple[int, int, int]) -> Tensor:
    """Tokens [B, N, t·y·x·C] on a grid of N tokens to latents [B, C, F, h, w]."""
    values = tokens.reshape(tokens.shape[0], *grid, *patch, -1)
    return values.permute(0, 7, 1, 4, 2, 5, 3, 6).flatten(6, 7).flatten(4, 5).flatten(2, 3)
