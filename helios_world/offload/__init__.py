"""Computing with less device memory than the weights need: they live on the host and visit the device in groups.

Also how much memory that takes, predicted and measured.
"""

from helios_world.offload.blocks import BlockOffloader
from helios_world.offload.leaves import LeafOffloader
from helios_world.offload.measure import Usage, live_bytes
from helios_world.offload.predict import Mode, Plan, Prediction, predict_peak
from helios_world.offload.sizes import CodecSize, TextSize, TransformerBytes, Weights

__all__ = [
    "BlockOffloader",
    "CodecSize",
    "LeafOffloader",
    "Mode",
    "Plan",
    "Prediction",
    "TextSize",
    "TransformerBytes",
    "Usage",
    "Weights",
    "live_bytes",
    "predict_peak",
]
