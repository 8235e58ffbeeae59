"""Operations that the model is built from: functions from tensors to tensors, differentiable, on any device.

Each exists twice: in plain torch (`reference`), which says what it computes, and as a Triton kernel (`triton_ops`),
which reads and writes every byte once. `choice` says which of them a call runs.
"""

from helios_kernels.choice import Choice, chosen, use, using
from helios_kernels.operations import (
    gated_residual,
    gated_residual_layer_norm,
    gated_residual_norm,
    layer_norm,
    modulated_layer_norm,
    qk_norm_rotary,
    rms_norm,
    rotary,
)

__all__ = [
    "Choice",
    "chosen",
    "gated_residual",
    "gated_residual_layer_norm",
    "gated_residual_norm",
    "layer_norm",
    "modulated_layer_norm",
    "qk_norm_rotary",
    "rms_norm",
    "rotary",
    "use",
    "using",
]
