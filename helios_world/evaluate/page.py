"""One HTML page with every figure and every picture in it: no scripts, nothing fetched from elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from helios_world.evaluate.notes import NOTES, Note

LONGEST_LIST = 8  # entries; longer lists are in the plots and in report.json

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1e24; --faint: #646b78; --paper: #fff; --line: #d9dde4; --card: #f5f6f8;
  --good: #14733a; --bad: #b3261e }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaee; --faint: #9aa1ae; --paper: #14161b; --line: #2c313b;
  --card: #1c1f26; --good: #5fd08c; --bad: #ff8a80 } }
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 68rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif }
h1 { font-size: 1.7rem; margin: 0 } h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; border-top: 1px solid var(--line);
  padding-top: 1.2rem }
p { margin: .4rem 0 } .faint { color: var(--faint) }
table { border-collapse: collapse; margin: .8rem 0; font-variant-numeric: tabular-nums }
td, th { padding: .22rem .9rem .22rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line) }
td.number, th.number { text-align: right } th { color: var(--faint); font-weight: 500 }
.met { color: var(--good) } .missed { color: var(--bad); font-weight: 600 }
.part td:first-child { padding-left: 1.2rem }
dl { display: grid; grid-template-columns: 7rem 1fr; gap: .15rem .8rem; background: var(--card); padding: .8rem 1rem;
  border-radius: .5rem } dt { color: var(--faint) } dd { margin: 0 }
img { max-width: 100%; height: auto; border-radius: .3rem; margin: .5rem 0; background: #fff }
details { margin: .6rem 0 } summary { cursor: pointer; color: var(--faint) }
nav { columns: 3 14rem; margin: 1rem 0 } nav a { display: block; color: inherit } .scroll { overflow-x: auto }
"""


def write(report: Mapping[str, Any], folder: Path, name: str) -> None:
    """Write the page of a report into its folder; pictures that are not there are left out."""
    figures = report["figures"]
    notes = [note for note in NOTES if note.key in figures]
    parts = [
        _head(report),
        _targets(report["targets"]),
        "<nav>" + "".join(f'<a href="#{n.key}">{escape(n.title)}</a>' for n in notes) + "</nav>",
        *(_section(note, figures[note.key], folder) for note in notes),
    ]
    save(f"helios-world eval {report['world']}", parts, folder / name)


def save(title: str, parts: Sequence[str], path: Path) -> None:
    """Write a page with these pieces of HTML."""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    body = "\n".join(parts)
    page = (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n'
    )
    path.write_text(page, encoding="utf-8")


def picture(path: Path) -> str:
    """An image element that holds the file; nothing if there is none."""
    if not path.is_file():
        return ""
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return f'<img alt="{escape(path.stem.replace("_", " "))}" src="data:image/png;base64,{data}">'


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column is words and whose others are numbers; cells are escaped here."""
    cells = "".join(f"<th{_kind(i)}>{escape(text)}</th>" for i, text in enumerate(head))
    lines = ("".join(f"<td{_kind(i)}>{escape(text)}</td>" for i, text in enumerate(row)) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="scroll"><table><tr>{cells}</tr>{body}</table></div>'


def _kind(column: int) -> str:
    return ' class="number"' if column else ""


def _head(report: Mapping[str, Any]) -> str:
    judged = [target["met"] for target in report["targets"] if target["met"] is not None]
    size = "a quick look, not a measurement" if report["quick"] else "full measurement"
    weights = report["fingerprint"][:12]
    facts = f"{size} · seed {report['seed']} · {report['seconds']:.0f} s · weights and settings {weights}"
    return (
        f"<h1>{escape(report['world'])}: {sum(judged)} of {len(judged)} targets met</h1>"
        f'<p class="faint">{escape(facts)}</p>'
        "<p>The game behind this world is deterministic, so the dream is held against the truth frame by frame, from"
        " starts and with random numbers that training never sees.</p>"
    )


def _targets(targets: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for target in targets:
        verdict = "" if target["met"] is None else "met" if target["met"] else "missed"
        cells = f'<td class="number">{escape(target["shown"])}</td><td class="number">{escape(target["wanted"])}</td>'
        part = ' class="part"' if target["part"] else ""
        rows.append(f'<tr{part}><td>{escape(target["target"])}</td>{cells}<td class="{verdict}">{verdict}</td></tr>')
    head = '<tr><th>figure</th><th class="number">measured</th><th class="number">target</th><th></th></tr>'
    return f'<div class="scroll"><table>{head}{"".join(rows)}</table></div>'


def _section(note: Note, figures: Mapping[str, Any], folder: Path) -> str:
    facts = {"formula": note.formula, "source": note.source, "fooled by": note.fooled_by}
    listed = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())
    pictures = "".join(picture(folder / name) for name in note.pictures)
    rows = [[name, value] for name, value in _rows(figures)]
    shown = (
        f"<details><summary>all {len(rows)} figures</summary>{table(('figure', 'value'), rows)}</details>"
        if rows
        else ""
    )
    return f'<h2 id="{note.key}">{escape(note.title)}</h2><dl>{listed}</dl>{pictures}{shown}'


def _rows(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every figure with its place in the report."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _rows(entry, f"{path} · {key}" if path else str(key))
    elif isinstance(value, list | tuple):
        if len(value) <= LONGEST_LIST:
            for number, entry in enumerate(value, start=1):
                yield from _rows(entry, f"{path} · {number}")
    else:
        yield path, show(value)


def show(value: Any) -> str:
    """A figure for people."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
