"""Jobs of the sections: each is run once, whichever sections ask for it, and what the page needs of it is read from its events."""
import hashlib
import statistics

import session
from words import percent

# What --quick changes in each job.
QUICK = ["data.max_train_examples=640", "data.max_evaluation_examples=200", "data.max_test_examples=500"]
QUICK_EPOCHS = 3


class Run:
    """One job: a file, a seed and changes ("path=value")."""

    def __init__(self, file, seed, changes):
        self.file, self.seed, self.changes = file, seed, [f"seed={seed}"] + changes
        digest = hashlib.sha256("\n".join([file.read_text()] + self.changes).encode()).hexdigest()[:8]
        self.id = f"lecture11-{file.parent.name}-{file.stem}-{seed}-{digest}".replace("_", "-")
        self.error = None  # Why it could not be run, or how it failed.
        self.job = None
        self.events = {"train": [], "evaluation": [], "test": []}

    @property
    def title(self):
        return self.job["display_name"] if self.job else self.file.stem

    @property
    def last_test(self):
        """Of the test images: of a job without validation, what it was evaluated on in the end."""
        return (self.events["test"] or [event for event in self.events["evaluation"] if event["split"] == "test"])[-1]

    @property
    def test_accuracy(self):
        return float(self.last_test["accuracy"])

    @property
    def test_loss(self):
        return float(self.last_test["loss"])

    @property
    def validation_accuracy(self):
        return float(self.events["evaluation"][-1]["accuracy"])

    def curve(self, kind, field):
        """[(step, value)] of the events that have the field."""
        return [(event["step"], float(event[field])) for event in self.events[kind] if field in event]


class Lab:
    """The seeds, the server, where pictures go, and all jobs so far."""

    def __init__(self, files, data, pictures, trainctl, seeds, quick):
        self.files, self.data, self.pictures, self.trainctl = files, data, pictures, trainctl
        self.seeds, self.quick = seeds, quick
        self.known = {session.job_id(job): job["state"] for job in trainctl("list")}
        self.runs = {}
        self.count = 0  # Jobs in all.

    def run(self, name, seed, *changes, quick=QUICK, epochs=QUICK_EPOCHS):
        """The job of the file `name`, made when it is not there yet; with --quick as `quick` and `epochs` say."""
        changes = list(changes) + (quick + ([f"epochs={epochs}"] if epochs else []) if self.quick else [])
        run = Run(self.files / f"{name}.textproto", seed, changes)
        return self.runs.setdefault(run.id, run)

    def train(self, runs):
        """Trains those that were not trained yet, together, and reads what came of them."""
        new = [run for run in dict.fromkeys(runs) if run.job is None and run.error is None]
        self.count += len(new)
        for run in new:
            session.submit(self.trainctl, run, self.known)
        session.wait(self.trainctl, new)
        for run in new:
            for event in self.trainctl("watch", run.id, "--kinds", "train,evaluation,test") if run.job else []:
                for kind, events in run.events.items():
                    if kind in event:
                        events.append({"step": int(event["step"]), **event[kind]})

    def evaluate(self, model, *arguments):
        """Loss, accuracy and more of a job's weights or a model on the test images."""
        examples = ["--max-examples", 500] if self.quick else []
        return self.trainctl("model", "eval", model, "--split", "test", *arguments, *examples)[0]


def good(runs):
    return [run for run in runs if run.error is None]


def accuracies(runs):
    return [run.test_accuracy for run in good(runs)]


def percent_of(runs):
    return percent(accuracies(runs)) if good(runs) else "-"


def mean_test_loss(runs):
    return f"{statistics.mean(run.test_loss for run in good(runs)):.3f}" if good(runs) else "-"


def failures(arms):
    """Lines on the runs that did not end well. `arms`: title -> runs."""
    lines = []
    for title, runs in arms.items():
        reasons = [" ".join(run.error.split()) for run in runs if run.error is not None]
        if reasons:
            lines.append(f"- {title}: {len(reasons)} of {len(runs)} runs did not end well: {reasons[0]}\n")
    return "".join(lines) + ("\n" if lines else "")
