#!/usr/bin/env python3
"""Trains each file of examples/ and each preset, as long healthy jobs, and lists what insight finds.

    export TRAIND_BIN=build/release/bin PYTHONPATH=build/release/python
    tests/insight/healthy_jobs.py [--report docs/insight.md] [--only NAME,NAME] [--steps 3000] [--seconds 180]

A job has so many steps as it makes in --seconds, measured over its own first ones, at most --steps and at least 300.
With --only, the report's other rows stay.

The presets are those that the package knows; one without settings below is tried with its defaults. Images are
Debian's dataset-fashion-mnist, in colour and larger where a preset wants that. Exit code 1: something is CRITICAL, or a
job did not end well.
"""

import argparse
import gzip
import pathlib
import sys
import time

import numpy as np

import traind
from traind.testing import Server

ROOT = pathlib.Path(__file__).resolve().parents[2]
FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")
TRAIN, TEST = 6000, 1000
BROUGHT = ("fashion-mnist", "texts")  # Datasets that examples read.
LEAST, TRIED = 300, 30  # Steps: of a job, and of the run that measures what a step takes.
BEGIN, END = "<!-- healthy: begin -->", "<!-- healthy: end -->"
SGD = {"sgd": {"momentum": 0.9}, "learning_rate": 0.02}
ADAM = {"adam": {}, "learning_rate": 0.001}
# Small forms: the data that they read, and how they are usually trained.
PRESETS = {
    "mlp": ("fashion-mnist", {"width": 64}, ADAM),
    "lenet": ("fashion-mnist", {}, ADAM),
    "alexnet": ("colour-96", {"width": 12, "dense_width": 64}, ADAM),
    "vgg16": ("colour-32", {"width": 8, "dense_width": 64, "batch_norm": True}, ADAM),
    "googlenet": ("colour-64", {"width": 16, "batch_norm": True}, ADAM),
    "resnet": ("colour-32", {"depth": 20, "width": 8}, SGD),
    "wide_resnet": ("colour-32", {"depth": 10, "widen": 1}, SGD),
    "densenet": ("colour-32", {"depth": 13, "growth": 6}, SGD),
    "text_cnn": ("sentences", {"vocabulary": 200, "features": 16, "channels": 16}, ADAM),
    "vit_tiny": ("colour-32", {"width": 48, "depth": 4}, {"adamw": {}, "learning_rate": 0.001}),
}


def fashion(split, count):
    """Images [count, 1, 28, 28] and labels."""
    pixels = gzip.open(FASHION / f"{split}-images-idx3-ubyte.gz").read(16 + 784 * count)[16:]
    labels = gzip.open(FASHION / f"{split}-labels-idx1-ubyte.gz").read(8 + count)[8:]
    return (
        np.frombuffer(pixels, np.uint8).reshape(count, 1, 28, 28),
        np.frombuffer(labels, np.uint8).astype(np.int64),
    )


def colour(images, side, seed):
    """In a tint of each image's own, as large as is wanted."""
    draw = np.random.default_rng(seed)
    at = np.linspace(0, 27, side)
    low, part = np.minimum(at.astype(int), 26), at - np.minimum(at.astype(int), 26)
    rows = images[:, :, low] * (1 - part)[:, None] + images[:, :, low + 1] * part[:, None]
    large = rows[..., low] * (1 - part) + rows[..., low + 1] * part
    tint = draw.uniform(0.4, 1, (len(images), 3, 1, 1))
    return (large * tint + draw.uniform(0, 20, (len(images), 3, 1, 1))).clip(0, 255).astype(np.uint8)


def sentences(count, seed):
    """24 tokens of 200, of which some are of the class's own words."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 10, count)
    tokens = draw.integers(100, 200, (count, 24))
    for position in range(0, 24, 4):
        tokens[:, position] = labels * 10 + draw.integers(0, 10, count)
    return tokens.astype(np.float32), labels


def bring_data(client):
    x, y = fashion("train", TRAIN)
    x_test, y_test = fashion("t10k", TEST)
    client.upload_dataset("fashion-mnist", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    for side, train in ((32, TRAIN), (64, 2000), (96, 2000)):
        client.upload_dataset(
            f"colour-{side}",
            x_train=colour(x[:train], side, 1),
            y_train=y[:train],
            x_test=colour(x_test[:500], side, 2),
            y_test=y_test[:500],
        )
    (tokens, labels), (tokens_test, labels_test) = sentences(TRAIN, 3), sentences(500, 4)
    client.upload_dataset("sentences", x_train=tokens, y_train=labels, x_test=tokens_test, y_test=labels_test)
    client.upload_dataset("texts", x_train=tokens, y_train=labels % 2, x_test=tokens_test, y_test=labels_test % 2)


def jobs():
    """Names, and how to begin them with so many steps."""
    for file in sorted((ROOT / "examples").glob("*.textproto")):
        whole = traind.JobSpec.from_file(file).proto
        if whole.data.dataset not in BROUGHT:
            print(f"examples/{file.name}: not run, its dataset {whole.data.dataset} is not one of these", file=sys.stderr)
            continue
        spec = type(whole).FromString(whole.SerializeToString())

        def submit(client, steps, spec=spec):
            # A lottery ticket trains once for each round. A warm-up is as long as such a job has one.
            length = steps // 8 if spec.HasField("lottery_ticket") else steps
            spec = type(spec).FromString(spec.SerializeToString())
            schedule = spec.optimizer.schedule
            if schedule.warmup_steps > length // 10:
                schedule.warmup_steps = length // 10
            return client.submit(spec, steps=length, batch_size=64, threads=1)

        yield f"examples/{file.name}", submit
    for name in sorted(vars(traind.presets)["__all__"]):
        data, fields, optimizer = PRESETS.get(name, ("colour-32", {}, ADAM))
        network = {"preset": {name: {"classes": 10, **fields}}}
        preprocessing = [] if data == "sentences" else ["standardize"]

        def begin(client, steps, network=network, data=data, optimizer=optimizer, preprocessing=preprocessing):
            return client.train(
                network,
                data,
                steps=steps,
                batch_size=32,
                threads=1,
                optimizer=optimizer,
                preprocessing=preprocessing,
            )

        yield f"preset `{name}`", begin


def length(client, begin, most, seconds):
    """Steps that take so many seconds."""
    took = []
    for steps in (TRIED, 2 * TRIED):
        started = time.monotonic()
        begin(client, steps).wait()
        took.append(time.monotonic() - started)
    each = max((took[1] - took[0]) / TRIED, 1e-4)
    return max(LEAST, min(most, int(seconds / each) // 100 * 100))


def row(client, name, begin, options):
    """A row of the table, and whether all is well."""
    started = time.monotonic()
    try:
        job = begin(client, length(client, begin, options.steps, options.seconds))
        for event in job.watch(["finding"]):
            pass
        job.refresh()
    except traind.TraindError as error:
        return f"| {name} | | not run: {' '.join(str(error).split())[:200]} | | | |", False
    found = {"info": [], "warning": [], "critical": []}
    for one in job.findings(resolved=True):
        found[one.severity].append(f"`{one.id}`" + (" (resolved)" if one.state == "resolved" else ""))
    accuracy = job.checkpoints()[-1].evaluation_accuracy if job.state == "succeeded" else None
    result = job.state if accuracy is None else f"{100 * accuracy:.1f} %"
    print(f"{name}: {result} in {time.monotonic() - started:.0f} s, {found}", file=sys.stderr)
    lists = " | ".join(", ".join(found[severity]) or "-" for severity in ("critical", "warning", "info"))
    return f"| {name} | {job.step} | {result} | {lists} |", job.state == "succeeded" and not found["critical"]


def report(path, lines):
    """Writes the rows between the marks; rows of other jobs stay."""
    before, rest = path.read_text().split(BEGIN)
    old, after = rest.split(END)
    rows = {line.split("|")[1]: line for line in old.splitlines() if line.startswith("| ")}
    rows.pop(" job ", None)
    rows.update({line.split("|")[1]: line for line in lines})
    head = ["| job | steps | accuracy | CRITICAL | WARNING | INFO |", "|---|---|---|---|---|---|"]
    text = "\n".join(head + [rows[name] for name in sorted(rows)])
    path.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", help="replaces what stands between the marks of this file")
    parser.add_argument("--only", default="", help="parts of names, separated by commas")
    parser.add_argument("--steps", type=int, default=3000, help="the most that a job has")
    parser.add_argument("--seconds", type=float, default=180, help="that a job takes, if --steps allows it")
    options = parser.parse_args()
    lines = []
    good = True
    with Server() as client:
        bring_data(client)
        for name, begin in jobs():
            if options.only and not any(part in name for part in options.only.split(",")):
                continue
            line, well = row(client, name, begin, options)
            lines.append(line)
            print(line, flush=True)
            good = good and well
    if options.report:
        report(pathlib.Path(options.report), lines)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
