#!/usr/bin/env python3
"""What a running job loses when clients evaluate beside it.

    python3 tests/bench/beside_tasks.py [--build build/release] [--clients 2] [--rounds 10] [--seconds 5]

Starts a server of its own on a loopback port with a data folder of its own, imports Fashion-MNIST, trains a small network
with all threads, and lets clients evaluate a convolutional one in a loop. Takes the job's steps in a second in turns: while
the workers of the evaluations are stopped (SIGSTOP), and while they run. Ends everything it started. Prints one JSON line:
the medians, and the median of the ratios of the rounds.
"""
import argparse
import json
import os
import pathlib
import signal
import statistics
import tempfile
import threading
import time

from service import IMAGES, ROOT, Server

# Steps of a fifth of a millisecond, in which each barrier of the threads counts.
JOB = """
network { layers { name: "hidden" dense { units: 32 } activation { relu {} } } layers { name: "logits" dense { units: 10 } } }
data { dataset: "fashion-mnist" evaluation_split: "test" preprocessing { scale {} } }
optimizer { sgd { momentum: 0.9 } learning_rate: 0.01 }
batch_size: 16 steps: 1000000000 metrics_every_steps: 100
evaluation { every_steps: 0 } statistics { every_steps: 0 } checkpoint { every { seconds: 5 } }
"""


class Clients:
    """Evaluate in a loop while the block runs; `evaluations` counts those that have ended."""

    def __init__(self, count, evaluate):
        self.evaluations, self.running = 0, True
        self.threads = [threading.Thread(target=self.loop, args=(evaluate,)) for _ in range(count)]

    def loop(self, evaluate):
        while self.running:
            evaluate()
            self.evaluations += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.running = False
        for thread in self.threads:
            thread.join()


def workers_of(server):
    children = pathlib.Path(f"/proc/{server.process.pid}/task").glob("*/children")
    return {int(pid) for file in children for pid in file.read_text().split()}


def main():
    parser = argparse.ArgumentParser(description="Measures what evaluations cost a running job.")
    parser.add_argument("--build", default=str(ROOT / "build/release"))
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--server-flag", action="append", default=[], help="for traind, like --threads=2")
    args = parser.parse_args()
    programs = pathlib.Path(args.build) / "bin"

    with tempfile.TemporaryDirectory() as folder:
        server = Server(programs, folder, args.server_flag)
        trainctl = server.trainctl

        def step():
            return int(json.loads(trainctl("--json", "get", "job")).get("progress", {}).get("step", 0))

        def steps_in_a_second():
            first, begin = step(), time.monotonic()
            time.sleep(args.seconds)
            # What is known of a step comes through the store: a slow disk shows none for a while.
            return max(step() - first, 1) / (time.monotonic() - begin)

        try:
            splits = [f"{name}={IMAGES}/{stem}-images-idx3-ubyte.gz,{IMAGES}/{stem}-labels-idx1-ubyte.gz"
                      for name, stem in (("train", "train"), ("test", "t10k"))]
            trainctl("dataset", "import", "fashion-mnist", "--split", splits[0], "--split", splits[1])
            trainctl("submit", str(ROOT / "examples/fashion_mnist_cnn.textproto"), "--job-id", "model", "--set", "steps=1")
            trainctl("watch", "model")
            file = pathlib.Path(folder) / "job.textproto"
            file.write_text(JOB)
            trainctl("submit", file, "--job-id", "job")
            while step() < 1000:
                time.sleep(0.1)
            job = workers_of(server)
            alone, beside = [], []
            with Clients(args.clients, lambda: trainctl("--json", "model", "eval", "model")) as clients:
                begin = time.monotonic()
                for _ in range(args.rounds):
                    while not workers_of(server) - job:
                        time.sleep(0.01)
                    stopped = workers_of(server) - job
                    for pid in stopped:
                        os.kill(pid, signal.SIGSTOP)
                    alone.append(steps_in_a_second())
                    for pid in stopped:
                        os.kill(pid, signal.SIGCONT)
                    beside.append(steps_in_a_second())
                ran = (time.monotonic() - begin) / 2
                evaluations = clients.evaluations
                trainctl("cancel", "job")
            print(json.dumps({
                "figure": f"steps in a second of a job beside {args.clients} clients that evaluate",
                "alone": round(statistics.median(alone)), "beside": round(statistics.median(beside)),
                "ratio": round(statistics.median(b / a for a, b in zip(alone, beside)), 2),
                "seconds_per_evaluation": round(ran / max(evaluations, 1), 1),
                "rounds": [round(b / a, 2) for a, b in zip(alone, beside)]}), flush=True)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
