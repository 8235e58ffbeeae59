"""What is read of a checkpoint folder before its weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helios_world.errors import CheckpointError
from helios_world.official import fingerprint as fingerprints
from helios_world.official.fingerprint import fingerprint
from helios_world.official.layout import OfficialFolder
from helios_world.official.lora import LoraChoice

Make = Callable[..., Path]


def edit(path: Path, **changes: Any) -> None:
    """Set keys of a JSON file; the value None takes one out."""
    data = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in data.items() if value is not None}))


@pytest.mark.parametrize(
    ("kind", "zero_star", "solver", "stages", "shift"),
    [
        ("base", False, "unipc", 1, "exponential"),
        ("mid", True, "unipc", 3, "exponential"),
        ("distilled", False, "dmd", 3, "linear"),
    ],
)
def test_every_kind_is_told_apart(
    make_official: Make, kind: str, zero_star: bool, solver: str, stages: int, shift: str
) -> None:
    path = make_official(kind)
    folder = OfficialFolder.read(path)
    assert (folder.kind, folder.zero_star, folder.distilled) == (kind, zero_star, kind == "distilled")
    scheduler = folder.scheduler
    assert (scheduler.solver, scheduler.stages, scheduler.dynamic_shift) == (solver, stages, shift)
    assert folder.transformer_path == path / "transformer"
    assert folder.text_encoder_path == path / "text_encoder"


SCHEDULERS: list[tuple[str, dict[str, Any]]] = [
    ("base", {"scheduler_type": "euler", "use_dynamic_shifting": False, "shift": 3.0}),
    ("base", {"solver_order": 3, "solver_type": "bh1", "predict_x0": False, "lower_order_final": False}),
    ("mid", {"gamma": 0.25, "disable_corrector": [0, 2], "num_train_timesteps": 500}),
    ("mid", {"stages": 2, "stage_range": [0, 0.5, 1], "time_shift_type": "linear"}),
    ("distilled", {"stages": 2, "stage_range": [0, 0.4, 1], "gamma": 0.2, "use_dynamic_shifting": False}),
]


@pytest.mark.parametrize(("kind", "changes"), SCHEDULERS)
def test_every_setting_of_the_scheduler_comes_from_its_file(
    make_official: Make, kind: str, changes: dict[str, Any]
) -> None:
    path = make_official(kind, **changes)
    told = json.loads((path / "scheduler" / "scheduler_config.json").read_text())
    found = vars(OfficialFolder.read(path).scheduler)
    names = {"scheduler_type": "solver", "time_shift_type": "dynamic_shift"}
    if not told["use_dynamic_shifting"]:
        told["time_shift_type"] = None
    for key, value in changes.items():
        if key != "use_dynamic_shifting":
            assert found[names.get(key, key)] == (tuple(value) if isinstance(value, list) else told[key])


def test_the_range_of_the_dynamic_shift_may_be_set(copy_official: Make) -> None:
    path = copy_official("mid")
    changes = {"base_image_seq_len": 128, "max_image_seq_len": 2048, "base_shift": 0.25, "max_shift": 2}
    edit(path / "scheduler" / "scheduler_config.json", **changes)
    scheduler = OfficialFolder.read(path).scheduler
    assert {key: getattr(scheduler, key) for key in changes} == changes


@pytest.mark.parametrize(
    "changes",
    [
        {"num_layers": 3, "ffn_dim": 40, "text_dim": 8, "eps": 1e-4},
        {"rope_theta": 500.0, "patch_size": (1, 1, 2), "freq_dim": 20},
        {"cross_attn_norm": False, "guidance_cross_attn": False, "zero_history_timestep": False},
        {"is_amplify_history": True, "history_scale_mode": "scalar", "in_channels": 3, "out_channels": None},
    ],
)
def test_every_setting_of_the_transformer_comes_from_its_file(make_official: Make, changes: dict[str, Any]) -> None:
    config = OfficialFolder.read(make_official(**changes)).transformer
    wanted = {**changes, "out_channels": changes["in_channels"]} if "out_channels" in changes else changes
    assert {key: getattr(config, key) for key in wanted} == wanted


def test_settings_that_change_nothing_are_passed_over(copy_official: Make) -> None:
    path = copy_official("distilled")
    plain = OfficialFolder.read(path)
    trainer = {"restrict_self_attn": False, "restrict_lora": False, "restrict_lora_rank": 128}
    edit(path / "transformer" / "config.json", _private=[1], **trainer, is_train_restrict_lora=False)
    left_over = {"scheduler_type": "dmd", "solver_order": 2, "thresholding": False, "use_flow_sigmas": True}
    edit(path / "scheduler" / "scheduler_config.json", **left_over, _diffusers_version="9")
    index = json.loads((path / "model_index.json").read_text())
    (path / "model_index.json").write_text(json.dumps({**index, "feature_extractor": [None, None], "unset": None}))
    assert OfficialFolder.read(path) == plain


def test_a_distilled_checkpoint_may_have_the_scheduler_of_the_others(copy_official: Make) -> None:
    path = copy_official("distilled")
    edit(path / "scheduler" / "scheduler_config.json", _class_name="HeliosScheduler", scheduler_type="dmd")
    edit(path / "model_index.json", scheduler=["diffusers", "HeliosScheduler"])
    assert OfficialFolder.read(path).scheduler.solver == "dmd"


def test_another_transformer_is_read_by_its_name(copy_official: Make, make_official: Make) -> None:
    path = copy_official("distilled")
    shutil.copytree(make_official("distilled", num_layers=3) / "transformer", path / "transformer_ode")
    folder = OfficialFolder.read(path, "transformer_ode")
    assert folder.transformer_path == path / "transformer_ode"
    assert folder.transformer.num_layers == 3
    with pytest.raises(CheckpointError, match=r"'transformer_init'.*\['transformer', 'transformer_ode'\]"):
        OfficialFolder.read(path, "transformer_init")
    with pytest.raises(CheckpointError, match="transformers are"):
        OfficialFolder.read(path, "../transformer")


def test_the_fingerprint_sees_every_file(copy_official: Make, make_official: Make) -> None:
    path = copy_official("mid")
    shutil.copytree(path / "transformer", path / "transformer_ode")
    folder = OfficialFolder.read(path)
    digests = [fingerprint(folder), fingerprint(OfficialFolder.read(path, "transformer_ode"))]
    assert fingerprint(OfficialFolder.read(make_official("mid"))) == digests[0]
    (path / "transformer" / ".cache").mkdir()
    (path / "transformer" / ".cache" / "note").write_text("hidden")
    assert fingerprint(folder) == digests[0]
    for file in sorted(
        file
        for part in ("scheduler", "transformer", "vae", "text_encoder", "tokenizer")
        for file in (path / part).glob("[!.]*")
    ):
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
        digests.append(fingerprint(folder))
    assert len(set(digests)) == len(digests) == 2 + 9


def test_the_fingerprint_samples_large_files(copy_official: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprints, "WHOLE", 60_000)
    monkeypatch.setattr(fingerprints, "BLOCKS", 4)
    monkeypatch.setattr(fingerprints, "BLOCK", 1000)
    path = copy_official()
    folder, file = OfficialFolder.read(path), path / "transformer" / "diffusion_pytorch_model.safetensors"
    content, first = file.read_bytes(), fingerprint(folder)
    header = 8 + int.from_bytes(content[:8], "little")
    middle = (len(content) - 1000) // 3
    seen = dict.fromkeys((header - 1, middle, middle + 999, len(content) - 1), True) | {middle + 1000: False}
    for place, sees in seen.items():
        changed = bytearray(content)
        changed[place] ^= 1
        file.write_bytes(changed)
        assert (fingerprint(folder) != first) is sees
    file.write_bytes(content[:-1])
    assert fingerprint(folder) != first


def test_the_fingerprint_sees_adapters(make_official: Make, tmp_path: Path) -> None:
    folder = OfficialFolder.read(make_official())
    files = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    for file in files:
        file.write_bytes(file.name.encode())
    first, second = (LoraChoice(file) for file in files)
    choices = [(), (first,), (second,), (first, second), (LoraChoice(files[0], 0.5),)]
    assert len({fingerprint(folder, choice) for choice in choices}) == len(choices)
