#!/usr/bin/env python3
"""Records the training runs that golden_test.cc must reproduce, with PyTorch as the independent implementation.

    /usr/bin/python3 tests/golden/record.py          (Debian: apt-get install python3-torch python3-numpy)

Each case is stated twice below: as a job in traind's text format and as a PyTorch program. Both start from the same
weights and read the same batches in the same order for 20 steps; the program computes in float64, so what differs in
the test is traind's own rounding. Written to tests/golden/data:

    features.npz, images.npz, regression.npz, mixed.npz, binary.npz, many.npz, counts.npz, tokens.npz
                                               the examples and labels, imported by the test as a user would
    CASE.textproto                             the job
    CASE.safetensors                           initial.* and final.* tensors under traind's names, and for each step
                                               loss, penalty, gradient_norm, learning_rate

Differences between the two vocabularies, all of them visible below: an L2 `strength` s is s * sum w^2, so its
gradient is 2 s w and equals PyTorch's `weight_decay` 2 s; traind's `weight_decay` is the decoupled one,
`coupled_weight_decay` PyTorch's, and both, like the penalties, leave biases and normalization parameters alone; its hinge
loss is a sum over the classes, PyTorch's a mean.
"""
import json
import math
import pathlib
import struct
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import record_losses
import record_networks
import record_norms
import record_rules
import record_sequences
import record_training

DATA = pathlib.Path(__file__).resolve().parent / "data"
STEPS, BATCH = 20, 8
FEATURES, CLASSES = 12, 5
IMAGE = (3, 8, 8)


# --- the data -------------------------------------------------------------------------------------------------------
def make_datasets():
    """Examples that can be learned: each class has a centre. Made once; the files are what counts."""
    rng = np.random.default_rng(20)
    n = STEPS // 2 * BATCH  # Two epochs of ten steps.
    labels = rng.integers(0, CLASSES, n)
    centres = rng.normal(size=(CLASSES, FEATURES))
    features = (centres[labels] + rng.normal(size=(n, FEATURES))).astype(np.float32)
    image_centres = rng.uniform(60, 190, size=(CLASSES, *IMAGE))
    images = np.clip(image_centres[labels] + 40 * rng.normal(size=(n, *IMAGE)), 0, 255).astype(np.uint8)
    targets = np.stack([np.sin(features[:, 0]), features[:, 1] * features[:, 2]], axis=1).astype(np.float32)
    np.savez_compressed(DATA / "features.npz", x=features, y=labels.astype(np.uint8))
    np.savez_compressed(DATA / "images.npz", x=images, y=labels.astype(np.uint8))
    np.savez_compressed(DATA / "regression.npz", x=features, y=targets)
    make_mixed(features, labels)


def make_mixed(features, labels):
    """Mixup with given blends: within each minibatch x = w x_i + (1 - w) x_j, and the labels likewise."""
    rng = np.random.default_rng(21)
    n = len(features)
    partner = np.concatenate([first + rng.permutation(BATCH) for first in range(0, n, BATCH)])
    weight = rng.beta(0.4, 0.4, n).astype(np.float32)[:, None]
    one_hot = np.eye(CLASSES, dtype=np.float32)[labels]
    np.savez_compressed(DATA / "mixed.npz", x=weight * features + (1 - weight) * features[partner],
                        y=weight * one_hot + (1 - weight) * one_hot[partner])


def load(dataset):
    arrays = np.load(DATA / f"{dataset}.npz")
    x, y = torch.from_numpy(arrays["x"]).double(), torch.from_numpy(arrays["y"])
    if dataset == "images":
        x = x / 255  # The job's `scale {}`.
    return x, y.long() if y.dtype == torch.uint8 else y.double()


# --- the networks ---------------------------------------------------------------------------------------------------
class Net(nn.Module):
    """Modules under the names of traind's layers, and the function that runs them."""

    def __init__(self, forward, **layers):
        super().__init__()
        self.run = forward
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x):
        return self.run(self, x)


class Slope(nn.Module):
    """PReLU, whose parameter traind calls `slope`."""

    def __init__(self, channels, initial):
        super().__init__()
        self.slope = nn.Parameter(torch.full((channels,), initial, dtype=torch.float64))

    def forward(self, x):
        return F.prelu(x, self.slope)


class Beta(nn.Module):
    """Swish with a learned beta."""

    def __init__(self):
        super().__init__()
        self.beta = nn.Parameter(torch.ones(1, dtype=torch.float64))

    def forward(self, x):
        return x * torch.sigmoid(self.beta * x)


def maxout(x, pieces):  # Piece p of unit u is channel p * units + u.
    return x.view(x.shape[0], pieces, -1).amax(dim=1)


def chain(*names, between=torch.relu):
    def forward(net, x):
        for i, name in enumerate(names):
            x = getattr(net, name)(x)
            if i + 1 < len(names):
                x = between(x)
        return x
    return forward


MLP_LAYERS = """\
  layers { name: "fc1" dense { units: 16 } activation { relu {} } }
  layers { name: "fc2" dense { units: 10 } activation { relu {} } }
  layers { name: "logits" dense { units: 5 } }
"""


def mlp():
    return Net(chain("fc1", "fc2", "logits"), fc1=nn.Linear(FEATURES, 16), fc2=nn.Linear(16, 10),
               logits=nn.Linear(10, CLASSES))


CNN_LAYERS = """\
  layers { name: "conv1" conv2d { out_channels: 8 kernel: 3 padding { mode: SAME } bias: false } }
  layers { name: "norm1" batch_norm {} activation { relu {} } }
  layers { name: "pool1" max_pool { kernel: 2 } }
  layers { name: "conv2" conv2d { out_channels: 12 kernel: 3 padding { amount: 1 } bias: false } }
  layers { name: "norm2" batch_norm { epsilon: 0.001 momentum: 0.2 } activation { relu {} } }
  layers { name: "pool2" avg_pool { kernel: 2 } }
  layers { name: "logits" dense { units: 5 } }
"""


def cnn():
    def forward(net, x):
        x = F.max_pool2d(torch.relu(net.norm1(net.conv1(x))), 2)
        x = F.avg_pool2d(torch.relu(net.norm2(net.conv2(x))), 2)
        return net.logits(x.flatten(1))
    return Net(forward, conv1=nn.Conv2d(3, 8, 3, padding=1, bias=False), norm1=nn.BatchNorm2d(8),
               conv2=nn.Conv2d(8, 12, 3, padding=1, bias=False), norm2=nn.BatchNorm2d(12, eps=1e-3, momentum=0.2),
               logits=nn.Linear(12 * 4, CLASSES))


GRAPH_LAYERS = """\
  layers { name: "stem" conv2d { out_channels: 8 kernel: 3 stride: 2 padding { mode: SAME } } activation { relu {} } }
  layers { name: "body1" conv2d { out_channels: 8 kernel: 3 padding { amount: 1 } groups: 4 } activation { tanh {} } }
  layers { name: "body2" conv2d { out_channels: 8 kernel: 3 padding { amount: 2 } dilation: 2 } }
  layers { name: "sum" inputs: "stem" inputs: "body2" add {} activation { relu {} } }
  layers { name: "narrow" inputs: "sum" conv2d { out_channels: 4 kernel: [ 1, 3 ] padding { amount: [ 0, 1 ] } } }
  layers { name: "joined" inputs: "sum" inputs: "narrow" concat {} }
  layers { name: "padded" max_pool { kernel: 3 stride: 2 padding { amount: 1 } } }
  layers { name: "means" global_avg_pool {} }
  layers { name: "logits" dense { units: 5 } }
"""


def graph():
    def forward(net, x):
        # SAME with stride 2 over 8 rows needs one row of padding, which goes below and right.
        stem = torch.relu(net.stem(F.pad(x, (0, 1, 0, 1))))
        total = torch.relu(stem + net.body2(torch.tanh(net.body1(stem))))
        joined = torch.cat([total, net.narrow(total)], dim=1)
        return net.logits(F.max_pool2d(joined, 3, 2, 1).mean(dim=(2, 3)))
    return Net(forward, stem=nn.Conv2d(3, 8, 3, stride=2), body1=nn.Conv2d(8, 8, 3, padding=1, groups=4),
               body2=nn.Conv2d(8, 8, 3, padding=2, dilation=2), narrow=nn.Conv2d(8, 4, (1, 3), padding=(0, 1)),
               logits=nn.Linear(12, CLASSES))


CEIL_LAYERS = """\
  layers { name: "conv1" conv2d { out_channels: 20 kernel: 3 padding { mode: SAME } } activation { tanh {} } }
  layers { name: "max" max_pool { kernel: 3 stride: 2 ceil_mode: true } }
  layers { name: "conv2" conv2d { out_channels: 20 kernel: 3 padding { amount: 2 } } activation { tanh {} } }
  layers { name: "mean" avg_pool { kernel: 3 stride: 2 padding { amount: 1 } ceil_mode: true count_include_pad: true } }
  layers { name: "mean2" avg_pool { kernel: 3 stride: 2 ceil_mode: true } }
  layers { name: "logits" dense { units: 5 } }
"""


def ceil_pools():
    """[8, 8] -> max [4, 4] -> conv [6, 6] -> mean [4, 4], whose last windows hang over the padding -> mean [2, 2]."""
    def forward(net, x):
        x = F.max_pool2d(torch.tanh(net.conv1(x)), 3, 2, ceil_mode=True)
        x = F.avg_pool2d(torch.tanh(net.conv2(x)), 3, 2, 1, ceil_mode=True, count_include_pad=True)
        return net.logits(F.avg_pool2d(x, 3, 2, ceil_mode=True, count_include_pad=False).flatten(1))
    return Net(forward, conv1=nn.Conv2d(3, 20, 3, padding=1), conv2=nn.Conv2d(20, 20, 3, padding=2),
               logits=nn.Linear(20 * 4, CLASSES))


# --- activations: all of activation.proto, in a small dense net -----------------------------------------------------
ACTIVATIONS = {
    "identity": ("identity {}", lambda x: x),
    "sigmoid": ("sigmoid {}", torch.sigmoid),
    "tanh": ("tanh {}", torch.tanh),
    "relu": ("relu {}", torch.relu),
    "leaky_relu": ("leaky_relu { negative_slope: 0.2 }", lambda x: F.leaky_relu(x, 0.2)),
    "elu": ("elu { alpha: 0.7 }", lambda x: F.elu(x, 0.7)),
    "selu": ("selu {}", F.selu),
    "gelu": ("gelu {}", F.gelu),
    "gelu_tanh": ("gelu { form: TANH }", lambda x: F.gelu(x, approximate="tanh")),
    "gelu_sigmoid": ("gelu { form: SIGMOID }", lambda x: x * torch.sigmoid(1.702 * x)),
    "softplus": ("softplus {}", F.softplus),
    "swish": ("swish { beta: 1.5 }", lambda x: x * torch.sigmoid(1.5 * x)),
    "hardswish": ("hardswish {}", F.hardswish),
    "mish": ("mish {}", F.mish),
}


def activation_case(text, function):
    layers = f"""\
  layers {{ name: "fc1" dense {{ units: 16 }} activation {{ {text} }} }}
  layers {{ name: "fc2" dense {{ units: 10 }} activation {{ {text} }} }}
  layers {{ name: "logits" dense {{ units: 5 }} }}
"""
    net = Net(chain("fc1", "fc2", "logits", between=function), fc1=nn.Linear(FEATURES, 16), fc2=nn.Linear(16, 10),
              logits=nn.Linear(10, CLASSES))
    return layers, net


def learned_activation_case(text, first, second):
    """The activation's parameter is named after the layer it belongs to."""
    layers, net = activation_case(text, None)

    def forward(net, x):
        return net.logits(net.act2(net.fc2(net.act1(net.fc1(x)))))
    net.run, net.act1, net.act2 = forward, first, second
    return layers, net


def maxout_case():
    layers, _ = activation_case("maxout { pieces: 3 }", None)

    def forward(net, x):
        return net.logits(maxout(net.fc2(maxout(net.fc1(x), 3)), 3))
    return layers, Net(forward, fc1=nn.Linear(FEATURES, 48), fc2=nn.Linear(16, 30), logits=nn.Linear(10, CLASSES))


# --- optimizers, losses, penalties, schedules -----------------------------------------------------------------------
def weights_of(net):
    """What penalties and weight decay act on: no bias, no normalization, no parameter of an activation."""
    return [m.weight for m in net.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]


def sgd(lr, decay=0.0, **options):
    def make(net):
        optimizer = torch.optim.SGD(net.parameters(), lr=lr, **options)
        optimizer.decoupled = (weights_of(net), decay)
        return optimizer
    return make


def coupled(make, decay):
    """PyTorch's own weight_decay, on the weights alone."""
    def decayed(net):
        weights = weights_of(net)
        known = {id(w) for w in weights}
        rest = [p for p in net.parameters() if id(p) not in known]
        return make([{"params": weights, "weight_decay": decay}, {"params": rest}])
    return decayed


def adamw(lr, decay):
    def make(net):
        decayed = {id(w) for w in weights_of(net)}
        rest = [p for p in net.parameters() if id(p) not in decayed]
        return torch.optim.AdamW([{"params": weights_of(net), "weight_decay": decay},
                                  {"params": rest, "weight_decay": 0.0}], lr=lr)
    return make


def warm_cosine(warmup, final):
    def factor(t):
        if t < warmup:
            return (t + 1) / warmup
        return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * (t - warmup) / (STEPS - warmup)))
    return factor


class Case:
    def __init__(self, name, layers, net, optimizer_text, optimizer, dataset="features", loss=F.cross_entropy, extra="",
                 penalty=None, factor=lambda t: 1.0, clip=None, batch=BATCH, minibatch=None, clip_value=None,
                 scheduler=None, evaluate_every=None, average=None, average_at=None, data="", before=None):
        self.name, self.layers, self.net, self.dataset = name, layers, net.double(), dataset
        self.optimizer_text, self.optimizer, self.extra = optimizer_text, optimizer, extra
        self.loss, self.penalty, self.factor, self.clip, self.batch = loss, penalty, factor, clip, batch
        self.minibatch = minibatch or batch  # Of the job, which may accumulate several to one batch.
        self.clip_value, self.data = clip_value, data
        self.scheduler, self.evaluate_every = scheduler, evaluate_every  # PyTorch's; one by evaluation looks so often.
        self.average, self.average_at = average, average_at  # A model of averaged weights, and after which steps.
        self.before = before  # Called with the net and the number of the step, from 0, before each.


SGD_TEXT, SGD = "sgd { momentum: 0.9 } learning_rate: 0.05", sgd(0.05, momentum=0.9)


def cases():
    yield Case("mlp_sgd_momentum", MLP_LAYERS, mlp(), SGD_TEXT, SGD)
    yield Case("mlp_sgd_plain_decay", MLP_LAYERS, mlp(),
               "sgd {} learning_rate: 0.1 weight_decay: 0.05 schedule { constant {} }", sgd(0.1, decay=0.05))
    yield Case("mlp_sgd_nesterov_clip", MLP_LAYERS, mlp(),
               "sgd { momentum: 0.9 nesterov: true } learning_rate: 0.05 clip_norm: 0.3",
               sgd(0.05, momentum=0.9, nesterov=True), clip=0.3)
    yield Case("mlp_adam", MLP_LAYERS, mlp(), "adam { beta1: 0.8 beta2: 0.95 epsilon: 1e-6 } learning_rate: 0.01",
               lambda net: torch.optim.Adam(net.parameters(), lr=0.01, betas=(0.8, 0.95), eps=1e-6))
    yield Case("mlp_adamw", MLP_LAYERS, mlp(), "adamw {} learning_rate: 0.01 weight_decay: 0.1", adamw(0.01, 0.1))
    yield Case("mlp_rmsprop", MLP_LAYERS, mlp(), "rmsprop { alpha: 0.9 momentum: 0.5 } learning_rate: 0.002",
               lambda net: torch.optim.RMSprop(net.parameters(), lr=0.002, alpha=0.9, momentum=0.5))
    yield Case("mlp_adagrad", MLP_LAYERS, mlp(), "adagrad { initial_accumulator: 0.01 } learning_rate: 0.05",
               lambda net: torch.optim.Adagrad(net.parameters(), lr=0.05, initial_accumulator_value=0.01))

    yield Case("schedule_warm_cosine", MLP_LAYERS, mlp(),
               SGD_TEXT + " schedule { cosine { final_factor: 0.1 } warmup_steps: 5 }", SGD, factor=warm_cosine(5, 0.1))
    yield Case("schedule_step", MLP_LAYERS, mlp(), SGD_TEXT + " schedule { step { every_steps: 6 factor: 0.5 } }", SGD,
               factor=lambda t: 0.5 ** (t // 6))
    yield Case("schedule_linear", MLP_LAYERS, mlp(), SGD_TEXT + " schedule { linear { final_factor: 0.2 } }", SGD,
               factor=lambda t: 1 - 0.8 * t / STEPS)

    yield Case("penalty_l2", MLP_LAYERS + "  regularizers { l2 { strength: 0.01 } }\n", mlp(), SGD_TEXT, SGD,
               penalty=lambda net: sum(0.01 * w.square().sum() for w in weights_of(net)))
    yield Case("penalty_l1", MLP_LAYERS + "  regularizers { l1 { strength: 0.003 } }\n", mlp(), SGD_TEXT, SGD,
               penalty=lambda net: sum(0.003 * w.abs().sum() for w in weights_of(net)))
    yield Case("penalty_elastic_net", MLP_LAYERS + "  regularizers { elastic_net { l1: 0.002 l2: 0.01 } }\n",
               mlp(), SGD_TEXT, SGD,
               penalty=lambda net: sum(0.002 * w.abs().sum() + 0.01 * w.square().sum() for w in weights_of(net)))

    yield Case("loss_label_smoothing", MLP_LAYERS, mlp(), SGD_TEXT, SGD,
               extra="loss { softmax_cross_entropy { label_smoothing: 0.1 } }",
               loss=lambda x, y: F.cross_entropy(x, y, label_smoothing=0.1))
    yield Case("loss_mixup", MLP_LAYERS, mlp(), SGD_TEXT, SGD, dataset="mixed", extra="loss { softmax_cross_entropy {} }")
    yield Case("loss_multiclass_hinge", MLP_LAYERS, mlp(), "sgd { momentum: 0.9 } learning_rate: 0.01",
               sgd(0.01, momentum=0.9), extra="loss { multiclass_hinge { margin: 0.8 } }",
               loss=lambda x, y: CLASSES * F.multi_margin_loss(x, y, margin=0.8))
    regression = MLP_LAYERS.replace("units: 5", "units: 2")
    net = mlp()
    net.logits = nn.Linear(10, 2)
    yield Case("loss_mean_squared_error", regression, net, SGD_TEXT, SGD, dataset="regression", loss=F.mse_loss,
               extra="loss { mean_squared_error {} }")

    yield Case("cnn_batch_norm_sgd", CNN_LAYERS, cnn(), SGD_TEXT, SGD, dataset="images")
    yield Case("cnn_batch_norm_adam", CNN_LAYERS, cnn(), "adam {} learning_rate: 0.003",
               lambda net: torch.optim.Adam(net.parameters(), lr=0.003), dataset="images")
    yield Case("cnn_batch_norm_adamw", CNN_LAYERS, cnn(), "adamw {} learning_rate: 0.003 weight_decay: 0.05",
               adamw(0.003, 0.05), dataset="images")
    yield Case("cnn_graph", GRAPH_LAYERS, graph(), SGD_TEXT, SGD, dataset="images")

    for name, (text, function) in ACTIVATIONS.items():
        yield Case(f"activation_{name}", *activation_case(text, function), SGD_TEXT, SGD)
    yield Case("activation_prelu",
               *learned_activation_case("prelu { initial_slope: 0.1 }", Slope(16, 0.1), Slope(10, 0.1)), SGD_TEXT, SGD)
    yield Case("activation_swish_learned", *learned_activation_case("swish { learned: true }", Beta(), Beta()),
               SGD_TEXT, SGD)
    yield Case("activation_maxout", *maxout_case(), SGD_TEXT, SGD)

    for name, layers, net in record_norms.cases(Net, IMAGE, CLASSES):
        yield Case(name, layers, net, SGD_TEXT, SGD, dataset="images")

    # Of 80 examples, seven minibatches an epoch: six of 12 and one of 8.
    yield Case("mlp_last_batch", MLP_LAYERS, mlp(), SGD_TEXT, SGD, batch=12)
    yield Case("cnn_batch_norm_last_batch", CNN_LAYERS, cnn(), SGD_TEXT, SGD, dataset="images", batch=12)
    yield Case("mlp_sgd_coupled_decay", MLP_LAYERS, mlp(),
               SGD_TEXT + " clip_norm: 0.5 coupled_weight_decay: 0.05",
               coupled(lambda groups: torch.optim.SGD(groups, lr=0.05, momentum=0.9), 0.05), clip=0.5)
    yield Case("mlp_adam_coupled_decay", MLP_LAYERS, mlp(), "adam {} learning_rate: 0.01 coupled_weight_decay: 0.1",
               coupled(lambda groups: torch.optim.Adam(groups, lr=0.01), 0.1))
    yield Case("pool_ceil", CEIL_LAYERS, ceil_pools(), SGD_TEXT, SGD, dataset="images")

    yield from record_training.cases(sys.modules[__name__])
    yield from record_rules.cases(sys.modules[__name__])


# --- a run, and its files -------------------------------------------------------------------------------------------
def tensors_of(net, prefix):
    tensors = {}
    for name, value in net.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        name = name.replace("act1.", "fc1.").replace("act2.", "fc2.")
        tensors[prefix + name] = value.detach().clone().float()
    return tensors


def write_safetensors(path, tensors):
    header, blob = {}, b""
    for name in sorted(tensors):
        data = tensors[name].numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensors[name].shape),
                        "data_offsets": [len(blob), len(blob) + len(data)]}
        blob += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + blob)


def run(case):
    with torch.no_grad():  # What is stored is float32: start from exactly that.
        for parameter in case.net.parameters():
            parameter.copy_(parameter.float().double())
    record = tensors_of(case.net, "initial.")
    x, y = load(case.dataset)
    per_epoch = math.ceil(len(x) / case.batch)  # The last minibatch of an epoch may be smaller.
    optimizer = case.optimizer(case.net)
    base = [group["lr"] for group in optimizer.param_groups]
    scheduler = case.scheduler(optimizer) if case.scheduler else None
    average = case.average(case.net) if case.average else None
    series = {"loss": [], "penalty": [], "gradient_norm": [], "learning_rate": []}
    case.net.train()
    for t in range(STEPS):
        first = t % per_epoch * case.batch
        if case.before:
            case.before(case.net, t)
        if scheduler is None:
            for group, lr in zip(optimizer.param_groups, base):
                group["lr"] = lr * case.factor(t)
        lr = optimizer.param_groups[0]["lr"]
        optimizer.zero_grad()
        loss = case.loss(case.net(x[first:first + case.batch]), y[first:first + case.batch])
        penalty = case.penalty(case.net) if case.penalty else torch.zeros((), dtype=torch.float64)
        (loss + penalty).backward()
        norm = torch.stack([p.grad.norm() for p in case.net.parameters() if p.grad is not None]).norm()
        if case.clip:
            nn.utils.clip_grad_norm_(case.net.parameters(), case.clip)
        if case.clip_value:
            nn.utils.clip_grad_value_(case.net.parameters(), case.clip_value)
        decayed, decay = getattr(optimizer, "decoupled", ((), 0.0))
        with torch.no_grad():
            for w in decayed:
                w.mul_(1 - lr * decay)
        optimizer.step()
        if average is not None and case.average_at(t + 1):
            average.update_parameters(case.net)
        if case.evaluate_every is None and scheduler is not None:
            scheduler.step()
        elif scheduler is not None and (t + 1) % case.evaluate_every == 0:
            with torch.no_grad():
                scheduler.step(case.loss(case.net(x), y).item())
        for key, value in zip(series, (loss.item(), penalty.item(), norm.item(), lr)):
            series[key].append(value)
    record.update(tensors_of(case.net if average is None else average.module, "final."))
    record.update({key: torch.tensor(values) for key, values in series.items()})
    write_safetensors(DATA / f"{case.name}.safetensors", record)
    preprocessing = " preprocessing { scale {} }" if case.dataset == "images" else ""
    (DATA / f"{case.name}.textproto").write_text(
        f"# Written by record.py.\nnetwork {{\n{case.layers}}}\ndata {{ dataset: \"{case.dataset}\"{case.data}{preprocessing} }}\n"
        f"{case.extra + chr(10) if case.extra else ''}optimizer {{ {case.optimizer_text} }}\n"
        f"batch_size: {case.minibatch}\nsteps: {STEPS}\nsampling: SEQUENTIAL\nconvolution_algorithm: DIRECT\n"
        f"metrics_every_steps: 1\n")
    print(f"{case.name:28} loss {series['loss'][0]:.4f} -> {series['loss'][-1]:.4f}")


def main():
    """All cases and their data; or, with names as arguments, these cases anew, on the data that is there."""
    DATA.mkdir(exist_ok=True)
    wanted = sys.argv[1:]
    if not wanted:
        for old in DATA.iterdir():
            old.unlink()
        make_datasets()
    torch.manual_seed(7)
    for case in cases():
        if not wanted or case.name in wanted:
            run(case)
    record_networks.run_all(sys.modules[__name__], wanted)
    record_losses.run_all(sys.modules[__name__], wanted)
    record_sequences.run_all(sys.modules[__name__], wanted)


if __name__ == "__main__":
    main()
