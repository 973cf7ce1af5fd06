"""A traind network as a torch.nn.Module, from the plain layers that it expands into and its weights.

The module's parameters and buffers have the names of the tensors: its state_dict and a safetensors file of traind fit
each other. Its outputs are those of traind at test time; training goes on with it as PyTorch does.
"""

from __future__ import annotations

import importlib
import math
from typing import Any, Callable, Dict, List, Sequence, Tuple

from traind import _pool, _regions, _torch_sequences

Apply = Callable[[Any, List[Any]], Any]  # Of a layer's node and its inputs.
_BUFFERS = ("running_mean", "running_var")


def _torch() -> Any:
    try:
        return importlib.import_module("torch")
    except ImportError:
        raise ImportError("to_torch needs PyTorch: pip install torch, or Debian's python3-torch") from None


def _pair(values: Sequence[int], default: Tuple[int, int] = (1, 1)) -> Tuple[int, int]:
    return (values[0], values[-1]) if len(values) else default


def _sides(padding: Any, size: Tuple[int, int], window: Tuple[int, int], stride: Tuple[int, int]) -> List[int]:
    """Top, bottom, left, right."""
    if padding.mode == _pool.message_class("traind.v1.Padding").Mode.Value("MODE_SAME"):
        sides = []
        for length, extent, step in zip(size, window, stride):
            total = max((-(-length // step) - 1) * step + extent - length, 0)
            sides += [total // 2, total - total // 2]  # The odd one below and right.
        return sides
    amount = list(padding.amount)
    if len(amount) == 4:
        return amount
    return [amount[0]] * 2 + [amount[-1]] * 2 if amount else [0] * 4


def _overhang(length: int, before: int, after: int, extent: int, stride: int) -> int:
    """Pixels past the padding that ceil_mode's last window takes."""
    count = math.ceil((length + before + after - extent) / stride) + 1
    if (count - 1) * stride >= length + before:  # None begins beyond the input and the padding before it.
        count -= 1
    return max((count - 1) * stride + extent - (length + before + after), 0)


def _pool_sides(x: Any, config: Any) -> Tuple[Tuple[int, int], Tuple[int, int], List[int], Tuple[int, int]]:
    kernel = _pair(config.kernel)
    stride = _pair(config.stride, kernel)
    height, width = x.shape[2:]
    sides = _sides(config.padding, (height, width), kernel, stride)
    more = (0, 0)
    if config.ceil_mode:
        more = (
            _overhang(height, sides[0], sides[1], kernel[0], stride[0]),
            _overhang(width, sides[2], sides[3], kernel[1], stride[1]),
        )
    return kernel, stride, sides, more


def _padded(x: Any, sides: Sequence[int], more: Tuple[int, int], value: float) -> Any:
    top, bottom, left, right = sides
    return _torch().nn.functional.pad(x, (left, right + more[1], top, bottom + more[0]), value=value)


# --- layers: each takes its node, which has its tensors, and its inputs


def _dense(config: Any) -> Apply:
    def apply(node: Any, inputs: List[Any]) -> Any:
        def linear(x: Any) -> Any:
            return _torch().nn.functional.linear(x, node.weight, getattr(node, "bias", None))

        if config.per_position:
            return _torch_sequences.over_positions(inputs[0], linear)
        return linear(inputs[0].flatten(1))

    return apply


def _conv2d(config: Any, depthwise: bool = False) -> Apply:
    stride, dilation, kernel = _pair(config.stride), _pair(config.dilation), _pair(config.kernel)
    window = (dilation[0] * (kernel[0] - 1) + 1, dilation[1] * (kernel[1] - 1) + 1)

    def apply(node: Any, inputs: List[Any]) -> Any:
        x = inputs[0]
        x = _padded(x, _sides(config.padding, tuple(x.shape[2:]), window, stride), (0, 0), 0.0)
        groups = x.shape[1] if depthwise else config.groups or 1
        return _torch().nn.functional.conv2d(x, node.weight, getattr(node, "bias", None), stride, 0, dilation, groups)

    return apply


def _conv_transpose2d(config: Any) -> Apply:
    stride, dilation, kernel = _pair(config.stride), _pair(config.dilation), _pair(config.kernel)

    def apply(node: Any, inputs: List[Any]) -> Any:
        top, bottom, left, right = _sides(config.padding, (0, 0), kernel, stride)
        rows, columns = _pair(config.output_padding, (0, 0))
        bias = getattr(node, "bias", None)
        # PyTorch pads both sides alike: everything, and the edges are cut off here.
        more = _torch().nn.functional.conv_transpose2d(
            inputs[0], node.weight, bias, stride, 0, (rows, columns), config.groups or 1, dilation
        )
        return more[:, :, top : more.shape[2] - bottom, left : more.shape[3] - right]

    return apply


def _max_pool(config: Any) -> Apply:
    def apply(node: Any, inputs: List[Any]) -> Any:
        kernel, stride, sides, more = _pool_sides(inputs[0], config)
        return _torch().nn.functional.max_pool2d(_padded(inputs[0], sides, more, -math.inf), kernel, stride)

    return apply


def _avg_pool(config: Any) -> Apply:
    def apply(node: Any, inputs: List[Any]) -> Any:
        average = _torch().nn.functional.avg_pool2d
        x = inputs[0]
        kernel, stride, sides, more = _pool_sides(x, config)
        ones = _torch().ones_like(x[:1, :1])
        # What counts as a value: with count_include_pad the padding, too.
        counted = _padded(_padded(ones, sides, (0, 0), 1.0 if config.count_include_pad else 0.0), [0] * 4, more, 0.0)
        return average(_padded(x, sides, more, 0.0), kernel, stride) / average(counted, kernel, stride)

    return apply


def _fractional_max_pool(config: Any) -> Apply:
    def apply(node: Any, inputs: List[Any]) -> Any:
        x = inputs[0]
        rows = _regions.draw(config, node.traind_name, 0, x.shape[2])
        columns = _regions.draw(config, node.traind_name, 1, x.shape[3])
        lines = [x[:, :, begin:end].amax(2) for begin, end in rows]
        return _torch().stack(
            [_torch().stack([line[:, :, begin:end].amax(2) for begin, end in columns], 2) for line in lines], 2
        )

    return apply


def _batch_norm(config: Any) -> Apply:
    return lambda node, inputs: _torch().nn.functional.batch_norm(
        inputs[0],
        node.running_mean,
        node.running_var,
        node.weight,
        node.bias,
        node.training,
        config.momentum,
        config.epsilon,
    )


def _layer_norm(config: Any) -> Apply:
    def apply(node: Any, inputs: List[Any]) -> Any:
        def norm(x: Any) -> Any:
            return _torch().nn.functional.layer_norm(x, node.weight.shape, node.weight, node.bias, config.epsilon)

        return _torch_sequences.over_positions(inputs[0], norm) if config.per_position else norm(inputs[0])

    return apply


def _group_norm(config: Any) -> Apply:
    return lambda node, inputs: _torch().nn.functional.group_norm(
        inputs[0], config.groups, node.weight, node.bias, config.epsilon
    )


def _local_response_norm(config: Any) -> Apply:
    return lambda node, inputs: _torch().nn.functional.local_response_norm(
        inputs[0], config.size, config.alpha, config.beta, config.k
    )


def _dropout(config: Any) -> Apply:
    classic = config.form == config.FORM_CLASSIC

    def apply(node: Any, inputs: List[Any]) -> Any:
        keep = 1 - config.rate
        dropped = _torch().nn.functional.dropout(inputs[0], config.rate, node.training)
        return dropped * keep if classic else dropped

    return apply


def _drop_connect(config: Any) -> Apply:
    def apply(node: Any, inputs: List[Any]) -> Any:
        functional = _torch().nn.functional
        return functional.linear(
            inputs[0].flatten(1),
            functional.dropout(node.weight, config.rate, node.training),
            getattr(node, "bias", None),
        )

    return apply


def _stochastic_depth(config: Any) -> Apply:
    def apply(node: Any, inputs: List[Any]) -> Any:
        x = inputs[0]
        if not node.training:
            return x * config.survival
        kept = (
            _torch().rand((x.shape[0] if config.per_example else 1, *[1] * (x.dim() - 1)), device=x.device)
            < config.survival
        )
        return x * kept

    return apply


def _scalar_affine(config: Any) -> Apply:
    def apply(node: Any, inputs: List[Any]) -> Any:
        x = inputs[0] * node.weight if hasattr(node, "weight") else inputs[0]
        return x + node.bias if hasattr(node, "bias") else x

    return apply


def _add(config: Any) -> Apply:
    def apply(node: Any, inputs: List[Any]) -> Any:
        total = inputs[0]
        for x in inputs[1:]:
            total = total + x
        return total

    return apply


_LAYERS: Dict[str, Callable[[Any], Apply]] = {
    "dense": _dense,
    "conv2d": _conv2d,
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "local_response_norm": _local_response_norm,
    "dropout": _dropout,
    "drop_connect": _drop_connect,
    "stochastic_depth": _stochastic_depth,
    "scalar_affine": _scalar_affine,
    "add": _add,
    "fractional_max_pool": _fractional_max_pool,
    "flatten": lambda config: lambda node, inputs: inputs[0].flatten(1),
    "concat": lambda config: lambda node, inputs: _torch().cat(inputs, 1),
    "softmax": lambda config: lambda node, inputs: inputs[0].softmax(1),
    "depthwise_conv2d": lambda config: _conv2d(config, depthwise=True),
    "conv_transpose2d": _conv_transpose2d,
    **_torch_sequences.LAYERS,
}


# --- activations


def _maxout(config: Any, node: Any, x: Any) -> Any:
    return x.reshape(x.shape[0], config.pieces, -1, *x.shape[2:]).amax(1)


def _gelu(config: Any, node: Any, x: Any) -> Any:
    if config.form == config.FORM_SIGMOID:
        return x * (1.702 * x).sigmoid()
    return _torch().nn.functional.gelu(x, approximate="tanh" if config.form == config.FORM_TANH else "none")


def _swish(config: Any, node: Any, x: Any) -> Any:
    return x * ((node.beta if config.learned else config.beta) * x).sigmoid()


def _functional(name: str) -> Callable[[Any, Any, Any], Any]:
    return lambda config, node, x: getattr(_torch().nn.functional, name)(x)


_ACTIVATIONS: Dict[str, Callable[[Any, Any, Any], Any]] = {
    "identity": lambda config, node, x: x,
    "sigmoid": lambda config, node, x: x.sigmoid(),
    "tanh": lambda config, node, x: x.tanh(),
    "leaky_relu": lambda config, node, x: _torch().nn.functional.leaky_relu(x, config.negative_slope),
    "prelu": lambda config, node, x: _torch().nn.functional.prelu(x, node.slope),
    "elu": lambda config, node, x: _torch().nn.functional.elu(x, config.alpha),
    "maxout": _maxout,
    "gelu": _gelu,
    "swish": _swish,
    **{name: _functional(name) for name in ("relu", "selu", "softplus", "hardswish", "hardsigmoid", "mish", "silu")},
}


def _kind(message: Any) -> Tuple[str, Any]:
    name = message.WhichOneof("kind")
    return name or "", getattr(message, name) if name else None


def unsupported(network: Any) -> List[str]:
    """The kinds of layers and activations that have no counterpart here: those of one's own."""
    found = []
    for layer in network.layers:
        for kind, table in ((_kind(layer)[0], _LAYERS), (_kind(layer.activation)[0], _ACTIVATIONS)):
            if kind and kind not in table:
                found.append(f"{layer.name}: {kind}")
    return found


def _scale_of(preprocessing: Any) -> List[Tuple[float, float]]:
    """(factor, offset) of each transform."""
    scales = []
    for one in preprocessing:
        kind, config = _kind(one)
        if kind != "scale":
            raise NotImplementedError(
                f"the preprocessing {kind} is fitted to the data, and the API does not give its numbers out: "
                "to_torch(preprocessing=False) makes the network alone, which takes preprocessed examples"
            )
        scales.append((config.factor, config.offset))
    return scales


def module_of(network: Any, weights: Dict[str, Any], preprocessing: Any) -> Any:
    """Of an expanded Network message, its tensors, and what comes before it. NotImplementedError: a layer of one's
    own.
    """
    missing = unsupported(network)
    if missing:
        raise NotImplementedError("PyTorch has no counterpart of " + ", ".join(missing))
    return _module_class()(network, weights, _scale_of(preprocessing))


def _module_class() -> Any:
    torch = _torch()

    class Node(torch.nn.Module):  # type: ignore[misc,name-defined]
        """A layer's tensors; and the layers whose names begin with its name and a dot."""

        def extra_repr(self) -> str:
            return getattr(self, "traind_text", "")

    class TraindNetwork(torch.nn.Module):  # type: ignore[misc,name-defined]
        """A network that was trained by traind."""

        def __init__(self, network: Any, weights: Dict[str, Any], scales: List[Tuple[float, float]]) -> None:
            super().__init__()
            self.scales = scales
            self.steps: List[Tuple[str, Any, List[str], Any, Any]] = []
            before = "input"
            for layer in network.layers:
                node = self._node(layer.name)
                kind, config = _kind(layer)
                activation, how = _kind(layer.activation)
                node.traind_name, node.traind_text = layer.name, " ".join(filter(None, (kind, activation)))
                apply = _LAYERS[kind](config) if kind else None
                act = (_ACTIVATIONS[activation], how) if activation else None
                self.steps.append((layer.name, node, list(layer.inputs) or [before], apply, act))
                before = layer.name
            for name, tensor in weights.items():
                owner, _, leaf = name.rpartition(".")
                value = torch.from_numpy(tensor.copy())
                if leaf in _BUFFERS:
                    self._node(owner).register_buffer(leaf, value)
                else:
                    setattr(self._node(owner), leaf, torch.nn.Parameter(value))
            self.eval()

        def _node(self, name: str) -> Any:
            place: Any = self
            for part in name.split("."):
                if part not in place._modules:
                    place.add_module(part, Node())
                place = place._modules[part]
            return place

        def forward(self, examples: Any) -> Any:
            """The network's outputs, before any softmax of the loss."""
            x = examples
            for factor, offset in self.scales:
                x = x * factor + offset
            values = {"input": x}
            for name, node, inputs, apply, act in self.steps:
                read = [values[one] for one in inputs]
                value = apply(node, read) if apply is not None else read[0]
                values[name] = act[0](act[1], node, value) if act is not None else value
            return values[self.steps[-1][0]]

    return TraindNetwork
