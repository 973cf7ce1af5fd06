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


def conv_bn(channels, out_channels, kernel=3, stride=1):
    return [nn.Conv2d(channels, out_channels, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(out_channels)]


def conv_net(channels, *groups):
    """Groups of (count, channels): 3x3 convolutions with batch norm and relu, then a 2x2 max pool."""
    layers = []
    for count, out_channels in groups:
        for _ in range(count):
            layers += [*conv_bn(channels, out_channels), nn.ReLU()]
            channels = out_channels
        layers.append(nn.MaxPool2d(2))
    return layers


def cnn28():
    return nn.Sequential(*conv_net(1, (2, 32), (2, 64)), nn.Flatten(), nn.Linear(64 * 7 * 7, 10))


def vgg16_cifar():
    """Thirteen convolutions in five groups, and two dense layers with dropout."""
    return nn.Sequential(*conv_net(3, (2, 64), (2, 128), (3, 256), (3, 512), (3, 512)), nn.Flatten(), nn.Dropout(0.5),
                         nn.Linear(512, 512), nn.ReLU(), nn.Dropout(0.5), nn.Linear(512, 10))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and what they read, added up; through a 1x1 convolution where the shape changes."""

    def __init__(self, channels, out_channels, stride):
        super().__init__()
        self.body = nn.Sequential(*conv_bn(channels, out_channels, stride=stride), nn.ReLU(),
                                  *conv_bn(out_channels, out_channels))
        same = channels == out_channels and stride == 1
        self.shortcut = nn.Identity() if same else nn.Sequential(*conv_bn(channels, out_channels, 1, stride))

    def forward(self, x):
        return torch.relu(self.body(x) + self.shortcut(x))


def resnet(in_channels, width, stages, blocks):
    """A 3x3 stem and stages of residual blocks, each stage twice as wide as the one before and half as large."""
    layers, channels = [*conv_bn(in_channels, width), nn.ReLU()], width
    for stage in range(stages):
        for block in range(blocks):
            layers.append(ResidualBlock(channels, width << stage, 2 if stage > 0 and block == 0 else 1))
            channels = width << stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


class DenseLayer(nn.Module):
    """Batch norm, relu and a convolution, whose output is joined to what it read."""

    def __init__(self, channels, growth):
        super().__init__()
        self.body = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(),
                                  nn.Conv2d(channels, growth, 3, 1, 1, bias=False))

    def forward(self, x):
        return torch.cat([x, self.body(x)], 1)


def densenet40_cifar():
    """Three dense blocks of twelve layers, with transitions between them."""
    layers, channels, growth = [nn.Conv2d(3, 16, 3, 1, 1, bias=False)], 16, 12
    for block in range(3):
        for _ in range(12):
            layers.append(DenseLayer(channels, growth))
            channels += growth
        layers += [nn.BatchNorm2d(channels), nn.ReLU()]
        if block < 2:
            layers += [nn.Conv2d(channels, channels, 1, bias=False), nn.AvgPool2d(2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


def mobile_cifar():
    """Depthwise convolutions with 1x1 convolutions between them."""
    layers, channels = [*conv_bn(3, 32), nn.ReLU()], 32
    for out_channels, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)):
        layers += [nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False), nn.BatchNorm2d(channels),
                   nn.ReLU(), nn.Conv2d(channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels), nn.ReLU()]
        channels = out_channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


def conv1d_series():
    """Three convolutions over 128 readings of nine sensors."""
    layers = []
    for channels in (9, 64, 64):
        layers += [nn.Conv1d(channels, 64, 5, padding=2, bias=False), nn.BatchNorm1d(64), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(64, 10))


class Vit(nn.Module):
    """vit_tiny of width 96 and depth 4, on patches of 4 x 4."""

    def __init__(self, width=96, depth=4, heads=3, patch=4, side=32):
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.zeros(1, (side // patch) ** 2 + 1, width))
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.encoders = nn.TransformerEncoder(layer, depth, nn.LayerNorm(width))
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        return self.head(self.encoders(x)[:, 0])


class TextCnn(nn.Module):
    def __init__(self, vocabulary=5000, features=100, channels=100):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, features)
        self.convs = nn.ModuleList(nn.Conv1d(features, channels, kernel) for kernel in (3, 4, 5))
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(3 * channels, 10))

    def forward(self, ids):
        x = self.embedding(ids).transpose(1, 2)
        return self.head(torch.cat([torch.relu(conv(x)).amax(2) for conv in self.convs], 1))


TOKENS = {"text_cnn": 5000}
# name: (network, shape of the batch)
NETWORKS = {
    "mlp_small": (lambda: dense_net(784, 512, 512, 10), (128, 784)),
    "mlp_6x4096": (lambda: dense_net(*[4096] * 7, 10), (256, 4096)),
    "cnn28": (cnn28, (128, 1, 28, 28)),
    "resnet20_narrow": (lambda: resnet(1, 8, 3, 3), (128, 1, 28, 28)),
    "resnet18_cifar": (lambda: resnet(3, 64, 4, 2), (64, 3, 32, 32)),
    "vgg16_cifar": (vgg16_cifar, (64, 3, 32, 32)),
    "densenet40_cifar": (densenet40_cifar, (64, 3, 32, 32)),
    "mobile_cifar": (mobile_cifar, (64, 3, 32, 32)),
    "conv1d_series": (conv1d_series, (64, 9, 128)),
    "vit_small": (Vit, (64, 3, 32, 32)),
    "text_cnn": (TextCnn, (64, 64)),
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
    if name in TOKENS:
        x = torch.randint(TOKENS[name], shape)
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
            "mean_ms": round(statistics.mean(times), 3),
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
