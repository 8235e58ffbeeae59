"""From recordings to shards, to a world, and to figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from helios_world.checkpoint import load_checkpoint
from helios_world.compute import Compute
from helios_world.data import importing
from helios_world.data.codec import quality
from helios_world.data.export import write_world
from helios_world.data.game import GameFile, LeRobotPart, RecordingsPart
from helios_world.data.gym import gym_table, load_player, open_environment, play_episode, random_player
from helios_world.data.importing import choose_held_out, encode, import_game
from helios_world.data.measure import Player, held_out, measure
from helios_world.data.parts import load_parts
from helios_world.data.recordings import recording_table
from helios_world.data.sources import open_source
from helios_world.data.store import list_episodes, load_episode, store
from helios_world.data.summary import summarise
from helios_world.errors import CheckpointError, DependencyError, FrameError, OptionError, RecordingError
from helios_world.spec import Action, World
from helios_world.train.shards import Shards
from helios_world.train.stages.recipe import read_recipe
from helios_world.train.stages.sources import PRESETS
from helios_world.train.stages.start import train_stage

Games = Callable[..., GameFile]


def test_shards_hold_what_was_played(game: Games, tmp_path: Path) -> None:
    """Latents and actions of each clip, against the environment played again and the codec."""
    out = tmp_path / "shards"
    report = import_game(game(), out)
    assert (report.train, report.held_out, report.chunks, report.broken) == (3, 1, 3 * 13, ())
    codec, words = load_parts(out)
    files, shards = importing.select(game(), out), Shards(out / "train")
    environment = open_environment(game().source.environment)  # type: ignore[union-attr]
    for path, clip in zip(files.train, shards, strict=True):
        episode = load_episode(path)
        player = random_player(environment.action_space, game().table)
        again = play_episode(environment, game().table, player, int(episode.name.split()[1]), hold=1, most=12)
        np.testing.assert_array_equal(episode.frames, again.frames)
        torch.testing.assert_close(clip.latents, codec.encode(torch.from_numpy(again.frames)[None])[0])
        assert clip.actions is not None
        np.testing.assert_array_equal(clip.actions[:, 2:], again.controls)
        np.testing.assert_array_equal(clip.actions[1:, :2], again.controls[:-1])
        torch.testing.assert_close(clip.text, words([""])[0])
        assert quality(codec, episode.frames) > 25
    assert set(files.test).isdisjoint(files.train)
    assert summarise(out)["train"] == {"clips": 3, "latents": 39}


def test_an_import_goes_on_where_it_was_stopped(game: Games, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, whole = tmp_path / "shards", tmp_path / "whole"
    import_game(game(), whole)
    real, played = importing.store, []

    def stopped(folder: Path, number: int, episodes: Any) -> int:
        if number == 2 and len(played) == 2:
            next(iter(episodes))
            raise KeyboardInterrupt
        played.append(number)
        return real(folder, number, episodes)

    monkeypatch.setattr(importing, "store", stopped)
    with pytest.raises(KeyboardInterrupt):
        import_game(game(), out)
    assert summarise(out)["finished"] is False
    played.append(-1)
    import_game(game(), out)
    assert played == [0, 1, -1, 2, 3]
    for name in ("train/shard-00000.safetensors", "train/shards.json", "parts/codec/model.safetensors"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()


def test_a_finished_import_is_left_alone(game: Games, tmp_path: Path) -> None:
    first = import_game(game(), tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert import_game(game(), tmp_path) == first
    changed = [path.name for path in before if path.stat().st_mtime_ns != before[path]]
    assert changed in ([], ["game.json"])


def test_a_folder_with_something_else_is_refused(game: Games, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(OptionError, match="holds no import"):
        import_game(game(), tmp_path / "mine")
    import_game(game(), tmp_path / "shards")
    with pytest.raises(OptionError, match="holds another import"):
        import_game(game(height=48), tmp_path / "shards")


def test_clips_that_are_too_short(game: Games, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="0 are long enough and 4 too short"):
        import_game(game(sections=30), tmp_path)


def test_held_out_recordings_share_nothing_with_the_others() -> None:
    kept = [(Path(f"{n}"), f"walk {n // 3}") for n in range(30)]
    held = choose_held_out(kept, 0.2)
    assert len(held) == 2
    assert choose_held_out(kept[::-1], 0.2) == held
    assert choose_held_out(kept, 0) == set()
    with pytest.raises(OptionError, match="only one recording"):
        choose_held_out(kept[:3], 0.2)


def test_recordings_become_shards_and_broken_ones_are_named(
    record: Callable[..., Path], game: Games, tmp_path: Path
) -> None:
    home = tmp_path / "recordings"
    paths = [record(f"recordings/walk{n}", chunks=7) for n in range(3)]
    paths[1].with_suffix(".jsonl").unlink()
    part = RecordingsPart(path=str(home))
    changes = {"source": part, "table": recording_table(paths[0]), "fps": 24, "frames_per_chunk": 4}
    with pytest.raises(RecordingError, match=r"walk1\.mp4: no log"):
        import_game(game(**changes), tmp_path / "shards")
    report = import_game(game(**changes), tmp_path / "shards", skip_broken=True)
    assert (report.train, report.held_out) == (1, 1)
    assert "walk1.mp4" in report.broken[0]
    shards = Shards(tmp_path / "shards" / "train")
    assert shards.file.prompts == ("", "a green floor")
    assert shards[0].latents.shape == (8, 7, 4, 4)


def test_the_codec_and_the_words_of_another_world(game: Games, tmp_path: Path) -> None:
    import_game(game(parts="nano", frames_per_chunk=4, sections=2), tmp_path / "shards")
    nano = load_checkpoint(PRESETS / "nano", torch.device("cpu"), torch.float32)
    codec, words = load_parts(tmp_path / "shards")
    assert codec.config == nano.codec.config
    torch.testing.assert_close(codec.basis, nano.codec.basis)
    torch.testing.assert_close(words(["a desert"]), nano.text_encoder(["a desert"]))
    with pytest.raises(OptionError, match=r"a latent of .* is 4 frames; a chunk has 6"):
        import_game(game(parts="nano", frames_per_chunk=6, sections=2), tmp_path / "other")


def test_robots_become_shards(robots: Path, game: Games, tmp_path: Path) -> None:
    part = LeRobotPart(path=str(robots))
    table = open_source(part).table()
    changes = {"source": part, "table": table, "fps": 5, "frames_per_chunk": 2, "sections": 2}
    report = import_game(game(**changes), tmp_path / "shards")
    assert (report.train, report.held_out) == (1, 1)
    assert set(Shards(tmp_path / "shards" / "train").file.prompts) == {"", "push the block", "open the box"}


def test_chunks_of_several_latents_share_their_controls(game: Games, tmp_path: Path) -> None:
    import_game(game(frames_per_chunk=8, sections=2), tmp_path)
    codec, _ = load_parts(tmp_path)
    latents, told = encode(codec, load_episode(list_episodes(tmp_path)[0]))
    assert codec.config.temporal == 4
    assert len(told) == latents.shape[1] == 4
    assert (told[::2] == told[1::2]).all()


def test_a_damaged_episode(game: Games, tmp_path: Path) -> None:
    import_game(game(), tmp_path)
    path = list_episodes(tmp_path)[0]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="import again"):
        load_episode(path)


def test_a_recording_without_episodes_is_stored_too(tmp_path: Path) -> None:
    assert store(tmp_path, 0, []) == 0
    assert list_episodes(tmp_path) == []


def test_a_world_is_trained_played_and_measured(game: Games, tmp_path: Path) -> None:
    """The whole way at the smallest scale; that the figures mean something is tested below."""
    out = tmp_path / "shards"
    import_game(game(), out)
    recipe = read_recipe(out / "base.json").model_copy(update={"steps": 2, "batch": 2, "save_every": 2})
    train_stage(recipe, tmp_path / "run", device="cpu")
    write_world(out, tmp_path / "run", tmp_path / "world", sigmas=(1.0, 0.0))
    world = World.load(tmp_path / "world")
    world.reset(seed=1)
    chunk = world.step(Action({"turn_left"}))
    assert chunk.frames.shape == (1, 32, 32, 3)
    assert world.spec.actions.button_names == ("turn_left", "turn_right", "jump")
    world.close()
    clips = [load_episode(path) for path in held_out(out)]
    figures, rollouts = measure(Player(tmp_path / "world", game(), 1), game(), clips, 2, lambda: None)
    assert len(rollouts) == 2
    assert figures.trials > 0
    assert figures.psnr[1] < figures.repeating[1] + 20


class Knowing(Player):
    """Knows the game of the dot: the frames are those of the game under the action."""

    def __init__(self) -> None:
        self.compute = Compute.choose("cpu", "float32", 1)

    def shown(self, frames: Any) -> Any:
        return list(frames)

    def next(self, memory: Any, told: tuple[Action, Action], index: int, prompt: str, seed: int) -> Any:
        shift = 4 * (("turn_right" in told[1].buttons) - ("turn_left" in told[1].buttons))
        frame = np.roll(memory[-1], shift, axis=1)
        return frame[None], frame, None

    def keep(self, memory: Any, latents: Any, request: Any) -> None:
        memory.append(latents)


class Deaf(Knowing):
    """Shows the last frame again whatever is done."""

    def next(self, memory: Any, told: tuple[Action, Action], index: int, prompt: str, seed: int) -> Any:
        return memory[-1][None], memory[-1], None


@pytest.fixture
def players(game: Games, tmp_path: Path) -> Callable[[type[Knowing]], Any]:
    """Figures of a player that needs no training."""

    def figures_of(kind: type[Knowing]) -> Any:
        import_game(game(), tmp_path / "shards")
        clips = [load_episode(path) for path in held_out(tmp_path / "shards")]
        return measure(kind(), game(), clips, 8, lambda: None)[0]

    return figures_of


def test_the_game_itself_is_recognised(players: Callable[[type[Knowing]], Any]) -> None:
    figures = players(Knowing)
    assert figures.control == 1.0
    assert figures.gain > 20
    assert all(value == 60.0 for value in figures.psnr.values())


def test_a_frozen_picture_scores_nothing(players: Callable[[type[Knowing]], Any]) -> None:
    figures = players(Deaf)
    assert figures.control <= 0.5
    assert figures.gain == 0
    assert figures.psnr == figures.repeating


def test_environments_and_players_that_do_not_exist(dot: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError, match="named with it"):
        open_environment("NoSuchGame-v0")
    with pytest.raises(DependencyError, match="missing"):
        open_environment("no_such_package:Game-v0")
    for name in ("no_such_package:play", "helios_world.data.gym:nothing", "helios_world.data.gym:Policy.x", "text"):
        with pytest.raises(OptionError, match=r"not found|no function"):
            load_player(name)


def test_an_environment_that_draws_something_else(dot: str, monkeypatch: pytest.MonkeyPatch, game: Games) -> None:
    environment = open_environment(dot)
    monkeypatch.setattr(environment.unwrapped, "render", lambda: np.zeros((4, 4), np.float32))
    with pytest.raises(FrameError, match=r"float32 \[4, 4\]"):
        play_episode(environment, game().table, lambda *_: 0, 0, hold=1, most=3)


def test_first_tables_cover_their_spaces() -> None:
    from gymnasium import spaces

    rng = np.random.default_rng(0)
    for space in (
        spaces.Discrete(5),
        spaces.Box(np.array([-1.0, 2.0], np.float32), np.array([1.0, 4.0], np.float32)),
        spaces.MultiBinary(3),
        spaces.MultiDiscrete([3, 2]),
    ):
        table = gym_table(space)
        player = random_player(space, table)
        seen = {tuple(table.control_map().vector(table.action(player(None, rng)))) for _ in range(60)}
        assert len(seen) > 4
        assert np.abs(list(seen)).max() <= 1
    with pytest.raises(OptionError, match="tables are for"):
        gym_table(spaces.Text(4))


def test_weights_say_how_often(game: Games) -> None:
    player = random_player(None, game().table)
    drawn = [player(None, np.random.default_rng(seed)) for seed in range(400)]
    shares = [drawn.count(number) / 400 for number in range(4)]
    np.testing.assert_allclose(shares, [0.4, 0.4, 0.2, 0.0], atol=0.08)


def test_wrong_keys_of_game_json_are_named(game: Games, tmp_path: Path) -> None:
    values = json.loads(game().model_dump_json())
    (tmp_path / "game.json").write_text(json.dumps({**values, "height": 30, "colour": 1}))
    with pytest.raises(CheckpointError, match=r"height.*colour|colour.*height"):
        GameFile.read(tmp_path)
