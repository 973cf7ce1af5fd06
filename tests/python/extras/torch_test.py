"""to_torch over every layer, activation, block and preset: the networks of tests/conformance, and more forms."""

import pathlib
import re

import numpy as np
import pytest
import torch

from traind import _pool, _regions

ROOT = pathlib.Path(__file__).parents[3]
SEQUENCE = (
    "conv1d",
    "positional_embedding",
    "class_token",
    "multi_head_attention",
    "take_position",
    "transformer_encoder",
)
TOKENS = ("embedding", "text_cnn")
BEFORE = "layers { name: 'before' conv2d { out_channels: 6 kernel: 3 padding { mode: SAME } } } "
AFTER = "layers { name: 'after' dense { units: 5 } } "
FORMS = {
    "max_pool ceil": "max_pool { kernel: 3 stride: 2 ceil_mode: true padding { amount: 1 } }",
    "max_pool same": "max_pool { kernel: [3, 2] stride: 2 padding { mode: SAME } }",
    "avg_pool ceil": "avg_pool { kernel: 3 stride: 2 ceil_mode: true padding { amount: 1 } }",
    "avg_pool ceil counted": "avg_pool { kernel: 3 stride: 2 ceil_mode: true count_include_pad: true "
    "padding { amount: 1 } }",
    "avg_pool same": "avg_pool { kernel: 2 stride: 1 padding { mode: SAME } }",
    "avg_pool same counted": "avg_pool { kernel: 3 stride: 2 count_include_pad: true padding { mode: SAME } }",
    "avg_pool four sides": "avg_pool { kernel: 2 stride: 2 padding { amount: [0, 1, 1, 0] } }",
    "conv2d groups": "conv2d { out_channels: 4 kernel: [3, 2] stride: 2 padding { mode: SAME } groups: 2 }",
    "conv2d dilated": "conv2d { out_channels: 4 kernel: 3 dilation: 2 padding { amount: [1, 2, 0, 1] } bias: false }",
    "fractional pseudo-random": "fractional_max_pool { sequence: PSEUDO_RANDOM ratio: 1.7 }",
    "fractional disjoint": "fractional_max_pool { disjoint: true ratio: 1.3 }",
    "dropout classic": "dropout { form: CLASSIC rate: 0.3 }",
    "scalar_affine bias": "scalar_affine { weight: false }",
    "local_response_norm": "local_response_norm { size: 3 alpha: 2 beta: 0.5 k: 2 }",
    "depthwise": "depthwise_conv2d { multiplier: 2 kernel: [3, 2] stride: 2 padding { mode: SAME } bias: false }",
    "transpose": "conv_transpose2d { out_channels: 4 kernel: [3, 2] stride: [2, 3] padding { amount: [1, 0, 0, 1] } "
    "output_padding: [1, 2] groups: 2 dilation: 2 }",
    "dense per position": "dense { units: 4 per_position: true }",
    "layer_norm per position": "layer_norm { per_position: true epsilon: 0.01 }",
    "conv1d same": "conv1d { out_channels: 4 kernel: 4 stride: 3 padding { mode: SAME } groups: 2 }",
    "conv1d sides": "conv1d { out_channels: 4 kernel: 3 dilation: 2 padding { amount: [1, 2] } bias: false }",
    "sinusoids": "positional_embedding { form: SINUSOIDAL }",
    "attention without bias": "multi_head_attention { heads: 2 bias: false }",
    "squeeze of five": "block { squeeze_excitation { squeeze_channels: 5 gate { hardsigmoid {} } } }",
    "embedding with padding": "embedding { vocabulary: 20 features: 6 padding_token: 3 }",
    "vit without a token": "preset { vit_tiny { classes: 5 width: 12 depth: 1 heads: 2 mean_pooling: true } }",
    "maxout alone": "activation { maxout { pieces: 3 } }",
}
ACTIVATIONS = {
    "gelu tanh": "gelu { form: TANH }",
    "gelu sigmoid": "gelu { form: SIGMOID }",
    "swish learned": "swish { learned: true beta: 1.5 }",
    "maxout of three": "maxout { pieces: 3 }",
}


def required():
    """The required fields of each kind, from the conformance tests: {"layer/dense": "units: 6"}."""
    text = (ROOT / "tests/conformance/examples.h").read_text()
    entries = re.findall(r'\{"(\w+/\w+)",((?:\s*"(?:[^"\\]|\\.)*")+)\}', text)
    return {name: "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', parts)) for name, parts in entries}


def networks():
    examples = required()
    for message in ("Layer", "Activation", "Block", "Preset"):
        for field in _pool.MESSAGES[f"traind.v1.{message}"].choices():
            name = f"{message.lower()}/{field.name}"
            config = f"{field.name} {{ {examples.get(name, '')} }}"
            if field.name in ("add", "concat", "multiply"):
                twin = "layers { name: 'twin' inputs: 'before' conv2d { out_channels: 6 kernel: 1 } }"
                it = f"layers {{ name: 'it' inputs: ['before', 'twin'] {config} activation {{ relu {{}} }} }}"
                yield name, f"{BEFORE} {twin} {it} {AFTER}"
            elif message == "Preset":
                yield name, f"preset {{ {config} }}"
            else:
                yield (
                    name,
                    network_of(f"block {{ {config} }}" if message == "Block" else config, message == "Activation"),
                )
    for name, config in FORMS.items():
        yield name, network_of(config, False)
    for name, config in ACTIVATIONS.items():
        yield name, network_of(config, True)


def network_of(config, activation):
    if activation:
        return f"layers {{ name: 'it' conv2d {{ out_channels: 6 kernel: 3 }} activation {{ {config} }} }} {AFTER}"
    if config.startswith("preset"):
        return config
    if config.startswith(TOKENS):
        return f"layers {{ name: 'it' {config} }} {AFTER}"
    if config.removeprefix("block { ").startswith(SEQUENCE):
        return f"{BEFORE} layers {{ name: 'sequence' to_sequence {{}} }} layers {{ name: 'it' {config} }} {AFTER}"
    return f"{BEFORE} layers {{ name: 'it' {config} }} {AFTER}"


def side(name):
    return 67 if name == "preset/alexnet" else 32 if name.startswith(("preset", "vit")) else 8


def reads_tokens(name):
    return name.split("/")[-1].startswith(TOKENS)


NETWORKS = dict(networks())


@pytest.fixture(scope="module")
def data(client):
    draw = np.random.default_rng(0)
    made = {}
    for length in (8, 32, 67):
        x = draw.normal(size=(16, 2, length, length)).astype(np.float32)
        made[length] = client.upload_dataset(
            f"side-{length}", x_train=x, y_train=draw.integers(0, 5, 16), x_test=x, y_test=draw.integers(0, 5, 16)
        )
    x, y = draw.integers(0, 20, (16, 12)).astype(np.float32), draw.integers(0, 5, 16)
    made["tokens"] = client.upload_dataset("tokens", x_train=x, y_train=y, x_test=x, y_test=y)
    return made


@pytest.mark.parametrize("name", NETWORKS)
def test_gives_the_same_outputs(client, data, name):
    job = client.train(
        NETWORKS[name],
        data["tokens" if reads_tokens(name) else side(name)],
        steps=2,
        batch_size=8,
        threads=1,
        optimizer="adam",
        learning_rate=0.01,
        preprocessing=None if reads_tokens(name) else "scale { factor: 0.7 offset: 0.1 }",
    ).wait(progress=False)
    draw = np.random.default_rng(1)
    x = draw.normal(size=(5, 2, side(name), side(name))).astype(np.float32)
    if reads_tokens(name):
        x = draw.integers(0, 20, (5, 12)).astype(np.float32)
    module, want = job.to_torch(), job.predict(x).outputs
    with torch.no_grad():
        got = module(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * max(1, np.abs(want).max()))
    assert len(np.unique(got)) > 1, "outputs that are all the same prove nothing"
    weights = job.weights()
    assert {key: tuple(value.shape) for key, value in module.state_dict().items()} == {
        key: value.shape for key, value in weights.items()
    }
    module.load_state_dict({key: torch.from_numpy(value) for key, value in weights.items()})


def test_every_kind_is_among_them():
    assert len(NETWORKS) > 60
    assert set(required()) <= set(NETWORKS)


def test_regions_depend_on_the_layers_name():
    config = _pool.new("FractionalMaxPool", ratio=1.5)
    assert _regions.draw(config, "a", 0, 64) != _regions.draw(config, "b", 0, 64) != _regions.draw(config, "b", 1, 64)


def test_it_trains_on(trained):
    module = trained.to_torch().train()
    x = torch.randn(8, 1, 8, 8)
    loss = torch.nn.functional.cross_entropy(module(x), torch.zeros(8, dtype=torch.long))
    loss.backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in module.parameters())


def test_what_is_fitted_is_said(client):
    job = client.train(
        {"preset": {"mlp": {"classes": 4, "depth": 1, "width": 8}}},
        "toy",
        steps=1,
        threads=1,
        preprocessing="standardize",
    ).wait(progress=False)
    with pytest.raises(NotImplementedError, match="standardize is fitted"):
        job.to_torch()
    module, x = job.to_torch(preprocessing=False), np.zeros((2, 1, 8, 8), np.float32)
    assert module(torch.from_numpy(x)).shape == (2, 4)
