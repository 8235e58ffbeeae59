"""The benchmark against diffusers, at its tiny size: every part, what it says of itself, and the numbers it counts."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("diffusers")
    pytest.importorskip("transformers")

from helios_runtime.bench_gpu import choices, run
from helios_runtime.bench_gpu.bench import FAST, SLOW, Bench, Budget
from helios_runtime.bench_gpu.clock import Spread, paired_ratio
from helios_runtime.bench_gpu.counts import (
    Pass,
    activation_bytes,
    as_written,
    chunk_operations,
    history_tokens,
    needed,
    passes,
    weight_bytes,
)
from helios_runtime.bench_gpu.memory import offloaded_parts, onto_host
from helios_runtime.bench_gpu.models import Models, build, reference_twin
from helios_runtime.bench_gpu.pieces import SETTLING, call_ours, chunk_of, in_turns
from helios_runtime.bench_gpu.sizes import FULL, SIZES, TINY
from helios_runtime.bench_gpu.tables import tables
from helios_runtime.bench_gpu.targets import TARGETS
from helios_runtime.bench_gpu.whole import _first_and_last, begun, equality
from helios_runtime.cli.app import app
from helios_world.compute import Compute
from helios_world.dream import DreamWorld
from helios_world.model import HeliosTransformer
from helios_world.model.fast import FastTransformer
from helios_world.model.replays import Replay, Replays, WhereItPays
from helios_world.official.dreamer import OfficialDreamer

pytestmark = [
    # diffusers and torch hand numbers around in ways that are going to go.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
CPU = Compute.choose("cpu", "float32", 1)
NAMES = [part.name for part in run.PARTS]


@pytest.fixture(scope="module")
def models() -> Models:
    return build(TINY, CPU)


@pytest.fixture
def bench(models: Models) -> Bench:
    return Bench(TINY, CPU, Budget(100), make=lambda size, compute: models)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the command writes, tiny and whole."""
    output = tmp_path_factory.mktemp("bench") / "deep" / "gpu.json"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asked = ["bench", "gpu", "--size", "tiny", "--device", "cpu", "--dtype", "float32", "-o", str(output)]
        made = CliRunner().invoke(app, asked)
    assert made.exit_code == 0, made.output
    found: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
    found["printed"] = made.output
    return found


def test_every_part_is_done_or_says_why_not(report: dict[str, Any]) -> None:
    parts = report["parts"]
    assert list(parts) == NAMES
    absent = {name: part["why"] for name, part in parts.items() if part["status"] != "done"}
    nowhere = "no CUDA device"
    compiling = "compiling was not asked for"
    assert absent == {"fp8": nowhere, "peak": nowhere, "offload": nowhere, "compiled": compiling}
    for why in (nowhere, compiling):
        assert f"not run: {why}" in report["printed"]


def test_the_report_says_what_was_measured_on_what(report: dict[str, Any]) -> None:
    about = report["about"]
    assert (about["size"], about["dtype"], about["threads"], about["frame"]) == ("tiny", "float32", 1, [64, 64])
    assert about["versions"]["torch"]
    assert about["versions"]["diffusers"]
    assert about["clock"]
    assert about["device"]["name"]


def test_latents_are_those_of_diffusers(report: dict[str, Any]) -> None:
    found = report["parts"]["equality"]["result"]
    assert found["same"]
    assert found["worst"] < found["tolerance"] == 1e-4
    assert list(found["distances"]) == ["1,1,1", "2,2,2"]


def test_every_time_has_its_spread_and_ours_its_ratio(report: dict[str, Any]) -> None:
    for name in ("chunk", "chunk_slow", "transformer", "codec", "text"):
        found = report["parts"][name]["result"]
        assert found["ratios"]["ours"] > 0
        for spread in found["milliseconds"].values():
            assert 0 < spread["least"] <= spread["median"] <= spread["most"]
            assert spread["count"] == TINY.chunks
    first = report["parts"]["first_frame"]["result"]["ours"]
    assert first["first"]["median"] < first["last"]["median"]
    for row in report["parts"]["sustained"]["result"].values():
        assert row["denoise_alone_ms"] > 0
        shown = max(0.0, 1 - row["denoise_alone_ms"] / row["chunk_ms"])
        assert row["not_overlapped"] == pytest.approx(shown, abs=1e-9)
    assert report["parts"]["growth"]["result"]["grown"] == 0
    assert [one["sessions"] for one in report["parts"]["sessions"]["result"]["sessions"]] == [1, 2, 4]


def test_targets_are_judged_where_they_were_measured(report: dict[str, Any]) -> None:
    judged = {one["name"]: one for one in report["targets"]}
    assert len(judged) == sum(target.where in ("cpu", "any") for target in TARGETS)
    assert judged["bytes grown"]["met"] is True
    assert judged["latents as diffusers' (distance over tolerance)"]["met"] is True


def test_a_target_is_met_missed_or_not_measured() -> None:
    bound = next(target for target in TARGETS if target.name == "chunk [1,1,1], diffusers over ours")
    verdicts = [bound.judge({"chunk": {"ratios": {"ours": value}}})["met"] for value in (2.0, 1.99)]
    assert verdicts == [True, False]
    assert bound.judge({})["met"] is None
    peak = next(target for target in TARGETS if "GB" in target.name)
    told = peak.judge({"offload": {"1,1,1": {"peak": 5.0e9}, "2,2,2": {"peak": 6.5e9}}})
    assert (told["value"], told["met"], told["wanted"]) == (6.5, False, "≤ 6")


def test_another_weight_gives_other_latents(models: Models) -> None:
    other = build(TINY, CPU)
    place = other.theirs.get_submodule("blocks.1.attn1.to_v")
    place.weight = torch.nn.Parameter(place.weight * 1.01, requires_grad=False)
    found = equality(Bench(TINY, CPU, Budget(100), make=lambda size, compute: other))
    assert not found["same"]
    assert found["worst"] > found["tolerance"]


def test_ours_and_theirs_share_their_memory(models: Models) -> None:
    ours, theirs = models.transformer.state_dict(), models.theirs.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(ours[name].data_ptr() == theirs[name].data_ptr() for name in ours)


def test_what_the_time_is_too_short_for_is_named(bench: Bench) -> None:
    bench.budget = Budget(0)
    lines: list[str] = []
    result = run.run(bench, told=lines.append)
    assert {part["status"] for part in result["parts"].values()} == {"not run"}
    assert "the time is up" in result["parts"]["equality"]["why"]
    assert len(lines) == len(NAMES)
    assert all(target["met"] is None for target in result["targets"])


def test_of_the_full_model_no_part_is_begun_that_would_end_too_late(bench: Bench) -> None:
    bench.size, bench.budget = FULL, Budget(20, now=iter([0.0, *[1.0] * 99]).__next__)
    part = next(part for part in run.PARTS if part.name == "chunk")
    assert "about 50 s are needed and 19 s were left" in run._outcome(part, bench, None)["why"]


def test_a_part_that_fails_is_named_and_the_others_go_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(bench: Bench) -> dict[str, Any]:
        raise RuntimeError("no such kernel")

    parts = (run.Part("broken", "cannot", 0, broken), next(part for part in run.PARTS if part.name == "text"))
    monkeypatch.setattr(run, "PARTS", parts)
    saved: list[list[str]] = []
    result = run.run(bench, save=lambda made: saved.append(list(made["parts"])))
    broken_part, fine = result["parts"].values()
    assert (broken_part["status"], broken_part["why"]) == ("failed", "RuntimeError: no such kernel")
    assert "in broken" in broken_part["trace"]
    assert fine["status"] == "done"
    assert saved == [["broken"], ["broken", "text"]]
    assert ("broken", "failed: RuntimeError: no such kernel") in dict(tables(result))["left out"]


def test_a_run_goes_on_where_an_earlier_one_ended(bench: Bench) -> None:
    first = run.run(bench, wanted=["text"])
    assert first["parts"]["chunk"]["why"] == "not asked for"
    first["parts"]["text"]["result"]["mark"] = 1
    again = run.run(bench, wanted=["equality"], before=first)
    assert again["parts"]["text"]["result"]["mark"] == 1
    assert again["parts"]["equality"]["status"] == "done"
    first["about"]["dtype"] = "bfloat16"
    other = run.run(bench, wanted=[], before=first)
    assert other["parts"]["text"]["status"] == "not run"


def test_a_choice_that_the_device_lacks_is_not_run(bench: Bench) -> None:
    part = run.Part("fp8", "8 bits", 0, choices.fp8)
    told = run._outcome(part, bench, None)
    assert told["status"] == "not run"
    assert "precision is 'fp8'" in told["why"]


def test_compiling_is_bounded(bench: Bench) -> None:
    bench.compile_seconds = -1.0
    told = run._outcome(run.Part("compiled", "compiled", 0, choices.compiled), bench, None)
    assert told["status"] == "not run"
    assert "compiling takes longer than" in told["why"]


def test_diffusers_compiled_is_measured_as_well(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without compiling, which takes minutes; the next test has what is compiled."""
    plain = {"transformer": bench.models.theirs, "text_encoder": bench.models.text, "vae": bench.models.vae}
    monkeypatch.setattr(choices, "_compilable", lambda models: plain)
    bench.compile_seconds = 100.0
    found = choices.compiled(bench)
    assert [*found["compile_seconds"]] == [*(f"transformer, stage {n}" for n in range(3)), "text encoder"]
    assert found["transformer"]["ratios"]["ours"] > 0
    assert found["chunk"]["ratios"]["ours"] > 0


def test_compiled_modules_are_always_called_in_one_mode(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled code holds for one mode, and there is a limit to how often torch compiles anew."""
    modes: list[tuple[bool, bool]] = []

    def note(*_: Any) -> None:
        modes.append((torch.is_grad_enabled(), torch.is_inference_mode_enabled()))

    plain = {"transformer": reference_twin(bench.models.transformer)}
    plain |= {"text_encoder": bench.models.text, "vae": bench.models.vae}
    plain["transformer"].register_forward_pre_hook(note)
    monkeypatch.setattr(choices, "_compilable", lambda models: plain)
    bench.compile_seconds = 100.0
    choices.compiled(bench)
    assert set(modes) == {(False, False)}


def test_the_first_frame_is_not_waited_for_with_the_clock_of_the_device(bench: Bench) -> None:
    """That clock waits for all that the device was given, and so for the frames after the first."""
    calls: list[str] = []

    def clock() -> float:
        calls.append("device")
        return 0.0

    def arrival() -> float:
        calls.append("host")
        return float(len(calls))

    first, last = _first_and_last(clock, arrival, begun(bench.models.world(FAST)))
    assert calls == ["device", "host", "host", "host"]
    assert (first, last) == (1e3, 2e3)


def test_no_time_is_that_of_a_recording(bench: Bench) -> None:
    fast = bench.models.dreamer(FAST).fast
    recorded: list[int] = []

    def record(run: Replay) -> Replay:
        recorded.append(len(rounds))
        return run

    chunk, rounds = chunk_of(bench), list[int]()
    replayed = FastTransformer(fast.model, fast.layout, runner=WhereItPays(Replays(record), lambda run: (1, 1, run())))
    kept = replayed.keep_text(chunk.text)

    def ours() -> None:
        rounds.append(len(rounds))
        call_ours(replayed, chunk, kept)

    in_turns(bench, {"ours": ours})
    assert recorded == [SETTLING] * len(chunk.calls)
    assert len(rounds) > SETTLING


def test_what_is_compiled_are_other_modules_of_the_same_weights(models: Models) -> None:
    made = choices._compilable(models)
    assert all(module._compiled_call_impl is not None for module in made.values())
    assert all(module._compiled_call_impl is None for module in (models.theirs, models.text, models.vae))
    weight, same = (one.get_parameter("proj_out.weight") for one in (made["transformer"], models.theirs))
    assert weight.data_ptr() == same.data_ptr()


def test_weights_on_the_host_give_the_same_frames() -> None:
    models = build(TINY, CPU)
    expected = begun(models.world(FAST)).step().frames
    onto_host(models)
    options = models.options(FAST, offload="group")
    world = DreamWorld(OfficialDreamer(offloaded_parts(models), options, CPU))
    assert (begun(world).step().frames == expected).all()


def test_the_14b_has_the_published_number_of_weights() -> None:
    with torch.device("meta"):
        model = HeliosTransformer(FULL.transformer)
    assert len(model.state_dict()) == 1101
    matrices = sum(
        weight.numel()
        for name, weight in model.named_parameters()
        if name.startswith("blocks.") and weight.ndim == 2 and "attn2.to_k" not in name and "attn2.to_v" not in name
    )
    assert weight_bytes(FULL.transformer, 2) == 2 * matrices


def test_a_chunk_of_the_14b_is_half_a_petaflop() -> None:
    """By hand, in TFLOP, with 18,540 tokens, 11,340 of them noisy, and 2940² + 4560² + 11040² pairs."""
    calls = passes(FULL, FAST)
    assert [(one.history, one.noisy) for one in calls] == [(2400, 540), (2400, 2160), (2400, 8640)]
    made = chunk_operations(FULL.transformer, calls, least=False)
    assert made.linear / 1e12 == pytest.approx(40 * 18540 * (8 * 5120**2 + 4 * 5120 * 13824) / 1e12)
    assert made.attention / 1e12 == pytest.approx(124, abs=0.1)
    assert made.cross / 1e12 == pytest.approx(59, abs=0.5)
    assert made.total / 1e15 == pytest.approx(0.55, abs=0.005)
    assert chunk_operations(FULL.transformer, passes(FULL, SLOW), least=False).total == 2 * made.total


def test_what_is_needed_leaves_out_the_text_and_the_last_history() -> None:
    config, one = FULL.transformer, Pass(history=10, noisy=20, text=7)
    spared = as_written(config, one).total - needed(config, one).total
    text = 40 * 4 * 7 * 5120**2
    history = 10 * (4 * 5120**2 + 4 * 5120 * 13824) + 4 * 10 * 30 * 5120
    assert spared == text + history


def test_bytes_of_a_small_pass_by_hand() -> None:
    one = Pass(history=2, noisy=3, text=1)
    rows = 4 * 5 + 4 * 5 + 4 * 5 + (3 * 5 + 3) + 2 * 3
    assert activation_bytes(TINY.transformer, one, 4) == 3 * 4 * (rows * 24 + 2 * 5 * 48)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_the_model_has_the_counted_tokens(size: Any) -> None:
    height, width = size.latent
    with torch.device("meta"):
        model = HeliosTransformer(size.transformer)
        layout, channels = size.layout, size.transformer.in_channels
        lengths = (1, layout.long, layout.mid, layout.short)
        views = run_views(torch.zeros(1, channels, frames, height, width) for frames in lengths)
        assert model.history_tokens(views).shape[1] == history_tokens(layout, height, width)


def run_views(parts: Iterator[torch.Tensor]) -> Any:
    from helios_world.memory import HistoryViews

    return HistoryViews(*parts)


def test_spread_and_ratio() -> None:
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0, 3)
    assert paired_ratio([2.0, 4.0, 9.0], [1.0, 1.0, 1.0]) == 4.0


def test_rounds_end_with_the_time_but_not_before_the_least() -> None:
    budget = Budget(10, now=iter([0.0, *range(100)]).__next__)
    assert [*budget.rounds(100)] == [*range(13)]
    over = Budget(0)
    assert [*over.rounds(5)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--size", "huge"], "there are full, small, tiny"),
        (["--size", "full", "--device", "cpu"], "needs a CUDA device"),
        (["--size", "tiny", "--device", "cpu", "--parts", "chunk,chnk"], "chnk"),
        (["--size", "tiny", "--device", "cpu", "--resume", "-o", "{file}"], "cannot be resumed"),
    ],
)
def test_wrong_arguments_are_told(arguments: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}", encoding="utf-8")
    told = [one.format(file=tmp_path / "other.json") for one in arguments]
    made = CliRunner().invoke(app, ["bench", "gpu", *told])
    assert made.exit_code == 2
    assert said in made.output


@pytest.mark.gpu
@pytest.mark.timeout(540)
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_every_part_runs_on_a_gpu(tmp_path: Path) -> None:
    output = tmp_path / "gpu.json"
    made = CliRunner().invoke(app, ["bench", "gpu", "--size", "small", "--no-compiled", "-o", str(output)])
    assert made.exit_code == 0, made.output
    parts = json.loads(output.read_text(encoding="utf-8"))["parts"]
    assert {name: part.get("why") for name, part in parts.items() if part["status"] == "failed"} == {}
    assert parts["equality"]["result"]["same"]
