#!/usr/bin/env python3
"""The time of a training step in PyTorch, on the networks that traind-bench times.

    /usr/bin/python3 tests/bench/pytorch_peer.py [--threads 2] [--precision f32|bf16] [--runs N] [NETWORK ...]

A step is forward, cross-entropy, backward, and SGD with momentum 0.9 and weight decay 5e-4, on one random batch that
stays in memory. One JSON line for each network, with the fields of traind-bench's. The first line says which PyTorch
this is and how fast it multiplies two matrices, for with the reference BLAS in place of OpenBLAS the comparison would
be unfair (Debian: apt-get install python3-torch libopenblas0-openmp).
"""
import argparse
import json
import statistics
import time

import torch
from torch import nn


def dense_net(*widths):
    """Dense layers with relu between them."""
    layers = []
    for fan_in, units in zip(widths, widths[1:]):
        layers += [nn.Linear(fan_in, units), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def conv_net():
    """Twice: two 3x3 convolutions with batch norm and relu, then a 2x2 max pool; 32 channels, then 64; dense to 10."""
    layers, channels = [], 1
    for out_channels in (32, 64):
        for _ in range(2):
            layers += [nn.Conv2d(channels, out_channels, 3, padding=1, bias=False), nn.BatchNorm2d(out_channels),
                       nn.ReLU()]
            channels = out_channels
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 7 * 7, 10))


# name: (network, shape of the batch)
NETWORKS = {
    "mlp_small": (lambda: dense_net(784, 512, 512, 10), (128, 784)),
    "mlp_6x4096": (lambda: dense_net(*[4096] * 7, 10), (256, 4096)),
    "cnn28": (conv_net, (128, 1, 28, 28)),
}


def milliseconds(function):
    begin = time.perf_counter()
    function()
    return (time.perf_counter() - begin) * 1e3


def time_network(name, precision, runs):
    torch.manual_seed(1)
    make, shape = NETWORKS[name]
    net = make().train()
    x, labels = torch.randn(shape), torch.randint(10, shape[:1])
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = nn.functional.cross_entropy(net(x), labels)
        loss.backward()
        optimizer.step()

    warm = [milliseconds(step) for _ in range(3)]
    runs = runs or max(5, min(100, int(8000 / warm[-1])))
    times = [milliseconds(step) for _ in range(runs)]
    median = statistics.median(times)
    return {"network": name, "precision": precision, "median_ms": round(median, 3), "min_ms": round(min(times), 3),
            "examples_per_s": round(shape[0] * 1e3 / median, 1), "runs": runs}


def matrix_rate():
    """GFLOP/s of float32 matrix products."""
    a = torch.randn(1024, 1024)
    a @ a
    return 5 * 2 * 1024**3 / milliseconds(lambda: [a @ a for _ in range(5)]) / 1e6


def main():
    parser = argparse.ArgumentParser(description="Times a training step in PyTorch.")
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=", ".join(NETWORKS) + "; all by default")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--runs", type=int, default=0, help="steps to time; by default about 8 s, 5 to 100")
    args = parser.parse_args()
    unknown = set(args.networks) - set(NETWORKS)
    if unknown:
        parser.error(f"unknown network {', '.join(sorted(unknown))}; known: {', '.join(NETWORKS)}")
    torch.set_num_threads(args.threads)
    print(json.dumps({"torch": torch.__version__, "threads": args.threads, "sgemm_gflops": round(matrix_rate(), 1)}),
          flush=True)
    for name in args.networks or NETWORKS:
        print(json.dumps(time_network(name, args.precision, args.runs)), flush=True)


if __name__ == "__main__":
    main()
