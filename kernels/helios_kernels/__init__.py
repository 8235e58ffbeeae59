"""Operations that the model is built from, each in a file of its own, written in plain torch.

They are functions from tensors to tensors, run on any device, and are differentiable. A faster version of one
of them has to equal it.
"""

from helios_kernels.gated_residual import gated_residual
from helios_kernels.modulated_norm import modulated_layer_norm
from helios_kernels.rms_norm import rms_norm
from helios_kernels.rotary import rotary

__all__ = ["gated_residual", "modulated_layer_norm", "rms_norm", "rotary"]
