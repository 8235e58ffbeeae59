"""Sessions with the fast forward: what is computed how often, what is kept, and that it is the slow one's result."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from helios_world.dream import DreamWorld
from helios_world.errors import OptionError
from helios_world.model.block import Block
from helios_world.model.joined import JOINED, side_by_side
from helios_world.official.conditions import Conditions
from helios_world.official.dreamer import OfficialDreamer
from helios_world.official.layout import OfficialFolder
from helios_world.official.load import load_transformer
from helios_world.official.timing import SMALL as SCALED_DOWN
from helios_world.official.timing import chunk_ways, compare, make_chunk
from helios_world.offload.predict import KEPT_TEXTS
from helios_world.spec import Frames, World

Make = Callable[..., Path]

SMALL: dict[str, Any] = {
    "height": 64,
    "width": 64,
    "text_tokens": 32,
    "history": (4, 2, 1),
    "latents_per_chunk": 2,
    "untrained": True,
}
KINDS: dict[str, dict[str, Any]] = {
    "base": {"steps": 3, "guidance": 3.0},
    "mid": {"steps": (2, 1, 1), "guidance": 3.0, "zero_init": False},
    "distilled": {"steps": (2, 1, 1), "amplify_first": True},
}
OLD, NEW = "a brick garden at noon", "an ice palace in fog"


def load(folder: Path, kind: str, **options: Any) -> DreamWorld:
    chosen = {"dtype": "float32", **SMALL, **KINDS[kind], **options}
    world = World.load(str(folder), device="cpu", **chosen)
    assert isinstance(world, DreamWorld)
    return world


def dreamer_of(world: DreamWorld) -> OfficialDreamer:
    assert isinstance(world.dreamer, OfficialDreamer)
    return world.dreamer


def walk(world: DreamWorld) -> list[Frames]:
    first = world.reset(seed=1, prompt=OLD)
    return [first.frames, world.step().frames, world.step(None, NEW).frames, world.step(None, OLD).frames]


def slowed(world: DreamWorld) -> DreamWorld:
    """The world with the slow forward in the place of the fast one."""
    dreamer = dreamer_of(world)
    fast, model = dreamer.fast, dreamer.parts.transformer
    # What the slow forward is given is what the fast one embeds.
    fast.embed_history = lambda history: history  # type: ignore
    dreamer.conditions = Conditions(dreamer.parts.encoder, _AsItIs(), keep=True)  # type: ignore[arg-type]

    def velocity(noisy: Tensor, timestep: float, text: Any, past: Any) -> Tensor:
        told = torch.full((len(noisy),), timestep)
        made: Tensor = model(noisy, told, text.tensor.expand(len(noisy), -1, -1), past, dreamer.layout)
        return made

    fast.velocity = velocity  # type: ignore[method-assign]
    return world


class _Told:
    def __init__(self, tensor: Tensor) -> None:
        self.tensor, self.nbytes = tensor, tensor.nbytes


class _AsItIs:
    keep_text = embed_text = _Told


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("offload", ["none", "group"])
def test_sessions_are_those_of_the_slow_forward(make_official: Make, kind: str, offload: str) -> None:
    folder = make_official(kind)
    for fast, slow in zip(walk(load(folder, kind, offload=offload)), walk(slowed(load(folder, kind))), strict=True):
        assert np.abs(fast.astype(int) - slow).max() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_each_part_is_computed_as_seldom_as_it_changes(
    make_official: Make, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = load(make_official(kind), kind)
    dreamer = dreamer_of(world)
    blocks, counts = len(dreamer.parts.transformer.blocks), {"text": 0, "history": 0}
    count(monkeypatch, Block, "text_key_value", counts, "text")
    count(monkeypatch, type(dreamer.parts.transformer), "history_tokens", counts, "history")
    prompts = 2 if dreamer.plan.guidance.scale > 1 else 1
    found = []
    world.reset(seed=1, prompt=OLD)
    for prompt in (None, NEW, None, None, None, OLD):
        world.step(None, prompt)
        found.append((counts["text"] // blocks, counts["history"]))
    # The negative prompt and the first one; three mixtures of a fade; the first mixture of the way back.
    assert [texts - prompts for texts, _ in found] == [0, 1, 2, 3, 3, 4]
    assert [past for _, past in found] == [2, 3, 4, 5, 6, 7]


def count(patch: pytest.MonkeyPatch, owner: type, name: str, counts: dict[str, int], key: str) -> None:
    method = getattr(owner, name)

    def counted(*given: Any) -> Any:
        counts[key] += 1
        return method(*given)

    patch.setattr(owner, name, counted)


def test_texts_are_known_by_their_words(make_official: Make) -> None:
    """Not by where they lie: a new text may lie where an old one was."""
    conditions = dreamer_of(load(make_official("distilled"), "distilled")).conditions
    world = load(make_official("distilled"), "distilled")
    world.reset(seed=1, prompt=OLD)
    mixtures = [world.step(None, prompt).prompt for prompt in (None, NEW, None, None, OLD)]
    texts = [conditions.read([mixture], None)[0] for mixture in mixtures]
    again = [conditions.read([tuple(replace(part) for part in mixture)], None)[0] for mixture in mixtures]
    assert all(one is other for one, other in zip(texts, again, strict=True))
    assert len({id(text) for text in texts}) == len(texts)


def test_kept_texts_are_bounded(make_official: Make) -> None:
    world = load(make_official("distilled"), "distilled", blend=1)
    world.reset(seed=1, prompt=OLD)
    for number in range(KEPT_TEXTS + 8):
        world.step(None, f"scene {number}")
    texts = dreamer_of(world).conditions
    assert len(texts._texts) == KEPT_TEXTS
    assert dreamer_of(world).report()["text_bytes"] == texts.nbytes > 0


@pytest.mark.parametrize("offload", ["none", "group"])
def test_projections_lie_side_by_side(make_official: Make, offload: str) -> None:
    model = dreamer_of(load(make_official("distilled"), "distilled", offload=offload)).parts.transformer
    for block in model.walk_blocks():
        for leaf in ("weight", "bias"):
            parts = [block.get_parameter(f"attn1.{layer}.{leaf}") for layer in JOINED]
            assert side_by_side(parts) is not None
            assert all(isinstance(part, nn.Parameter) for part in parts)


def test_a_loaded_model_has_the_official_names_and_copies_of_its_own(make_official: Make) -> None:
    folder = OfficialFolder.read(make_official("distilled"))
    one, other = (load_transformer(folder, "cpu", torch.float32) for _ in range(2))
    assert list(one.state_dict()) == list(type(one)(one.config).state_dict())
    with torch.no_grad():
        one.get_parameter("blocks.0.attn1.to_k.weight").zero_()
    assert one.get_parameter("blocks.0.attn1.to_q.weight").abs().min() > 0
    assert other.get_parameter("blocks.0.attn1.to_k.weight").abs().max() > 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"attention": "fastest"}, "attention: Input should be 'auto', 'torch'"),
        ({"attention": "cudnn"}, "'cudnn', which needs a GPU; on cpu there is 'torch'"),
        ({"graphs": True}, "graphs is True: only a GPU has them"),
        ({"graphs": "sometimes"}, "graphs"),
        ({"precision": "fp8"}, "compute capability 8.9 or newer; this is cpu"),
        ({"precision": "int4"}, "precision: Input should be 'exact' or 'fp8'"),
    ],
)
def test_choices_that_the_device_does_not_have(make_official: Make, options: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        load(make_official("distilled"), "distilled", **options)


def test_how_a_session_is_computed_can_be_read(make_official: Make) -> None:
    world = load(make_official("distilled"), "distilled", attention="torch", graphs=False)
    assert world.spec.fingerprint == load(make_official("distilled"), "distilled").spec.fingerprint
    walk(world)
    report = json.loads(json.dumps(dreamer_of(world).report()))
    assert report["attention"] == {"every shape": "torch"}
    assert (report["precision"], report["graphs"]) == ("exact", {})


def test_the_timed_ways_compute_the_same() -> None:
    config = replace(SCALED_DOWN, num_attention_heads=2, text_dim=24, ffn_dim=96, num_layers=2)
    ticks = iter(range(1000))
    found = compare(chunk_ways(config, make_chunk(config, 8, 8, 7)), 2, lambda: float(next(ticks)))
    assert found.ratio("diffusers", "ours") == 1.0
    assert max(found.differences.values()) <= 1e-5
    assert [len(times) for times in found.milliseconds.values()] == [2] * 5


def test_a_chunk_takes_less_arithmetic_than_with_diffusers() -> None:
    """Counted, since seconds depend on the machine. Long chunks save a smaller part: see `make_chunk`'s sizes."""
    config = replace(SCALED_DOWN, num_layers=4, num_attention_heads=2, rope_dim=(24, 20, 20), ffn_dim=352)
    work = chunk_ways(config, make_chunk(config, 8, 8, 512))
    counted = {}
    for name in ("diffusers", "ours"):
        with FlopCounterMode(display=False) as counter:
            work[name]()
        counted[name] = counter.get_total_flops()
    assert counted["diffusers"] > 1.5 * counted["ours"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("graphs", [True, "auto"])
def test_sessions_on_a_gpu(make_official: Make, graphs: Any) -> None:
    sessions = []
    for chosen in (False, graphs):
        world = World.load(
            str(make_official("distilled")),
            device="cuda",
            dtype="bfloat16",
            graphs=chosen,
            attention="torch",
            **SMALL,
            **KINDS["distilled"],
        )
        assert isinstance(world, DreamWorld)
        sessions.append(walk(world))
    for frames, other in zip(*sessions, strict=True):
        assert np.abs(frames.astype(int) - other).mean() < 1
