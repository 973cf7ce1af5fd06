"""The cases of record.py with sequences, attention, and the layers and blocks of published networks. Run alone it
records these only.

Differences between the two vocabularies: traind's sequences are [features, length], PyTorch's attention, Linear and
LayerNorm read [length, features]; a class token and learned positions are tensors called `weight`.
"""
import math
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

SEED = 31
VOCABULARY, LENGTH = 20, 12


def make_tokens(record):
    """Texts of uint8 token ids, 0 for padding: the words of a class come from its own part of the vocabulary."""
    rng = np.random.default_rng(SEED)
    n = record.STEPS // 2 * record.BATCH
    labels = rng.integers(0, record.CLASSES, n)
    tokens = np.where(rng.random((n, LENGTH)) < 0.5, 1 + 3 * labels[:, None] + rng.integers(0, 3, (n, LENGTH)),
                      rng.integers(1, VOCABULARY, (n, LENGTH)))
    ends = rng.integers(6, LENGTH + 1, n)
    tokens[np.arange(LENGTH)[None, :] >= ends[:, None]] = 0
    np.savez_compressed(record.DATA / "tokens.npz", x=tokens.astype(np.uint8), y=labels.astype(np.uint8))


class SqueezeExcitation(nn.Module):
    def __init__(self, channels, squeezed, activation, gate):
        super().__init__()
        self.squeeze, self.excite = nn.Linear(channels, squeezed), nn.Linear(squeezed, channels)
        self.activation, self.gate = activation, gate

    def forward(self, x):
        return x * self.gate(self.excite(self.activation(self.squeeze(x.mean((2, 3))))))[:, :, None, None]


class Encoder(nn.Module):
    """Pre-norm, over [length, features]."""

    def __init__(self, features, heads, width, eps):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(features, eps=eps), nn.LayerNorm(features, eps=eps)
        self.attention = nn.MultiheadAttention(features, heads, batch_first=True)
        self.expand, self.project = nn.Linear(features, width), nn.Linear(width, features)
        nn.init.normal_(self.attention.in_proj_bias, std=0.1)
        nn.init.normal_(self.attention.out_proj.bias, std=0.1)

    def forward(self, x):
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.project(F.gelu(self.expand(self.norm2(x))))


class Vector(nn.Module):
    """A parameter called `weight`."""

    def __init__(self, *shape):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(*shape) * 0.1)


class Vit(nn.Module):
    def __init__(self, channels, side, patch, width, depth, heads, classes, token=True):
        super().__init__()
        self.patches = nn.Conv2d(channels, width, patch, patch)
        positions = (side // patch) ** 2 + (1 if token else 0)
        if token:
            self.token = Vector(width)
        self.positions = Vector(positions, width)
        self.depth = depth
        for i in range(depth):
            setattr(self, f"encoder{i + 1}", Encoder(width, heads, 4 * width, 1e-6))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.logits = nn.Linear(width, classes)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        if hasattr(self, "token"):
            x = torch.cat([self.token.weight.expand(len(x), 1, -1), x], 1)
        x = x + self.positions.weight
        for i in range(self.depth):
            x = getattr(self, f"encoder{i + 1}")(x)
        x = self.norm(x)
        return self.logits(x[:, 0] if hasattr(self, "token") else x.mean(1))


class TextCnn(nn.Module):
    def __init__(self, features, kernels, channels, classes):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, features, padding_idx=0)
        self.kernels = kernels
        for kernel in kernels:
            setattr(self, f"conv{kernel}", nn.Conv1d(features, channels, kernel))
        self.logits = nn.Linear(channels * len(kernels), classes)

    def forward(self, x):
        x = self.embedding(x.long()).transpose(1, 2)
        pools = [F.relu(getattr(self, f"conv{kernel}")(x)).amax(2) for kernel in self.kernels]
        return self.logits(torch.cat(pools, 1))


def sinusoids(length, features):
    """The formula in section 3.5 of Vaswani et al. 2017, value by value."""
    table = torch.zeros(length, features, dtype=torch.float64)
    for t in range(length):
        for i in range(features // 2):
            table[t, 2 * i] = math.sin(t / 10000 ** (2 * i / features))
            table[t, 2 * i + 1] = math.cos(t / 10000 ** (2 * i / features))
    return table


DEPTHWISE = """\
  layers { name: "stem" conv2d { out_channels: 6 kernel: 3 padding { amount: 1 } } activation { silu {} } }
  layers { name: "deep" depthwise_conv2d { multiplier: 3 kernel: [ 3, 2 ] stride: 2 padding { amount: 1 } } }
  layers {
    name: "weighed"
    block { squeeze_excitation { reduction: 4 activation { silu {} } gate { hardsigmoid {} } } }
    activation { relu {} }
  }
  layers { name: "plain" block { squeeze_excitation { squeeze_channels: 5 } } }
  layers { name: "mean" global_avg_pool {} }
  layers { name: "logits" dense { units: 5 } }
"""

TRANSPOSED = """\
  layers { name: "down" conv2d { out_channels: 6 kernel: 3 stride: 2 padding { amount: 1 } } activation { tanh {} } }
  layers {
    name: "up"
    conv_transpose2d { out_channels: 8 kernel: 3 stride: 2 padding { amount: 1 } output_padding: 1 groups: 2 }
    activation { tanh {} }
  }
  layers {
    name: "wide"
    conv_transpose2d {
      out_channels: 5 kernel: [ 2, 3 ] dilation: [ 1, 2 ] padding { amount: [ 0, 1 ] } bias: false
    }
  }
  layers { name: "squared" inputs: "wide" inputs: "wide" multiply {} }
  layers { name: "mean" avg_pool { kernel: 3 } }
  layers { name: "logits" dense { units: 5 } }
"""

SEQUENCE = """\
  layers { name: "pixels" to_sequence {} }
  layers { name: "wide" dense { units: 12 per_position: true } activation { tanh {} } }
  layers { name: "where" positional_embedding { form: SINUSOIDAL } }
  layers { name: "attention" multi_head_attention { heads: 4 } }
  layers { name: "norm" layer_norm { per_position: true } activation { gelu {} } }
  layers {
    name: "conv"
    conv1d { out_channels: 10 kernel: 3 stride: 2 dilation: 2 groups: 2 padding { amount: [ 1, 3 ] } }
    activation { relu {} }
  }
  layers { name: "max" global_max_pool {} }
  layers { name: "logits" dense { units: 5 } }
"""


def vit_text(more=""):
    return f"  preset {{ vit_tiny {{ classes: 5 patch: 2 width: 12 depth: 2 heads: 3{more} }} }}\n"


def cases(record):
    channels, side, classes = record.IMAGE[0], record.IMAGE[1], record.CLASSES

    def depthwise(net, x):
        x = F.relu(net.weighed(net.deep(F.silu(net.stem(x)))))
        return net.logits(net.plain(x).mean((2, 3)))
    yield "layers_depthwise_squeeze", DEPTHWISE, record.Net(
        depthwise, stem=nn.Conv2d(channels, 6, 3, padding=1), deep=nn.Conv2d(6, 18, (3, 2), 2, 1, groups=6),
        weighed=SqueezeExcitation(18, 4, F.silu, F.hardsigmoid), plain=SqueezeExcitation(18, 5, F.relu, torch.sigmoid),
        logits=nn.Linear(18, classes)), "images"

    def transposed(net, x):
        x = net.wide(torch.tanh(net.up(torch.tanh(net.down(x)))))
        return net.logits(F.avg_pool2d(x * x, 3).flatten(1))
    yield "layers_conv_transpose", TRANSPOSED, record.Net(
        transposed, down=nn.Conv2d(channels, 6, 3, 2, 1),
        up=nn.ConvTranspose2d(6, 8, 3, 2, 1, output_padding=1, groups=2),
        wide=nn.ConvTranspose2d(8, 5, (2, 3), 1, (0, 1), dilation=(1, 2), bias=False),
        logits=nn.Linear(5 * 3 * 3, classes)), "images"

    def sequence(net, x):
        x = torch.tanh(net.wide(x.flatten(2).transpose(1, 2))) + sinusoids(side * side, 12)
        x = F.gelu(net.norm(net.attention(x, x, x, need_weights=False)[0]))
        x = F.relu(net.conv(F.pad(x.transpose(1, 2), (1, 3))))
        return net.logits(x.amax(2))
    attention = nn.MultiheadAttention(12, 4, batch_first=True)
    nn.init.normal_(attention.in_proj_bias, std=0.1)
    yield "layers_sequence", SEQUENCE, record.Net(
        sequence, wide=nn.Linear(channels, 12), attention=attention, norm=nn.LayerNorm(12),
        conv=nn.Conv1d(12, 10, 3, stride=2, dilation=2, groups=2), logits=nn.Linear(10, classes)), "images"

    yield "preset_vit_tiny", vit_text(), Vit(channels, side, 2, 12, 2, 3, classes), "images"
    yield "preset_vit_tiny_mean", vit_text(" mean_pooling: true"), Vit(channels, side, 2, 12, 2, 3, classes,
                                                                        token=False), "images"
    yield "preset_text_cnn", """\
  preset {
    text_cnn { classes: 5 vocabulary: 20 features: 9 channels: 6 kernels: [ 2, 3, 5 ] dropout: 0 padding_token: 0 }
  }
""", TextCnn(9, (2, 3, 5), 6, classes), "tokens"


def run_all(record, wanted=()):
    torch.manual_seed(SEED)
    if not wanted or not (record.DATA / "tokens.npz").exists():
        make_tokens(record)
    for text, function in (("silu {}", F.silu), ("hardsigmoid {}", F.hardsigmoid)):
        case = record.Case(f"activation_{text.split()[0]}", *record.activation_case(text, function), record.SGD_TEXT,
                           record.SGD)
        if not wanted or case.name in wanted:
            record.run(case)
    for name, layers, net, dataset in cases(record):
        if not wanted or name in wanted:
            record.run(record.Case(name, layers, net, "sgd { momentum: 0.9 } learning_rate: 0.02",
                                   record.sgd(0.02, momentum=0.9), dataset=dataset))


if __name__ == "__main__":
    import record as own
    run_all(own, sys.argv[1:])
