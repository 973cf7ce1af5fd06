"""What the scripts of both lectures need of traind: a server, its command line client, and jobs that come to their end."""
import json
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ENDED = ("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED")
FASHION_MNIST = [
    "--split", "train=fashion-mnist/train-images-idx3-ubyte.gz,fashion-mnist/train-labels-idx1-ubyte.gz",
    "--split", "test=fashion-mnist/t10k-images-idx3-ubyte.gz,fashion-mnist/t10k-labels-idx1-ubyte.gz",
]


def say(text):
    print(f"{pathlib.Path(sys.argv[0]).resolve().parent.name}: {text}", flush=True)


class TrainctlError(Exception):
    pass


class Trainctl:
    """The command line client: each call gives the messages that it printed."""

    def __init__(self, program, server):
        self.command = [program, "--server", server, "--json"]

    def __call__(self, *arguments):
        done = subprocess.run(self.command + [str(a) for a in arguments], capture_output=True, text=True, check=False)
        messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        # `watch` ends with the job's fate, FAILED or CANCELLED; what it printed is what was asked for.
        if done.returncode not in ((0, 6, 7) if arguments[0] == "watch" else (0,)):
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


def datasets(trainctl):
    return {dataset["name"].removeprefix("datasets/") for dataset in trainctl("dataset", "list")}


def import_fashion_mnist(trainctl):
    if "fashion-mnist" not in datasets(trainctl):
        trainctl("dataset", "import", "fashion-mnist", *FASHION_MNIST)


def job_id(job):
    return job["name"].removeprefix("jobs/")


def submit(trainctl, run, known):
    """`run` has id, file and changes, and gets its error. A job that is there already is not run again."""
    if known.get(run.id) == "JOB_STATE_CANCELLED":
        trainctl("delete", run.id)
    elif run.id in known:
        return
    changes = [argument for change in run.changes for argument in ("--set", change)]
    try:
        trainctl("submit", run.file, "--job-id", run.id, *changes)
    except TrainctlError as error:
        run.error = str(error)
        say(f"{run.file.parent.name}/{run.file.stem} cannot be run: {run.error}")


def wait(trainctl, runs):
    """Until every job has ended; says how far they are. Each run gets its job, and its error."""
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
