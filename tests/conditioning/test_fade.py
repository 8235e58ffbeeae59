from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helios_world.conditioning import PromptTrack
from helios_world.conditioning.prompt import MAX_PROMPTS
from helios_world.conditioning.steering import mix
from helios_world.errors import PromptError
from helios_world.spec import Chunk, Fade, Frames, PromptWeight, WorldSpec
from helios_world.testing import PatternWorld, check_world
from helios_world.testing.conformance import ConformanceError

FADES: tuple[Fade, ...] = get_args(Fade)
changes = st.lists(st.none() | st.text("abcdefghijklmnop", min_size=1, max_size=1), max_size=60)
blends, fades = st.integers(1, 9), st.sampled_from(FADES)


def shares(track: PromptTrack) -> dict[str, float]:
    return {part.text: part.weight for part in track.weights()}


def walked(blend: int, fade: Fade, prompts: list[str | None]) -> list[PromptTrack]:
    tracks = [PromptTrack.begin("start", blend, fade)]
    for prompt in prompts:
        tracks.append(tracks[-1].next(prompt))
    return tracks


@given(blends, fades, changes)
@settings(deadline=None)
def test_weights_are_shares_of_one_and_bounded_in_number(blend: int, fade: Fade, prompts: list[str | None]) -> None:
    for track in walked(blend, fade, prompts):
        parts = track.weights()
        assert math.fsum(part.weight for part in parts) == pytest.approx(1, abs=1e-12)
        assert all(part.weight > 0 for part in parts[:-1])
        assert parts[-1].text == track.target
        assert parts[-1].weight >= 0
        assert len(shares(track)) == len(parts) <= MAX_PROMPTS


@given(blends, fades, changes)
@settings(deadline=None)
def test_the_target_is_reached_after_blend_chunks(blend: int, fade: Fade, prompts: list[str | None]) -> None:
    *_, reached = walked(blend, fade, [*prompts, "last", *[None] * (blend - 1)])
    assert reached == PromptTrack.begin("last", blend, fade)
    assert reached.weights() == (PromptWeight("last", 1.0),)


@given(blends, fades, changes)
@settings(deadline=None)
def test_a_track_survives_as_data(blend: int, fade: Fade, prompts: list[str | None]) -> None:
    track = walked(blend, fade, prompts)[-1]
    assert PromptTrack.from_dict(json.loads(json.dumps(track.to_dict()))) == track


@given(st.integers(2, 9), fades, changes)
@settings(deadline=None)
def test_a_change_during_a_change_begins_at_the_present_mixture(
    blend: int, fade: Fade, prompts: list[str | None]
) -> None:
    before = walked(blend, fade, prompts)[-1]
    after = before.next("new")
    kept = {text: share for text, share in shares(before).items() if share > 0}
    if len(kept) >= MAX_PROMPTS:
        kept.pop(min(kept, key=kept.__getitem__))
    total = sum(kept.values())
    expected = {text: share / total * (1 - after.share) for text, share in kept.items()}
    found = shares(after)
    assert found.pop("new") == pytest.approx(after.share, abs=1e-12)
    assert found == pytest.approx(expected, abs=1e-12)


@given(blends, changes)
@example(6, ["b", None, "c", None, "b"])
@settings(deadline=None)
def test_a_late_change_begins_with_exactly_what_was(blend: int, prompts: list[str | None]) -> None:
    for track in walked(blend, "late", prompts):
        if blend > 1 and track.progress == 1:
            mixture = {part.text: part.weight for part in track.start}
            assert shares(track) == {**mixture, track.target: mixture.get(track.target, 0.0)}


@pytest.mark.parametrize(
    ("fade", "blend", "expected"),
    [
        ("early", 1, [1, 1, 1]),
        ("late", 1, [1, 1, 1]),
        ("early", 2, [1 / 2, 1, 1]),
        ("late", 2, [0, 1, 1]),
        ("early", 3, [1 / 3, 2 / 3, 1, 1]),
        ("late", 3, [0, 1 / 2, 1, 1]),
        ("late", 5, [0, 1 / 4, 1 / 2, 3 / 4, 1]),
    ],
)
def test_the_shares_of_a_new_prompt(fade: Fade, blend: int, expected: list[float]) -> None:
    tracks = walked(blend, fade, ["new", *[None] * (len(expected) - 1)])[1:]
    assert [shares(track)["new"] for track in tracks] == pytest.approx(expected)


def test_data_without_a_fade_is_early() -> None:
    data = PromptTrack.begin("a", 3).next("b").to_dict()
    del data["fade"]
    assert PromptTrack.from_dict(data) == PromptTrack.begin("a", 3).next("b")


@pytest.mark.parametrize("fade", ["slow", "", None, ["early"]])
def test_no_other_fade_is_known(fade: object) -> None:
    with pytest.raises(PromptError, match=r"the fade is .*'early', 'late'"):
        PromptTrack.from_dict({**PromptTrack.begin("a", 3).to_dict(), "fade": fade})


def test_the_fade_is_part_of_the_spec() -> None:
    spec = PatternWorld().spec
    assert spec.fade == "early"
    late = replace(spec, fade="late")
    assert WorldSpec.from_dict(json.loads(json.dumps(late.to_dict()))) == late
    old = spec.to_dict()
    del old["fade"]
    assert WorldSpec.from_dict(old) == spec


class _Late(PatternWorld):
    """What it says and what it does can be set apart."""

    says: Fade = "late"
    does: Fade = "late"

    @property
    def spec(self) -> WorldSpec:
        return replace(super().spec, fade=self.says)

    def reset(
        self, *, seed: int = 0, prompt: str | None = None, image: Frames | None = None, video: Frames | None = None
    ) -> Chunk:
        chunk = super().reset(seed=seed, prompt=prompt, image=image, video=video)
        assert self._state is not None
        self._state = replace(self._state, track=replace(self._state.track, fade=self.does))
        return chunk


class _SaysLate(_Late):
    does = "early"


class _DoesLate(_Late):
    says = "early"


@pytest.mark.parametrize("blend", [1, 2, 4])
def test_a_late_fade_keeps_the_contract(blend: int) -> None:
    check_world(lambda: _Late(blend=blend))


@pytest.mark.parametrize("kind", [_SaysLate, _DoesLate])
def test_a_fade_that_is_not_the_one_announced_is_found(kind: type[PatternWorld]) -> None:
    with pytest.raises(ConformanceError, match=r"share 0.*of a new prompt in chunk 1"):
        check_world(kind)


def mixture(texts: str, largest: int) -> st.SearchStrategy[tuple[PromptWeight, ...]]:
    """Distinct one-letter texts with shares of 1; the last may have none, as in a late fade."""
    names = st.lists(st.sampled_from(texts), min_size=1, max_size=largest, unique=True)
    return names.flatmap(
        lambda found: st.tuples(*[st.integers(1, 50) for _ in found[1:]], st.integers(0, 50)).map(
            lambda parts: _shared(found, parts) if sum(parts) else (PromptWeight(found[0], 1.0),)
        )
    )


def _shared(texts: list[str], parts: tuple[int, ...]) -> tuple[PromptWeight, ...]:
    return tuple(PromptWeight(text, part / sum(parts)) for text, part in zip(texts, parts, strict=True))


@given(mixture("abcdefghijkl", MAX_PROMPTS), mixture("ABCDEFGHIJKL", MAX_PROMPTS))
@settings(deadline=None)
def test_a_mix_is_a_mixture_with_the_target_last(
    scene: tuple[PromptWeight, ...], phrase: tuple[PromptWeight, ...]
) -> None:
    mixed = mix(scene, phrase, str.__add__)
    assert math.fsum(part.weight for part in mixed) == pytest.approx(1, abs=1e-12)
    assert mixed[-1].text == scene[-1].text + phrase[-1].text
    assert all(part.weight > 0 for part in mixed[:-1])
    assert len({part.text for part in mixed}) == len(mixed) <= MAX_PROMPTS


@given(mixture("abcd", 4), mixture("AB", 2))
@settings(deadline=None)
def test_a_mix_that_fits_is_the_product(scene: tuple[PromptWeight, ...], phrase: tuple[PromptWeight, ...]) -> None:
    expected = {left.text + right.text: left.weight * right.weight for left in scene for right in phrase}
    target = scene[-1].text + phrase[-1].text
    expected = {text: share for text, share in expected.items() if share > 0 or text == target}
    found = {part.text: part.weight for part in mix(scene, phrase, str.__add__)}
    assert found == pytest.approx(expected, abs=1e-12)


def test_equal_texts_of_a_mix_are_one() -> None:
    scene = (PromptWeight("a", 0.25), PromptWeight("b", 0.75))
    assert mix(scene, (PromptWeight("", 0.5), PromptWeight("x", 0.5)), lambda left, right: left) == scene


def test_a_mix_loses_its_smallest_parts_but_never_the_target() -> None:
    scene = tuple(PromptWeight(text, share) for text, share in zip("abcde", (0.1, 0.2, 0.3, 0.39, 0.01), strict=True))
    phrase = (PromptWeight("X", 0.6), PromptWeight("Y", 0.4))
    mixed = mix(scene, phrase, str.__add__)
    assert [part.text for part in mixed] == ["aX", "bX", "bY", "cX", "cY", "dX", "dY", "eY"]
    kept = 0.1 * 0.6 + 0.2 + 0.3 + 0.39 + 0.01 * 0.4
    assert mixed[-1].weight == pytest.approx(0.01 * 0.4 / kept)
