"""The operations as Triton kernels: for GPUs, and under TRITON_INTERPRET=1 for tensors on the CPU, slowly.

Imported at the first call that needs it. Every kernel is a torch operator of its own (`torch.ops.helios_kernels`), so
that torch.compile and CUDA graphs take it as it is. Sums over tokens have a fixed order: equal inputs give equal bits.

Shapes: B batch, N tokens, R rows of conditions, D width, H heads, E channels per head.
"""

from helios_kernels.triton_ops.affine_norm import layer_norm, modulated_layer_norm
from helios_kernels.triton_ops.gated_residual import gated_residual
from helios_kernels.triton_ops.gated_residual_norm import gated_residual_layer_norm, gated_residual_norm
from helios_kernels.triton_ops.qk_norm_rotary import qk_norm_rotary
from helios_kernels.triton_ops.rms_norm import rms_norm
from helios_kernels.triton_ops.rotary import rotary

__all__ = [
    "gated_residual",
    "gated_residual_layer_norm",
    "gated_residual_norm",
    "layer_norm",
    "modulated_layer_norm",
    "qk_norm_rotary",
    "rms_norm",
    "rotary",
]
