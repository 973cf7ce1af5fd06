#!/usr/bin/python3
"""What docs/reliability.md promises, put to the test: a server and its workers are killed, ended between two system calls,
told that the disk fails, robbed of what was not synced, given damaged files and bad requests, and moved in time. What was
acknowledged must hold, and every job must end with the bits of one that nobody disturbed.

    tests/chaos/chaos.py                       a short form of all, as the tests run it
    tests/chaos/chaos.py --long                thousands of each: hours
    tests/chaos/chaos.py --only kills,power    some kinds; --count N, of each
    tests/chaos/chaos.py --seed 7              the same choices again, as far as the machine's timing lets them be the same

Ends with a table, and with 1 when a promise was broken. --json FILE adds a line for each kind to a file.
"""
import argparse
import datetime
import json
import random
import sys
import time
import traceback

import faults
import inputs
import lives
from house import Broken

KINDS = {**faults.KINDS, **lives.KINDS, **inputs.KINDS}


class Progress:
    """A line of what was done and when it will be over."""

    def __init__(self, kind, count):
        self.kind, self.count, self.done = kind, count, 0
        self.begin = self.shown = time.monotonic()
        self.notes = {}

    def step(self, done=1, **notes):
        """`notes` are counts, which add up."""
        self.done += done
        self.note(**notes)
        now = time.monotonic()
        if now - self.shown > (1 if sys.stderr.isatty() else 60):
            self.shown = now
            left = (now - self.begin) / max(self.done, 1) * (self.count - self.done)
            print(f"{self.kind}: {self.done} of {self.count}, {datetime.timedelta(seconds=int(left))} left",
                  end="\r" if sys.stderr.isatty() else "\n", file=sys.stderr, flush=True)

    def note(self, **notes):
        for name, number in notes.items():
            self.notes[name] = self.notes.get(name, 0) + number

    def most(self, **notes):
        for name, number in notes.items():
            self.notes[name] = max(self.notes.get(name, 0), number)


def run(kind, count, seed):
    progress = Progress(kind, count)
    fault = ""
    try:
        KINDS[kind].run(count, random.Random(f"{seed} {kind}"), progress)
    except Broken as broken:
        fault = str(broken)
    except Exception:  # The script's own fault, or an answer that nobody foresaw: neither is a pass.
        fault = traceback.format_exc()
    return {"kind": kind, "done": progress.done, "of": progress.count, "seconds": round(time.monotonic() - progress.begin, 1),
            "seed": seed, "date": datetime.date.today().isoformat(), **progress.notes, "fault": fault}


def show(results):
    print(f"\n{'kind':<12} {'done':>9} {'of':>9} {'seconds':>9}  ")
    known = ("kind", "done", "of", "seconds", "seed", "date", "fault")
    for result in results:
        notes = ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in result.items() if name not in known)
        print(f"{result['kind']:<12} {result['done']:>9} {result['of']:>9} {result['seconds']:>9}  "
              f"{'BROKEN' if result['fault'] else 'held':<6}  {notes}")
    for result in results:
        if result["fault"]:
            print(f"\n{result['kind']} (--seed {result['seed']}): {result['fault']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0],
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--only", default=",".join(KINDS), help="kinds, with commas")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--long", action="store_true", help="as often as docs/reliability.md wants it")
    parser.add_argument("--count", type=int, help="how often, instead")
    parser.add_argument("--json", help="file to which the results are added")
    options = parser.parse_args()
    if unknown := set(options.only.split(",")) - set(KINDS):
        parser.error(f"no such kind: {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
    results = []
    for name in options.only.split(","):
        kind = KINDS[name]
        results.append(run(name, options.count or (kind.long if options.long else kind.short), options.seed))
        if options.json:
            with open(options.json, "a") as file:
                file.write(json.dumps(results[-1]) + "\n")
    show(results)
    sys.exit(1 if any(result["fault"] for result in results) else 0)


if __name__ == "__main__":
    main()
