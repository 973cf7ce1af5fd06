#!/usr/bin/env python3
"""Records what PyTorch's LBFGS (max_iter 1, no line search, float64) does, for lbfgs_test.cc, which includes it.

    /usr/bin/python3 tests/golden/record_lbfgs.py > tests/core/optimizers/lbfgs_recorded.inc

Along a function of 40,000 weights, w_i = 1.2 cos(i) at first: sum a_i (w_i - 1)^2 / 2 + (w_(i+1) - w_i)^4 / 10 with
a_i = 1 + i mod 7; and along gradients that no function has, sin(1 + i + 3 t) of step t (from 1), where most pairs have
no curvature and are left out.
"""
import math

import torch

N, SHOWN = 40000, (0, 1, 2047, 2048, 32767, 32768, 39999)
CASES = [("function", 0.4, 3, 12), ("function", 0.7, 20, 15), ("gradients", 0.05, 3, 12),
         ("gradients", 0.05, 20, 12)]


def loss_of(w, a):
    return (a * (w - 1) ** 2).sum() / 2 + ((w[1:] - w[:-1]) ** 4).sum() / 10


def run(kind, lr, history, steps):
    n = N if kind == "function" else 7
    a = torch.tensor([1.0 + i % 7 for i in range(n)], dtype=torch.float64)
    w = torch.tensor([1.2 * math.cos(i) for i in range(n)], dtype=torch.float32).double().requires_grad_()
    optimizer = torch.optim.LBFGS([w], lr=lr, max_iter=1, history_size=history)
    for step in range(1, steps + 1):
        if kind == "function":
            (w.grad,) = torch.autograd.grad(loss_of(w, a), w)
        else:
            w.grad = torch.tensor([math.sin(1 + i + 3 * step) for i in range(n)]).double()
        optimizer.step(lambda: torch.zeros(()))
    values = ", ".join(f"{w[i].item():.9g}" for i in (SHOWN if kind == "function" else range(n)))
    pairs = len(optimizer.state[w]["old_dirs"])
    print(f"// {pairs} pairs are held at the end.")
    print(f'{{"{kind}", {lr}, {history}, {steps}, {{{values}}}}},')


print(f"// Made by tests/golden/record_lbfgs.py with PyTorch {torch.__version__}.")
for case in CASES:
    run(*case)
