#!/usr/bin/env python3
"""What the service costs around the training: start of the server, submission to first step, memory, augmentation,
statistics.

    python3 tests/bench/service.py [--build build/release] [--rounds 5]

Starts a server of its own on a loopback port with a data folder of its own, imports Fashion-MNIST, and submits short
jobs; ends everything it started. Times are the median of the rounds. Prints one JSON line for each figure, with its
target where there is one.
"""
import argparse
import datetime
import json
import os
import pathlib
import signal
import statistics
import struct
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
IMAGES = pathlib.Path("/usr/share/datasets/fashion-mnist")
# A whole run of ResNet-18 on 32x32 images of colour; the images are noise, which costs the same.
RESNET18 = """
network { preset { resnet { classes: 10 depth: 18 } } }
data { dataset: "noise" evaluation_split: "none" preprocessing { scale {} } AUGMENTATION }
optimizer { sgd { momentum: 0.9 } learning_rate: 0.01 }
batch_size: 64 steps: 24 metrics_every_steps: 2 precision: F32 statistics { every_steps: 0 }
"""
AUGMENTATION = """
  augmentation { horizontal_flip {} }
  augmentation { pad_and_crop { padding: 4 } }
  augmentation { color_jitter { contrast: 0.4 brightness: 0.4 saturation: 0.4 hue: 0.1 } }
  augmentation { cutout { size: 8 } }
"""


def peak_memory_mb(pid):
    """Largest resident set of a process so far."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def moment(timestamp):
    whole, _, fraction = timestamp.rstrip("Z").partition(".")
    return datetime.datetime.fromisoformat(whole).timestamp() + float("0." + (fraction or "0"))


def write_noise(folder, count):
    """Two IDX files: `count` images [3, 32, 32] of bytes, and their labels."""
    images, labels = folder / "images.idx", folder / "labels.idx"
    images.write_bytes(struct.pack(">4B4I", 0, 0, 8, 4, count, 3, 32, 32) + os.urandom(count * 3 * 32 * 32))
    labels.write_bytes(struct.pack(">4BI", 0, 0, 8, 1, count) + bytes(i % 10 for i in range(count)))
    return f"train={images},{labels}"


class Server:
    """A running traind; `started_ms` is the time from its start until it answers."""

    def __init__(self, programs, folder, flags=()):
        port_file = pathlib.Path(folder) / "port"
        port_file.unlink(missing_ok=True)
        begin = time.perf_counter()
        self.process = subprocess.Popen(
            [programs / "traind", "--listen", "127.0.0.1:0", "--port-file", port_file, "--data-dir", f"{folder}/data",
             *flags],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not port_file.exists() or not port_file.read_text().strip():
            time.sleep(0.001)
        self.started_ms = (time.perf_counter() - begin) * 1e3
        self.address = f"127.0.0.1:{port_file.read_text().strip()}"
        self.programs = programs

    def trainctl(self, *words):
        """What trainctl prints when it asks this server."""
        return subprocess.run([self.programs / "trainctl", *words], check=True, text=True, stdout=subprocess.PIPE,
                              env={**os.environ, "TRAIND_SERVER": self.address}, stderr=subprocess.DEVNULL).stdout

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)


def worker_of(server):
    children = pathlib.Path(f"/proc/{server.process.pid}/task").glob("*/children")
    return next((int(pid) for file in children for pid in file.read_text().split()), None)


def main():
    parser = argparse.ArgumentParser(description="Measures the service around the training.")
    parser.add_argument("--build", default=str(ROOT / "build/release"))
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    programs = pathlib.Path(args.build) / "bin"

    def say(name, values, unit, target=None):
        row = {"figure": name, "median": round(statistics.median(values), 1), "unit": unit}
        if target is not None:
            row["target"] = target
        row["rounds"] = [round(value, 1) for value in values]
        print(json.dumps(row), flush=True)

    with tempfile.TemporaryDirectory() as folder:
        starts = []
        for _ in range(args.rounds):
            server = Server(programs, folder)
            starts.append(server.started_ms)
            server.stop()
        say("server start to serving", starts, "ms", "< 100")

        server = Server(programs, folder)
        trainctl = server.trainctl

        try:
            say("memory of an idle server", [peak_memory_mb(server.process.pid)], "MB")
            splits = [f"{name}={IMAGES}/{stem}-images-idx3-ubyte.gz,{IMAGES}/{stem}-labels-idx1-ubyte.gz"
                      for name, stem in (("train", "train"), ("test", "t10k"))]
            trainctl("dataset", "import", "fashion-mnist", "--split", splits[0], "--split", splits[1])
            job = str(ROOT / "examples/fashion_mnist_cnn.textproto")
            firsts = []
            for i in range(args.rounds):
                name = f"first-{i}"
                trainctl("submit", job, "--job-id", name, "--set", "steps=1", "--set", "evaluation.every_steps=0",
                         "--set", "data.evaluation_split='none'")
                events = [json.loads(line) for line in trainctl("--json", "watch", name).splitlines()]
                queued = next(event for event in events if event.get("state", {}).get("state") == "JOB_STATE_QUEUED")
                trained = next(event for event in events if "train" in event)
                firsts.append((moment(trained["time"]) - moment(queued["time"])) * 1e3)
            say("submission to the end of the first step", firsts, "ms", "< 300")

            trainctl("submit", job, "--job-id", "memory", "--set", "steps=200", "--set", "data.evaluation_split='none'")
            worker, peak = None, 0.0
            while json.loads(trainctl("--json", "get", "memory"))["state"] in ("JOB_STATE_QUEUED", "JOB_STATE_RUNNING"):
                worker = worker or worker_of(server)
                if worker and pathlib.Path(f"/proc/{worker}").exists():
                    peak = max(peak, peak_memory_mb(worker))
                time.sleep(0.2)
            say("memory of the worker, cnn28 with batch 128 and the dataset mapped", [peak], "MB")
            say("memory of the server after the jobs", [peak_memory_mb(server.process.pid)], "MB")

            trainctl("dataset", "upload", "noise", "--split", write_noise(pathlib.Path(folder), 1024))
            for name, augmentation in (("plain", ""), ("augmented", AUGMENTATION)):
                file = pathlib.Path(folder) / f"{name}.textproto"
                file.write_text(RESNET18.replace("AUGMENTATION", augmentation))

            def step_ms(name, job_id):
                trainctl("submit", f"{folder}/{name}.textproto", "--job-id", job_id)
                events = [json.loads(line) for line in trainctl("--json", "watch", job_id, "--kinds", "train").splitlines()]
                # The first ones warm up.
                return statistics.median(event["timing"]["step_ms"] for event in events[3:] if "timing" in event)

            slower = []
            for i in range(args.rounds):
                slower.append((step_ms("augmented", f"augmented-{i}") / step_ms("plain", f"plain-{i}") - 1) * 100)
            say("flip, pad-and-crop, colour jitter, cutout: resnet18_cifar", slower, "% of the step time", "<= 5")
        finally:
            server.stop()

    # One observed step against one that is not, shared among ten steps.
    for network, runs in (("mlp_small", 100), ("cnn28", 100), ("resnet18_cifar", 7)):
        overheads = []
        for _ in range(args.rounds):
            def step(*more):
                output = subprocess.run([programs / "traind-bench", "--runs", str(runs), *more, network], check=True,
                                        text=True, stdout=subprocess.PIPE).stdout
                return json.loads(output)["median_ms"]
            plain = step()
            overheads.append((step("--observe-every", "1") / plain - 1) * 100 / 10)
        say(f"statistics every 10 steps, {network}", overheads, "% of the step time", "<= 5")


if __name__ == "__main__":
    main()
