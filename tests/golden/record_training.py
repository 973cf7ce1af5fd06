"""The cases of record.py that are about training dynamics: schedules, optimizers and what stands beside them. The schedules
are torch.optim.lr_scheduler's wherever it has them; LARS, LAMB, Lion and lookahead, which PyTorch lacks, are stated here
from their papers, NAdam as PyTorch documents it (up to 1.13 its code multiplied one momentum twice), and the averages of the weights are torch.optim.swa_utils'."""
import math

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import lr_scheduler
from torch.optim.swa_utils import AveragedModel


class NAdam(torch.optim.Optimizer):
    """Dozat 2016, by the formula in the documentation of torch.optim.NAdam, which its code keeps to from 2.0 on."""

    def __init__(self, params, lr, betas=(0.9, 0.999), eps=1e-8, momentum_decay=4e-3):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "momentum_decay": momentum_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                state = self.state[p]
                t = state["t"] = state.get("t", 0) + 1
                m = state.setdefault("m", torch.zeros_like(p))
                v = state.setdefault("v", torch.zeros_like(p))
                mu = [beta1 * (1 - 0.5 * 0.96 ** (i * group["momentum_decay"])) for i in range(1, t + 2)]
                m.mul_(beta1).add_(p.grad, alpha=1 - beta1)
                v.mul_(beta2).add_(p.grad ** 2, alpha=1 - beta2)
                step = mu[t] * m / (1 - math.prod(mu)) + (1 - mu[t - 1]) * p.grad / (1 - math.prod(mu[:t]))
                p -= group["lr"] * step / ((v / (1 - beta2 ** t)).sqrt() + group["eps"])


class Lion(torch.optim.Optimizer):
    """Chen et al. 2023, algorithm 2."""

    def __init__(self, params, lr, betas, weight_decay=0.0):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                update = torch.sign(m * beta1 + p.grad * (1 - beta1))
                p -= group["lr"] * (update + group["weight_decay"] * p)
                m.mul_(beta2).add_(p.grad, alpha=1 - beta2)


class Lars(torch.optim.Optimizer):
    """You et al. 2017, algorithm 1; `adapted` groups are weights, the others take plain momentum."""

    def __init__(self, params, lr, momentum, trust):
        super().__init__(params, {"lr": lr, "momentum": momentum, "trust": trust, "weight_decay": 0.0, "adapted": False})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                decay, ratio = group["weight_decay"], 1.0
                if group["adapted"]:
                    ratio = group["trust"] * p.norm() / (p.grad.norm() + decay * p.norm() + 1e-8)
                v = self.state[p].setdefault("v", torch.zeros_like(p))
                v.mul_(group["momentum"]).add_(group["lr"] * ratio * (p.grad + decay * p))
                p -= v


class Lamb(torch.optim.Optimizer):
    """You et al. 2020, algorithm 2, with the identity as phi."""

    def __init__(self, params, lr, betas=(0.9, 0.999), eps=1e-6):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0, "adapted": False})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                state = self.state[p]
                t = state["t"] = state.get("t", 0) + 1
                m = state.setdefault("m", torch.zeros_like(p))
                v = state.setdefault("v", torch.zeros_like(p))
                m.mul_(beta1).add_(p.grad, alpha=1 - beta1)
                v.mul_(beta2).add_(p.grad ** 2, alpha=1 - beta2)
                r = (m / (1 - beta1 ** t)) / ((v / (1 - beta2 ** t)).sqrt() + group["eps"])
                update = r + group["weight_decay"] * p
                ratio = p.norm() / update.norm() if group["adapted"] else 1.0
                p -= group["lr"] * ratio * update


class Lbfgs(torch.optim.LBFGS):
    """PyTorch's, one iteration a step, on the gradients that are there."""

    def __init__(self, net, lr, history):
        super().__init__(net.parameters(), lr=lr, max_iter=1, history_size=history)

    def step(self):
        super().step(lambda: torch.zeros(()))


class Lookahead:
    """Zhang et al. 2019, algorithm 1, around an optimizer."""

    def __init__(self, optimizer, every, alpha):
        self.inner, self.every, self.alpha, self.t = optimizer, every, alpha, 0
        self.slow = [p.detach().clone() for group in optimizer.param_groups for p in group["params"]]

    def __getattr__(self, name):
        return getattr(self.inner, name)

    @torch.no_grad()
    def step(self):
        self.inner.step()
        self.t += 1
        if self.t % self.every:
            return
        fast = [p for group in self.inner.param_groups for p in group["params"]]
        for p, slow in zip(fast, self.slow):
            slow += self.alpha * (p - slow)
            p.copy_(slow)


def cases(record):
    """`record` is the module record.py."""
    def case(name, text, make, **options):
        layers = options.pop("layers", record.MLP_LAYERS)
        net = options.pop("net", None) or record.mlp()
        return record.Case(name, layers, net, text, make, **options)

    def of_weights(kind, decay, **options):
        """Weights apart from the rest, which is neither decayed nor adapted."""
        def make(net):
            weights = record.weights_of(net)
            known = {id(w) for w in weights}
            rest = [p for p in net.parameters() if id(p) not in known]
            return kind([{"params": weights, "weight_decay": decay, "adapted": True}, {"params": rest}], **options)
        return make

    steps, sgd = record.STEPS, record.SGD
    cnn = {"layers": record.CNN_LAYERS, "dataset": "images"}
    yield case("mlp_adadelta", "adadelta { rho: 0.8 epsilon: 1e-4 } learning_rate: 0.5",
               lambda net: torch.optim.Adadelta(net.parameters(), lr=0.5, rho=0.8, eps=1e-4))
    yield case("mlp_adamax", "adamax {} learning_rate: 0.01", lambda net: torch.optim.Adamax(net.parameters(), lr=0.01))
    yield case("mlp_nadam", "nadam {} learning_rate: 0.01", lambda net: NAdam(net.parameters(), lr=0.01))
    yield case("mlp_lion", "lion { beta2: 0.95 } learning_rate: 0.003",
               lambda net: Lion(net.parameters(), 0.003, (0.9, 0.95)))
    yield case("mlp_lars", "lars { trust_coefficient: 0.02 } learning_rate: 1 coupled_weight_decay: 0.05",
               of_weights(Lars, 0.05, lr=1.0, momentum=0.9, trust=0.02))
    yield case("cnn_batch_norm_lars", "lars { trust_coefficient: 0.05 momentum: 0.5 } learning_rate: 0.2",
               of_weights(Lars, 0.0, lr=0.2, momentum=0.5, trust=0.05), net=record.cnn(), **cnn)
    yield case("mlp_lamb", "lamb {} learning_rate: 0.02 weight_decay: 0.1", of_weights(Lamb, 0.1, lr=0.02))
    yield case("cnn_batch_norm_lamb", "lamb {} learning_rate: 0.005", of_weights(Lamb, 0.01, lr=0.005),
               net=record.cnn(), **cnn)

    def scheduled(name, text, make, optimizer=sgd, base=record.SGD_TEXT, **options):
        return case(f"schedule_{name}", f"{base} schedule {{ {text} }}", optimizer, scheduler=make, **options)

    yield scheduled("multistep", "multistep { milestone_steps: [ 5, 9, 16 ] factor: 0.4 }",
                    lambda o: lr_scheduler.MultiStepLR(o, [5, 9, 16], gamma=0.4))
    # Ten steps an epoch.
    yield scheduled("multistep_epochs", "multistep { milestone_epochs: [ 0.5, 1 ] factor: 0.4 }",
                    lambda o: lr_scheduler.MultiStepLR(o, [5, 10], gamma=0.4))
    yield scheduled("step_epochs", "step { every_epochs: 1 factor: 0.3 }",
                    lambda o: lr_scheduler.StepLR(o, 10, gamma=0.3))
    # PolynomialLR came with PyTorch 1.13.1.
    yield scheduled("polynomial", "polynomial { power: 2 final_factor: 0.1 }",
                    lambda o: lr_scheduler.LambdaLR(o, lambda t: 0.1 + 0.9 * (1 - t / steps) ** 2))
    yield scheduled("exponential", "exponential { factor: 0.9 every_steps: 1 }",
                    lambda o: lr_scheduler.ExponentialLR(o, 0.9))
    yield scheduled("inverse_square_root", "inverse_square_root {} warmup_steps: 6",  # Vaswani et al. 2017.
                    lambda o: lr_scheduler.LambdaLR(o, lambda t: (t + 1) / 6 if t < 6 else math.sqrt(6 / t)))
    yield scheduled("inverse_time", "inverse_time { gamma: 0.3 power: 0.75 }",  # Caffe's inv.
                    lambda o: lr_scheduler.LambdaLR(o, lambda t: (1 + 0.3 * t) ** -0.75))
    yield scheduled("cosine_restarts", "cosine_restarts { first_steps: 4 multiplier: 2 final_factor: 0.1 }",
                    lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 4, T_mult=2, eta_min=0.1 * 0.05))
    yield scheduled("one_cycle", "one_cycle {}",
                    lambda o: lr_scheduler.OneCycleLR(o, 0.05, total_steps=steps, cycle_momentum=False))
    yield scheduled("one_cycle_momentum", "one_cycle { annealing: LINEAR rising_share: 0.4 min_momentum: 0.7 "
                    "max_momentum: 0.95 initial_factor: 0.1 final_factor: 0.01 }",
                    lambda o: lr_scheduler.OneCycleLR(o, 0.05, total_steps=steps, pct_start=0.4, anneal_strategy="linear",
                                                      base_momentum=0.7, max_momentum=0.95, div_factor=10,
                                                      final_div_factor=10))
    yield scheduled("one_cycle_adam", "one_cycle { min_momentum: 0.8 max_momentum: 0.9 }",
                    lambda o: lr_scheduler.OneCycleLR(o, 0.02, total_steps=steps, base_momentum=0.8, max_momentum=0.9),
                    optimizer=lambda net: torch.optim.Adam(net.parameters(), lr=0.02),
                    base="adam {} learning_rate: 0.02")
    # Evaluated on all examples after every second step; the rate is too large, so that the loss does not always fall.
    yield scheduled("plateau", "plateau { factor: 0.5 patience: 1 cooldown: 1 threshold: 0.1 }",
                    lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=0.5, patience=1, cooldown=1, threshold=0.1),
                    optimizer=record.sgd(0.6, momentum=0.9), base="sgd { momentum: 0.9 } learning_rate: 0.6",
                    data=' evaluation_split: "train"', extra="evaluation { every_steps: 2 }", evaluate_every=2)

    yield case("mlp_clip_value", record.SGD_TEXT + " clip_value: 0.02", sgd, clip_value=0.02)
    # Of 80 examples ten minibatches of 8, so that an epoch has three updates of 24 examples and one of 8.
    yield case("mlp_accumulate", record.SGD_TEXT + " accumulate_batches: 3", sgd, batch=24, minibatch=8)
    # Of 80 examples seven minibatches of 12 and of 8: two updates of 36 and one of 8.
    yield case("mlp_accumulate_last_batch", record.SGD_TEXT + " accumulate_batches: 3 clip_norm: 0.5", sgd, batch=36,
               minibatch=12, clip=0.5)
    yield case("mlp_batch_scaling", "sgd { momentum: 0.9 } learning_rate: 0.02 batch_scaling { base_batch_size: 4 }",
               record.sgd(0.04, momentum=0.9))
    yield case("mlp_batch_scaling_root", "adam {} learning_rate: 0.01 accumulate_batches: 2 "
               "batch_scaling { rule: SQUARE_ROOT base_batch_size: 4 }",
               lambda net: torch.optim.Adam(net.parameters(), lr=0.02), batch=16, minibatch=8)
    yield case("mlp_ema", record.SGD_TEXT + " ema { decay: 0.8 }", sgd,
               average=lambda net: AveragedModel(net, avg_fn=lambda a, w, n: 0.8 * a + 0.2 * w), average_at=lambda t: True)
    yield case("mlp_swa", record.SGD_TEXT + " swa { begin_steps: 8 every_steps: 3 }", sgd, average=AveragedModel,
               average_at=lambda t: t >= 8 and (t - 8) % 3 == 0)
    yield case("mlp_lookahead", record.SGD_TEXT + " lookahead { every_steps: 6 alpha: 0.4 }",
               lambda net: Lookahead(sgd(net), 6, 0.4))
    # All 80 examples in each step. tanh: at the kinks of relu a quasi-Newton step depends on the last bits.
    smooth = {"layers": record.MLP_LAYERS.replace("relu", "tanh"), "batch": 80}

    def smooth_mlp():
        net = record.mlp()
        net.run = record.chain("fc1", "fc2", "logits", between=torch.tanh)
        return net

    yield case("mlp_lbfgs", "lbfgs {} learning_rate: 0.2", lambda net: Lbfgs(net, 0.2, 10), net=smooth_mlp(), **smooth)
    yield case("mlp_lbfgs_accumulate", "lbfgs { history_size: 3 } learning_rate: 0.3 accumulate_batches: 5",
               lambda net: Lbfgs(net, 0.3, 3), net=smooth_mlp(), minibatch=16, **smooth)
