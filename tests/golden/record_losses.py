"""The cases of record.py for the losses beside those with which the lecture begins, and for max_norm.

    /usr/bin/python3 tests/golden/record.py loss_focal ...

The data, made of features.npz: binary.npz (two classes), many.npz (five labels of 0 and 1), counts.npz (two counts).
traind's class weights make a sum over the examples divided by their number, PyTorch's "mean" divides by the weights.
"""
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

WEIGHTS = [0.5, 2.0, 1.0, 0.0, 3.0]
POSITIVE = [2.0, 0.5, 1.0, 4.0, 1.5]


def make_datasets(data):
    rng = np.random.default_rng(22)
    arrays = np.load(data / "features.npz")
    x, y = arrays["x"], arrays["y"]
    many = (x[:, :5] + x[:, 5:10] + 0.5 * rng.normal(size=(len(x), 5)) > 0.5).astype(np.float32)
    rates = np.exp(np.stack([0.5 + 0.4 * x[:, 0], 1 - 0.3 * x[:, 1]], axis=1).clip(-2, 3))
    np.savez_compressed(data / "binary.npz", x=x, y=(y >= 3).astype(np.uint8))
    np.savez_compressed(data / "many.npz", x=x, y=many)
    np.savez_compressed(data / "counts.npz", x=x, y=rng.poisson(rates).astype(np.float32))


def weighted(smoothing=0.0):
    weight = torch.tensor(WEIGHTS, dtype=torch.float64)
    return lambda x, y: F.cross_entropy(x, y, weight=weight, label_smoothing=smoothing, reduction="sum") / len(x)


def focal(gamma, weight=None):
    """Equation 5 of Lin et al. 2017, with alpha by class."""
    def loss(x, y):
        log_p = x.log_softmax(1).gather(1, y[:, None])[:, 0]
        alpha = 1 if weight is None else torch.tensor(weight, dtype=torch.float64)[y]
        return (-alpha * (1 - log_p.exp()) ** gamma * log_p).mean()
    return loss


def sigmoid_focal(gamma):
    """torchvision.ops.sigmoid_focal_loss without its alpha."""
    def loss(x, y):
        p = x.sigmoid()
        p_t = p * y + (1 - p) * (1 - y)
        return (F.binary_cross_entropy_with_logits(x, y, reduction="none") * (1 - p_t) ** gamma).mean()
    return loss


class Constrained(torch.optim.SGD):
    """SGD, and after each step the rows of the weights at most `limit` long."""

    def __init__(self, net, limit, **options):
        super().__init__(net.parameters(), **options)
        self.net, self.limit = net, limit

    def step(self, closure=None):
        super().step(closure)
        with torch.no_grad():
            for module in self.net.modules():
                if isinstance(module, (nn.Linear, nn.Conv2d)):
                    module.weight.copy_(torch.renorm(module.weight, 2, 0, self.limit))


def cases(record):
    def case(name, outputs, dataset, text, loss):
        layers, net = record.MLP_LAYERS.replace("units: 5", f"units: {outputs}"), record.mlp()
        net.logits = nn.Linear(10, outputs)
        return record.Case(name, layers, net, record.SGD_TEXT, record.SGD, dataset=dataset, extra=f"loss {{ {text} }}",
                           loss=loss)

    bce = F.binary_cross_entropy_with_logits
    numbers = ", ".join(map(str, WEIGHTS))
    yield case("loss_class_weights", 5, "features",
               f"softmax_cross_entropy {{ class_weights {{ weights: [{numbers}] }} }}", weighted())
    yield case("loss_class_weights_smoothing", 5, "features",
               f"softmax_cross_entropy {{ label_smoothing: 0.2 class_weights {{ weights: [{numbers}] }} }}",
               weighted(0.2))
    yield case("loss_focal", 5, "features", "focal {}", focal(2))
    yield case("loss_focal_weights", 5, "features", f"focal {{ gamma: 0.5 class_weights {{ weights: [{numbers}] }} }}",
               focal(0.5, WEIGHTS))
    yield case("loss_binary_cross_entropy", 5, "many", "binary_cross_entropy {}", bce)
    positive = torch.tensor(POSITIVE, dtype=torch.float64)
    yield case("loss_binary_cross_entropy_weights", 5, "many",
               f"binary_cross_entropy {{ positive_weights: [{', '.join(map(str, POSITIVE))}] }}",
               lambda x, y: bce(x, y, pos_weight=positive))
    yield case("loss_binary_cross_entropy_focal", 5, "many", "binary_cross_entropy { gamma: 2 }", sigmoid_focal(2))
    yield case("loss_binary_cross_entropy_two_classes", 1, "binary", "binary_cross_entropy {}",
               lambda x, y: bce(x[:, 0], y.double()))
    yield case("loss_mean_absolute_error", 2, "regression", "mean_absolute_error {}", F.l1_loss)
    yield case("loss_huber", 2, "regression", "huber { delta: 0.7 }", lambda x, y: F.huber_loss(x, y, delta=0.7))
    yield case("loss_poisson_nll", 2, "counts", "poisson_nll {}", lambda x, y: F.poisson_nll_loss(x, y, log_input=True))

    yield record.Case("max_norm", record.MLP_LAYERS + "  regularizers { max_norm { limit: 0.6 } }\n", record.mlp(),
                      record.SGD_TEXT, lambda net: Constrained(net, 0.6, lr=0.05, momentum=0.9))
    yield record.Case("max_norm_cnn", record.CNN_LAYERS + "  regularizers { max_norm { limit: 0.5 } }\n", record.cnn(),
                      record.SGD_TEXT, lambda net: Constrained(net, 0.5, lr=0.05, momentum=0.9), dataset="images")


def run_all(record, wanted):
    if not (record.DATA / "many.npz").exists():
        make_datasets(record.DATA)
    torch.manual_seed(11)
    for one in cases(record):
        if not wanted or one.name in wanted:
            record.run(one)
