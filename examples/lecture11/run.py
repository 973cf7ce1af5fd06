#!/usr/bin/python3
"""Runs the experiments of the lecture in this folder against a traind server, and writes docs/lecture11.md from the numbers.

    examples/lecture11/run.py                    everything: keep the machine quiet meanwhile
    examples/lecture11/run.py --quick            the same in small, to see that it works; writes to build/lecture11-quick
    examples/lecture11/run.py --only schedules   one section (--only again: one more); writes to build/lecture11-part

Needs the programs in build/release/bin, and from Debian: python3-matplotlib, dataset-fashion-mnist. It starts a server of its
own on loopback, with its data in build/lecture11, or uses the one that --server names. A run that was interrupted goes on
where it stopped: a job's id holds a hash of what it trains, and jobs that are there already are not run again.
"""
import argparse
import os
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True  # No build output beside the job files.
sys.path[1:1] = [str(HERE.parent / "lecture"), str(HERE.parent)]
import ensembles  # noqa: E402
import large_batches  # noqa: E402
import schedules  # noqa: E402
import search  # noqa: E402
import transfer  # noqa: E402
from lab import Lab  # noqa: E402
from session import ROOT, Server, Trainctl, import_fashion_mnist, say  # noqa: E402

# In the order of the page: name, what runs it and gives its text.
SECTIONS = {
    "schedules": schedules.schedules,
    "early_stopping": schedules.early_stopping,
    "search": search.search,
    "ensembles": ensembles.ensembles,
    "ema": schedules.ema,
    "transfer": transfer.transfer,
    "scaling": large_batches.scaling,
    "lars": large_batches.lars,
}


def spent(folder, seconds):
    """The times of all runs with this data, and now of this one: what was trained before is not trained again."""
    file = folder / "seconds"
    times = [float(line) for line in file.read_text().split()] if file.exists() else []
    file.write_text("".join(f"{time:.1f}\n" for time in times + [seconds]))
    return times + [seconds]


def introduction(lab, seconds):
    """`seconds` of each run of the script that the jobs came of."""
    text = ("# Lecture 11, reproduced\n\n"
            "The experiments of Justin Johnson's lecture 11, \"Training Neural Networks II\" (EECS 498-007, 2020), on traind: "
            "small networks, [Fashion-MNIST](https://github.com/zalandoresearch/fashion-mnist). This page is written by "
            "[examples/lecture11/run.py](../examples/lecture11/run.py) from what its jobs measured; the job files are beside "
            "it.\n\n")
    if lab.quick:
        text += "**This is a --quick run: too little data and too few steps to mean anything.**\n\n"
    times = f" in {len(seconds)} runs of the script, each of which went on where the one before had stopped"
    text += (f"{lab.count} jobs on {os.cpu_count()} cores, {sum(seconds) / 60:.1f} minutes{times if len(seconds) > 1 else ''}. ")
    text += ("A tenth of the training images is kept for validation (`validation_fraction`), the same images in every job, but for "
             "transfer, where nothing is chosen. What is chosen is chosen by them; the test images tell what came of it, and "
             f"accuracies in tables are of them. Numbers are the mean and the standard deviation over {len(lab.seeds)} seeds; "
             "differences come with their standard error, and one within twice that is called \"not told apart\". Differences "
             "within one training, within an ensemble, and on the same drawn images are taken pair by pair.")
    if len(lab.seeds) == 3:
        text += (" With three seeds that is no strict test: of comparisons between equals it tells about one in nine apart, one in "
                 "five of the paired ones (Student's t).")
    return text + "\n\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="little data, few steps, two seeds")
    parser.add_argument("--only", action="append", choices=SECTIONS, metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--seeds", type=int, help="how many; default 3, with --quick 2")
    parser.add_argument("--server", help="HOST:PORT of a server that runs already")
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin", help="folder of the programs")
    parser.add_argument("--data", type=pathlib.Path, help="folder of the server's data; default: build/lecture11[-quick]")
    parser.add_argument("--output", type=pathlib.Path, help="folder of lecture11.md and lecture11/; default: docs")
    options = parser.parse_args()
    folder = options.data or ROOT / "build" / ("lecture11-quick" if options.quick else "lecture11")
    folder.mkdir(parents=True, exist_ok=True)
    output = options.output or (folder if options.quick else ROOT / ("build/lecture11-part" if options.only else "docs"))
    (output / "lecture11").mkdir(parents=True, exist_ok=True)

    def work(server):
        begin = time.monotonic()
        trainctl = Trainctl(options.bin / "trainctl", server)
        import_fashion_mnist(trainctl)
        seeds = list(range(1, 1 + (options.seeds or (2 if options.quick else 3))))
        lab = Lab(HERE, folder, output / "lecture11", trainctl, seeds, options.quick)
        texts = []
        try:
            for name, section in SECTIONS.items():
                if not options.only or name in options.only:
                    say(name)
                    texts.append(section(lab))
        finally:
            seconds = spent(folder, time.monotonic() - begin)
        (output / "lecture11.md").write_text(introduction(lab, seconds) + "\n".join(texts))
        say(f"{output / 'lecture11.md'} written, {seconds[-1] / 60:.1f} minutes")

    if options.server:
        work(options.server)
    else:
        with Server(options.bin / "traind", folder) as server:
            work(server)


if __name__ == "__main__":
    main()
