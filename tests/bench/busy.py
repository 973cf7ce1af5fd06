#!/usr/bin/env python3
"""How a training step slows down beside other busy processes, in traind and in PyTorch, both measured now, in turns.

    /usr/bin/python3 tests/bench/busy.py [--threads 2] [--rounds 3] [--busy 0,1,2] [--sessions same|other] [NETWORK ...]

Beside k busy processes for each core a step has one part in k + 1 of each core, so it takes k + 1 times as long where
no thread ever waits for one that has no core; twice that is what is wanted. The processes run in the same session as
the programs, or in one of their own: Linux shares the cores between sessions first where kernel.sched_autogroup_enabled
is 1. Needs a machine without other work. --json prints one line for each row in place of the table.
"""
import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess

from compare_pytorch import ROOT, measure

NETWORKS = ("mlp_small", "resnet20_narrow", "cnn28")


@contextlib.contextmanager
def busy_processes(count, own_session):
    """`count` processes that do nothing but use a core each."""
    command = ["/bin/sh", "-c", "while :; do :; done"]
    processes = [subprocess.Popen(command, start_new_session=own_session) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


def main():
    parser = argparse.ArgumentParser(description="Times a training step beside busy processes.")
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=", ".join(NETWORKS) + " by default")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=0, help="steps in each measurement; by default some seconds of them")
    parser.add_argument("--busy", default="0,1,2", help="busy processes for each core, one number for each column")
    parser.add_argument("--sessions", choices=["same", "other"], default="same")
    parser.add_argument("--bench", default=str(ROOT / "build/release/bin/traind-bench"))
    parser.add_argument("--python", default="/usr/bin/python3", help="the interpreter that has torch")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    runs = ["--runs", str(args.runs)] if args.runs else []
    peer = [args.python, str(pathlib.Path(__file__).with_name("pytorch_peer.py")), *runs]
    cores = len(os.sched_getaffinity(0))
    if not args.json:
        print(f"{'network':16} {'busy':>4} {'traind ms':>10} {'x quiet':>8} {'wanted':>7} {'PyTorch ms':>11}")
    for network in args.networks or NETWORKS:
        quiet = None
        for busy in map(int, args.busy.split(",")):
            ours, theirs = [], []
            for _ in range(args.rounds):
                with busy_processes(busy * cores, args.sessions == "other"):
                    ours.append(measure([args.bench, *runs], network, "f32", args.threads)["mean_ms"])
                    theirs.append(measure(peer, network, "f32", args.threads)["mean_ms"])
            row = {"network": network, "busy_per_core": busy, "sessions": args.sessions,
                   "traind_ms": round(statistics.median(ours), 2), "pytorch_ms": round(statistics.median(theirs), 2),
                   "traind_rounds": ours, "pytorch_rounds": theirs}
            if busy == 0:
                quiet = row["traind_ms"]
            if args.json:
                print(json.dumps(row), flush=True)
            else:
                ratio = f"{row['traind_ms'] / quiet:7.1f}x" if quiet else " " * 8
                print(f"{network:16} {busy:4} {row['traind_ms']:10.2f} {ratio} {2 * (busy + 1) if busy else 1:6}x "
                      f"{row['pytorch_ms']:11.2f}", flush=True)


if __name__ == "__main__":
    main()
