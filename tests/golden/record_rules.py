"""The cases of record.py for ParameterRule: parameter groups, requires_grad = False with batch norm in eval(), and
tensors that are trained later."""
import torch


def rule(pattern, **fields):
    """parameter_rules of a job file."""
    text = " ".join(f"{name}: {str(value).lower()}" for name, value in fields.items())
    return f'parameter_rules {{ parameters: "{pattern}" {text} }}\n'


def groups(make, net, rate, *wanted):
    """An optimizer by `make` over groups (layers, factor on the rate, options); the first one has the rate itself."""
    return make([{"params": [p for name in names for p in getattr(net, name).parameters()], "lr": rate * factor, **options}
                 for names, factor, options in wanted])


def frozen(*names, until=10**9):
    """Before each step: these modules stand still until step `until`."""
    def before(net, t):
        for name in names:
            module = getattr(net, name)
            module.requires_grad_(t >= until)
            module.train(t >= until)
    return before


def with_statistics(net):
    """Running statistics that are not those of a fresh network."""
    for norm in (net.norm1, net.norm2):
        norm.running_mean.copy_((torch.randn(norm.running_mean.shape) * 0.3).double().float())
        norm.running_var.copy_((torch.rand(norm.running_var.shape) + 0.5).double().float())
    return net


def weights_and_rest(module):
    return [p for name, p in module.named_parameters() if name == "weight"], \
        [p for name, p in module.named_parameters() if name != "weight"]


def mixed_groups(net):
    """sgd with a coupled decay of 0.05 on weights: fc1 with a decay of its own on all, fc2 with half, logits faster."""
    fc2, fc2_rest = weights_and_rest(net.fc2)
    logits, logits_rest = weights_and_rest(net.logits)
    return torch.optim.SGD([{"params": fc2, "weight_decay": 0.025}, {"params": fc2_rest},
                            {"params": net.fc1.parameters(), "lr": 0.005, "weight_decay": 0.2},
                            {"params": logits, "lr": 0.15, "weight_decay": 0.05},
                            {"params": logits_rest, "lr": 0.15}], lr=0.05, momentum=0.9)


def layer_decay_groups(net):
    """adamw, decay 0.1 on weights: rate * 0.5^depth."""
    wanted = []
    for module, depth in ((net.logits, 0), (net.fc2, 1), (net.fc1, 2)):
        weights, rest = weights_and_rest(module)
        lr = 0.01 * 0.5**depth
        wanted += [{"params": weights, "lr": lr, "weight_decay": 0.1}, {"params": rest, "lr": lr, "weight_decay": 0.0}]
    return torch.optim.AdamW(wanted, lr=0.01)


def cases(record):
    torch.manual_seed(11)
    yield record.Case("rules_groups", record.MLP_LAYERS, record.mlp(),
                      "sgd { momentum: 0.9 } learning_rate: 0.05 coupled_weight_decay: 0.05", mixed_groups,
                      extra=rule("fc1.*", learning_rate_multiplier=0.1, coupled_weight_decay=0.2)
                      + rule("fc2.*", weight_decay_multiplier=0.5)
                      + rule("logits.*", learning_rate_multiplier=3).rstrip())
    yield record.Case("rules_layer_decay", record.MLP_LAYERS, record.mlp(),
                      "adamw {} learning_rate: 0.01 weight_decay: 0.1", layer_decay_groups,
                      extra=rule("*", layer_decay=0.5).rstrip())
    sgd = record.SGD_TEXT
    yield record.Case("rules_frozen_first", record.CNN_LAYERS, with_statistics(record.cnn()), sgd + " clip_norm: 0.3",
                      record.SGD, dataset="images", clip=0.3, before=frozen("conv1", "norm1"),
                      extra=(rule("conv1.*", frozen=True) + rule("norm1.*", frozen=True)).rstrip())
    yield record.Case("rules_frozen_middle", record.CNN_LAYERS, with_statistics(record.cnn()), sgd, record.SGD,
                      dataset="images", before=frozen("conv2", "norm2"), extra=rule("*2.*", frozen=True).rstrip())
    later = "frozen: true unfreeze_after_steps: 7 learning_rate_multiplier: 0.2"
    for name, text, make in (
            ("adam", "adam {}", torch.optim.Adam), ("adamw", "adamw {} weight_decay: 0", lambda p: torch.optim.AdamW(p, weight_decay=0)),
            ("sgd", "sgd { momentum: 0.9 }", lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9))):
        def optimizer(net, make=make):
            return groups(make, net, 0.01, (("conv2", "norm2", "logits"), 1, {}), (("conv1", "norm1"), 0.2, {}))
        yield record.Case(f"rules_unfreeze_{name}", record.CNN_LAYERS, with_statistics(record.cnn()),
                          text + " learning_rate: 0.01", optimizer, dataset="images",
                          before=frozen("conv1", "norm1", until=7),
                          extra="\n".join(f'parameter_rules {{ parameters: "{p}" {later} }}'
                                          for p in ("conv1.*", "norm1.*")))
