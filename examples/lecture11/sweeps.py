"""Sweeps of the sections: started by the command line, waited for together, and their trials with what came of them."""
import hashlib
import time

from session import say

TERMINAL = ("SWEEP_STATE_SUCCEEDED", "SWEEP_STATE_FAILED", "SWEEP_STATE_CANCELLED")


class Trial:
    """The values of one trial, path -> number, and what its job came to."""

    def __init__(self, trial, paths, job):
        numbers = {one["parameter"]: float(one["number"]) for one in trial["assignments"]}
        self.values = {path: numbers[path.split(".")[-1]] for path in paths}
        progress = (job or {}).get("progress", {})
        done = trial["state"] == "TRIAL_STATE_SUCCEEDED" and "test_accuracy" in progress
        self.error = None if done else (trial.get("error") or {}).get("message") or trial["state"]
        self.validation_accuracy = float(progress["evaluation_accuracy"]) if done else None
        self.test_accuracy = float(progress["test_accuracy"]) if done else None


def start(lab, file, label, changes, ranges, grid, trials, seed):
    """A sweep over `ranges` (path -> low, high), each factor equally likely: a grid with `grid` points in each, or, with
    0, so many `trials` at random. The best is by validation accuracy. Its id; one that is there already is not run again."""
    vary = [f"{path}={low:.6g}..{high:.6g}:log" + (f":{grid}" if grid else "") for path, (low, high) in ranges.items()]
    what = [part for one in vary for part in ("--vary", one)] + (["--grid"] if grid else ["--random", str(trials)])
    what += ["--seed", str(seed), "--maximize", "accuracy"] + [part for change in changes for part in ("--set", f"base.{change}")]
    digest = hashlib.sha256("\n".join([file.read_text()] + what).encode()).hexdigest()[:8]
    name = f"lecture11-{label}-{digest}"
    if f"sweeps/{name}" not in {sweep["name"] for sweep in lab.trainctl("sweep", "list", "--limit", 500)}:
        lab.trainctl("sweep", "submit", "--job", file, "--sweep-id", name, *what)
    return name


def wait(lab, names):
    wanted, last_said = {f"sweeps/{name}" for name in names}, 0.0
    while True:
        sweeps = [sweep for sweep in lab.trainctl("sweep", "list", "--limit", 500) if sweep["name"] in wanted]
        ended = [sweep for sweep in sweeps if sweep["state"] in TERMINAL]
        if len(ended) == len(wanted) or time.monotonic() - last_said >= 10:
            trials = sum(int(sweep.get("summary", {}).get("trials", 0)) for sweep in sweeps)
            say(f"{len(ended)} of {len(wanted)} sweeps, {trials} trials begun")
            last_said = time.monotonic()
        if len(ended) == len(wanted):
            return
        time.sleep(1)


def trials(lab, name, paths):
    jobs = {job["name"]: job for job in lab.trainctl("list", "--label", f"sweep={name}")}
    return [Trial(trial, paths, jobs.get(trial.get("job"))) for trial in lab.trainctl("sweep", "trials", name)]
