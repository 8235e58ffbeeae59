"""What is aimed at, and whether it was reached. Nothing is judged that was not measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Parts = Mapping[str, Any]
"""The results of the parts that are done, by name."""


@dataclass(frozen=True)
class Target:
    """A figure with its bound.

    Args:
        where: "gpu" for the full model on a GPU, "cpu" for a scaled-down one on a CPU, "any" for both.
        bound: that the value is to reach, or to stay below.
        least: whether the bound is the least that is wanted; else it is the most.
        read: the value; KeyError where its part was not done.
        form: how the value is written.
    """

    name: str
    where: str
    bound: float
    least: bool
    read: Callable[[Parts], float]
    form: str = ".2f"

    def judge(self, parts: Parts) -> dict[str, Any]:
        try:
            value = float(self.read(parts))
        except KeyError:
            value = None
        met = None if value is None else (value >= self.bound if self.least else value <= self.bound)
        sign = "≥" if self.least else "≤"
        return {"name": self.name, "wanted": f"{sign} {self.bound:g}", "value": value, "met": met, "form": self.form}


def transformer_over_limit(parts: Parts) -> float:
    """How many times the time of its operations alone the transformer takes."""
    limits = parts["limits"]
    least = limits["operations"]["1,1,1"]["needed"] / limits["operations_per_second"]
    return float(parts["transformer"]["milliseconds"]["ours"]["median"] / 1e3 / least)


TARGETS = (
    Target(
        "latents as diffusers' (distance over tolerance)",
        "any",
        1.0,
        False,
        lambda parts: parts["equality"]["worst"] / parts["equality"]["tolerance"],
        ".4f",
    ),
    Target(
        "transformer, diffusers over ours",
        "cpu",
        1.5,
        True,
        lambda parts: parts["transformer"]["ratios"]["ours"],
    ),
    Target("chunk [1,1,1], diffusers over ours", "gpu", 2.0, True, lambda parts: parts["chunk"]["ratios"]["ours"]),
    Target(
        "chunk [1,1,1], diffusers compiled over ours",
        "gpu",
        1.4,
        True,
        lambda parts: parts["compiled"]["chunk"]["ratios"]["ours"],
    ),
    Target(
        "frames/s in a row, [1,1,1], bf16",
        "gpu",
        33.0,
        True,
        lambda parts: parts["sustained"]["ours, VAE bf16, 1,1,1"]["frames_per_second"],
        ".1f",
    ),
    Target("transformer over its operations' time", "gpu", 1.35, False, transformer_over_limit),
    Target(
        "share of a chunk that is not denoising",
        "gpu",
        0.10,
        False,
        lambda parts: parts["sustained"]["ours, VAE bf16, 1,1,1"]["not_overlapped"],
        ".3f",
    ),
    Target("bytes grown", "any", 0.0, False, lambda parts: parts["growth"]["grown"], ".0f"),
    Target(
        "transformer, exact over FP8",
        "gpu",
        1.35,
        True,
        lambda parts: parts["fp8"]["transformer"]["ratios"]["ours, FP8"],
    ),
    Target(
        "peak with the weights on the host, GB",
        "gpu",
        6.0,
        False,
        lambda parts: max(parts["offload"][steps]["peak"] for steps in ("1,1,1", "2,2,2")) / 1e9,
    ),
)


def targets(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All that this run could judge, each met, missed or, as None, not measured."""
    done = {name: part["result"] for name, part in result["parts"].items() if part["status"] == "done"}
    place = "gpu" if result["about"]["size"] == "full" else "cpu"
    return [target.judge(done) for target in TARGETS if target.where in (place, "any")]
