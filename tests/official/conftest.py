"""Complete tiny checkpoint folders with random weights, written by diffusers and transformers themselves.

The folders are shared by all tests of a run: whoever wants to change one copies it first.
"""

from __future__ import annotations

import inspect
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from helios_world.memory import HistoryLayout, HistoryViews
from helios_world.model import HeliosTransformer

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    diffusers: Any = pytest.importorskip("diffusers")
    transformers: Any = pytest.importorskip("transformers")
    tokenizers: Any = pytest.importorskip("tokenizers")

diffusers.utils.logging.set_verbosity_error()
diffusers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

Make = Callable[..., Path]

LAYOUT = HistoryLayout(16, 2, 1, chunk=2)

TRANSFORMER: dict[str, Any] = {
    "patch_size": (1, 2, 2),
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "in_channels": 4,
    "out_channels": 4,
    "text_dim": 16,
    "freq_dim": 16,
    "ffn_dim": 32,
    "num_layers": 2,
    "rope_dim": (4, 4, 4),
}
UNIPC = {"scheduler_type": "unipc", "use_dynamic_shifting": True, "time_shift_type": "exponential"}
PYRAMID = {"stages": 3, "stage_range": [0, 1 / 3, 2 / 3, 1]}
KINDS: dict[str, tuple[str, dict[str, bool], str, dict[str, Any]]] = {
    "base": ("HeliosPipeline", {}, "HeliosScheduler", {**UNIPC, "stages": 1, "stage_range": [0, 1]}),
    "mid": (
        "HeliosPyramidPipeline",
        {"is_cfg_zero_star": True, "is_distilled": False},
        "HeliosScheduler",
        {**UNIPC, **PYRAMID},
    ),
    "distilled": (
        "HeliosPyramidPipeline",
        {"is_cfg_zero_star": False, "is_distilled": True},
        "HeliosDMDScheduler",
        {**PYRAMID, "use_dynamic_shifting": True, "time_shift_type": "linear"},
    ),
}
"""Of each kind: the pipeline's class and settings, the scheduler's class and settings."""
CORPUS = [
    "a brick garden at noon with a fountain and two benches under a blue sky",
    "an ice palace in fog, the camera moves forward slowly through the hall",
    "a person walks along the beach at sunset; the camera turns to the left",
    "the camera pans right over a city in the rain, neon lights on wet streets",
    "Eine Straße im Schnee. 雨の街。 Été à la mer — 12 bateaux!",
]


def make_tokenizer() -> Any:
    """A unigram model of a few hundred pieces in the layout of T5: <pad> 0, </s> 1, <unk> 2."""
    raw = tokenizers.Tokenizer(tokenizers.models.Unigram())
    raw.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    trainer = tokenizers.trainers.UnigramTrainer(
        vocab_size=200, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    raw.train_from_iterator(CORPUS * 4, trainer)
    # The trainer numbers the pieces differently in every run; near-equal scores prefer few, long pieces.
    pieces = sorted(set(raw.get_vocab()) - set(special))
    vocab = [*((piece, 0.0) for piece in special), *((piece, -2.0 - n / 100) for n, piece in enumerate(pieces))]
    if int(transformers.__version__.split(".")[0]) >= 5:
        return transformers.T5Tokenizer(vocab=vocab, extra_ids=4)
    model = tokenizers.Tokenizer(tokenizers.models.Unigram(vocab, unk_id=2))
    model.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    model.post_processor = tokenizers.processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return transformers.T5TokenizerFast(tokenizer_object=model, extra_ids=0)


def make_text_encoder(text_dim: int, vocab: int) -> Any:
    config = transformers.UMT5Config(
        vocab_size=vocab,
        d_model=text_dim,
        d_kv=8,
        d_ff=24,
        num_layers=2,
        num_heads=2,
        relative_attention_num_buckets=8,
        relative_attention_max_distance=16,
        feed_forward_proj="gated-gelu",
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
    )
    model = transformers.UMT5EncoderModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.3)
    return model


def make_vae(channels: int) -> Any:
    mean = [0.1 * (index - 1) for index in range(channels)]
    std = [0.5 + 0.25 * index for index in range(channels)]
    return diffusers.AutoencoderKLWan(
        base_dim=4,
        z_dim=channels,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=mean,
        latents_std=std,
    ).eval()


def make_transformer(config: dict[str, Any]) -> Any:
    model = diffusers.HeliosTransformer3DModel(**config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    return model


def write_official(
    folder: Path,
    kind: str,
    *,
    seed: int = 0,
    max_shard_size: int | str = "10GB",
    dtype: torch.dtype = torch.float32,
    **changes: Any,
) -> Path:
    """Write a checkpoint folder of `kind`: "base", "mid" or "distilled".

    Args:
        seed: of the random weights.
        max_shard_size: of a file of the transformer's weights, in bytes or as "20KB".
        dtype: that the transformer's weights are stored in.
        changes: settings of the transformer, the scheduler or the pipeline, whichever has one of that name.
    """
    pipeline, flags, scheduler, settings = KINDS[kind]
    build, schedule = getattr(diffusers, pipeline), getattr(diffusers, scheduler)
    parts = {
        place: {name: changes.pop(name) for name in list(changes) if name in inspect.signature(owner).parameters}
        for place, owner in (
            ("transformer", diffusers.HeliosTransformer3DModel.__init__),
            ("scheduler", schedule.__init__),
            ("pipeline", build.__init__),
        )
    }
    assert not changes, f"{kind} has no settings {sorted(changes)}"
    torch.manual_seed(seed)
    config = {**TRANSFORMER, **parts["transformer"]}
    tokenizer = make_tokenizer()
    whole = build(
        tokenizer=tokenizer,
        text_encoder=make_text_encoder(config["text_dim"], len(tokenizer)),
        vae=make_vae(config["in_channels"]),
        scheduler=schedule(**{**settings, **parts["scheduler"]}),
        transformer=make_transformer(config),
        **{**flags, **parts["pipeline"]},
    )
    whole.save_pretrained(folder)
    if dtype != torch.float32 or max_shard_size != "10GB":
        shutil.rmtree(folder / "transformer")
        whole.transformer.to(dtype).save_pretrained(folder / "transformer", max_shard_size=max_shard_size)
    return folder


@pytest.fixture(scope="session")
def make_official(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """`write_official(kind="base", **changes)`, each folder written once."""
    written: dict[str, Path] = {}

    def make(kind: str = "base", **changes: Any) -> Path:
        key = f"{kind} {sorted(changes.items())}"
        if key not in written:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                written[key] = write_official(tmp_path_factory.mktemp("official"), kind, **changes)
        return written[key]

    return make


@pytest.fixture(scope="session")
def open_reference() -> Callable[[Path], Any]:
    """The pipeline that diffusers makes of a folder: float32, on the CPU, without progress bars."""

    def open_it(path: Path) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pipeline = diffusers.DiffusionPipeline.from_pretrained(path, torch_dtype=torch.float32)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    return open_it


@pytest.fixture
def copy_official(make_official: Make, tmp_path: Path) -> Make:
    """As `make_official`, but a copy of the test's own that it may change."""

    def copy(kind: str = "base", **changes: Any) -> Path:
        target = tmp_path / f"copy-{len(list(tmp_path.iterdir()))}"
        shutil.copytree(make_official(kind, **changes), target)
        return target

    return copy


@pytest.fixture(scope="session")
def difference() -> Callable[..., float]:
    """The largest difference of the velocities of our transformer and diffusers', over random latents.

    Arguments: the two, the latent height and width, and by keyword `shrink`, how much smaller the noisy latents are,
    `tokens` of the text, and the `layout` of the history.
    """

    @torch.no_grad()
    def differ(
        ours: HeliosTransformer,
        theirs: Any,
        size: tuple[int, int],
        *,
        shrink: int = 1,
        tokens: int = 5,
        layout: HistoryLayout = LAYOUT,
    ) -> float:
        torch.manual_seed(3)
        height, width = size
        channels = ours.config.in_channels
        noisy = torch.randn(2, channels, layout.chunk, height // shrink, width // shrink)
        text, timestep = torch.randn(2, tokens, ours.config.text_dim), torch.tensor([998, 385])
        lengths = (1, layout.long, layout.mid, layout.short)
        history = HistoryViews(*(torch.randn(2, channels, length, height, width) for length in lengths))
        rows = {
            name: torch.tensor(indices).expand(2, -1)
            for name, indices in (
                ("indices_hidden_states", layout.noisy_indices),
                ("indices_latents_history_short", layout.short_indices),
                ("indices_latents_history_mid", layout.mid_indices),
                ("indices_latents_history_long", layout.long_indices),
            )
        }
        (expected,) = theirs(
            noisy,
            timestep,
            text,
            **rows,
            latents_history_short=torch.cat((history.anchor, history.short), dim=2),
            latents_history_mid=history.mid,
            latents_history_long=history.long,
            return_dict=False,
        )
        # A comparison of zeros would show nothing.
        assert expected.std() > 0.1
        return float((ours(noisy, timestep, text, history, layout) - expected).abs().max())

    return differ


@pytest.fixture(scope="session")
def open_transformer() -> Callable[..., Any]:
    """diffusers' transformer of a folder that has its config.json, in float32."""

    def open_it(path: Path) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return diffusers.HeliosTransformer3DModel.from_pretrained(path, torch_dtype=torch.float32).eval()

    return open_it
