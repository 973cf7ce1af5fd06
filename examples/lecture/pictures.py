"""The pictures of docs/lecture10.md and docs/lecture11.md, in one style."""
import pathlib

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

BLUE, ORANGE, GREEN, RED, GREY = "#2f6db3", "#e08a1e", "#3b8f5a", "#c23b3b", "#8a8f98"
COLORS = [BLUE, ORANGE, GREEN, RED, "#7c5ab8", "#4aa3a3"]

plt.rcParams.update({
    "figure.facecolor": "white", "axes.facecolor": "white", "savefig.facecolor": "white", "savefig.dpi": 130,
    "font.size": 10, "axes.titlesize": 11, "axes.labelsize": 10, "axes.edgecolor": "#b8bcc4", "axes.grid": True,
    "grid.color": "#e6e8ec", "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False,
    "legend.frameon": False, "xtick.color": "#444850", "ytick.color": "#444850",
})


def save(figure, path: pathlib.Path):
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, bbox_inches="tight")
    plt.close(figure)


def histograms(path, layers, title):
    """One histogram for each layer, as in the lecture: the share of the layer's outputs in each bin."""
    figure, axes = plt.subplots(1, len(layers), figsize=(2.0 * len(layers), 2.5), sharey=True)
    for axis, layer in zip(axes, layers):
        histogram = layer["histogram"]
        low, high = float(histogram["low"]), float(histogram["high"])
        counts = [int(count) for count in histogram["counts"]]
        width = (high - low) / len(counts)
        total = max(1, sum(counts))
        axis.bar([low + (i + 0.5) * width for i in range(len(counts))], [100 * c / total for c in counts],
                 width=width, color=BLUE, linewidth=0)
        axis.set_title(layer["layer"].replace("layer", "layer "))
        axis.set_xlabel(f"mean {float(layer['mean']):.2f}\nstd {float(layer['std']):.2f}")
        axis.grid(axis="x", visible=False)
        axis.locator_params(axis="x", nbins=3)
    # A pile at one value must not flatten the rest.
    highest = sorted(bar.get_height() for axis in axes for bar in axis.patches)
    axes[0].set_ylim(0, min(max(highest), max(12.0, 1.5 * highest[int(0.97 * len(highest))])) * 1.05)
    axes[0].set_ylabel("outputs, % per bin")
    figure.suptitle(title, y=1.04)
    figure.tight_layout()
    save(figure, path)


def curves(path, series, xlabel, ylabel, title, logarithmic=False, band=True, marks=()):
    """`series`: name -> list of curves [(x, y), ...], one for each seed: their mean, and the range between them. `marks`: x of
    vertical lines."""
    figure, axis = plt.subplots(figsize=(7.2, 3.8))
    for color, (name, runs) in zip(COLORS, series.items()):
        runs = [run for run in runs if run]
        if not runs:
            continue
        points = {}
        for run in runs:
            for x, y in run:
                points.setdefault(x, []).append(y)
        xs = sorted(x for x, ys in points.items() if len(ys) == len(runs))
        axis.plot(xs, [sum(points[x]) / len(points[x]) for x in xs], color=color, label=name, linewidth=1.8)
        if band and len(runs) > 1:
            axis.fill_between(xs, [min(points[x]) for x in xs], [max(points[x]) for x in xs], color=color, alpha=0.15,
                              linewidth=0)
    for x in marks:
        axis.axvline(x, color=GREY, linewidth=1.2, linestyle=":")
    if logarithmic:
        axis.set_yscale("log")
    axis.set_xlabel(xlabel)
    axis.set_ylabel(ylabel)
    axis.set_title(title)
    axis.legend(loc="best")
    figure.tight_layout()
    save(figure, path)


def dots(path, rows, xlabel, title):
    """`rows`: (label, {series: [values of the seeds]}), the first at the top: a dot for the mean, a small one for each seed."""
    names = list(dict.fromkeys(name for _, values in rows for name in values))
    figure, axis = plt.subplots(figsize=(7.2, 0.34 * len(rows) + 1.3))
    for y, (_, values) in enumerate(reversed(rows)):
        means = {name: sum(v) / len(v) for name, v in values.items()}
        if len(means) > 1:
            axis.plot([min(means.values()), max(means.values())], [y, y], color="#cfd3da", linewidth=2, zorder=1)
        for color, name in zip([BLUE, ORANGE], names):
            if name not in values:
                continue
            axis.plot(values[name], [y] * len(values[name]), "o", color=color, markersize=3.5, alpha=0.45, zorder=2)
            axis.plot(means[name], y, "o", color=color, markersize=7.5, zorder=3, label=name if y == 0 else None)
    axis.set_yticks(range(len(rows)), [label for label, _ in reversed(rows)])
    axis.set_ylim(-0.7, len(rows) - 0.3)
    axis.set_xlabel(xlabel)
    axis.set_title(title)
    if len(names) > 1:
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.7 / (0.34 * len(rows) + 0.6)), ncol=2)
    figure.tight_layout()
    save(figure, path)


def lines(path, series, xlabel, ylabel, title, logarithmic_x=False, low=None):
    """`series`: name -> {x: [values of the seeds]}: a line through the means, a small dot for each seed. What lies below `low`
    is cut off, and the title says so."""
    figure, axis = plt.subplots(figsize=(7.2, 3.8))
    for color, (name, values) in zip(COLORS, series.items()):
        xs = sorted(x for x in values if values[x])
        axis.plot(xs, [sum(values[x]) / len(values[x]) for x in xs], "-o", color=color, label=name, linewidth=1.8, markersize=5)
        for x in xs:
            axis.plot([x] * len(values[x]), values[x], "o", color=color, markersize=3, alpha=0.45)
    if logarithmic_x:
        axis.set_xscale("log")
        ticks = sorted({x for values in series.values() for x in values})
        axis.set_xticks(ticks, [f"{x:g}" for x in ticks])
        axis.minorticks_off()
    if low is not None and any(y < low for values in series.values() for ys in values.values() for y in ys):
        axis.set_ylim(bottom=low)
        title += f" (cut off at {low:g})"
    axis.set_xlabel(xlabel)
    axis.set_ylabel(ylabel)
    axis.set_title(title)
    axis.legend(loc="best")
    figure.tight_layout()
    save(figure, path)


def searches(path, series, xlabel, ylabel, color_label):
    """`series`: name -> [(x, y, value)]: where each search has looked, and beside it what each x gave, whatever y was."""
    values = [value for trials in series.values() for _, _, value in trials]
    figure, axes = plt.subplots(2, len(series), figsize=(3.8 * len(series) + 0.8, 5.2), sharex=True, sharey="row", squeeze=False,
                                layout="constrained")
    for column, (name, trials) in enumerate(series.items()):
        above, below = axes[0][column], axes[1][column]
        points = above.scatter([x for x, _, _ in trials], [y for _, y, _ in trials], c=[value for _, _, value in trials],
                               cmap="viridis", vmin=min(values), vmax=max(values), s=46)
        below.plot([x for x, _, _ in trials], [value for _, _, value in trials], "o", color=BLUE, markersize=5)
        above.set_yscale("log")
        below.set_xscale("log")
        below.set_ylim(min(values) - 2, max(values) + 4)
        above.set_title(f"{name}: {len({x for x, _, _ in trials})} different rates")
        below.set_xlabel(xlabel)
        if column == 0:
            above.set_ylabel(ylabel)
            below.set_ylabel(color_label)
    figure.colorbar(points, ax=axes.ravel().tolist(), label=color_label)
    save(figure, path)
