"""Layers over positions, for _torch.py: sequences are [examples, features, length] as in traind, and PyTorch's
functions over [.., features] see them transposed.
"""

from __future__ import annotations

import importlib
import math
from typing import Any, Callable, Dict, List

Apply = Callable[[Any, List[Any]], Any]  # Of a layer's node and its inputs.


def _torch() -> Any:
    return importlib.import_module("torch")


def over_positions(x: Any, function: Callable[[Any], Any]) -> Any:
    """`function` of [.., features] over each position of [n, features, ..]."""
    return function(x.movedim(1, -1)).movedim(-1, 1)


def _conv1d(config: Any) -> Apply:
    def apply(node: Any, inputs: List[Any]) -> Any:
        functional, x = _torch().nn.functional, inputs[0]
        before = after = 0
        if config.padding.mode == config.padding.MODE_SAME:
            extent = config.dilation * (config.kernel - 1) + 1
            total = max((-(-x.shape[2] // config.stride) - 1) * config.stride + extent - x.shape[2], 0)
            before, after = total // 2, total - total // 2
        elif len(config.padding.amount):
            before, after = config.padding.amount[0], config.padding.amount[-1]
        bias = getattr(node, "bias", None)
        x = functional.pad(x, (before, after))
        return functional.conv1d(x, node.weight, bias, config.stride, 0, config.dilation, config.groups)

    return apply


def _embedding(config: Any) -> Apply:
    def apply(node: Any, inputs: List[Any]) -> Any:
        ids = inputs[0].long()
        vectors = _torch().nn.functional.embedding(ids, node.weight)
        if config.HasField("padding_token"):
            vectors = vectors * (ids != config.padding_token).unsqueeze(-1).to(vectors.dtype)
        return vectors.transpose(1, 2)

    return apply


def _positional_embedding(config: Any) -> Apply:
    def sinusoids(features: int, length: int) -> Any:
        rows = []
        for f in range(features):
            wave, step = (math.cos if f % 2 else math.sin), 10000 ** ((f - f % 2) / features)
            rows.append([wave(t / step) for t in range(length)])
        return _torch().tensor(rows)

    def apply(node: Any, inputs: List[Any]) -> Any:
        x = inputs[0]
        if config.form == config.FORM_SINUSOIDAL:
            return x + sinusoids(x.shape[1], x.shape[2]).to(x)
        return x + node.weight.T

    return apply


def _class_token(config: Any) -> Apply:
    def apply(node: Any, inputs: List[Any]) -> Any:
        token = node.weight[None, :, None].expand(inputs[0].shape[0], -1, 1)
        return _torch().cat([token, inputs[0]], 2)

    return apply


def _multi_head_attention(config: Any) -> Apply:
    def apply(node: Any, inputs: List[Any]) -> Any:
        x = inputs[0].permute(2, 0, 1)  # PyTorch's [length, n, features].
        y, _ = _torch().nn.functional.multi_head_attention_forward(
            x,
            x,
            x,
            x.shape[2],
            config.heads,
            node.in_proj_weight,
            getattr(node, "in_proj_bias", None),
            None,
            None,
            False,
            config.dropout,
            node.out_proj.weight,
            getattr(node.out_proj, "bias", None),
            training=node.training,
            need_weights=False,
        )
        return y.permute(1, 2, 0)

    return apply


def _to_sequence(config: Any) -> Apply:
    return lambda node, inputs: inputs[0].flatten(2) if inputs[0].dim() > 2 else inputs[0].unsqueeze(1)


def _multiply(config: Any) -> Apply:
    def apply(node: Any, inputs: List[Any]) -> Any:
        x, factor = inputs
        return x * factor.reshape(*factor.shape, *[1] * (x.dim() - factor.dim()))

    return apply


LAYERS: Dict[str, Callable[[Any], Apply]] = {
    "conv1d": _conv1d,
    "embedding": _embedding,
    "positional_embedding": _positional_embedding,
    "class_token": _class_token,
    "multi_head_attention": _multi_head_attention,
    "to_sequence": _to_sequence,
    "multiply": _multiply,
    "take_position": lambda config: lambda node, inputs: inputs[0][:, :, config.index],
    "global_avg_pool": lambda config: lambda node, inputs: inputs[0].flatten(2).mean(2),
    "global_max_pool": lambda config: lambda node, inputs: inputs[0].flatten(2).amax(2),
}
