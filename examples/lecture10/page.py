"""docs/lecture10.md: tables, pictures, and sentences that say what the numbers say, whichever way they point."""
import math
import statistics

import pictures
from words import compared, difference, percent, table

# The same networks, measured once with an independent program: mean and standard deviation of the six layers' outputs.
REFERENCE = {
    "tanh_small_weights": ("tanh, weights N(0, 0.01²)", [(0, .49), (0, .29), (0, .18), (0, .11), (0, .07), (0, .05)]),
    "tanh_large_weights": ("tanh, weights N(0, 0.05²)", [(0, .87), (0, .85), (0, .85), (0, .85), (0, .85), (0, .85)]),
    "tanh_xavier": ("tanh, xavier", [(0, .63), (0, .49), (0, .41), (0, .36), (0, .32), (0, .30)]),
    "relu_xavier": ("relu, xavier", [(.40, .58), (.28, .41), (.20, .29), (.14, .20), (.10, .14), (.07, .10)]),
    "relu_kaiming": ("relu, kaiming", [(.56, .83), (.57, .83), (.57, .84), (.57, .83), (.56, .83), (.54, .81)]),
}
# Slide 34: accuracy in percent on CIFAR-10 of ResNet, Wide ResNet and DenseNet. Another data set, larger networks.
SLIDE_34 = {
    "relu": (93.8, 95.3, 94.8), "leaky_relu": (94.2, 95.6, 94.7), "prelu": (94.1, 95.1, 94.5),
    "softplus": (94.6, 94.9, 94.7), "elu": (94.1, 94.1, 94.4), "selu": (93.0, 93.2, 93.9), "gelu": (94.3, 95.5, 94.8),
    "swish": (94.7, 95.5, 94.8),
}
# What each regularizer is compared with.
BASELINE = {"stochastic_depth": "residual_none"}


def runs_of(results, part, name):
    """The runs of a job file that were trained to the end."""
    return [run for run in results.get(part, {}).get(name, []) if run["error"] is None]


def failures(results, part):
    lines = []
    for name, runs in results.get(part, {}).items():
        reasons = [run["error"] for run in runs if run["error"] is not None]
        if reasons:
            reason = " ".join(reasons[0].split())
            lines.append(f"- `{name}`: {len(reasons)} of {len(runs)} runs did not end well: {reason}\n")
    return "".join(lines) + ("\n" if lines else "")


def accuracies(results, part, name, key="test_accuracy"):
    return [run[key] for run in runs_of(results, part, name)]


def title_of(results, part, name):
    return next((run["title"] for run in results[part][name] if "title" in run), name)


def activation_tables(folder, tables):
    text = ("## Activation statistics (slides 48-64)\n\nSix layers of 4096 units, 16 rows of N(0, 1), nothing trained: "
            "`trainctl probe examples/lecture10/activation_tables/FILE`. In each cell the mean and the standard "
            "deviation of the layer's outputs.\n\n")
    rows, worst = [], 0.0
    for name, (title, reference) in REFERENCE.items():
        layers = tables[name]
        rows.append([f"**{title}**"] + [f"{float(l['mean']):.2f} / {float(l['std']):.2f}" for l in layers])
        rows.append(["independent program"] + [f"{mean:.2f} / {std:.2f}" for mean, std in reference])
        worst = max([worst] + [abs(float(l["std"]) - std) for l, (_, std) in zip(layers, reference)])
    text += table(["activation, weights"] + [f"layer {i}" for i in range(1, 7)], rows)
    text += f"\nThe largest difference of a standard deviation from the independent program's is {worst:.3f}.\n\n"
    for name, (title, _) in REFERENCE.items():
        layers = tables[name]
        pictures.histograms(folder / f"{name}.png", layers, title)
        first, last = float(layers[0]["std"]), float(layers[-1]["std"])
        text += f"### {title}\n\n![{title}](lecture10/{name}.png)\n\n"
        text += f"From the first layer to the last the standard deviation goes from {first:.2f} to {last:.2f}, a factor of {last / first:.2f}."
        zeros = [float(l["zero_fraction"]) for l in layers]
        if max(zeros) > 0.01:
            text += f" Exact zeros are {100 * min(zeros):.0f} to {100 * max(zeros):.0f} % of the outputs."
        saturated = [float(l["saturated_fraction"]) for l in layers if "saturated_fraction" in l]
        if saturated:
            text += (f" Where the activation's derivative is under 1 % (saturated): {100 * min(saturated):.1f} to "
                     f"{100 * max(saturated):.1f} % of the outputs.")
        text += "\n\n"
    return text


def dead_share(event):
    dead = sum(int(l["dead_units"]) for l in event["layers"] if "dead_units" in l)
    units = sum(int(l["units"]) for l in event["layers"] if "dead_units" in l)
    return dead / max(1, units)


def dead_relu(folder, results):
    part = "dead_relu"
    text = "## Dead relu, and the slightly positive bias (slides 26-27)\n\n" + failures(results, part)
    series, rows, shares = {}, [], {}
    for name in ("zero_bias", "positive_bias"):
        title = title_of(results, part, name)
        runs = runs_of(results, part, name)
        if not runs:
            continue
        series[title] = [[(e["step"], 100 * dead_share(e)) for e in run["events"]["statistics"]] for run in runs]
        shares[name] = [dead_share(run["events"]["statistics"][-1]) for run in runs]
        rows.append([title, percent(shares[name]), percent([run["test_accuracy"] for run in runs])])
    pictures.curves(folder / "dead_relu.png", series, "step", "dead units, %", "Units that were zero for every example lately")
    text += "![dead units](lecture10/dead_relu.png)\n\n"
    text += table(["network", "dead units at the end, %", "test accuracy, %"], rows)
    if len(shares) == 2:
        text += ("\nThe share of dead units with the positive bias is " +
                 compared(shares["positive_bias"], shares["zero_bias"], "with biases that start at 0") +
                 "; the test accuracy is " +
                 compared(accuracies(results, part, "positive_bias"), accuracies(results, part, "zero_bias"),
                          "with biases that start at 0") + ".\n")
    return text + "\n"


def loss_curve(run):
    points = [(event["step"], float(event["loss"])) for event in run["events"]["train"]]
    return [(step, loss) for step, loss in points if math.isfinite(loss)]


def smooth(points, width=9):
    """A running mean: the losses of single minibatches are noisy."""
    half = width // 2
    result = []
    for i, (x, _) in enumerate(points):
        near = [y for _, y in points[max(0, i - half):i + half + 1]]
        result.append((x, sum(near) / len(near)))
    return result


def loss_part(folder, results, part, names, heading, file, picture_title, than):
    """Loss curves and a table of job files that are compared with the first of them."""
    text = heading + failures(results, part)
    series, rows = {}, []
    for name in names:
        all_runs = results[part].get(name, [])
        title = title_of(results, part, name)
        series[title] = [smooth(loss_curve(run)) for run in all_runs]
        runs = runs_of(results, part, name)
        starts = [loss_curve(run)[0][1] for run in all_runs if loss_curve(run)]
        rows.append([
            title,
            f"{statistics.mean(starts):.3g}" if starts else "-",
            f"{statistics.mean([r['test_loss'] for r in runs]):.3f}" if runs else "-",
            percent([r["test_accuracy"] for r in runs]) if runs else "-",
        ])
    pictures.curves(folder / file, series, "step", "training loss (log scale)", picture_title, logarithmic=True)
    text += f"![{picture_title}](lecture10/{file})\n\n"
    text += table(["", "loss of the first step", "test loss at the end", "test accuracy, %"], rows) + "\n"
    base = accuracies(results, part, names[0])
    for name in names[1:]:
        values = accuracies(results, part, name)
        if base and values:
            text += f"- {title_of(results, part, name)}: test accuracy {compared(values, base, than)}.\n"
    return text + "\n"


def zero_init(folder, results):
    text = loss_part(folder, results, "zero_init", ["zeros", "kaiming"], "## Zero initialization (slide 45)\n\n",
                     "zero_init.png", "Training loss", "with zeros")
    for name in ("zeros", "kaiming"):
        runs = runs_of(results, "zero_init", name)
        if not runs:
            continue
        last = {p["name"]: p for p in runs[0]["events"]["statistics"][-1]["parameters"]}
        text += (f"- {title_of(results, 'zero_init', name)}: at the end the standard deviation of the first layer's weights "
                 f"is {float(last['hidden1.weight']['weight_std']):.3g}, and the norm of their gradient "
                 f"{float(last['hidden1.weight']['gradient_norm']):.3g}.\n")
    return text + "\n"


def normalization(folder, results):
    text = loss_part(folder, results, "normalization", ["bytes", "scaled", "standardized", "whitened"],
                     "## Normalized and unnormalized data (slides 36-42)\n\nOne network, one learning rate, plain gradient "
                     "descent; only the preprocessing differs.\n\n", "normalization.png", "Training loss", "with bytes")
    rows = []
    for name in ("scaled", "standardized", "whitened"):
        for run in results["normalization"].get(name, [])[:1]:
            for report in run["events"]["preprocessing"]:
                for when in ("before", "after"):
                    m = {key: float(value) for key, value in report[when].items() if key != "covariance"}
                    rows.append([f"{title_of(results, 'normalization', name)}, {when}",
                                 f"{m['mean_min']:.3g} to {m['mean_max']:.3g}",
                                 f"{m['variance_min']:.3g} to {m['variance_max']:.3g}",
                                 f"{m['mean_absolute_correlation']:.3g}"])
    if rows:
        text += "What the preprocessing did to the training split, as the job's first event reports it:\n\n"
        text += table(["", "mean of a pixel", "variance of a pixel", "mean absolute correlation"], rows) + "\n"
    return text


def activations(folder, results):
    part = "activations"
    text = ("## Eleven activations on one small network (slide 34)\n\nThree convolutions on 10,000 images of Fashion-MNIST; "
            "everything but the activation is the same.\n\n") + failures(results, part)
    measured = {name: accuracies(results, part, name) for name in results[part]}
    measured = {name: values for name, values in measured.items() if values}
    order = sorted(measured, key=lambda name: -statistics.mean(measured[name]))
    pictures.dots(folder / "activations.png", [(name, {"test": [100 * v for v in measured[name]]}) for name in order],
                  "test accuracy, % (small dots: single seeds)", "Test accuracy by activation")
    text += "![test accuracy by activation](lecture10/activations.png)\n\n"
    relu = measured.get("relu")
    rows = []
    for name in order:
        against = "" if name == "relu" or not relu else "{:+.2f} ± {:.2f}".format(*difference(measured[name], relu))
        rows.append([name, percent(measured[name]), against, f"{statistics.mean(SLIDE_34[name]):.2f}" if name in SLIDE_34 else "-"])
    text += table(["activation", "test accuracy, %", "against relu, points", "slide 34: mean of three networks on CIFAR-10, %"],
                  rows)
    if order:
        apart = [n for n in order if n != "relu" and relu and abs(difference(measured[n], relu)[0]) > 2 * difference(measured[n], relu)[1]]
        text += (f"\nThe best here is {order[0]}, the last {order[-1]}; they are "
                 f"{100 * (statistics.mean(measured[order[0]]) - statistics.mean(measured[order[-1]])):.2f} points apart. "
                 f"{len(apart)} of the {max(0, len(order) - 1)} others differ from relu by more than twice the standard error"
                 f"{': ' + ', '.join(apart) if apart else ''}.\n")
    return text + "\n"


def regularizers(folder, results):
    part = "regularizers"
    text = ("## Regularizers on 2,000 images (slides 68-100)\n\nAccuracy on the training images and on the test images, both in "
            "test mode.\n\n") + failures(results, part)
    test = {name: accuracies(results, part, name) for name in results[part]}
    train = {name: accuracies(results, part, name, "train_accuracy") for name in results[part]}
    names = [name for name in results[part] if test[name]]
    bases = [name for name in ("none", "residual_none") if name in names]
    others = sorted((n for n in names if n not in bases), key=lambda n: -statistics.mean(test[n]))
    rows, sentences = [], []
    for name in bases + others:
        base = BASELINE.get(name, "none")
        title = title_of(results, part, name)
        gap = 100 * (statistics.mean(train[name]) - statistics.mean(test[name]))
        against = "-"
        if name not in bases and base in names:
            against = "{:+.2f} ± {:.2f}".format(*difference(test[name], test[base]))
            sentences.append(f"- {title}: test accuracy {compared(test[name], test[base], 'without')}; training accuracy "
                             f"{compared(train[name], train[base], 'without')}.\n")
        rows.append([title, percent(train[name]), percent(test[name]), f"{gap:.2f}", against])
    pictures.dots(
        folder / "regularizers.png",
        [(title_of(results, part, n), {"test": [100 * v for v in test[n]], "training": [100 * v for v in train[n]]})
         for n in bases + others], "accuracy, % (small dots: single seeds)", "Training and test accuracy")
    text += "![accuracy by regularizer](lecture10/regularizers.png)\n\n"
    text += table(["regularizer", "training accuracy, %", "test accuracy, %", "gap, points", "test against without, points"], rows)
    return text + "\n" + "".join(sentences) + "\n"


def write(output, tables, results, facts):
    folder = output / "lecture10"
    folder.mkdir(parents=True, exist_ok=True)
    seeds = max(len(runs) for files in results.values() for runs in files.values())
    text = "# Lecture 10, reproduced\n\n"
    text += ("The experiments of Justin Johnson's lecture 10, \"Training Neural Networks I\" (EECS 498-007, 2020), on traind: small "
             "networks, [Fashion-MNIST](https://github.com/zalandoresearch/fashion-mnist). This page is written by "
             "[examples/lecture10/run.py](../examples/lecture10/run.py) from the numbers of one run; the job files are beside "
             "it.\n\n")
    if facts["quick"]:
        text += "**This is a --quick run: too little data and too few steps to mean anything.**\n\n"
    text += (f"{facts['jobs']} jobs on {facts['cores']} cores, {facts['minutes']:.1f} minutes"
             f"{', ' + str(facts['reused']) + ' of the jobs from a run before' if facts['reused'] else ''}. Numbers are the mean and "
             f"the standard deviation over {seeds} seeds; differences come with their standard error, and one within twice that "
             "is called \"not told apart\".\n\n")
    text += activation_tables(folder, tables)
    text += dead_relu(folder, results)
    text += zero_init(folder, results)
    text += normalization(folder, results)
    text += activations(folder, results)
    text += regularizers(folder, results)
    (output / "lecture10.md").write_text(text)
