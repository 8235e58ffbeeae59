"""The report, as tables of text: what was measured, how far it is from the limit, and which targets were met."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Row = tuple[str, str]
Table = tuple[str, list[Row]]
"""A title, and rows of a name and what is said of it."""

WAY = f"{'median ms':>10} {'least':>8} {'most':>8} {'times':>6} {'diffusers over it':>18}"


def tables(result: Mapping[str, Any]) -> list[Table]:
    """All that a run returned."""
    parts = result["parts"]
    done = {name: part["result"] for name, part in parts.items() if part["status"] == "done"}
    made: list[Table] = [about_table(result["about"])]
    for name, draw in DRAWN.items():
        if name in done:
            made.append((title(name, parts[name]), [*draw(done[name])]))
    if {"limits", "transformer"} <= done.keys():
        made.append(("distance to the limit, a chunk of [1,1,1]", [*limit_rows(done)]))
    made.append(("targets", target_rows(result["targets"])))
    if missing := [
        (name, f"{part['status']}: {part['why']}") for name, part in parts.items() if part["status"] != "done"
    ]:
        made.append(("left out", missing))
    return made


def title(name: str, part: Mapping[str, Any]) -> str:
    return f"{part['title']} ({name}, {part['seconds']:.0f} s)"


def about_table(about: Mapping[str, Any]) -> Table:
    height, width = about["frame"]
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items() if number)
    rows = [
        ("model", f"{about['size']}, frames of {height} × {width}, {about['dtype']}, random weights"),
        ("device", f"{about['device']['name']}, {about['threads']} thread(s) of the host"),
        ("clock", about["clock"]),
        ("versions", versions),
    ]
    return "benchmark against diffusers", rows


def time_rows(found: Mapping[str, Any]) -> Iterator[Row]:
    """Of what has `milliseconds` of every way and `ratios` of ours."""
    yield "way", WAY
    for name, spread in found["milliseconds"].items():
        ratio = found["ratios"].get(name)
        text = f"{spread['median']:10.1f} {spread['least']:8.1f} {spread['most']:8.1f} {spread['count']:6d}"
        yield name, text if ratio is None else f"{text} {ratio:18.2f}"


def chunk_rows(found: Mapping[str, Any]) -> Iterator[Row]:
    yield from time_rows(found)
    yield "frames/s", ", ".join(f"{name} {rate:.1f}" for name, rate in found["frames_per_second"].items())


def limits_rows(found: Mapping[str, Any]) -> Iterator[Row]:
    yield "matrix products", f"{found['operations_per_second'] / 1e12:.3g} TFLOP/s"
    if found["fp8_operations_per_second"] is not None:
        yield "in 8 bits", f"{found['fp8_operations_per_second'] / 1e12:.3g} TFLOP/s"
    yield "copies", f"{found['bytes_per_second'] / 1e9:.3g} GB/s, read and written together"
    for steps, counts in found["operations"].items():
        told = f"{counts['as_written'] / 1e12:.4g} TFLOP as written, {counts['needed'] / 1e12:.4g} needed"
        yield f"chunk [{steps}]", told
    yield "decoding a chunk", f"{found['codec_operations'] / 1e12:.4g} TFLOP"


def limit_rows(done: Mapping[str, Any]) -> Iterator[Row]:
    """The time that its operations and its bytes alone would take, beside the time that a pass takes."""
    limits, times = done["limits"], done["transformer"]
    yield (
        "pass",
        f"{'tokens':>8} {'operations ms':>14} {'weights ms':>11} {'the rest ms':>12} {'measured ms':>12} {'over':>6}",
    )
    bytes_ms = 1e3 / limits["bytes_per_second"]
    total = 0.0
    for place, (tokens, operations, moved, spread) in enumerate(
        zip(limits["tokens"], limits["stage_operations"], limits["activation_bytes"], times["stages"], strict=True)
    ):
        least = 1e3 * operations / limits["operations_per_second"]
        total += least
        yield (
            f"stage {place}",
            f"{tokens:8d} {least:14.2f} {limits['weight_bytes'] * bytes_ms:11.2f} {moved * bytes_ms:12.2f}"
            f" {spread['median']:12.2f} {spread['median'] / least:6.2f}",
        )
    whole = times["milliseconds"]["ours"]["median"]
    yield "all of them", f"{'':8} {total:14.2f} {'':11} {'':12} {whole:12.2f} {whole / total:6.2f}"
    if "codec" in done:
        least = 1e3 * limits["codec_operations"] / limits["operations_per_second"]
        way, spread = min(done["codec"]["milliseconds"].items(), key=lambda item: item[1]["median"])
        decoding = f"{spread['median']:12.2f} {spread['median'] / least:6.2f}"
        yield "decoding", f"{'':8} {least:14.2f} {'':11} {'':12} {decoding}  {way}"


def equality_rows(found: Mapping[str, Any]) -> Iterator[Row]:
    for steps, each in found["distances"].items():
        itself = ", ".join(f"{one:.1e}" for one in found["itself"][steps])
        apart = ", ".join(f"{one:.1e}" for one in each)
        yield f"[{steps}]", f"distance of the latents of each chunk {apart}; diffusers from itself {itself}"
    verdict = "the same" if found["same"] else "NOT the same"
    yield "verdict", f"{verdict}: {found['worst']:.1e} at the most, allowed {found['tolerance']:.0e}"


def sustained_rows(found: Mapping[str, Any]) -> Iterator[Row]:
    for name, one in found.items():
        shares = f"{one['chunk_ms']:.1f} ms a chunk, of it not denoising {100 * one['not_overlapped']:.1f} %"
        yield name, f"{one['frames_per_second']:.1f} frames/s over {one['chunks']} chunks, {shares}"


def first_frame_rows(found: Mapping[str, Any]) -> Iterator[Row]:
    for name, one in found.items():
        yield name, f"{one['first']['median']:.1f} ms to the first frame, {one['last']['median']:.1f} to the last"


def codec_rows(found: Mapping[str, Any]) -> Iterator[Row]:
    yield from time_rows(found)
    for name, error in found["errors"].items():
        yield f"{name}, error", error_text(error)


def fp8_rows(found: Mapping[str, Any]) -> Iterator[Row]:
    for piece in ("transformer", "chunk"):
        for name, ratio in found[piece]["ratios"].items():
            spread = found[piece]["milliseconds"][name]
            yield f"{piece}, {name}", f"{spread['median']:.1f} ms, {ratio:.2f} times as fast as exact"
    yield (
        "error",
        (
            f"velocities {found['velocity_distance']:.1e}, latents {found['latent_distance']:.1e} of their size;"
            f" frames {error_text(found['frames'])}"
        ),
    )


def peak_rows(found: Mapping[str, Any]) -> Iterator[Row]:
    yield "weights", f"{found['weights'] / 1e9:.2f} GB, shared"
    for name, more in found["beside"].items():
        yield name, f"{more / 1e9:.2f} GB beside them"


def compiled_rows(found: Mapping[str, Any]) -> Iterator[Row]:
    yield "compiling", ", ".join(f"{name} {seconds:.0f} s" for name, seconds in found["compile_seconds"].items())
    for piece in ("transformer", "chunk"):
        for name, text in time_rows(found[piece]):
            yield f"{piece}, {name}", text


def sessions_rows(found: Mapping[str, Any]) -> Iterator[Row]:
    for one in found["sessions"]:
        yield (
            f"{one['sessions']} together",
            (
                f"{one['together_frames']:.1f} frames/s of all, {one['times_as_fast']:.2f} times as fast as one by one,"
                f" frames differ by {one['difference']} of 255"
            ),
        )


def growth_rows(found: Mapping[str, Any]) -> Iterator[Row]:
    yield "grown", f"{found['grown']} bytes over {found['chunks']} chunks (of {found['wanted']} wanted)"


def offload_rows(found: Mapping[str, Any]) -> Iterator[Row]:
    for steps in ("1,1,1", "2,2,2"):
        one = found[steps]
        yield f"[{steps}]", f"{one['frames_per_second']:.2f} frames/s, peak {one['peak'] / 1e9:.2f} GB"


def target_rows(judged: Sequence[Mapping[str, Any]]) -> list[Row]:
    verdicts = {True: "met", False: "MISSED", None: "not measured"}
    return [
        (
            one["name"],
            f"{'' if one['value'] is None else format(one['value'], one['form']):>10}"
            f"  wanted {one['wanted']}: {verdicts[one['met']]}",
        )
        for one in judged
    ]


def error_text(error: Mapping[str, float | None]) -> str:
    if error["psnr"] is None:
        return "none"
    return f"up to {error['levels']:.0f} of 255, PSNR {error['psnr']:.1f} dB"


DRAWN: dict[str, Callable[[Mapping[str, Any]], Iterator[Row]]] = {
    "limits": limits_rows,
    "equality": equality_rows,
    "chunk": chunk_rows,
    "chunk_slow": chunk_rows,
    "compiled": compiled_rows,
    "transformer": time_rows,
    "codec": codec_rows,
    "text": time_rows,
    "sustained": sustained_rows,
    "first_frame": first_frame_rows,
    "fp8": fp8_rows,
    "peak": peak_rows,
    "sessions": sessions_rows,
    "growth": growth_rows,
    "offload": offload_rows,
}
"""How each part is told, in this order."""
