"""A Distilled checkpoint of random weights, made in memory: our transformer and diffusers' share one set of weights."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from helios_runtime.bench_gpu.sizes import Size
from helios_runtime.bench_gpu.tokenizer import make_tokenizer
from helios_world.compute import DTYPES, Compute
from helios_world.conditioning.steering import Steering
from helios_world.dream import DreamWorld
from helios_world.model import HeliosTransformer
from helios_world.model.joined import JOINED, Joined
from helios_world.model.transformer import KEPT_IN_FLOAT32
from helios_world.official.dependencies import borrow
from helios_world.official.dreamer import OfficialDreamer
from helios_world.official.layout import OfficialFolder
from helios_world.official.parts import OfficialParts
from helios_world.official.prompts import PromptEncoder
from helios_world.official.speed import check_speed
from helios_world.official.video_codec import VideoCodec
from helios_world.options import Options
from helios_world.sampling.config import PUBLISHED_PYRAMID

PROMPT = "A narrow street in an old coastal town in the early morning, wet cobblestones under a pale sky."


@dataclass
class Models:
    """The parts of a checkpoint, on the device that computes.

    Args:
        transformer: ours.
        theirs: diffusers' HeliosTransformer3DModel, whose parameters are the same memory.
        vae: diffusers' AutoencoderKLWan in float32, which both use.
        text: transformers' UMT5EncoderModel, which both use.
    """

    size: Size
    compute: Compute
    transformer: HeliosTransformer
    theirs: Any
    vae: Any
    text: Any
    tokenizer: Any

    def world(self, steps: tuple[int, ...], **options: Any) -> DreamWorld:
        """A session that has not begun; `options` as those of World.load.

        Raises:
            OptionError: a choice that this device does not have.
        """
        return DreamWorld(self.dreamer(steps, **options))

    def dreamer(self, steps: tuple[int, ...], **options: Any) -> OfficialDreamer:
        """What the sessions of one choice of options share."""
        chosen = self.options(steps, **options)
        check_speed(chosen, self.compute)
        # A transformer in 8 bits gives its weights up, which the others go on with.
        model = twin(self.transformer) if chosen.precision == "fp8" else self.transformer
        return OfficialDreamer(self.parts(model, self.codec(chosen), self.encoder()), chosen, self.compute)

    def options(self, steps: tuple[int, ...], **options: Any) -> Options:
        size = self.size
        fixed = {"height": size.height, "width": size.width, "text_tokens": size.text_tokens, "amplify_first": False}
        chunk = {"latents_per_chunk": size.layout.chunk, "untrained": True}
        return Options.read({**fixed, **chunk, "steps": steps, **options})

    def codec(self, options: Options) -> VideoCodec:
        """diffusers' own, or a copy where it would be changed."""
        dtype = DTYPES[options.vae_dtype]
        shared = dtype == torch.float32 and not options.vae_channels_last
        codec = VideoCodec(self.vae if shared else copy.deepcopy(self.vae).to(dtype), self.compute.device, dtype)
        codec = codec.channels_last() if options.vae_channels_last else codec
        return codec.compiled() if options.vae_compile else codec

    def encoder(self) -> PromptEncoder:
        """One that remembers nothing yet."""
        return PromptEncoder(
            lambda: self.text,
            self.tokenizer,
            self.size.transformer.text_dim,
            self.compute.device,
            tokens=self.size.text_tokens,
        )

    def parts(self, model: HeliosTransformer, codec: VideoCodec, encoder: PromptEncoder) -> OfficialParts:
        nowhere = Path("random")
        folder = OfficialFolder(
            path=nowhere,
            pipeline="HeliosPyramidPipeline",
            kind="distilled",
            zero_star=False,
            distilled=True,
            scheduler=PUBLISHED_PYRAMID,
            transformer=self.size.transformer,
            spatial=8,
            transformer_path=nowhere,
            vae_path=nowhere,
            text_encoder_path=nowhere,
            tokenizer_path=nowhere,
        )
        return OfficialParts(folder, model, codec, encoder, Steering.default(), digest="random")


def build(size: Size, compute: Compute, seed: int = 0) -> Models:
    """Make the weights, each on its device and in its dtype at once.

    Raises:
        DependencyError: diffusers or transformers is missing.
    """
    device = compute.device
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        # The libraries warn of their own future.
        warnings.simplefilter("ignore")
        text = _text_encoder(size, compute)
        with torch.device(device):
            vae = borrow("diffusers", "AutoencoderKLWan")(**size.vae).eval().requires_grad_(False)
    model = make_transformer(size, compute, seed)
    return Models(size, compute, model, reference_twin(model), vae, text, make_tokenizer())


def twin(model: HeliosTransformer) -> HeliosTransformer:
    """Another module with the same memory; what replaces a parameter of one leaves the other as it is."""
    with torch.device("meta"):
        other = HeliosTransformer(model.config)
    other.load_state_dict(model.state_dict(), assign=True)
    return other.eval().requires_grad_(False)


def reference_twin(model: HeliosTransformer) -> Any:
    """diffusers' transformer, with the memory of ours."""
    build_theirs = borrow("diffusers", "HeliosTransformer3DModel")
    config = model.config.to_dict()
    with torch.device("meta"):
        theirs = build_theirs(**config)
    theirs.load_state_dict(model.state_dict(), assign=True)
    # What is no weight is computed when the module is made, and the same at any depth.
    device = next(model.parameters()).device
    for name, buffer in build_theirs(**{**config, "num_layers": 0}).named_buffers():
        owner, _, leaf = name.rpartition(".")
        theirs.get_submodule(owner).register_buffer(leaf, buffer.to(device), persistent=False)
    return theirs.eval().requires_grad_(False)


def make_transformer(size: Size, compute: Compute, seed: int = 0) -> HeliosTransformer:
    """Ours alone, its weights made on the device."""
    generator = torch.Generator(compute.device).manual_seed(seed)
    with torch.device("meta"):
        model = HeliosTransformer(size.transformer)
    for name, meta in list(model.named_parameters()):
        exact = any(part in KEPT_IN_FLOAT32 for part in name.split("."))
        weight = torch.empty(meta.shape, device=compute.device, dtype=torch.float32 if exact else compute.dtype)
        owner, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(owner), leaf, nn.Parameter(_fill(name, weight, generator), requires_grad=False))
    join(model)
    return model.eval()


def join(model: HeliosTransformer) -> None:
    """Put the weights that one product computes side by side, as a checkpoint that is loaded has them."""
    for block in model.blocks:
        for leaf in ("weight", "bias"):
            whole = Joined([block.get_parameter(f"attn1.{layer}.{leaf}") for layer in JOINED])
            whole.data = whole.data


def _fill(name: str, weight: Tensor, generator: torch.Generator) -> Tensor:
    """Random numbers that keep activations at about unit variance, whatever the width."""
    if weight.ndim == 1:
        weight.normal_(0.0, 0.1, generator=generator)
        return weight + 1 if name.split(".")[-2].startswith("norm") and name.endswith("weight") else weight
    inputs = weight.shape[-1] if "scale_shift_table" in name else prod(weight.shape[1:])
    return weight.normal_(0.0, inputs**-0.5, generator=generator)


def _text_encoder(size: Size, compute: Compute) -> Any:
    config = borrow("transformers", "UMT5Config")(**size.text)
    with torch.device(compute.device):
        module = borrow("transformers", "UMT5EncoderModel")(config)
    return module.to(compute.dtype).eval().requires_grad_(False)
