from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from helios_world.errors import OptionError, RecordingError
from helios_world.evaluate.heliosbench import bench, metrics, scores

SCORERS = """
def bright(frames, prompt):
    return float(frames.mean()) / 255

def length(frames, prompt):
    return len(prompt) / 100
"""


@pytest.fixture
def plugged(tmp_path):
    file = tmp_path / "scorers.py"
    file.write_text(SCORERS)
    names = dict.fromkeys(scores.METRICS, "bright") | {scores.SEMANTIC: "length"}
    return [f"{name}={file}:{function}" for name, function in names.items()]


@pytest.fixture
def videos(tmp_path):
    """One short video that stays as bright as it is, one long one that grows darker, and one that is not there."""
    table = tmp_path / "prompts.csv"
    table.write_text('id,prompt,duration\ns1,"a house, at noon",120\nl1,a road,240\nl2,a lake,1440\n')
    for name, shades in (("s1", [204] * 10), ("l1", np.linspace(255, 0, 40).astype(int))):
        folder = tmp_path / "videos" / name
        folder.mkdir(parents=True)
        for number, shade in enumerate(shades):
            Image.new("RGB", (8, 6), (int(shade),) * 3).save(folder / f"{number:04d}.png")
    return table, tmp_path / "videos"


def test_every_metric_is_run_where_it_is_plugged_in(videos, plugged, tmp_path):
    result = bench.run(*videos, plugged, 20.0, tmp_path / "result.json")
    assert json.loads((tmp_path / "result.json").read_text(encoding="utf-8")) == result
    assert result["missing"] == ["l2"]
    assert result["not_run"] == {}
    assert result["throughput"] == {"fps": 20.0, "score": 7}
    short = result["groups"]["short"]
    assert short["metrics"] == pytest.approx(dict.fromkeys(scores.METRICS, 0.8) | {scores.SEMANTIC: 0.16})
    assert short["scores"][scores.AESTHETIC] == 10
    assert short["scores"][scores.SMOOTHNESS] == short["scores"][scores.SEMANTIC] == 1
    assert short["total"] == pytest.approx(0.1 * 10 + 0.1 * 10 + 0.1 * 1 + 0.35 * 1 + 0.35 * 10)
    assert result["videos"]["s1"]["drift"] == {}


def test_drift_compares_the_ends(videos, plugged, tmp_path):
    long = bench.run(*videos, plugged, None, tmp_path / "result.json")["groups"]["long"]
    shades = np.linspace(255, 0, 40).astype(int) / 255
    assert long["metrics"]["aesthetic_drift"] == pytest.approx(abs(shades[:6].mean() - shades[-6:].mean()))
    assert long["metrics"]["naturalness_drift"] == pytest.approx(abs(shades[:8].mean() - shades[-8:].mean()))
    assert long["metrics"]["semantic_drift"] == 0
    assert long["scores"]["aesthetic_drift"] == 1
    assert long["scores"]["semantic_drift"] == 10
    assert "motion_amplitude_drift" not in long["metrics"]
    assert long["total"] is not None


def test_what_has_no_network_is_not_run_and_nothing_takes_its_name(videos, tmp_path, monkeypatch):
    monkeypatch.setattr(metrics.importlib.util, "find_spec", lambda name: None)
    result = bench.run(*videos, [], None, tmp_path / "result.json")
    assert result["not_run"].keys() == set(scores.METRICS)
    assert all(reason.startswith("not run") for reason in result["not_run"].values())
    assert result["throughput"] == "not run"
    for group in result["groups"].values():
        assert group["metrics"] == group["scores"] == {}
        assert group["total"] is None


def test_a_total_wants_every_part():
    full = dict.fromkeys(scores.SHORT_WEIGHTS, 10)
    assert scores.total(full, long=False) == pytest.approx(10)
    assert scores.total(full, long=True) is None
    assert scores.total(dict.fromkeys(scores.LONG_WEIGHTS, 10), long=True) == pytest.approx(9.96)
    del full[scores.SEMANTIC]
    assert scores.total(full, long=False) is None


@pytest.mark.parametrize(
    ("metric", "value", "wanted"),
    [
        ("aesthetic", 0.70, 10),
        ("aesthetic", 0.699, 9),
        ("aesthetic", 0.42, 4),
        ("aesthetic", 0.29, 1),
        ("motion_smoothness", 0.945, 5),
        ("naturalness", 0.35, 4),
        ("aesthetic_drift", 0.01, 10),
        ("aesthetic_drift", 0.095, 1),
        ("naturalness_drift", 0.13, 6),
    ],
)
def test_scores(metric, value, wanted):
    assert scores.score(metric, value) == wanted


@pytest.mark.parametrize("metric", ["semantic", "semantic_drift"])
def test_what_is_no_number_has_no_score(metric):
    with pytest.raises(OptionError, match="finite"):
        scores.score(metric, float("nan"))


def test_every_metric_and_drift_has_nine_thresholds_in_order():
    tables = {**scores.HIGH_IS_GOOD, **scores.LOW_IS_GOOD}
    assert tables.keys() == scores.LONG_WEIGHTS.keys()
    for name, thresholds in tables.items():
        assert len(set(thresholds)) == 9
        assert list(thresholds) == sorted(thresholds, reverse=name in scores.HIGH_IS_GOOD)


def test_throughput():
    assert [scores.throughput_score(fps) for fps in (0, 3.2, 3.3, 19.5, 32, 100)] == [1, 1, 2, 7, 10, 10]


def test_films_are_read_too(tmp_path):
    import av

    with av.open(str(tmp_path / "a.mp4"), "w") as film:
        stream = film.add_stream("mpeg4", rate=24)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
        for _ in range(5):
            grey = av.VideoFrame.from_ndarray(np.full((16, 32, 3), 100, np.uint8), format="rgb24")
            film.mux(stream.encode(grey))
        film.mux(stream.encode())
    place = bench.place_of(tmp_path, "a")
    frames = bench.read_video(place)
    assert frames.shape == (5, 16, 32, 3)
    assert abs(int(frames.mean()) - 100) < 4


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("beauty=math:sqrt", "NAME=MODULE:FUNCTION"),
        ("aesthetic=math", "names no function"),
        ("aesthetic=math:nothing", "no function 'nothing'"),
        ("aesthetic=no_such_module:f", "cannot be imported"),
        ("aesthetic=nowhere.py:f", "no file"),
    ],
)
def test_what_cannot_be_plugged_in(entry, says):
    with pytest.raises(OptionError, match=says):
        metrics.scorers([entry])


def test_a_module_can_be_plugged_in():
    assert metrics.plug("math:sqrt")(4.0) == 2


def test_wrong_tables_and_empty_folders(videos, tmp_path):
    table = tmp_path / "wrong.csv"
    table.write_text("id,text\n1,a\n")
    with pytest.raises(OptionError, match="duration"):
        bench.read_prompts(table)
    table.write_text("id,prompt,duration\n")
    with pytest.raises(OptionError, match="no prompts"):
        bench.read_prompts(table)
    (tmp_path / "empty" / "s1").mkdir(parents=True)
    with pytest.raises(RecordingError, match="no frames"):
        bench.read_video(tmp_path / "empty" / "s1")
    with pytest.raises(OptionError, match="no video"):
        bench.run(videos[0], tmp_path / "nothing", [], None, tmp_path / "result.json")


def test_the_amplitude_is_that_of_the_mean_flow():
    pytest.importorskip("cv2")
    picture = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    there = np.stack([np.roll(picture, 2 * i, 1) for i in range(4)])
    assert metrics.motion_amplitude(there, "") == pytest.approx(2, abs=0.7)
    assert metrics.motion_amplitude(np.concatenate([there, there[::-1]]), "") < 0.3
