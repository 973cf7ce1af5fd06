#!/usr/bin/env python3
"""Records what PyTorch's optimizers do to five weights in ten steps, as the table that optimizer_test.cc includes.

    /usr/bin/python3 tests/golden/record_optimizers.py > tests/core/optimizers/recorded.inc

The weights start as w_i = cos(i), the gradient of step t (from 1) is g_i = sin(1 + i + 3 t) * 10^(i - 2) in float64,
rounded to float32.
"""
import math

import torch

from record_training import NAdam

STEPS = 10
CASES = [
    ("sgd {}", lambda p: torch.optim.SGD(p, lr=0.05)),
    ("sgd { momentum: 0.9 }", lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9)),
    ("sgd { momentum: 0.8 nesterov: true }", lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8, nesterov=True)),
    ("adam {}", lambda p: torch.optim.Adam(p, lr=0.05)),
    ("adam { beta1: 0.5 beta2: 0.9 epsilon: 0.001 }",
     lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.5, 0.9), eps=0.001)),
    ("adamw {}", lambda p: torch.optim.AdamW(p, lr=0.05, weight_decay=0.1)),
    ("rmsprop {}", lambda p: torch.optim.RMSprop(p, lr=0.05)),
    ("rmsprop { alpha: 0.9 epsilon: 0.01 momentum: 0.7 }",
     lambda p: torch.optim.RMSprop(p, lr=0.05, alpha=0.9, eps=0.01, momentum=0.7)),
    ("adagrad {}", lambda p: torch.optim.Adagrad(p, lr=0.05)),
    ("adagrad { epsilon: 0.01 initial_accumulator: 0.5 }",
     lambda p: torch.optim.Adagrad(p, lr=0.05, eps=0.01, initial_accumulator_value=0.5)),
    ("adadelta {}", lambda p: torch.optim.Adadelta(p, lr=0.05)),
    ("adadelta { rho: 0.5 epsilon: 0.001 }", lambda p: torch.optim.Adadelta(p, lr=0.05, rho=0.5, eps=0.001)),
    ("adamax {}", lambda p: torch.optim.Adamax(p, lr=0.05)),
    ("adamax { beta1: 0.5 beta2: 0.9 epsilon: 0.01 }",
     lambda p: torch.optim.Adamax(p, lr=0.05, betas=(0.5, 0.9), eps=0.01)),
    ("nadam {}", lambda p: NAdam(p, lr=0.05)),
    ("nadam { beta1: 0.8 beta2: 0.9 epsilon: 0.001 momentum_decay: 0.3 }",
     lambda p: NAdam(p, lr=0.05, betas=(0.8, 0.9), eps=0.001, momentum_decay=0.3)),
]

print(f"// Made by tests/golden/record_optimizers.py with PyTorch {torch.__version__}: config, decoupled weight decay, and")
print("// the weights after ten steps.")
for config, make in CASES:
    weights = torch.nn.Parameter(torch.tensor([math.cos(i) for i in range(5)]))
    optimizer = make([weights])
    for step in range(1, STEPS + 1):
        weights.grad = torch.tensor([math.sin(1 + i + 3 * step) * 10.0 ** (i - 2) for i in range(5)])
        optimizer.step()
    decay = 0.1 if config.startswith("adamw") else 0
    values = ", ".join(f"{v:.9g}" for v in weights.tolist())
    print(f'{{"{config}", {decay}, {{{values}}}}},')
