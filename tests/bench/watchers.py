#!/usr/bin/env python3
"""What watchers cost the server: memory of stalled ones, and the delay of events in a crowd.

    python3 tests/bench/watchers.py [--build build/release] [--stalled 300] [--crowd 1000]

Starts a server of its own on a loopback port, with a job of 20 small layers that reports every 10 steps, and ends both.
Prints one JSON line for each figure, with its target.
"""
import argparse
import json
import pathlib
import random
import signal
import subprocess
import tempfile
import time

from service import ROOT, Server

JOB = "network { " + "".join(f"layers {{ name: 'fc{i}' dense {{ units: 16 }} activation {{ relu {{}} }} }} "
                             for i in range(19)) + """layers { name: 'out' dense { units: 10 } } }
data { dataset: "points" evaluation_split: "none" } batch_size: 32 steps: 100000000 threads: 1 CADENCE"""


def resident_mb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def main():
    parser = argparse.ArgumentParser(description="Measures what watchers cost the server.")
    parser.add_argument("--build", default=str(ROOT / "build/release"))
    parser.add_argument("--stalled", type=int, default=300)
    parser.add_argument("--crowd", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=20)
    args = parser.parse_args()
    programs = pathlib.Path(args.build) / "bin"
    random.seed(1)

    def say(figure, value, unit, target):
        print(json.dumps({"figure": figure, "value": round(value, 1), "unit": unit, "target": target}), flush=True)

    with tempfile.TemporaryDirectory() as folder:
        server = Server(programs, folder)
        trainctl = server.trainctl

        def submit(name, cadence):
            file = pathlib.Path(folder) / f"{name}.textproto"
            file.write_text(JOB.replace("CADENCE", cadence))
            trainctl("submit", str(file), "--job-id", name)

        def watch(job, *numbers):
            return subprocess.Popen([programs / "traind-watch-bench", server.address, f"jobs/{job}", *map(str, numbers)],
                                    stdout=subprocess.PIPE, text=True)

        try:
            points = pathlib.Path(folder) / "points.csv"
            rows = [",".join(f"f{i}" for i in range(20)) + ",label"]
            rows += [",".join(f"{random.gauss(0, 1):.3f}" for _ in range(20)) + f",{n % 10}" for n in range(2000)]
            points.write_text("\n".join(rows) + "\n")
            trainctl("dataset", "upload", "points", "--split", f"train={points}", "--label-column", "label")
            submit("many", "statistics { every_steps: 10 } metrics_every_steps: 10")
            time.sleep(10)
            trainctl("pause", "many")  # So that nothing else takes memory.
            while json.loads(trainctl("--json", "get", "many"))["state"] != "JOB_STATE_PAUSED":
                time.sleep(0.1)
            time.sleep(5)
            before = resident_mb(server.process.pid)
            stalled = watch("many", 0, 0, args.stalled, args.seconds)
            stalled.stdout.readline()
            time.sleep(args.seconds / 2)
            during = resident_mb(server.process.pid)
            stalled.wait()
            time.sleep(10)
            after = resident_mb(server.process.pid)
            say("memory of the server before", before, "MB", None)
            say(f"for each of {args.stalled} stalled watchers", (during - before) * 1024 / args.stalled, "KiB", "<= 64")
            say("more than before, 10 s after they left", after - before, "MB", "<= 16")
            submit("crowd", "")
            time.sleep(3)
            slow, still = args.crowd // 20, args.crowd // 100
            crowd = watch("crowd", args.crowd - slow - still, slow, still, args.seconds)
            result = json.loads(crowd.communicate()[0].splitlines()[-1])
            say(f"half of {result['events']} events among {args.crowd} watchers within", result["p50_ms"], "ms", None)
            say("99 % of them within", result["p99_ms"], "ms", "<= 250")
        finally:
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(timeout=60)


if __name__ == "__main__":
    main()
