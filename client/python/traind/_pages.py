"""Pages for notebooks: a job with its curves and layers, a table, a picture. Plain HTML and SVG, without scripts."""

from __future__ import annotations

import html
import math
import os
import pathlib
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple, Union

from traind import events
from traind._progress import History, clock, numbers_of, printable, state_of, step_of

_TRAIN, _TEST = "#3b82f6", "#f59e0b"  # Seen on light and on dark.


def _escape(text: Any) -> str:
    return html.escape(printable(str(text)), quote=True)


def _finite(values: Iterable[Optional[float]]) -> List[float]:
    return [value for value in values if value is not None and math.isfinite(value)]


def curves_svg(
    title: str,
    curves: Sequence[Tuple[str, str, Sequence[Tuple[float, Optional[float]]]]],
    *,
    percent: bool = False,
    width: int = 340,
    height: int = 150,
) -> str:
    """Curves over the steps: (name, colour, points). Empty where there is nothing to draw."""
    xs = _finite(x for _, _, points in curves for x, y in points if y is not None)
    ys = _finite(y for _, _, points in curves for _, y in points)
    if not ys:
        return ""
    low, high = min(ys), max(ys)
    if high == low:
        low, high = low - 0.5 * abs(low or 1), high + 0.5 * abs(high or 1)
    right = max(max(xs), 1.0)
    left, top, bottom = 46, 20, 18

    def place(x: float, y: float) -> str:
        across, down = (width - left - 6) / right, (height - top - bottom) / (high - low)
        return f"{left + across * x:.1f},{top + down * (high - y):.1f}"

    text = [
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{_escape(title)}" '
        'style="font:11px sans-serif" fill="currentColor">',
        f'<text x="{left}" y="12">{_escape(title)}</text>',
    ]
    for value in (high, (low + high) / 2, low):
        y = place(0, value).split(",")[1]
        label = f"{value:.1%}" if percent else f"{value:.3g}"
        text.append(
            f'<line x1="{left}" x2="{width - 6}" y1="{y}" y2="{y}" stroke="currentColor" stroke-opacity=".15"/>'
            f'<text x="{left - 4}" y="{y}" text-anchor="end" dominant-baseline="middle">{label}</text>'
        )
    text.append(f'<text x="{width - 6}" y="{height - 4}" text-anchor="end">step {right:,.0f}</text>')
    at = width - 6
    for name, colour, points in reversed(curves):
        drawn = [(x, y) for x, y in points if y is not None and math.isfinite(y)]
        if not drawn:
            continue
        path = " ".join(place(x, y) for x, y in drawn)
        text.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        if len(drawn) <= 50:
            text += [
                f'<circle cx="{place(x, y).split(",")[0]}" cy="{place(x, y).split(",")[1]}" r="2" fill="{colour}"/>'
                for x, y in drawn
            ]
        text.append(f'<text x="{at}" y="12" text-anchor="end" fill="{colour}">{_escape(name)}</text>')
        at -= 8 * len(name) + 6
    return "".join(text) + "</svg>"


def histogram_svg(counts: Iterable[int], width: int = 96, height: int = 20) -> str:
    """Bars on a scale of roots, so that rare values are seen beside frequent ones."""
    numbers, bars = [int(count) for count in counts], 32
    merged = [sum(numbers[i * len(numbers) // bars : (i + 1) * len(numbers) // bars]) for i in range(bars)]
    most = max(merged)
    if most == 0:
        return ""
    step = width / bars
    path = "".join(
        f"M{i * step:.1f} {height}v{-height * math.sqrt(count / most):.1f}h{step:.1f}V{height}z"
        for i, count in enumerate(merged)
        if count
    )
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" aria-hidden="true">'
        f'<path d="{path}" fill="{_TRAIN}"/></svg>'
    )


def _share(value: Optional[float]) -> str:
    return "" if value is None else f"{value:.1%}"


def layers_html(event: events.Event) -> str:
    """The table of layers of a Statistics event."""
    if not isinstance(event, events.Statistics):
        return ""
    weights = {one.name: one for one in event.parameters}
    names = ("layer", "kind", "shape", "mean", "std", "zeros", "saturated", "dead", "gradient", "update", "histogram")
    rows = []
    for one in event.layers:
        weight = weights.get(f"{one.layer}.weight")
        cells = [
            _escape(one.layer),
            _escape(f"{one.kind} {one.activation}".strip()),
            "×".join(map(str, one.shape)),
            f"{one.mean:.3g}",
            f"{one.std:.3g}",
            _share(one.zeros),
            _share(one.saturated),
            "" if one.dead is None else f"{one.dead}/{one.units}",
            f"{weight.gradient_norm:.2g}" if weight else "",
            f"{weight.update_ratio:.1g}" if weight else "",
            histogram_svg(one.counts),
        ]
        rows.append(
            "".join(
                f'<td style="padding:0 6px;text-align:{"left" if i < 3 else "right"}">{cell}</td>'
                for i, cell in enumerate(cells)
            )
        )
    head = "".join(
        f'<th style="padding:0 6px;text-align:{"left" if i < 3 else "right"}">{name}</th>'
        for i, name in enumerate(names)
    )
    return (
        f"<details open><summary>layers at step {event.step:,}</summary>"
        f'<table style="font:12px monospace"><tr>{head}</tr>'
        + "".join(f"<tr>{row}</tr>" for row in rows)
        + "</table></details>"
    )


def _findings(job: Any, history: History) -> List[str]:
    """What stands in the spec is among the warnings."""
    found = list(job.warnings) + ([job.error] if job.error else [])
    now = [one for one in history.findings.values() if one.state == "open" and not one.proto.warned]
    return found + [str(one) for one in sorted(now, key=lambda one: (-one.proto.severity, one.first_step))]


def job_html(job: Any, history: History) -> str:
    """A job as a notebook shows it: progress, curves, layers, and what a person should know."""
    step, total = step_of(job, history), job.total_steps
    share = step / total if total else 0.0
    left = f", {clock(history.remaining)} left" if history.remaining is not None and not job.done else ""
    numbers = ", ".join(numbers_of(job, history))
    title = f" <span>{_escape(job.proto.display_name)}</span>" if job.proto.display_name else ""
    parts = [
        f'<div style="font-family:sans-serif"><b>{_escape(job.name)}</b>{title} '
        f"{_escape(state_of(job, history))}: step {step:,} of "
        f"{total:,}{_escape(left)}{': ' if numbers else ''}{_escape(numbers)}",
        f'<div role="progressbar" aria-valuenow="{share * 100:.0f}" aria-valuemin="0" aria-valuemax="100" '
        'style="background:#8884;height:6px;max-width:700px">'
        f'<div style="background:{_TRAIN};height:6px;width:{share:.2%}"></div></div>',
    ]
    train, test = history.train.points, history.evaluation.points
    parts.append(
        curves_svg(
            "loss",
            [
                ("train", _TRAIN, [(p.step, p.loss) for p in train]),
                ("evaluation", _TEST, [(p.step, p.loss) for p in test]),
            ],
        )
    )
    parts.append(
        curves_svg(
            "accuracy",
            [
                ("train", _TRAIN, [(p.step, p.accuracy) for p in train]),
                ("evaluation", _TEST, [(p.step, p.accuracy) for p in test]),
            ],
            percent=True,
        )
    )
    findings = _findings(job, history)
    if findings:
        parts.append("<ul>" + "".join(f"<li>{_escape(text)}</li>" for text in findings) + "</ul>")
    if "statistics" in history.newest:
        parts.append(layers_html(history.newest["statistics"]))
    return "".join(parts) + "</div>"


def _cell(value: Any) -> str:
    if hasattr(value, "ndim") and value.ndim == 1:
        return histogram_svg(value)
    if isinstance(value, tuple):
        return "×".join(map(str, value))
    if isinstance(value, str):
        return _escape(value)
    return f"{value:,}" if float(value).is_integer() else f"{value:.4g}"


def table_html(table: Dict[str, Any], limit: int = 60) -> str:
    """Columns as a page; the first rows of a long one."""
    rows = list(zip(*table.values()))
    head = "".join(f"<th>{_escape(name)}</th>" for name in table)
    body = "".join("<tr>" + "".join(f"<td>{_cell(cell)}</td>" for cell in row) + "</tr>" for row in rows[:limit])
    more = f"<p>{len(rows) - limit:,} more rows</p>" if len(rows) > limit else ""
    return f"<table><tr>{head}</tr>{body}</table>{more}"


class Picture:
    """A PNG picture."""

    def __init__(self, png: bytes) -> None:
        self.png = png

    def save(self, path: Union[str, "os.PathLike[str]"]) -> None:
        pathlib.Path(path).write_bytes(self.png)

    def _repr_png_(self) -> bytes:
        return self.png
