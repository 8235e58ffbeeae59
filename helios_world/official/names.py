"""Names of the transformer's weights in older checkpoints and in those it was trained from, and ours.

`norm_out.scale_shift_table` was a table of its own before, as in Wan; the authors' converter renames it. That the
parts of `multi_term_memory_patch` had the names they have now, and that `clean_patch_embedding` called them by their
factor (`proj` short, `proj_2x` mid, `proj_4x` long, as FramePack does), is inferred from the shapes.
"""

from __future__ import annotations

import re

MEMORY_PATCHES = {"patch_short": 1, "patch_mid": 2, "patch_long": 4}
"""The embeddings of the history, and how many latents, rows and columns of patches each puts together."""

_RENAMED = (
    (r"scale_shift_table", "norm_out.scale_shift_table"),
    (r"multi_term_memory_patch\.(patch_(?:short|mid|long)\..*)", r"\1"),
    (r"clean_patch_embedding\.proj\.(.*)", r"patch_short.\1"),
    (r"clean_patch_embedding\.proj_2x\.(.*)", r"patch_mid.\1"),
    (r"clean_patch_embedding\.proj_4x\.(.*)", r"patch_long.\1"),
)
# Left over in some conversions of Wan; diffusers passes over them too.
_UNUSED = "norm_added_q"

_WAN_MODULES = (
    (r"(blocks\.\d+)\.self_attn\.([qkv])", r"\1.attn1.to_\2"),
    (r"(blocks\.\d+)\.self_attn\.o", r"\1.attn1.to_out.0"),
    (r"(blocks\.\d+)\.cross_attn\.([qkv])", r"\1.attn2.to_\2"),
    (r"(blocks\.\d+)\.cross_attn\.o", r"\1.attn2.to_out.0"),
    (r"(blocks\.\d+)\.ffn\.0", r"\1.ffn.net.0.proj"),
    (r"(blocks\.\d+)\.ffn\.2", r"\1.ffn.net.2"),
    (r"time_embedding\.0", "condition_embedder.time_embedder.linear_1"),
    (r"time_embedding\.2", "condition_embedder.time_embedder.linear_2"),
    (r"time_projection\.1", "condition_embedder.time_proj"),
    (r"text_embedding\.0", "condition_embedder.text_embedder.linear_1"),
    (r"text_embedding\.2", "condition_embedder.text_embedder.linear_2"),
    (r"head\.head", "proj_out"),
)


def modern_name(key: str) -> str | None:
    """Today's name of a weight, None for one that is not used."""
    return None if _UNUSED in key.split(".") else _renamed(key, _RENAMED)


def module_name(name: str) -> str:
    """The module that an adapter means, which may go by Wan's own names."""
    modern = _renamed(f"{_renamed(name, _WAN_MODULES)}.weight", _RENAMED)
    return modern.removesuffix(".weight")


def _renamed(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, ours in rules:
        match = re.fullmatch(pattern, name)
        if match:
            return match.expand(ours)
    return name
