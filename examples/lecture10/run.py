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
import json
import os
import pathlib
import subprocess
import sys
import time

sys.dont_write_bytecode = True  # No build output beside the job files.
import page  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PARTS = ["dead_relu", "zero_init", "normalization", "activations", "regularizers"]
SEEDS = [1, 2, 3]
ENDED = ("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED")
# What --quick changes in each job.
QUICK = {
    "dead_relu": ["steps=60"],
    "zero_init": ["steps=40", "statistics.every_steps=20"],
    "normalization": ["steps=60", "evaluation.every_steps=20", "data.max_train_examples=1000"],
    "activations": ["data.max_train_examples=640", "epochs=2"],
    "regularizers": ["data.max_train_examples=300", "epochs=2"],
}
FASHION_MNIST = [
    "--split", "train=fashion-mnist/train-images-idx3-ubyte.gz,fashion-mnist/train-labels-idx1-ubyte.gz",
    "--split", "test=fashion-mnist/t10k-images-idx3-ubyte.gz,fashion-mnist/t10k-labels-idx1-ubyte.gz",
]


def say(text):
    print(f"lecture10: {text}", flush=True)


class TrainctlError(Exception):
    pass


class Trainctl:
    """The command line client: each call gives the messages that it printed."""

    def __init__(self, program, server):
        self.command = [program, "--server", server, "--json"]

    def __call__(self, *arguments):
        done = subprocess.run(self.command + [str(a) for a in arguments], capture_output=True, text=True, check=False)
        messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        # `watch` ends with the job's fate; what it printed is what was asked for.
        if done.returncode != 0 and arguments[0] != "watch":
            raise TrainctlError((done.stderr or done.stdout).strip() or f"exit code {done.returncode}")
        return messages


class Server:
    """A server of our own, for as long as the block lasts."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder

    def __enter__(self):
        port_file = self.folder / "port"
        port_file.unlink(missing_ok=True)
        with open(self.folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "--listen", "127.0.0.1:0", "--port-file", port_file, "--data-dir", self.folder / "data",
                 "--dataset-root", "/usr/share/datasets"], stdout=log, stderr=log)
        while not (port_file.exists() and port_file.read_text().strip()):
            if self.process.poll() is not None:
                sys.exit(f"the server did not start; see {self.folder / 'server.log'}")
            time.sleep(0.1)
        return f"127.0.0.1:{port_file.read_text().strip()}"

    def __exit__(self, *unused):
        self.process.terminate()
        self.process.wait()


class Run:
    """One job of one experiment."""

    def __init__(self, part, file, seed, changes):
        self.part, self.name, self.seed, self.file = part, file.stem, seed, file
        self.changes = [f"seed={seed}"] + changes
        digest = hashlib.sha256("\n".join([file.read_text()] + self.changes).encode()).hexdigest()[:8]
        self.id = f"lecture10-{part}-{self.name}-{seed}-{digest}".replace("_", "-")
        self.error = None  # Why it could not be run, or how it failed.
        self.job = None

    def submit(self, trainctl, known):
        if known.get(self.id) == "JOB_STATE_CANCELLED":
            trainctl("delete", self.id)
        elif self.id in known:
            return
        changes = [argument for change in self.changes for argument in ("--set", change)]
        try:
            trainctl("submit", self.file, "--job-id", self.id, *changes)
        except TrainctlError as error:
            self.error = str(error)
            say(f"{self.part}/{self.name} cannot be run: {self.error}")


def job_id(job):
    return job["name"].removeprefix("jobs/")


def plan(quick):
    runs = []
    for part in PARTS:
        for file in sorted((HERE / part).glob("*.textproto")):
            for seed in SEEDS[:2] if quick else SEEDS:
                runs.append(Run(part, file, seed, QUICK[part] + ["data.max_evaluation_examples=500"] if quick else []))
    return runs


def wait(trainctl, runs):
    """Until every job has ended; says how far they are."""
    begin, first, last_said = time.monotonic(), None, 0.0
    wanted = {run.id: run for run in runs if run.error is None}
    while True:
        jobs = {job_id(job): job for job in trainctl("list") if job_id(job) in wanted}
        ended = [job for job in jobs.values() if job["state"] in ENDED]
        share = sum(
            1.0 if job in ended else int(job["progress"]["step"]) / max(1, int(job["progress"]["total_steps"]))
            for job in jobs.values()) / max(1, len(wanted))
        first = share if first is None else first
        elapsed = time.monotonic() - begin
        if len(ended) == len(wanted) or elapsed - last_said >= 10:
            left = "" if share <= first else f", about {elapsed / (share - first) * (1 - share) / 60:.1f} minutes left"
            say(f"{len(ended)} of {len(wanted)} jobs, {100 * share:.0f} %, {elapsed / 60:.1f} minutes{left}")
            last_said = elapsed
        if len(ended) == len(wanted):
            for name, job in jobs.items():
                wanted[name].job = job
                if job["state"] != "JOB_STATE_SUCCEEDED":
                    wanted[name].error = (job.get("error") or {}).get("message") or job["state"].removeprefix("JOB_STATE_")
            return
        time.sleep(1)


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
        if not any(dataset["name"] == "datasets/fashion-mnist" for dataset in trainctl("dataset", "list")):
            trainctl("dataset", "import", "fashion-mnist", *FASHION_MNIST)
        tables = probe(trainctl)
        runs = plan(options.quick)
        known = {job_id(job): job["state"] for job in trainctl("list")}
        reused = sum(run.id in known for run in runs)
        say(f"{len(runs)} jobs" + (f", {reused} of them are there already" if reused else ""))
        for run in runs:
            run.submit(trainctl, known)
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
