#!/usr/bin/python3
"""Runs the experiments of the lecture in this folder against a traind server, and writes docs/lecture10.md from the numbers.

    examples/lecture10/run.py            everything: keep the machine quiet meanwhile
    examples/lecture10/run.py --quick    the same in small, to see that it works; writes to build/lecture10-quick

Needs the programs in build/release/bin, and from Debian: python3-matplotlib, dataset-fashion-mnist. It starts a server of its
own on loopback, with its data in build/lecture10, or uses the one that --server names. A run that was interrupted goes on
where it stopped: a job's id holds a hash of what it trains, and jobs that are there already are not run again.
"""
import argparse
import hashlib
import os
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True  # No build output beside the job files.
sys.path.insert(1, str(HERE.parent / "lecture"))
import page  # noqa: E402
from session import ROOT, Server, Trainctl, import_fashion_mnist, job_id, say, submit, wait  # noqa: E402

PARTS = ["dead_relu", "zero_init", "normalization", "activations", "regularizers"]
SEEDS = [1, 2, 3]
# What --quick changes in each job.
QUICK = {
    "dead_relu": ["steps=60"],
    "zero_init": ["steps=40", "statistics.every_steps=20"],
    "normalization": ["steps=60", "evaluation.every_steps=20", "data.max_train_examples=1000"],
    "activations": ["data.max_train_examples=640", "epochs=2"],
    "regularizers": ["data.max_train_examples=300", "epochs=2"],
}


class Run:
    """One job of one experiment."""

    def __init__(self, part, file, seed, changes):
        self.part, self.name, self.seed, self.file = part, file.stem, seed, file
        self.changes = [f"seed={seed}"] + changes
        digest = hashlib.sha256("\n".join([file.read_text()] + self.changes).encode()).hexdigest()[:8]
        self.id = f"lecture10-{part}-{self.name}-{seed}-{digest}".replace("_", "-")
        self.error = None  # Why it could not be run, or how it failed.
        self.job = None


def plan(quick):
    runs = []
    for part in PARTS:
        for file in sorted((HERE / part).glob("*.textproto")):
            for seed in SEEDS[:2] if quick else SEEDS:
                runs.append(Run(part, file, seed, QUICK[part] + ["data.max_evaluation_examples=500"] if quick else []))
    return runs


def collect(trainctl, run):
    """What the page needs of a job that was run: its events, and its accuracy on both splits in test mode."""
    kinds = {"train": [], "evaluation": [], "statistics": [], "preprocessing": []}
    if run.job is None:
        return {"error": run.error, "events": kinds}
    wanted = "train,evaluation,preprocessing" + (",statistics" if run.part in ("dead_relu", "zero_init") else "")
    for event in trainctl("watch", run.id, "--kinds", wanted):
        for kind, events in kinds.items():
            if kind in event:
                events.append({"step": int(event["step"]), **event[kind]})
    result = {"error": run.error, "events": kinds, "title": run.job["display_name"]}
    if run.error is None:
        result["test_accuracy"] = float(kinds["evaluation"][-1]["accuracy"])
        result["test_loss"] = float(kinds["evaluation"][-1]["loss"])
        if run.part == "regularizers":
            examples = int(trainctl("get", run.id)[0]["spec"]["data"]["max_train_examples"])
            train = trainctl("model", "eval", run.id, "--split", "train", "--max-examples", examples)[0]
            result["train_accuracy"] = float(train["accuracy"])
    return result


def probe(trainctl):
    tables = {}
    for file in sorted((HERE / "activation_tables").glob("*.textproto")):
        say(f"probe {file.stem}")
        tables[file.stem] = trainctl("probe", file, "--seed", 1)[0]["statistics"]["layers"]
    return tables


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="little data and few steps")
    parser.add_argument("--server", help="HOST:PORT of a server that runs already")
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin", help="folder of the programs")
    parser.add_argument("--output", type=pathlib.Path, help="folder of lecture10.md and lecture10/; default: docs")
    options = parser.parse_args()
    folder = ROOT / "build" / ("lecture10-quick" if options.quick else "lecture10")
    folder.mkdir(parents=True, exist_ok=True)
    output = options.output or (folder if options.quick else ROOT / "docs")

    def work(server):
        begin = time.monotonic()
        trainctl = Trainctl(options.bin / "trainctl", server)
        import_fashion_mnist(trainctl)
        tables = probe(trainctl)
        runs = plan(options.quick)
        known = {job_id(job): job["state"] for job in trainctl("list")}
        reused = sum(run.id in known for run in runs)
        say(f"{len(runs)} jobs" + (f", {reused} of them are there already" if reused else ""))
        for run in runs:
            submit(trainctl, run, known)
        wait(trainctl, runs)
        results = {}
        for run in runs:
            results.setdefault(run.part, {}).setdefault(run.name, []).append(collect(trainctl, run))
        minutes = (time.monotonic() - begin) / 60
        facts = {"minutes": minutes, "reused": reused, "jobs": len(runs), "cores": os.cpu_count(),
                 "quick": options.quick}
        page.write(output, tables, results, facts)
        say(f"{output / 'lecture10.md'} written, {minutes:.1f} minutes")

    if options.server:
        work(options.server)
    else:
        with Server(options.bin / "traind", folder) as server:
            work(server)


if __name__ == "__main__":
    main()
