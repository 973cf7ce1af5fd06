#!/usr/bin/env python3
"""Makes two datasets of Fashion-MNIST, one of its classes 0 to 4 and one of 5 to 9, for the examples of transfer learning:
NPZ files with x_train, y_train, x_test, y_test, whose labels are 0 to 4.

    examples/fashion_mnist_halves.py FOLDER [--per-class N]      the folder with the four *-ubyte.gz files

writes first-half.npz and second-half.npz into this folder; of the second one N training images of each class (default
all). Needs numpy.
"""
import argparse
import gzip
import pathlib

import numpy as np


def read(folder, split):
    """[n, 1, 28, 28] bytes and [n] labels."""
    with gzip.open(folder / f"{split}-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    with gzip.open(folder / f"{split}-labels-idx1-ubyte.gz") as file:
        return images, np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)


def of_classes(images, labels, first, per_class=None):
    """Those of the classes first to first + 4, at most per_class of each, in their order."""
    chosen = np.concatenate([np.flatnonzero(labels == c)[:per_class] for c in range(first, first + 5)])
    chosen.sort()
    return images[chosen], labels[chosen] - first


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--per-class", type=int, default=None)
    arguments = parser.parse_args()
    train, test = read(arguments.folder, "train"), read(arguments.folder, "t10k")
    for name, first, per_class in (("first-half", 0, None), ("second-half", 5, arguments.per_class)):
        x_train, y_train = of_classes(*train, first, per_class)
        x_test, y_test = of_classes(*test, first)
        np.savez_compressed(f"{name}.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
        print(f"{name}.npz: {len(x_train)} images to train on, {len(x_test)} to test, classes {first} to {first + 4}")


if __name__ == "__main__":
    main()
