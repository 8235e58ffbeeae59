"""The operations, each a plain function that runs the implementation chosen.

Shapes: B batch, N tokens, R rows of conditions, D width, H heads, E channels per head (E even).

Conditions (scale, shift, gate) are float32 [B or 1, R, D]. With `ends` None row r holds for the tokens r·N/R …
(r+1)·N/R - 1; otherwise for those before ends[r] and not before ends[r-1], and a single row holds for all. They raise
ValueError where sizes do not go together. Tokens may be strided, such as slices of a wider projection.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from helios_kernels.choice import implementation
from helios_kernels.segments import Ends, check_segments


def modulated_layer_norm(x: Tensor, scale: Tensor, shift: Tensor, eps: float, ends: Ends = None) -> Tensor:
    """layer_norm(x) · (1 + scale) + shift over the last axis, in float32, returned in the dtype of x.

    Args:
        x: [B, N, D].
        scale, shift: conditions, with as many rows each.
        eps: added to the variance.
        ends: where the segments end.
    """
    check_segments(x.shape[1], ends, scale, shift)
    return implementation(x).modulated_layer_norm(x, scale, shift, eps, ends)


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """layer_norm(x) · weight + bias over the last axis, in float32, returned in the dtype of x.

    Args:
        x: [..., D].
        weight, bias: [D].
        eps: added to the variance.
    """
    return implementation(x).layer_norm(x, weight, bias, eps)


def gated_residual(x: Tensor, update: Tensor, gate: Tensor, ends: Ends = None) -> Tensor:
    """x + update · gate, in float32, returned in the dtype of x.

    Args:
        x: [B, N, D], the residual stream.
        update: [B, N, D].
        gate: a condition.
        ends: where the segments end.
    """
    check_segments(x.shape[1], ends, gate)
    _check_update(x, update, gate)
    return implementation(x).gated_residual(x, update, gate, ends)


def gated_residual_norm(
    x: Tensor, update: Tensor, gate: Tensor | None, scale: Tensor, shift: Tensor, eps: float, ends: Ends = None
) -> tuple[Tensor, Tensor]:
    """`gated_residual` and `modulated_layer_norm` of its result, in one pass: both, in the dtype of x.

    Args:
        x: [B, N, D].
        update: [B, N, D]; with a gate of None also [B, n, D], for the last n tokens, and the others stay.
        gate: a condition, or None to add the update as it is.
        scale, shift: conditions, with as many rows each.
        eps: added to the variance.
        ends: where the segments of gate, scale and shift end.
    """
    check_segments(x.shape[1], ends, scale, shift, *(() if gate is None else (gate,)))
    _check_update(x, update, gate)
    return implementation(x).gated_residual_norm(x, update, gate, scale, shift, eps, ends)


def gated_residual_layer_norm(
    x: Tensor, update: Tensor, gate: Tensor | None, weight: Tensor, bias: Tensor, eps: float, ends: Ends = None
) -> tuple[Tensor, Tensor]:
    """`gated_residual` and `layer_norm` of its result, in one pass: both, in the dtype of x.

    Args:
        x, update, gate, ends: as in `gated_residual_norm`.
        weight, bias: [D].
        eps: added to the variance.
    """
    check_segments(x.shape[1], ends, *(() if gate is None else (gate,)))
    _check_update(x, update, gate)
    return implementation(x).gated_residual_layer_norm(x, update, gate, weight, bias, eps, ends)


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """x / sqrt(mean(x²) + eps) · weight over the last axis, returned in the dtype of x.

    Args:
        x: [..., D].
        weight: [D], rounded to the dtype of x.
        eps: added to the mean square.
    """
    return implementation(x).rms_norm(x, weight, eps)


def rotary(x: Tensor, rotation: Tensor) -> Tensor:
    """Multiply each pair of neighbouring channels, read as a complex number, by its entry of `rotation`.

    Computed in float32 and returned in the dtype of x. The entries need not be of modulus 1: those of pooled
    positions are shorter. `rotation` is a table and gets no gradient.

    Args:
        x: [B, N, H, E].
        rotation: complex64 [N, E/2], the same for every head.
    """
    _check_rotation(x, rotation)
    return implementation(x).rotary(x, rotation)


def qk_norm_rotary(
    query: Tensor, key: Tensor, query_weight: Tensor, key_weight: Tensor, rotation: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """`rms_norm` over the full width and `rotary` of queries and keys, in one pass: each [B, N, H, E], contiguous.

    Args:
        query, key: [B, N, D], such as slices of one projection.
        query_weight, key_weight: [D], rounded to the dtype of query and key.
        rotation: complex64 [N, E/2]; it says what a head is, H = D / E.
        eps: added to the mean square.
    """
    _check_rotation(query, rotation)
    if key.shape != query.shape or query.shape[-1] % (2 * rotation.shape[-1]):
        sizes = f"{list(query.shape)} and {list(key.shape)}, heads of {2 * rotation.shape[-1]} channels"
        raise ValueError(f"queries and keys are {sizes}; they have to be alike, and of whole heads")
    return implementation(query).qk_norm_rotary(query, key, query_weight, key_weight, rotation, eps)


def _check_update(x: Tensor, update: Tensor, gate: Tensor | None) -> None:
    shorter = gate is None and update.shape[1] <= x.shape[1]
    wanted = (x.shape[0], update.shape[1] if shorter else x.shape[1], x.shape[2])
    if update.shape != wanted:
        raise ValueError(f"the update is {list(update.shape)}; for tokens {list(x.shape)} it is {list(wanted)}")


def _check_rotation(x: Tensor, rotation: Tensor) -> None:
    if len(rotation) != x.shape[1]:
        raise ValueError(f"rotations of {len(rotation)} positions for {x.shape[1]} tokens")


class Operations(Protocol):
    """What an implementation has: the functions above, without their checks."""

    def modulated_layer_norm(self, x: Tensor, scale: Tensor, shift: Tensor, eps: float, ends: Ends) -> Tensor: ...
    def layer_norm(self, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor: ...
    def gated_residual(self, x: Tensor, update: Tensor, gate: Tensor, ends: Ends) -> Tensor: ...
    def gated_residual_norm(
        self, x: Tensor, update: Tensor, gate: Tensor | None, scale: Tensor, shift: Tensor, eps: float, ends: Ends
    ) -> tuple[Tensor, Tensor]: ...
    def gated_residual_layer_norm(
        self, x: Tensor, update: Tensor, gate: Tensor | None, weight: Tensor, bias: Tensor, eps: float, ends: Ends
    ) -> tuple[Tensor, Tensor]: ...
    def rms_norm(self, x: Tensor, weight: Tensor, eps: float) -> Tensor: ...
    def rotary(self, x: Tensor, rotation: Tensor) -> Tensor: ...
    def qk_norm_rotary(
        self, query: Tensor, key: Tensor, query_weight: Tensor, key_weight: Tensor, rotation: Tensor, eps: float
    ) -> tuple[Tensor, Tensor]: ...
