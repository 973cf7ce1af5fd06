#!/usr/bin/env python3
"""Records what PyTorch's pooling with ceil_mode gives, for pooling_test.cc.

    python3 tests/core/layers/record_ceil_pools.py          (Debian: apt-get install python3-torch python3-numpy)

For each shape the output of one image of two channels and, for the loss 0.5 * sum of squares of the outputs, the
gradient of the input, in float64: ceil_pools.safetensors, whose header keeps the layer in traind's text format.
"""
import json
import pathlib
import random
import struct

import torch
from torch.nn import functional as F

KINDS = {
    "max_pool": lambda x, **w: F.max_pool2d(x, **w),
    "avg_pool": lambda x, **w: F.avg_pool2d(x, count_include_pad=False, **w),
    "avg_pool count_include_pad: true": lambda x, **w: F.avg_pool2d(x, count_include_pad=True, **w),
}


def image(channels, height, width):
    """The values of tests/support/train_run.h's Number(i)."""
    i = torch.arange(channels * height * width, dtype=torch.int64)
    return (((i * 7919 + 13) % 2001).double() / 1000 - 1).reshape(1, channels, height, width)


def main():
    random.seed(5)
    header, blob = {}, b""
    for case in range(40):
        kernel = [random.randint(1, 4), random.randint(1, 4)]
        stride = [random.randint(1, 4), random.randint(1, 4)]
        padding = [random.randint(0, k // 2) for k in kernel]
        size = [random.randint(max(3, k), 9) for k in kernel]
        for kind, pool in KINDS.items():
            x = image(2, *size).requires_grad_()
            y = pool(x, kernel_size=kernel, stride=stride, padding=padding, ceil_mode=True)
            (0.5 * y.square().sum()).backward()
            name, _, more = kind.partition(" ")
            text = (f"{name} {{ kernel: {kernel} stride: {stride} padding {{ amount: {padding} }} ceil_mode: true {more}}}"
                    f" input_shape: [2, {size[0]}, {size[1]}] {case:02}")
            for what, tensor in (("output", y[0]), ("gradient", x.grad[0])):
                data = tensor.detach().float().numpy().astype("<f4").tobytes()
                header[f"{text} {what}"] = {"dtype": "F32", "shape": list(tensor.shape),
                                            "data_offsets": [len(blob), len(blob) + len(data)]}
                blob += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path = pathlib.Path(__file__).with_name("ceil_pools.safetensors")
    path.write_bytes(struct.pack("<Q", len(text)) + text + blob)


if __name__ == "__main__":
    main()
