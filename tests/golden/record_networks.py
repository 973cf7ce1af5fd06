#!/usr/bin/env python3
"""The cases of record.py whose networks are made of blocks: residual, dense, branches.

    /usr/bin/python3 tests/golden/record_networks.py     records these alone; record.py calls it too
"""
import torch
from torch import nn
from torch.nn import functional as F

SEED = 11
CHANNELS = 8


class Scalars(nn.Module):
    """traind's scalar_affine."""

    def __init__(self, weight=True, bias=True):
        super().__init__()
        if weight:
            self.weight = nn.Parameter(torch.ones(1))
        if bias:
            self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        x = x * self.weight if hasattr(self, "weight") else x
        return x + self.bias if hasattr(self, "bias") else x


class Modules(nn.Module):
    """The layers of a block under their names."""

    def __init__(self, **layers):
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)


def conv(i, o, kernel, stride=1, bias=False):
    return nn.Conv2d(i, o, kernel, stride, kernel // 2, bias=bias)


class PostActivation(Modules):
    def __init__(self, i, o, stride=1):
        super().__init__(conv1=conv(i, o, 3, stride), norm1=nn.BatchNorm2d(o), conv2=conv(o, o, 3),
                         norm2=nn.BatchNorm2d(o))
        if stride != 1 or i != o:
            self.shortcut, self.shortcut_norm = conv(i, o, 1, stride), nn.BatchNorm2d(o)

    def forward(self, x):
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(y + (self.shortcut_norm(self.shortcut(x)) if hasattr(self, "shortcut") else x))


class PreActivationBottleneck(Modules):
    def __init__(self, i, width, stride):
        super().__init__(norm1=nn.BatchNorm2d(i), conv1=conv(i, width, 1), norm2=nn.BatchNorm2d(width),
                         conv2=conv(width, width, 3, stride), norm3=nn.BatchNorm2d(width),
                         conv3=conv(width, 4 * width, 1), shortcut=conv(i, 4 * width, 1, stride))

    def forward(self, x):
        x = F.relu(self.norm1(x))
        y = self.conv2(F.relu(self.norm2(self.conv1(x))))
        return self.conv3(F.relu(self.norm3(y))) + self.shortcut(x)


class Fixup(Modules):
    def __init__(self, i, o, stride=1):
        super().__init__(bias1a=Scalars(weight=False), conv1=conv(i, o, 3, stride), bias1b=Scalars(weight=False),
                         bias2a=Scalars(weight=False), conv2=conv(o, o, 3), scale=Scalars())
        if stride != 1 or i != o:
            self.shortcut = conv(i, o, 1, stride)

    def forward(self, x):
        z = self.bias1a(x)
        y = self.scale(self.conv2(self.bias2a(F.relu(self.bias1b(self.conv1(z))))))
        return F.relu(y + (self.shortcut(z) if hasattr(self, "shortcut") else x))


class PreActivationFixup(Modules):
    def __init__(self, i, o, stride=1):
        super().__init__(bias1=Scalars(weight=False), bias1a=Scalars(weight=False), conv1=conv(i, o, 3, stride),
                         bias2=Scalars(weight=False), bias2a=Scalars(weight=False), conv2=conv(o, o, 3),
                         scale=Scalars(bias=False))
        if stride != 1 or i != o:
            self.shortcut = conv(i, o, 1, stride)

    def forward(self, x):
        z = self.bias1a(F.relu(self.bias1(x)))
        y = self.scale(self.conv2(self.bias2a(F.relu(self.bias2(self.conv1(z))))))
        return y + (self.shortcut(z) if hasattr(self, "shortcut") else x)


class DenseBlock(Modules):
    def __init__(self, i, layers, growth, bottleneck):
        super().__init__()
        self.layers, self.bottleneck = layers, bottleneck
        for k in range(1, layers + 1):
            setattr(self, f"norm{k}", nn.BatchNorm2d(i))
            if bottleneck:
                setattr(self, f"reduce{k}", conv(i, 4 * growth, 1))
                setattr(self, f"reduce_norm{k}", nn.BatchNorm2d(4 * growth))
            setattr(self, f"conv{k}", conv(4 * growth if bottleneck else i, growth, 3))
            i += growth

    def forward(self, x):
        for k in range(1, self.layers + 1):
            y = F.relu(getattr(self, f"norm{k}")(x))
            if self.bottleneck:
                y = F.relu(getattr(self, f"reduce_norm{k}")(getattr(self, f"reduce{k}")(y)))
            x = torch.cat([x, getattr(self, f"conv{k}")(y)], 1)
        return x


class Transition(Modules):
    def __init__(self, i, o):
        super().__init__(norm=nn.BatchNorm2d(i), conv=conv(i, o, 1))

    def forward(self, x):
        return F.avg_pool2d(self.conv(F.relu(self.norm(x))), 2)


class Inception(Modules):
    def __init__(self, i):
        super().__init__(one=conv(i, 5, 1, bias=True), reduce=conv(i, 4, 1, bias=True), three=conv(4, 6, 3, bias=True),
                         pooled=conv(i, 3, 1, bias=True))

    def forward(self, x):
        return torch.cat([F.relu(self.one(x)), F.relu(self.three(F.relu(self.reduce(x)))),
                          F.relu(self.pooled(F.max_pool2d(x, 3, 1, 1))), x], 1)


STEM = f"""\
  layers {{ name: "stem" conv2d {{ out_channels: {CHANNELS} kernel: 3 padding {{ amount: 1 }} }} activation {{ relu {{}} }} }}
"""
HEAD = """\
  layers { name: "pool" global_avg_pool {} }
  layers { name: "logits" dense { units: 5 } }
"""


def network(record, text, features, **blocks):
    """`text` and the modules of its blocks, between a convolution and a classifier over `features` channels."""
    def forward(net, x):
        x = F.relu(net.stem(x))
        for name in blocks:
            x = getattr(net, name)(x)
        return net.logits(x.mean((2, 3)))
    net = record.Net(forward, stem=conv(record.IMAGE[0], CHANNELS, 3, bias=True), **blocks,
                     logits=nn.Linear(features, record.CLASSES))
    return STEM + text + HEAD, net


def sgd_of_fixup(net):
    """The scalars learn at a tenth of the rate, as in https://github.com/hongyi-zhang/Fixup."""
    scalars = [p for m in net.modules() if isinstance(m, Scalars) for p in m.parameters()]
    known = {id(p) for p in scalars}
    groups = [{"params": [p for p in net.parameters() if id(p) not in known]}]
    if scalars:
        groups.append({"params": scalars, "lr": 0.002})
    return torch.optim.SGD(groups, lr=0.02, momentum=0.9)


def cases(record):
    def case(name, *rest, **blocks):
        layers, net = network(record, *rest, **blocks)
        return record.Case(name, layers, net, "sgd { momentum: 0.9 } learning_rate: 0.02", sgd_of_fixup, dataset="images")

    yield case("block_residual", """\
  layers { name: "a" block { residual { channels: 8 } } }
  layers { name: "b" block { residual { channels: 12 stride: 2 } } }
  layers { name: "c" block { residual { body: BOTTLENECK channels: 4 stride: 2 order: PRE_ACTIVATION } } }
""", 16, a=PostActivation(8, 8), b=PostActivation(8, 12, 2), c=PreActivationBottleneck(12, 4, 2))
    yield case("block_residual_fixup", """\
  layers { name: "a" block { residual { channels: 8 initialization: FIXUP } } }
  layers { name: "b" block { residual { channels: 12 stride: 2 initialization: FIXUP } } }
""", 12, a=Fixup(8, 8), b=Fixup(8, 12, 2))
    yield case("block_dense", """\
  layers { name: "a" block { dense_block { layers: 2 growth: 4 bottleneck: true } } }
  layers { name: "t" block { transition { compression: 0.5 } } }
  layers { name: "b" block { dense_block { layers: 3 growth: 5 } } }
""", 23, a=DenseBlock(8, 2, 4, True), t=Transition(16, 8), b=DenseBlock(8, 3, 5, False))
    yield case("block_branches", """\
  layers {
    name: "a"
    block {
      branches {
        branches { layers { name: "one" conv2d { out_channels: 5 kernel: 1 } activation { relu {} } } }
        branches {
          layers { name: "reduce" conv2d { out_channels: 4 kernel: 1 } activation { relu {} } }
          layers { name: "three" conv2d { out_channels: 6 kernel: 3 padding { amount: 1 } } activation { relu {} } }
        }
        branches {
          layers { name: "max" max_pool { kernel: 3 stride: 1 padding { amount: 1 } } }
          layers { name: "pooled" conv2d { out_channels: 3 kernel: 1 } activation { relu {} } }
        }
        branches {}
      }
    }
  }
""", 22, a=Inception(8))
    yield case("block_residual_fixup_pre_activation", """\
  layers { name: "a" block { residual { channels: 8 initialization: FIXUP order: PRE_ACTIVATION } } }
  layers { name: "b" block { residual { channels: 12 stride: 2 initialization: FIXUP order: PRE_ACTIVATION } } }
""", 12, a=PreActivationFixup(8, 8), b=PreActivationFixup(8, 12, 2))


def run_all(record, wanted=()):
    torch.manual_seed(SEED)
    for case in cases(record):
        if not wanted or case.name in wanted:
            record.run(case)


if __name__ == "__main__":
    import record as own
    run_all(own)
