#!/usr/bin/env python3
"""What checkpoints cost a training: a large network by the default cadence, and a tiny one that is better each epoch.

    python3 tests/bench/checkpoints.py [--programs build/release/bin] [--folder DIR] [--seconds 150]

Starts a server of its own on a loopback port, with its data below DIR (on the disk that is to be measured), and ends it.
Prints one JSON line for each figure.
"""
import argparse
import json
import math
import os
import pathlib
import random
import struct
import tempfile

from service import ROOT, Server, moment

# 100 million weights, and as many numbers of momentum: 800 MB.
LARGE = """
network {
  layers { name: "a" dense { units: 8192 } activation { relu {} } }
  layers { name: "b" dense { units: 8192 } activation { relu {} } }
  layers { name: "c" dense { units: 3200 } activation { relu {} } }
  layers { name: "out" dense { units: 10 } }
}
data { dataset: "noise" evaluation_split: "none" preprocessing { scale {} } }
optimizer { sgd { momentum: 0.9 } learning_rate: 0.0001 }
batch_size: 64 steps: STEPS metrics_every_steps: 1 statistics { every_steps: 0 } checkpoint { CHECKPOINT }
"""
# 120 flowers of four numbers, as many epochs as there were checkpoints.
SMALL = """
network {
  layers { name: "hidden" dense { units: 16 } activation { tanh {} } }
  layers { name: "out" dense { units: 3 } }
}
data { dataset: "flowers" preprocessing { standardize {} } }
optimizer { sgd { momentum: 0.9 } learning_rate: 0.003 }
batch_size: 40 epochs: 400 seed: 1 checkpoint { every { seconds: 0 } }
"""


def write_noise(folder, count):
    images, labels = folder / "images.idx", folder / "labels.idx"
    images.write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, count, 28, 28) + os.urandom(count * 28 * 28))
    labels.write_bytes(struct.pack(">4BI", 0, 0, 8, 1, count) + bytes(i % 10 for i in range(count)))
    return f"train={images},{labels}"


def write_flowers(folder):
    """Three clouds of points, as iris has them."""
    draw = random.Random(5)
    for name, count in (("train", 120), ("test", 30)):
        lines = ["a,b,c,d,kind"]
        for i in range(count):
            kind = i % 3
            lines.append(",".join(f"{draw.gauss(kind * 1.5, 0.6):.2f}" for _ in range(4)) + f",{kind}")
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return [f"{name}={folder}/{name}.csv" for name in ("train", "test")]


def main():
    parser = argparse.ArgumentParser(description="Measures what checkpoints cost.")
    parser.add_argument("--programs", default=str(ROOT / "build/release/bin"))
    parser.add_argument("--folder", default=None)
    parser.add_argument("--seconds", type=float, default=150)
    args = parser.parse_args()
    programs = pathlib.Path(args.programs)
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = pathlib.Path(name)
        server = Server(programs, folder)
        trainctl = server.trainctl

        def run(job, text):
            (folder / "job.textproto").write_text(text)
            trainctl("submit", f"{folder}/job.textproto", "--job-id", job)
            return [json.loads(line) for line in trainctl("--json", "watch", job).splitlines()]

        def large(job, steps, checkpoint):
            events = run(job, LARGE.replace("STEPS", str(steps)).replace("CHECKPOINT", checkpoint))
            times = [event["timing"]["step_ms"] for event in events if "timing" in event][5:]
            saved = [event for event in events if "checkpoint" in event]
            return times, len(saved) - 2  # Without the first and the last one.

        try:
            trainctl("dataset", "upload", "noise", "--split", write_noise(folder, 2048))
            quiet, _ = large("warm", 40, "every { seconds: 0 }")
            median = sorted(quiet)[len(quiet) // 2]
            times, saved = large("saving", math.ceil(args.seconds * 1e3 / median), "")
            print(json.dumps({
                "figure": "800 MB by the default cadence", "seconds": round(sum(times) / 1e3, 1), "checkpoints": saved,
                "step_ms": round(median), "longest_quiet_step_ms": round(max(quiet)),
                "longest_step_ms": [round(t) for t in sorted(times)[-6:]],
                "share_of_long_steps_percent": round(sum(t - median for t in times if t > 2 * median) / sum(times) * 100, 1),
            }), flush=True)
            splits = write_flowers(folder)
            trainctl("dataset", "upload", "flowers", "--format", "csv", "--label-column", "kind",
                     *(word for split in splits for word in ("--split", split)))
            for job in ("flowers-1", "flowers-2", "flowers-3"):
                events = run(job, SMALL)
                running = next(e for e in events if e.get("state", {}).get("state") == "JOB_STATE_RUNNING")
                print(json.dumps({
                    "figure": "400 epochs of 120 examples",
                    "seconds": round(moment(events[-1]["time"]) - moment(running["time"]), 2),
                    "checkpoints": sum("checkpoint" in event for event in events),
                    "bests": sum(event.get("evaluation", {}).get("best", False) for event in events),
                }), flush=True)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
