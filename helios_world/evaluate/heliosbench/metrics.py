"""The metrics of HeliosBench: one is computed here, the others are plugged in by whoever has their networks.

A scorer is a function of frames uint8 [T, H, W, 3] and the prompt that returns a float:

- aesthetic: CLIP ViT-L/14 with the LAION head, mean over the frames, / 10
- motion_amplitude: |mean Farneback flow|; computed here where OpenCV is installed. It is the mean of signed vectors, so
  a pan to the left and back cancels out: that is the published definition.
- motion_smoothness: odd frames interpolated by AMT, (255 - mean absolute difference) / 255
- semantic: ViCLIP cosine of 8 frames and the prompt
- naturalness: a language model's judgement of 16 frames, 1 to 5, (s - 1) / 4

A metric without a scorer is "not run"; nothing else is ever reported under its name.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from helios_world.errors import OptionError
from helios_world.evaluate.heliosbench.scores import AMPLITUDE, METRICS
from helios_world.spec import Frames

Scorer = Callable[[Frames, str], float]


def scorers(plugged: Sequence[str]) -> dict[str, Scorer]:
    """Those that can be run: what is plugged in as NAME=MODULE:FUNCTION or NAME=FILE.py:FUNCTION, and our own.

    Raises:
        OptionError: no such metric, module, file or function.
    """
    found: dict[str, Scorer] = {}
    if importlib.util.find_spec("cv2") is not None:
        found[AMPLITUDE] = motion_amplitude
    for entry in plugged:
        name, equals, place = entry.partition("=")
        if not equals or name not in METRICS:
            raise OptionError(f"--metric takes NAME=MODULE:FUNCTION with a name of {list(METRICS)}; got {entry!r}")
        found[name] = plug(place)
    return found


def plug(place: str) -> Scorer:
    """The function that MODULE:FUNCTION or FILE.py:FUNCTION names."""
    home, colon, name = place.rpartition(":")
    if not colon:
        raise OptionError(f"{place!r} names no function; write MODULE:FUNCTION or FILE.py:FUNCTION")
    module = _from_file(Path(home)) if home.endswith(".py") else _from_name(home)
    function: Any = getattr(module, name, None)
    if not callable(function):
        raise OptionError(f"{home!r} has no function {name!r}")
    scorer: Scorer = function
    return scorer


def motion_amplitude(frames: Frames, prompt: str) -> float:
    """|mean Farneback flow| in pixels per frame, of frames [T, H, W, 3]. Needs OpenCV; the prompt does not count."""
    cv2: Any = importlib.import_module("cv2")
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    pairs = pairwise(grey)
    flows = [cv2.calcOpticalFlowFarneback(a, b, None, 0.5, 3, 15, 3, 5, 1.2, 0).mean(axis=(0, 1)) for a, b in pairs]
    return float(np.linalg.norm(np.mean(flows, axis=0))) if flows else 0.0


def not_run(found: Mapping[str, Scorer]) -> dict[str, str]:
    """The metrics without a scorer, and why."""
    why = dict.fromkeys(METRICS, "needs a pretrained network; plug it in with --metric")
    why[AMPLITUDE] = "needs OpenCV: pip install opencv-python-headless"
    return {name: f"not run: {why[name]}" for name in METRICS if name not in found}


def _from_name(home: str) -> ModuleType:
    try:
        return importlib.import_module(home)
    except ImportError as error:
        raise OptionError(f"the module {home!r} cannot be imported: {error}") from error


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise OptionError(f"there is no file {str(path)!r}")
    spec = importlib.util.spec_from_file_location(f"plugged_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise OptionError(f"{str(path)!r} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
