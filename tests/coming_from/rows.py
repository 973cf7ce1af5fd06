#!/usr/bin/env python3
"""The rows of docs/coming-from.md, each run against the library it names.

    KERAS_BACKEND=torch python3 tests/coming_from/rows.py          (pip install torch keras scikit-learn)

Beside the library stands what traind's reference (proto/traind/v1) says, in NumPy: that traind itself keeps to it is what
tests/golden shows. Ends with 1 where a row is not as the page says. Caffe has no package any more: its rows are its
formulas (sgd_solver.cpp, pooling_layer.cpp, euclidean_loss_layer.cpp, filler.hpp).
"""
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
import torch
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler
from torch.nn import functional as F

RNG = np.random.default_rng(3)
FAILED = []


def row(name, library, traind, same=True, tolerance=1e-5):
    apart = np.abs(np.asarray(library, np.float64) - np.asarray(traind, np.float64)).max()
    right = (apart <= tolerance * max(1.0, np.abs(traind).max())) == same
    print(f"{'ok ' if right else 'BAD'} {name}: {'the same' if same else 'differs'} ({apart:.2g} apart)")
    if not right:
        FAILED.append(name)


def steps(update, gradients, rates):
    w = np.array([1.0, -2.0, 0.5])
    for t, (g, lr) in enumerate(zip(gradients, rates), 1):
        w = update(w, g, lr, t)
    return w


GRADIENTS = RNG.normal(size=(6, 3))
CONSTANT, FALLING = [0.1] * 6, [0.1] * 3 + [0.01] * 3


def sgd(momentum=0.0, coupled=0.0, decoupled=0.0):
    v = np.zeros(3)

    def update(w, g, lr, _):
        nonlocal v
        v = momentum * v + g + coupled * w
        return (1 - lr * decoupled) * w - lr * v
    return update


def adam(epsilon=1e-8, coupled=0.0, decoupled=0.0):
    m, s = np.zeros(3), np.zeros(3)

    def update(w, g, lr, t):
        nonlocal m, s
        g = g + coupled * w
        m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g * g
        return (1 - lr * decoupled) * w - lr * (m / (1 - 0.9 ** t)) / (np.sqrt(s / (1 - 0.999 ** t)) + epsilon)
    return update


def rmsprop(alpha=0.99, epsilon=1e-8):
    s = np.zeros(3)

    def update(w, g, lr, _):
        nonlocal s
        s = alpha * s + (1 - alpha) * g * g
        return w - lr * g / (np.sqrt(s) + epsilon)
    return update


def torch_steps(make, rates):
    w = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64, requires_grad=True)
    optimizer = make([w])
    for g, lr in zip(GRADIENTS, rates):
        optimizer.param_groups[0]["lr"] = lr
        w.grad = torch.from_numpy(g.copy())
        optimizer.step()
    return w.detach().numpy()


def keras_steps(optimizer, rates):
    w = keras.Variable(np.array([1.0, -2.0, 0.5], np.float32))
    optimizer.build([w])
    for g, lr in zip(GRADIENTS, rates):
        optimizer.learning_rate = lr
        optimizer.apply_gradients([(keras.ops.convert_to_tensor(g.astype(np.float32)), w)])
    return keras.ops.convert_to_numpy(w)


def caffe_steps(rates, momentum=0.9, decay=0.0):
    """sgd_solver.cpp: Regularize adds decay * w to the gradient; history = rate * gradient + momentum * history."""
    history = np.zeros(3)

    def update(w, g, lr, _):
        nonlocal history
        history = lr * (g + decay * w) + momentum * history
        return w - history
    return steps(update, GRADIENTS, rates)


def optimizers():
    opt = torch.optim
    row("PyTorch SGD weight_decay = coupled_weight_decay", torch_steps(
        lambda p: opt.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.05), CONSTANT), steps(sgd(0.9, coupled=0.05), GRADIENTS, CONSTANT))
    row("PyTorch SGD weight_decay, traind weight_decay", torch_steps(
        lambda p: opt.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.05), CONSTANT),
        steps(sgd(0.9, decoupled=0.05), GRADIENTS, CONSTANT), same=False)
    row("Caffe weight_decay = coupled_weight_decay", caffe_steps(CONSTANT, decay=0.05),
        steps(sgd(0.9, coupled=0.05), GRADIENTS, CONSTANT))
    row("PyTorch Adam weight_decay = coupled_weight_decay", torch_steps(
        lambda p: opt.Adam(p, lr=0.1, weight_decay=0.05), CONSTANT), steps(adam(coupled=0.05), GRADIENTS, CONSTANT))
    row("PyTorch AdamW weight_decay = weight_decay", torch_steps(
        lambda p: opt.AdamW(p, lr=0.1, weight_decay=0.05), CONSTANT), steps(adam(decoupled=0.05), GRADIENTS, CONSTANT))
    row("PyTorch SGD momentum, rate falling", torch_steps(lambda p: opt.SGD(p, lr=0.1, momentum=0.9), FALLING),
        steps(sgd(0.9), GRADIENTS, FALLING))
    row("Keras SGD momentum, rate constant", keras_steps(keras.optimizers.SGD(0.1, momentum=0.9), CONSTANT),
        steps(sgd(0.9), GRADIENTS, CONSTANT))
    row("Keras SGD momentum, rate falling", keras_steps(keras.optimizers.SGD(0.1, momentum=0.9), FALLING),
        steps(sgd(0.9), GRADIENTS, FALLING), same=False)
    row("Caffe momentum, rate constant", caffe_steps(CONSTANT), steps(sgd(0.9), GRADIENTS, CONSTANT))
    row("Caffe momentum, rate falling", caffe_steps(FALLING), steps(sgd(0.9), GRADIENTS, FALLING), same=False)
    row("PyTorch Adam", torch_steps(lambda p: opt.Adam(p, lr=0.1), CONSTANT), steps(adam(), GRADIENTS, CONSTANT))
    row("Keras Adam = adam { epsilon: 1e-7 }", keras_steps(keras.optimizers.Adam(0.1), CONSTANT),
        steps(adam(epsilon=1e-7), GRADIENTS, CONSTANT))
    row("Keras AdamW weight_decay = weight_decay", keras_steps(keras.optimizers.AdamW(0.1, weight_decay=0.05), CONSTANT),
        steps(adam(epsilon=1e-7, decoupled=0.05), GRADIENTS, CONSTANT))
    row("PyTorch RMSprop", torch_steps(lambda p: opt.RMSprop(p, lr=0.1), CONSTANT), steps(rmsprop(), GRADIENTS, CONSTANT))
    row("Keras RMSprop = rmsprop { alpha: 0.9 }, but for where epsilon stands",
        keras_steps(keras.optimizers.RMSprop(0.1), CONSTANT), steps(rmsprop(0.9, 0), GRADIENTS, CONSTANT), tolerance=1e-4)
    row("defaults of epsilon: Keras Adam, PyTorch Adam", [keras.optimizers.Adam().epsilon, opt.Adam([torch.zeros(1)]).defaults["eps"]],
        [1e-7, 1e-8], tolerance=0)
    gradients = [torch.tensor([3.0, 4.0]), torch.tensor([12.0])]
    parameters = [torch.zeros(2, requires_grad=True), torch.zeros(1, requires_grad=True)]
    for p, g in zip(parameters, gradients):
        p.grad = g.clone()
    torch.nn.utils.clip_grad_norm_(parameters, 6.5)
    row("PyTorch clip_grad_norm_ = clip_norm", torch.cat([p.grad for p in parameters]), np.array([3, 4, 12]) * 6.5 / 13)


def losses():
    x, t = RNG.normal(size=(5, 4)), RNG.normal(size=(5, 4))
    mean = ((x - t) ** 2).mean()
    row("PyTorch mse_loss = mean_squared_error", F.mse_loss(torch.from_numpy(x), torch.from_numpy(t)), mean)
    row("Keras mse = mean_squared_error", keras.losses.MeanSquaredError()(t, x).cpu().numpy(), mean)
    row("Caffe EuclideanLoss = outputs / 2 * mean_squared_error", ((x - t) ** 2).sum() / (2 * len(x)), 4 / 2 * mean)
    y = RNG.integers(0, 4, 5)
    log = x - np.log(np.exp(x).sum(1, keepdims=True))
    entropy = -log[np.arange(5), y].mean()
    smooth = 0.9 * entropy - 0.1 * log.mean()
    row("PyTorch CrossEntropyLoss", F.cross_entropy(torch.from_numpy(x), torch.from_numpy(y)), entropy)
    row("PyTorch label smoothing", F.cross_entropy(torch.from_numpy(x), torch.from_numpy(y), label_smoothing=0.1), smooth)
    row("Keras from_logits", keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, x).cpu().numpy(), entropy)
    row("Keras label smoothing", keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)(
        np.eye(4)[y], x).cpu().numpy(), smooth)
    margins = np.maximum(0, x - x[np.arange(5), y][:, None] + 1)
    margins[np.arange(5), y] = 0
    row("PyTorch MultiMarginLoss = multiclass_hinge / classes",
        F.multi_margin_loss(torch.from_numpy(x), torch.from_numpy(y)), margins.sum(1).mean() / 4)
    row("Keras l2(s) = l2 { strength: s }", keras.regularizers.L2(0.01)(x).cpu().numpy(), 0.01 * (x ** 2).sum())


def layers():
    x = RNG.normal(size=(2, 3, 7, 7))
    row("7 -> 3 with PyTorch's and Caffe's pools of 3 with stride 2", F.max_pool2d(torch.from_numpy(x), 3, 2, ceil_mode=True).shape[2],
        -(-(7 - 3) // 2) + 1, tolerance=0)
    row("8 -> 4 with ceil_mode, 3 without", [F.max_pool2d(torch.zeros(1, 1, 8, 8), 3, 2, ceil_mode=c).shape[2] for c in (True, False)],
        [-(-(8 - 3) // 2) + 1, (8 - 3) // 2 + 1], tolerance=0)
    row("7 -> 4 with Keras' same, and SAME", keras.layers.MaxPooling2D(3, 2, padding="same")(np.zeros((1, 7, 7, 1))).shape[1],
        -(-7 // 2), tolerance=0)
    pooled = F.avg_pool2d(torch.from_numpy(x), 3, 3, 1, ceil_mode=True, count_include_pad=True)
    row("the mean of a last window counts the padding, and not what lies beyond", pooled[:, :, 2, 2],
        x[:, :, 5:8, 5:8].sum((2, 3)) / 9)
    pooled = F.avg_pool2d(torch.from_numpy(x[:, :, :6, :6]), 3, 2, ceil_mode=True, count_include_pad=True)
    row("without padding the last mean is over what is there", pooled[:, :, 2, 2], x[:, :, 4:6, 4:6].mean((2, 3)))
    torch_norm, keras_norm = torch.nn.BatchNorm1d(4).double(), keras.layers.BatchNormalization()
    row("BatchNorm momentum: PyTorch 0.1, Keras 0.99", [torch_norm.momentum, keras_norm.momentum], [0.1, 0.99], tolerance=0)
    row("BatchNorm epsilon: PyTorch 1e-5, Keras 1e-3", [torch_norm.eps, keras_norm.epsilon], [1e-5, 1e-3], tolerance=0)
    z = RNG.normal(size=(8, 4))
    torch_norm(torch.from_numpy(z))
    row("PyTorch's running variance is of n - 1", torch_norm.running_var, 0.9 + 0.1 * z.var(0, ddof=1))
    keras_norm = keras.layers.BatchNormalization(momentum=0.9)
    keras_norm(z.astype(np.float32), training=True)
    row("Keras' momentum 0.9 is batch_norm { momentum: 0.1 }, and its running variance of n",
        keras.ops.convert_to_numpy(keras_norm.moving_variance), 0.9 + 0.1 * z.var(0))
    weight = keras.layers.Dense(300)
    weight.build((None, 200))
    bound = np.sqrt(6 / 500)
    row("Keras' Dense: U(-b, b), b = sqrt(6 / (fan_in + fan_out))", np.abs(keras.ops.convert_to_numpy(weight.kernel)).max(), bound,
        tolerance=1e-3)
    linear = torch.nn.Linear(200, 300)
    row("PyTorch's Linear: U(-b, b), b = 1 / sqrt(fan_in) = sqrt(3) gain / sqrt(fan_in)",
        [linear.weight.abs().max().item(), np.sqrt(3) * 0.57735 / np.sqrt(200)], [200 ** -0.5] * 2, tolerance=1e-3)


def scikit_learn():
    x = RNG.normal(size=(50, 3))
    x[:, 1] = 7
    row("StandardScaler divides a constant by 1", StandardScaler().fit(x).scale_[1], 1, tolerance=0)
    row("StandardScaler's deviation is of n", StandardScaler().fit(x).scale_[0], x[:, 0].std())
    y = RNG.normal(size=50)
    model = MLPRegressor(hidden_layer_sizes=(4,), max_iter=1, alpha=0, solver="sgd", momentum=0, learning_rate_init=1e-9, random_state=1)
    model.fit(x, y)
    row("MLPRegressor trains half of the mean squared error", model.loss_, 0.5 * ((model.predict(x) - y) ** 2).mean(),
        tolerance=1e-4)
    labels = (y > 0).astype(int)
    losses = [MLPClassifier(hidden_layer_sizes=(4,), max_iter=1, alpha=a, solver="sgd", learning_rate_init=1e-9, random_state=1).fit(x, labels)
              for a in (0.0, 10.0)]
    squares = sum((w ** 2).sum() for w in losses[0].coefs_)
    row("MLPClassifier's alpha: 0.5 alpha sum w^2 / n", losses[1].loss_ - losses[0].loss_, 0.5 * 10 * squares / 50, tolerance=1e-4)
    row("the default minibatch of MLPClassifier is min(200, n)", losses[0].t_, 50, tolerance=0)


def main():
    for part in (optimizers, losses, layers, scikit_learn):
        part()
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
