"""What every measure is, where it comes from, and what fools it: for the page, and the source of docs/evaluation.md."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Note:
    """Of one measure; `key` is its name in report.json, `pictures` are files of the report's folder."""

    key: str
    title: str
    formula: str
    source: str
    fooled_by: str
    pictures: tuple[str, ...] = ()


NOTES = (
    Note(
        "control",
        "Control: is the world told apart by what was pressed?",
        "Balanced accuracy: the mean over turn left, turn right, forward and back of the share of situations in which a"
        " least-squares fit of camera motion to the generated frames shows the control that was held.",
        "Lucas and Kanade 1981 for the fit; balanced accuracy so that no-ops cannot inflate it.",
        "The right motion in the wrong place. A frozen picture scores 0.",
    ),
    Note(
        "response",
        "Response delay",
        "argmax over lag of corr(turn input at frame t, measured turn at frame t + lag); under a correlation of 0.3"
        " there is no response.",
        "Cross-correlation of input and image motion.",
        "The right rhythm in wrong amounts.",
        ("response.png",),
    ),
    Note(
        "counterfactual",
        "Counterfactual divergence",
        "Mean absolute difference between forks of one session: told the same (must be 0), and told left against right"
        " after one chunk and one second; gain = one second / the same input with another seed.",
        "Forks of one saved state; the noise depends on seed and chunk number only.",
        "Futures that differ, but wrongly.",
    ),
    Note(
        "faithfulness",
        "Faithfulness over time",
        "PSNR = 10·log10(255² / mean squared error), SSIM of the luma, and the perceptual distance of a small network"
        " of ours (not LPIPS) between dream and truth. margin = PSNR minus that of repeating the last true frame; ΔPSNR"
        " = PSNR minus that of the dream told another case's inputs.",
        "SSIM: Wang et al. 2004. ΔPSNR: Genie, arXiv 2402.15391. Perceptual distance: the idea of arXiv 1801.03924.",
        "PSNR prefers blur to a sharp picture a pixel aside; SSIM ignores colour; the network knows only the lands.",
        ("faithfulness.png",),
    ),
    Note(
        "full_turn",
        "Memory: a full turn",
        "PSNR of the last frame against the first after 360 degrees; gain = that minus the PSNR half way round.",
        "Loop closure.",
        "A frozen picture has a perfect PSNR, so read the gain: 0 for whatever does not move or does not come back.",
        ("full_turn.png",),
    ),
    Note(
        "journeys",
        "Memory: there and back, leaving and returning",
        "gain = mean over the way back of PSNR(frame, its twin on the way out) minus PSNR(frame, frame at the far end);"
        " share = gain / the truth's gain; moved = change between home and far end / the truth's.",
        "The revisits of arXiv 2504.12369 and 2512.14614 as palindromes.",
        "Going less far than the truth: moved and against_truth show it. A frozen picture has a gain of 0.",
        ("journeys.png",),
    ),
    Note(
        "recognition",
        "Words: is it the place they name?",
        "Share of captions, in words never trained on, after which a colour classifier fitted on true frames sees the"
        " land and the moment one second later.",
        "Ridge regression on colour histograms in bands.",
        "The right colours in the wrong shapes.",
    ),
    Note(
        "prompts",
        "Words: what a change of prompt does",
        "Median time until the classifier sees the new scene and keeps seeing it; largest_step = the largest jump from"
        " frame to frame of p = <f - a, b - a> / |b - a|²; a hard cut has 1.",
        "Projection on the line between the old and the new picture.",
        "A fade through pictures that are neither scene.",
        ("prompts.png",),
    ),
    Note(
        "long_walk",
        "A minute of walking: does it wear out?",
        "Shares of 1,440 frames whose scene is recognised; of brightness, contrast, saturation and sharpness |first"
        " 15 % - last 15 %|, Theil-Sen slope, excursion beyond the range of true frames, and reach = distance from the"
        " middle of that range over half of it; Hellinger distance of colours to the first frame; flicker; seam ratio ="
        " change across chunk borders / change inside chunks; freeze ratio.",
        "HeliosBench (arXiv 2603.04379) for the ends, Theil 1950 and Sen 1968 for the slope, VBench for flicker.",
        "A frozen picture neither drifts nor has seams: the freeze ratio sees it. Other walks have other views.",
        ("long_walk.png", "long_walk_frames.png"),
    ),
    Note(
        "exactness",
        "Exactness",
        "SHA-256 of all frames, twice with the same seed and inputs, and on from a snapshot in another process.",
        "The contract.",
        "Frames that do not depend on the inputs; that other inputs differ is measured too.",
    ),
    Note(
        "held",
        "Memory held",
        "Bytes of the session's arrays, of its snapshot and of the process, early and late.",
        "The contract.",
        "What is kept outside the session shows only in the process.",
    ),
    Note(
        "sheets",
        "Contact sheets",
        "The dream above the truth, from the same start with the same input held.",
        "To be looked at.",
        "Nothing is measured here.",
        (
            "overview.png",
            "sheet_brick_garden.png",
            "sheet_desert_ruins.png",
            "sheet_ice_palace.png",
            "sheet_neon_city.png",
        ),
    ),
)
