#!/usr/bin/env python3
"""Records what PyTorch makes of mixup with given blends, as the table that blend_golden_test.cc includes.

    /usr/bin/python3 tests/golden/record_mixup.py > tests/core/data/augmentation/recorded_mixup.inc

A linear classifier of five examples, x_ik = sin(1 + 4 i + k), W_ck = cos(4 c + k), label i mod 3. In case t example i is
blended with example (2 i + t) mod 5, its own weight being ((i + 2 t) mod 5) / 4. The loss is written as by the authors of
mixup: w CE(output, y_i) + (1 - w) CE(output, y_j). A line: the mean loss, and its gradient for the 15 logits.
"""
import math

import torch

torch.set_default_dtype(torch.float64)
N, FEATURES, CLASSES, CASES = 5, 4, 3, 6

x = torch.tensor([[math.sin(1 + FEATURES * i + k) for k in range(FEATURES)] for i in range(N)])
w = torch.tensor([[math.cos(FEATURES * c + k) for k in range(FEATURES)] for c in range(CLASSES)])
y = torch.arange(N) % CLASSES

print(f"// Made by tests/golden/record_mixup.py with PyTorch {torch.__version__}: loss, and gradient for the logits.")
for t in range(CASES):
    partner = torch.tensor([(2 * i + t) % N for i in range(N)])
    weight = torch.tensor([((i + 2 * t) % 5) / 4 for i in range(N)])
    mixed = weight[:, None] * x + (1 - weight)[:, None] * x[partner]
    logits = (mixed @ w.T).requires_grad_()
    own = torch.nn.functional.cross_entropy(logits, y, reduction="none")
    other = torch.nn.functional.cross_entropy(logits, y[partner], reduction="none")
    loss = (weight * own + (1 - weight) * other).mean()
    loss.backward()
    values = ", ".join(f"{v:.12g}" for v in logits.grad.flatten().tolist())
    print(f"{{{loss.item():.12g}, {{{values}}}}},")
