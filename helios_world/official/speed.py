"""The fast twin of a checkpoint's transformer, put together from what was chosen."""

from __future__ import annotations

from helios_world.compute import Compute
from helios_world.errors import OptionError
from helios_world.memory import HistoryLayout
from helios_world.model import HeliosTransformer
from helios_world.model.backends import Attention, choose_attention
from helios_world.model.block import Block
from helios_world.model.fast import FastTransformer
from helios_world.model.fp8 import check_fp8, fp8_products, multiply_on_gpu
from helios_world.model.products import Products
from helios_world.model.replays import CudaRecord, EachTime, Replays, Runner, WhereItPays
from helios_world.options import Options


def check_speed(options: Options, compute: Compute) -> None:
    """OptionError for a choice that the device does not have. Needs no weights."""
    choose_attention(options.attention, compute.device)
    if options.precision == "fp8":
        check_fp8(compute.device, compute.dtype)
        if options.offload != "none":
            raise OptionError("precision is 'fp8', which keeps its weights on the device; use offload='none'")
    if options.graphs is True and (compute.device.type != "cuda" or options.offload != "none"):
        raise OptionError(
            f"graphs is True: only a GPU has them, with all weights on it; this is {compute.device} with"
            f" offload={options.offload!r}"
        )


def make_fast(
    model: HeliosTransformer, layout: HistoryLayout, options: Options, compute: Compute
) -> tuple[FastTransformer, Attention]:
    """The transformer as it was chosen to be computed, and the attention that it computes with.

    With precision "fp8" the model gives up the weights that are rounded.
    """
    attention = choose_attention(options.attention, compute.device)
    fast = FastTransformer(
        model, layout, attention=attention, products=_products(model, options), runner=_runner(options, compute)
    )
    return fast, attention


def _products(model: HeliosTransformer, options: Options) -> list[Products] | None:
    if options.precision == "exact":
        return None
    return fp8_products([block for block in model.blocks if isinstance(block, Block)], multiply_on_gpu)


def _runner(options: Options, compute: Compute) -> Runner:
    if options.graphs is False or compute.device.type != "cuda" or options.offload != "none":
        return EachTime()
    replays = Replays(CudaRecord())
    return replays if options.graphs is True else WhereItPays(replays)
