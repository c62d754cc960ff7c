"""reports/index.html: one page on a run, for a person in a browser.

What went in, what came out, what changed, what was left out and how it sounds, times, the model.
The page holds everything it shows and asks nobody for more. Every text is escaped: what strangers
wrote stays text.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from clips import from_flac, replacing
from clips.files import read_json
from clips.segment import RATE
from pipelines.reject_examples import Example, examples_of
from pipelines.run_summary import EXPORT, changes, remember, summarise
from pipelines.times import read_times

REPORT = Path("reports", "index.html")
EVALUATION = Path("reports", "evaluation")
REASONS = 20
"""Reasons of rejects that get examples, the most frequent ones."""

_PAGE = Path(__file__).with_name("report.html")


class Markup(str):
    """Text that is HTML already."""


def markup(form: str, *parts: Any) -> Markup:
    """HTML with parts put into its braces; parts that are not Markup are escaped.

    >>> markup("<b>{}</b>", "1 < 2")
    '<b>1 &lt; 2</b>'
    """
    return Markup(
        form.format(*(p if isinstance(p, Markup) else html.escape(str(p)) for p in parts))
    )


def joined(parts: Iterable[Any], between: str = "\n") -> Markup:
    """Parts one after the other, each escaped unless it is Markup."""
    return Markup(between.join(markup("{}", part) for part in parts))


def write_report(path: Path = REPORT) -> Path:
    """Writes the page of the run that datasets/, metrics/ and reports/evaluation hold."""
    now = summarise()
    made, before = remember(now)
    page = _PAGE.read_text("utf-8")
    metrics_file = Path("metrics", "evaluate.json")
    metrics = read_json(metrics_file, dict) if metrics_file.exists() else {}
    parts = {
        "made": _when(made),
        "tiles": _tiles(now, metrics),
        "changes": _changes(now, before),
        "taken": _taken(now),
        "made_of": _made(now),
        "coverage": _coverage(now),
        "left_out": _left_out(now["left_out"]),
        "speakers": _speakers(now["made"]["speaker"]),
        "licences": _licences(),
        "times": _times(before),
        "model": _model(metrics),
    }
    for name, part in parts.items():
        page = page.replace(f"<!-- {name} -->", part, 1)
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _tiles(now: dict, metrics: dict) -> Markup:
    splits = now["made"]["split"]
    ours = metrics.get("held_out", {}).get("visemill")
    tiles = [
        (f"{sum(s['minutes'] for s in splits.values()):,.0f} min", "approved, labelled speech"),
        (f"{sum(s['clips'] for s in splits.values()):,}", "clips"),
        (f"{len(now['made']['speaker']):,}", "speakers"),
        (f"{sum(now['left_out'].values()):,}", "left out or waiting"),
    ]
    if ours:
        tiles.append((f"{ours['frame_accuracy']:.1%}", "frames right, unseen voices and sentences"))
    for name, figures in metrics.get("truth", {}).items():
        accuracy = figures["visemill"]["frame_accuracy"]
        tiles.append((f"{accuracy:.1%}", f"frames right on hand labels, {name}"))
    return joined(markup("<div class=tile><b>{}</b>{}</div>", *tile) for tile in tiles)


def _changes(now: dict, before: dict | None) -> Markup:
    if before is None:
        return Markup("<p>This is the first run that is remembered here (<code>.runs/</code>).</p>")
    differing = changes(before["summary"], now)
    about = markup("<p>Against the run of {}.</p>", _when(before["made"]))
    groups: dict[str, list] = {title: [] for title in _GROUPS.values()}
    for key, old, new in differing:
        group, _, rest = key.partition(".")
        groups.setdefault(_GROUPS.get(group, group), []).append((rest or key, *_pair(old, new)))
    tables = [
        markup(
            "<details{}><summary>{} <small>{}</small></summary>{}</details>",
            Markup(" open") if len(rows) <= 12 else "",
            group,
            len(rows),
            table(("", "before", "now", "change"), rows),
        )
        for group, rows in groups.items()
        if rows
    ]
    return joined([about, *tables])


_GROUPS = {
    "params": "Parameters",
    "taken": "What went in",
    "made": "What came out: clips and minutes",
    "shards": "What came out: clips and minutes",
    "left_out": "Left out",
    "metrics": "Figures of the model",
    "mouths": "Seconds of mouth shapes",
    "phones": "Seconds of phones",
}
"""Parts of a summary, in the order in which their changes are shown."""


def _pair(old: Any, new: Any) -> tuple[Any, Any, Any]:
    """Two values and how far the second is from the first, if they are numbers."""
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (old, new))
    change = f"{new - old:+,.4g}" if numbers else ""
    return (*tuple("–" if value is None else _plain(value) for value in (old, new)), change)


def _taken(now: dict) -> Markup:
    head = ("source", "clips", "minutes", "speakers", "languages", "licences")
    rows = [
        (name, entry["clips"], f"{entry['minutes']:,.1f}", *(entry[key] for key in head[3:]))
        for name, entry in now["taken"]["clips"].items()
    ]
    sentences = now["taken"]["sentences"]
    listed = ", ".join(f"{language} {count:,}" for language, count in sentences.items())
    form = "<p>{} sentences to speak: {}.</p>{}"
    spoken = table(head, rows, words=(4, 5))
    return markup(form, f"{sum(sentences.values()):,}", listed, spoken) if sentences else spoken


def _made(now: dict) -> Markup:
    titles = {
        "split": "Split", "source": "Source", "language": "Language", "timing": "Timing",
        "basis": "Approved by",
    }  # fmt: skip
    figures = []
    for key, title in titles.items():
        most = max(entry["minutes"] for entry in now["made"][key].values()) or 1
        rows = [
            (name, entry["clips"], f"{entry['minutes']:.1f}", _bar(entry["minutes"] / most))
            for name, entry in now["made"][key].items()
        ]
        figures.append(_figure(title, table(("", "clips", "minutes", ""), rows)))
    shards = markup("<p>{} shards.</p>", now["shards"])
    return markup("<div class=columns>{}</div>{}", joined(figures), shards)


def _coverage(now: dict) -> Markup:
    figures = []
    for key, title in (("mouths", "Mouth shapes"), ("phones", "Phones")):
        total, most = sum(now[key].values()) or 1, max(now[key].values(), default=1) or 1
        rows = [
            (label, f"{seconds:,.1f}", f"{seconds / total:.1%}", _bar(seconds / most))
            for label, seconds in now[key].items()
        ]
        figures.append(_figure(title, table(("", "seconds", "share", ""), rows)))
    return markup("<div class=columns>{}</div>", joined(figures))


def _left_out(counts: Mapping[str, int]) -> Markup:
    if not counts:
        return Markup("<p>Nothing.</p>")
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    heard = examples_of(reason for reason, _ in ranked[:REASONS])
    blocks = []
    for reason, count in ranked:
        stage, _, phrase = reason.partition(": ")
        examples = joined(_example(example) for example in heard.get(reason, ()))
        head = markup("<b>{}</b> <span>{}</span> <small>{}</small>", f"{count:,}", phrase, stage)
        blocks.append(
            markup("<details><summary>{}</summary>{}</details>", head, examples)
            if examples
            else markup("<p class=reason>{}</p>", head)
        )
    return joined(blocks)


def _example(example: Example) -> Markup:
    if example.audio is None:
        sound = Markup("<small>its sound was not kept</small>")
    else:
        sound = _player(example.audio)
    about = " · ".join(part for part in (example.text, example.detail) if part)
    form = "<div class=example>{}<div><code>{}</code> {}</div></div>"
    return markup(form, sound, example.clip_id, about)


def _speakers(speakers: Mapping[str, dict]) -> Markup:
    ranked = sorted(speakers.items(), key=lambda item: (-item[1]["minutes"], item[0]))
    most = ranked[0][1]["minutes"] or 1
    rows = [
        (name, entry["clips"], f"{entry['minutes']:.1f}", _bar(entry["minutes"] / most))
        for name, entry in ranked
    ]
    head = ("speaker", "clips", "minutes", "")
    shown = table(head, rows[:15])
    if len(rows) <= 15:
        return shown
    rest = rows[15:1000]
    form = "{}<details><summary>{} more</summary>{}</details>"
    return markup(form, shown, f"{len(rows) - 15:,}", table(head, rest))


def _licences() -> Markup:
    card = read_json(EXPORT / "dataset.json", dict)
    rows = [
        (name, count, "; ".join(card["attributions"][name]))
        for name, count in card["licences"].items()
    ]
    return table(("licence", "clips", "to be named"), rows, words=(2,))


def _times(before: dict | None) -> Markup:
    times = read_times()
    if not times:
        return Markup("<p>No stage has run on this machine: its outputs were pulled.</p>")
    rows = []
    for stage, t in times.items():
        old = before is not None and t["ended"] <= before["made"]
        all_new = t["seconds"] and not t["reused"]
        rows.append(
            (
                stage,
                f"{t['wall_seconds']:,.1f}",
                f"{t['processor_seconds']:,.1f}",
                f"{t['peak_bytes'] / 2**20:,.0f}",
                f"{t['seconds'] / 60:,.1f}" if t["seconds"] else "",
                f"{t['seconds'] / t['wall_seconds']:,.0f}" if all_new else "",
                f"{t['partitions'] - t['reused']} of {t['partitions']}" if t["partitions"] else "",
                _when(t["ended"]) + (", earlier run" if old else ""),
            )
        )
    head = (
        "stage", "seconds", "processor seconds", "MiB at most", "minutes of speech",
        "× real time", "partitions made", "ended",
    )  # fmt: skip
    note = Markup(
        "<p class=note>Seconds with start. Memory is that of the largest process. A stage that had"
        " nothing to do was not run again: its line is from the run that made what it holds.</p>"
    )
    return joined([table(head, rows, words=(7,)), note])


def _model(metrics: dict) -> Markup:
    if not metrics:
        return Markup("<p>The stage <code>evaluate</code> has not run.</p>")
    parts = [_example_of_model()]
    parts.append(_figures(metrics))
    if not metrics["held_out"]:
        parts.append(
            Markup(
                "<p class=note>No clip is held out: give <code>splits</code> in params.yaml larger"
                " shares, or the run more voices.</p>"
            )
        )
    if not metrics["truth"]:
        parts.append(
            Markup(
                "<p class=note>No hand-labelled speech was given: <code>make repro TRUTH=folder"
                "</code> measures on real people.</p>"
            )
        )
    pictures = [*sorted(EVALUATION.glob("confusion-*.png")), EVALUATION / "curves.png"]
    shown = joined(_picture(path) for path in pictures if path.exists())
    parts.append(markup("<div class=pictures>{}</div>", shown))
    if alignment := metrics.get("alignment"):
        rows = [(key.replace("_", " "), f"{value:g}") for key, value in alignment.items()]
        parts += [Markup("<h3>The aligner against known truth</h3>"), table(("", ""), rows)]
    return joined(parts)


def _example_of_model() -> Markup:
    about = EVALUATION / "example.json"
    if not about.exists():
        return Markup("")
    clip = read_json(about, dict)
    audio = from_flac((EVALUATION / "example.flac").read_bytes())
    form = "<h3>One clip that it never saw</h3><p>“{}” <code>{}</code></p>{}{}"
    picture = _picture(EVALUATION / "example.png")
    return markup(form, clip["text"], clip["clip_id"], _player(audio), picture)


_COLUMNS = {
    "frame_accuracy": ("frames right", "{:.1%}"),
    "lip_score": ("lip score", "{:.3f}"),
    "lips_closed": ("P B M closed", "{:.0%}"),
    "lips_teeth": ("F V on teeth", "{:.0%}"),
    "false_closed_share": ("falsely closed", "{:.1%}"),
    "macro_f1": ("macro F1", "{:.2f}"),
    "boundary_f1_40_ms": ("changes within 40 ms, F1", "{:.2f}"),
    "changes_per_second": ("changes/s", "{:.1f}"),
    "flickers_per_second": ("flickers/s", "{:.2f}"),
}


def _figures(metrics: dict) -> Markup:
    """The chief figures of every model on every set, then those by condition and group."""
    groups = {"held-out voices and sentences": metrics["held_out"], **metrics["truth"]}
    rows, small = [], False
    for where, models in groups.items():
        for name, figures in models.items():
            limits = figures.get("intervals_95", {})
            small = small or bool(limits)
            cells = [
                _cell(figures.get(column), form, limits.get(column))
                for column, (_, form) in _COLUMNS.items()
            ]
            rows.append((where, name, *cells))
    head = ("measured on", "model", *(title for title, _ in _COLUMNS.values()))
    parts = [table(head, rows, words=(1,))]
    if small:
        parts.append(
            Markup(
                "<p class=note>Small: where 95 of 100 figures would lie with other speakers"
                " (bootstrap).</p>"
            )
        )
    for where, models in metrics["truth"].items():
        form = "<details><summary>{}, taken apart</summary>{}</details>"
        parts.append(markup(form, where, _apart(models)))
    return joined(parts)


def _apart(models: dict) -> Markup:
    """One line for each condition and group: frames right and lip score of every model."""
    names = list(models)
    head = ["", *(f"{name}: {what}" for name in names for what in ("frames", "lips"))]
    rows = []
    for kind in (kind for kind in models[names[0]] if kind.startswith("by_")):
        for case in models[names[0]][kind]:
            cells: list[Any] = [f"{kind[3:]}: {case}"]
            for name in names:
                figures = models[name].get(kind, {}).get(case, {})
                cells.append(_cell(figures.get("frame_accuracy"), "{:.1%}"))
                cells.append(_cell(figures.get("lip_score"), "{:.3f}"))
            rows.append(cells)
    return table(head, rows)


def _cell(value: float | None, form: str, limits: Sequence[float] | None = None) -> Markup:
    if value is None:
        return Markup("–")
    if not limits:
        return Markup(form.format(value))
    between = "–".join(form.format(limit) for limit in limits)
    return markup("{}<br><small>{}</small>", form.format(value), between)


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], words: Sequence[int] = ()) -> Markup:
    """A table; the first column and the columns `words` are text, the others numbers."""

    def line(tag: str, cells: Sequence[Any]) -> Markup:
        return joined(
            (
                markup(
                    f"<{tag} class=text>{{}}" if n in (0, *words) else f"<{tag}>{{}}", _plain(cell)
                )
                for n, cell in enumerate(cells)
            ),
            "",
        )

    body = joined(markup("<tr>{}", line("td", row)) for row in rows)
    form = "<div class=wide><table><thead><tr>{}</thead><tbody>{}</tbody></table></div>"
    return markup(form, line("th", head), body)


def _figure(title: str, content: Markup) -> Markup:
    return markup("<div><h3>{}</h3>{}</div>", title, content)


def _bar(share: float) -> Markup:
    return Markup(f'<span class=bar style="width:{max(share, 0.005) * 100:.1f}%"></span>')


def _plain(value: Any) -> Any:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value


def _when(moment: str) -> str:
    return f"{datetime.fromisoformat(moment).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _picture(path: Path) -> Markup:
    data = base64.b64encode(path.read_bytes()).decode()
    form = '<img alt="{}" src="data:image/png;base64,{}">'
    return markup(form, path.stem.replace("-", " "), data)


def _player(audio: np.ndarray) -> Markup:
    """A player that holds its sound, as MP3: a tenth of what WAV takes."""
    buffer = io.BytesIO()
    soundfile.write(buffer, audio, RATE, format="MP3")
    data = base64.b64encode(buffer.getvalue()).decode()
    return markup('<audio controls preload=metadata src="data:audio/mpeg;base64,{}"></audio>', data)
