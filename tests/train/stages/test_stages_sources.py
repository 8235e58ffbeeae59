"""Clips from shards and from the lands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from helios_world.errors import CheckpointError
from helios_world.train.shards import Shards, write_shards
from helios_world.train.stages.clips import Clip, Shuffled
from helios_world.train.stages.dice import Rows
from helios_world.train.stages.parts import LandsPart
from helios_world.train.stages.sources import open_source

TEXTS = {"": torch.zeros(3, 8), "red": torch.ones(3, 8), "blue": torch.full((3, 8), 2.0)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    clips = [
        (torch.full((4, 6, 8, 8), float(n)), torch.full((6, 3), float(n)), "red" if n else "blue") for n in range(5)
    ]
    write_shards(tmp_path, clips, TEXTS, codec="none", per_shard=2)
    return tmp_path


def test_shards_are_what_was_written(folder: Path) -> None:
    shards = Shards(folder)
    assert len(shards) == 5
    assert len(list(folder.glob("shard-*.safetensors"))) == 3
    for number, clip in enumerate(shards):
        assert isinstance(clip, Clip)
        assert clip.latents.shape == (4, 6, 8, 8)
        assert float(clip.latents.mean()) == number
        assert clip.actions is not None
        assert float(clip.actions.mean()) == number
        assert float(clip.text.mean()) == (1 if number else 2)
    assert not shards.empty_text.any()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": 2}, "format"),
        ({"colour": 1}, "colour"),
        ({"prompts": ["", "red"]}, "prompts"),
        ({"width": 9}, "clip 0"),
    ],
)
def test_damaged_shards_are_named(change: dict[str, object], told: str, folder: Path) -> None:
    index = json.loads((folder / "shards.json").read_text())
    (folder / "shards.json").write_text(json.dumps(index | change))
    with pytest.raises(CheckpointError, match=told):
        Shards(folder)[0]


def test_shards_that_are_not_there(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(CheckpointError, match="no folder of shards"):
        Shards(tmp_path / "none")
    (folder / "shard-00000.safetensors").unlink()
    with pytest.raises(CheckpointError, match="lacks clip 0"):
        Shards(folder)[0]
    with pytest.raises(ValueError, match="empty prompt"):
        write_shards(tmp_path / "other", [], {"red": torch.zeros(3, 8)})


def test_every_clip_has_its_turn_and_cuts_begin_at_chunks(folder: Path) -> None:
    source = Shuffled(Shards(folder), torch.zeros(3, 8), frames=2, seed=0, every=2)
    seen = sorted(float(row.mean()) for row in source.next(Rows(5, 0, 5)).latents)
    assert seen == [0, 1, 2, 3, 4]
    ramp = Clip(torch.arange(6.0).view(1, 6, 1, 1), torch.zeros(1, 1))
    begins = {
        int(row[0, 0, 0, 0])
        for row in Shuffled([ramp], ramp.text, frames=2, seed=0, every=2).next(Rows(30, 0, 30)).latents
    }
    assert begins == {0, 2, 4}
    with pytest.raises(ValueError, match="9 are needed"):
        Shuffled([ramp], ramp.text, frames=9, seed=0).next(Rows(1, 0, 1))


def test_walks_in_the_lands(recipe: Callable[..., object]) -> None:
    part = {"layout": {"chunk": 1}, "source": LandsPart(kind="lands", sections=3).model_dump()}
    sources = [open_source(recipe("base", **part), torch.device("cpu")) for _ in range(2)]  # type: ignore[arg-type]
    first, second = (sources[0].next(Rows(2, 0, 2)) for _ in range(2))
    assert first.latents.shape == (2, 24, 3, 8, 16)
    assert first.text.shape[1:] == sources[0].empty_text.shape
    assert first.actions is not None
    assert torch.equal(first.actions[:, 1:, :3], first.actions[:, :-1, 3:]), "the controls before are those of before"
    assert 0.3 < float(first.latents.std()) < 3
    sources[1].load_state_dict({"position": 1})
    again = [sources[1].next(Rows.of(2, 1, 2))]
    assert torch.equal(again[0].latents[0], second.latents[1])
