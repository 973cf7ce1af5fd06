#!/usr/bin/env python3
"""The twelve public recipes of this folder as their authors wrote them, on Fashion-MNIST. For docs/coming-from.md.

    python3 examples/recipes/originals.py [NAME...] [--seeds 3]      (pip install torch keras scikit-learn)

prints the test accuracy of each seed (of the autoencoder its test loss). Each job file beside this one says the same in
traind's words: `trainctl run examples/recipes/NAME.textproto --seed N`. Caffe has no package any more: its two recipes are
its prototxt files, layer by layer, in PyTorch, with Caffe's rules (coupled weight decay, pooling with ceil, fillers).
"""
import argparse
import gzip
import math
import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "torch")

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

FOLDER = pathlib.Path(os.environ.get("FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
RECIPES = {}


def recipe(function):
    RECIPES[function.__name__] = function
    return function


def load(split):
    def read(kind, header):
        path = next(FOLDER.glob(f"{split}-{kind}*"))
        data = (gzip.open if path.suffix == ".gz" else open)(path, "rb").read()
        return np.frombuffer(data, np.uint8, offset=header)
    return read("images", 16).reshape(-1, 28, 28), read("labels", 8).astype(np.int64)


X, Y = load("train")
X_TEST, Y_TEST = load("t10k")


def images(x, scale=255.0):
    return torch.from_numpy(x.astype(np.float32) / scale)[:, None]


def accuracy(net, x):
    net.eval()
    with torch.no_grad():
        right = sum((net(part).argmax(1).numpy() == y).sum() for part, y in zip(x.split(1000), np.split(Y_TEST, 10)))
    net.train()
    return right / len(Y_TEST)


def train(net, optimizer, batch, epochs=None, steps=None, x=None):
    """DataLoader(shuffle=True), with the last, smaller minibatch, as it is by default."""
    x = images(X) if x is None else x
    y = torch.from_numpy(Y)
    done = 0
    while (epochs is None or done < epochs * math.ceil(len(x) / batch)) and (steps is None or done < steps):
        for part in torch.randperm(len(x)).split(batch):
            if steps is not None and done == steps:
                break
            optimizer.zero_grad()
            F.cross_entropy(net(x[part]), y[part]).backward()
            optimizer.step()
            done += 1
    return net


# --- Keras ----------------------------------------------------------------------------------------------------------
@recipe
def keras_basic_classification(seed):
    """https://www.tensorflow.org/tutorials/keras/classification"""
    import keras
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(128, activation="relu"),
                              keras.layers.Dense(10)])
    model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                  metrics=["accuracy"])
    model.fit(X / 255.0, Y, epochs=10, verbose=0)
    return model.evaluate(X_TEST / 255.0, Y_TEST, verbose=0)[1]


@recipe
def keras_convnet(seed):
    """https://keras.io/examples/vision/mnist_convnet/, two epochs of its fifteen."""
    import keras
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((28, 28, 1)), layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(2), layers.Flatten(), layers.Dropout(0.5),
        layers.Dense(10, activation="softmax")])
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    model.fit(X[..., None] / 255.0, keras.utils.to_categorical(Y), batch_size=128, epochs=2, verbose=0)
    return model.evaluate(X_TEST[..., None] / 255.0, keras.utils.to_categorical(Y_TEST), verbose=0)[1]


@recipe
def keras_autoencoder(seed):
    """https://www.tensorflow.org/tutorials/generative/autoencoder, the first example: its test loss."""
    import keras
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(64, activation="relu"),
                              keras.layers.Dense(784, activation="sigmoid"), keras.layers.Reshape((28, 28))])
    model.compile(optimizer="adam", loss="mse")
    model.fit(X / 255.0, X / 255.0, epochs=10, shuffle=True, verbose=0)
    return model.evaluate(X_TEST / 255.0, X_TEST / 255.0, verbose=0)


# --- PyTorch --------------------------------------------------------------------------------------------------------
@recipe
def pytorch_quickstart(seed):
    """https://pytorch.org/tutorials/beginner/basics/quickstart_tutorial.html"""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    train(net, torch.optim.SGD(net.parameters(), lr=1e-3), batch=64, epochs=5)
    return accuracy(net, images(X_TEST))


@recipe
def pytorch_training(seed):
    """https://pytorch.org/tutorials/beginner/introyt/trainingyt.html, one epoch of its five."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
                        nn.Flatten(), nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
    train(net, torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9), batch=4, epochs=1, x=(images(X) - 0.5) / 0.5)
    return accuracy(net, (images(X_TEST) - 0.5) / 0.5)


# --- Dive into Deep Learning, https://d2l.ai --------------------------------------------------------------------------
def initialized(net, rule):
    for layer in net.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            rule(layer)
    return net


@recipe
def d2l_softmax(seed):
    """Softmax regression, d2l.ai/chapter_linear-classification/softmax-regression-concise.html"""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    train(net, torch.optim.SGD(net.parameters(), lr=0.1), batch=256, epochs=10)
    return accuracy(net, images(X_TEST))


@recipe
def d2l_mlp(seed):
    """d2l.ai/chapter_multilayer-perceptrons/mlp-implementation.html"""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    train(net, torch.optim.SGD(net.parameters(), lr=0.1), batch=256, epochs=10)
    return accuracy(net, images(X_TEST))


@recipe
def d2l_dropout(seed):
    """d2l.ai/chapter_multilayer-perceptrons/dropout.html"""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 256), nn.ReLU(),
                        nn.Dropout(0.5), nn.Linear(256, 10))
    train(net, torch.optim.SGD(net.parameters(), lr=0.1), batch=256, epochs=10)
    return accuracy(net, images(X_TEST))


@recipe
def d2l_lenet(seed):
    """d2l.ai/chapter_convolutional-neural-networks/lenet.html: sigmoids, means, xavier, a learning rate of 0.1 ... 0.9"""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.Sigmoid(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Sigmoid(),
                        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.Sigmoid(), nn.Linear(120, 84),
                        nn.Sigmoid(), nn.Linear(84, 10))
    initialized(net, lambda layer: nn.init.xavier_uniform_(layer.weight))
    train(net, torch.optim.SGD(net.parameters(), lr=0.9), batch=256, epochs=10)
    return accuracy(net, images(X_TEST))


# --- Caffe ----------------------------------------------------------------------------------------------------------
def decayed(net, decay):
    """traind's coupled_weight_decay leaves biases alone: decay_mult: 0 in Caffe's words."""
    return [{"params": [p for p in net.parameters() if p.dim() > 1], "weight_decay": decay},
            {"params": [p for p in net.parameters() if p.dim() == 1]}]


@recipe
def caffe_lenet(seed):
    """caffe/examples/mnist/lenet_train_test.prototxt, 1000 iterations, lr_policy fixed."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(1, 20, 5), nn.MaxPool2d(2, ceil_mode=True), nn.Conv2d(20, 50, 5),
                        nn.MaxPool2d(2, ceil_mode=True), nn.Flatten(), nn.Linear(800, 500), nn.ReLU(),
                        nn.Linear(500, 10))

    def filler(layer):  # Caffe's "xavier": uniform, of variance 1 / fan_in.
        bound = math.sqrt(3 / layer.weight[0].numel())
        nn.init.uniform_(layer.weight, -bound, bound)
        nn.init.zeros_(layer.bias)
    initialized(net, filler)
    train(net, torch.optim.SGD(decayed(net, 0.0005), lr=0.01, momentum=0.9), batch=64, steps=1000,
          x=images(X, 256))
    return accuracy(net, images(X_TEST, 256))


@recipe
def caffe_cifar10_quick(seed):
    """caffe/examples/cifar10/cifar10_quick_train_test.prototxt on images of 28 x 28: pools [28, 14, 7 -> 3 with ceil]."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(1, 32, 5, padding=2), nn.MaxPool2d(3, 2, ceil_mode=True), nn.ReLU(),
                        nn.Conv2d(32, 32, 5, padding=2), nn.ReLU(), nn.AvgPool2d(3, 2, ceil_mode=True),
                        nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.AvgPool2d(3, 2, ceil_mode=True),
                        nn.Flatten(), nn.Linear(576, 64), nn.Linear(64, 10))
    stds = iter([0.0001, 0.01, 0.01, 0.1, 0.1])

    def filler(layer):
        nn.init.normal_(layer.weight, std=next(stds))
        nn.init.zeros_(layer.bias)
    initialized(net, filler)
    mean = images(X, 1).mean(0, keepdim=True)
    # blobs_lr 2 of the biases is left out.
    train(net, torch.optim.SGD(decayed(net, 0.004), lr=0.001, momentum=0.9), batch=100, steps=600,
          x=images(X, 1) - mean)
    return accuracy(net, images(X_TEST, 1) - mean)


# --- scikit-learn ---------------------------------------------------------------------------------------------------
@recipe
def sklearn_mlp_classifier(seed):
    """sklearn.neural_network.MLPClassifier with its defaults, ten epochs."""
    import warnings

    from sklearn.neural_network import MLPClassifier
    warnings.filterwarnings("ignore")
    model = MLPClassifier(max_iter=10, n_iter_no_change=100, random_state=seed)
    model.fit(X.reshape(-1, 784) / 255.0, Y)
    return model.score(X_TEST.reshape(-1, 784) / 255.0, Y_TEST)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RECIPES))
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    for name in arguments.names or RECIPES:
        results = [RECIPES[name](seed) for seed in range(1, arguments.seeds + 1)]
        print(f"{name:28}", *(f"{result:.4f}" for result in results), flush=True)


if __name__ == "__main__":
    main()
