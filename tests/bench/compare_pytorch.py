#!/usr/bin/env python3
"""How much faster a training step is in traind than in PyTorch, both measured now, on this machine, in turns.

    /usr/bin/python3 tests/bench/compare_pytorch.py [--threads 2] [--rounds 3] [--precision f32|bf16|both] [NETWORK ...]

Machines change their clock and share their cores, so numbers of two different moments do not compare. In each round
every network is timed by traind-bench and right after it by PyTorch; the ratio is taken within the round, and the
median of the rounds is what is printed. --json prints one line for each network in place of the table.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
NETWORKS = ("mlp_small", "mlp_6x4096", "cnn28", "resnet20_narrow", "resnet18_cifar", "vgg16_cifar", "densenet40_cifar",
            "mobile_cifar", "conv1d_series", "vit_small", "text_cnn")


def measure(command, network, precision, threads):
    """The line that a program prints for the network."""
    command = [*command, "--threads", str(threads), "--precision", precision, network]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in map(json.loads, output.splitlines()):
        if line.get("network") == network and "median_ms" in line:
            return line
    sys.exit(f"no result for {network} from: {' '.join(command)}")


def main():
    parser = argparse.ArgumentParser(description="Compares the step time of traind with PyTorch's.")
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=", ".join(NETWORKS) + "; all by default")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", choices=["f32", "bf16", "both"], default="both")
    parser.add_argument("--bench", default=str(ROOT / "build/release/bin/traind-bench"))
    parser.add_argument("--python", default="/usr/bin/python3", help="the interpreter that has torch")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    peer = [args.python, str(ROOT / "tests/bench/pytorch_peer.py")]
    if not args.json:
        print(f"{'network':14} {'precision':9} {'traind ms':>10} {'PyTorch ms':>10} {'ratio':>6}   ratio of each round")
    for precision in ("f32", "bf16") if args.precision == "both" else (args.precision,):
        for network in args.networks or NETWORKS:
            ours, theirs = [], []
            for _ in range(args.rounds):
                ours.append(measure([args.bench], network, precision, args.threads)["median_ms"])
                theirs.append(measure(peer, network, precision, args.threads)["median_ms"])
            ratios = [b / a for a, b in zip(ours, theirs)]
            row = {"network": network, "precision": precision, "traind_ms": round(statistics.median(ours), 3),
                   "pytorch_ms": round(statistics.median(theirs), 3), "ratio": round(statistics.median(ratios), 2),
                   "ratios": [round(r, 2) for r in ratios]}
            if args.json:
                print(json.dumps(row), flush=True)
            else:
                each = " ".join(f"{ratio:.2f}" for ratio in ratios)
                print(f"{network:14} {precision:9} {row['traind_ms']:10.2f} {row['pytorch_ms']:10.2f} "
                      f"{row['ratio']:5.2f}x   {each}", flush=True)


if __name__ == "__main__":
    main()
