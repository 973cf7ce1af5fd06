#!/usr/bin/python3
"""Every kind of layer, activation, block, preset and preprocessing, exported to ONNX: ONNX's checker takes the file, and
ONNX Runtime's outputs are those of the server's own predictions. Needs onnx, onnxruntime and numpy from PyPI:

    build/python/bin/python tests/api/onnx_compare.py
"""
import json
import re
import struct
import unittest

import numpy
import onnx
import onnxruntime
import service
from google.protobuf import text_format
from traind.v1 import activation_pb2, job_pb2, network_pb2, preset_pb2

CLOSE = 1e-5  # Of the largest output, or of 1.
SIDES = (8, 32, 67)
TEXT = 12  # Token ids, in place of a side.
EXAMPLES = 16
BEFORE = "layers { name: 'before' conv2d { out_channels: 6 kernel: 3 padding { mode: MODE_SAME } } } "
AFTER = "layers { name: 'after' dense { units: 5 } } "
SEQUENCE = ("conv1d", "positional_embedding", "class_token", "multi_head_attention", "take_position",
            "transformer_encoder")
TOKENS = ("embedding", "text_cnn")
FORMS = {
    "max_pool ceil": "max_pool { kernel: 3 stride: 2 ceil_mode: true padding { amount: 1 } }",
    "max_pool same": "max_pool { kernel: [3, 2] stride: 2 padding { mode: MODE_SAME } }",
    "max_pool four sides": "max_pool { kernel: 3 stride: 2 padding { amount: [0, 1, 2, 0] } }",
    "avg_pool ceil": "avg_pool { kernel: 3 stride: 2 ceil_mode: true padding { amount: 1 } }",
    "avg_pool ceil counted":
        "avg_pool { kernel: 3 stride: 2 ceil_mode: true count_include_pad: true padding { amount: 1 } }",
    "avg_pool same": "avg_pool { kernel: 2 stride: 1 padding { mode: MODE_SAME } }",
    "avg_pool same counted": "avg_pool { kernel: 3 stride: 2 count_include_pad: true padding { mode: MODE_SAME } }",
    "avg_pool four sides": "avg_pool { kernel: 2 stride: 2 padding { amount: [0, 1, 1, 0] } }",
    "conv2d groups": "conv2d { out_channels: 4 kernel: [3, 2] stride: 2 padding { mode: MODE_SAME } groups: 2 }",
    "conv2d dilated": "conv2d { out_channels: 4 kernel: 3 dilation: 2 padding { amount: [1, 2, 0, 1] } bias: false }",
    "fractional pseudo-random": "fractional_max_pool { sequence: SEQUENCE_PSEUDO_RANDOM ratio: 1.7 }",
    "fractional disjoint": "fractional_max_pool { disjoint: true ratio: 1.3 }",
    "dropout classic": "dropout { form: FORM_CLASSIC rate: 0.3 }",
    "scalar_affine bias": "scalar_affine { weight: false }",
    "local_response_norm": "local_response_norm { size: 3 alpha: 2 beta: 0.5 k: 2 }",
    "instance norm": "group_norm { groups: 6 epsilon: 1e-3 }",
    "depthwise": "depthwise_conv2d { multiplier: 2 kernel: [3, 2] stride: 2 padding { mode: MODE_SAME } bias: false }",
    "transpose": "conv_transpose2d { out_channels: 4 kernel: [3, 2] stride: [2, 3] padding { amount: [1, 0, 0, 1] } "
                 "output_padding: [1, 2] groups: 2 dilation: 2 }",
    "dense per position": "dense { units: 4 per_position: true }",
    "layer_norm per position": "layer_norm { per_position: true epsilon: 0.01 }",
    "conv1d same": "conv1d { out_channels: 4 kernel: 4 stride: 3 padding { mode: MODE_SAME } groups: 2 }",
    "conv1d sides": "conv1d { out_channels: 4 kernel: 3 dilation: 2 padding { amount: [1, 2] } bias: false }",
    "positional_embedding of sines": "positional_embedding { form: FORM_SINUSOIDAL }",
    "attention without bias": "multi_head_attention { heads: 2 bias: false }",
    "squeeze of five": "block { squeeze_excitation { squeeze_channels: 5 gate { hardsigmoid {} } } }",
    "embedding with padding": "embedding { vocabulary: 20 features: 6 padding_token: 3 }",
    "global_max_pool of a sequence": "to_sequence {} } layers { name: 'max' global_max_pool {}",
    "maxout alone": "activation { maxout { pieces: 3 } }",
    "prelu alone": "activation { prelu { initial_slope: -0.5 } }",
    "features": "dense { units: 12 } } layers { name: 'norm' batch_norm {} } "
                "layers { name: 'slope' activation { prelu {} } } "
                "layers { name: 'group' group_norm { groups: 4 } } layers { name: 'layer' layer_norm {} } "
                "layers { name: 'most' activation { maxout {} }",
}
ACTIVATIONS = {
    "gelu tanh": "gelu { form: FORM_TANH }",
    "gelu sigmoid": "gelu { form: FORM_SIGMOID }",
    "swish learned": "swish { learned: true beta: 1.5 }",
    "maxout of three": "maxout { pieces: 3 }",
    "elu": "elu { alpha: 0.7 }",
}
PREPROCESSING = {
    "none": "",
    "mean image": "zero_mean { grouping: GROUPING_PER_FEATURE }",
    "mean of channels": "zero_mean { grouping: GROUPING_PER_CHANNEL }",
    "standardize": "standardize {}",
    "standardize features": "standardize { grouping: GROUPING_PER_FEATURE }",
    "pca": "pca {}",
    "pca of some": "pca { components: 9 }",
    "pca of a share": "pca { variance_share: 0.8 }",
    "whiten": "whiten {}",
    "whiten pca": "whiten { form: FORM_PCA }",
}


def required():
    """The required fields of each kind, from the conformance tests: {"layer/dense": "units: 6"}."""
    text = (service.ROOT / "tests/conformance/examples.h").read_text()
    entries = re.findall(r'\{"(\w+/\w+)",((?:\s*"(?:[^"\\]|\\.)*")+)\}', text)
    return {name: "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', parts)) for name, parts in entries}


def network_of(config, activation=False):
    if activation:
        return f"layers {{ name: 'it' conv2d {{ out_channels: 6 kernel: 3 }} activation {{ {config} }} }} {AFTER}"
    if config.startswith(TOKENS):
        return f"layers {{ name: 'it' {config} }} {AFTER}"
    reads = config.removeprefix("block { ").startswith(SEQUENCE)
    sequence = "layers { name: 'sequence' to_sequence {} }" if reads else ""
    return f"{BEFORE} {sequence} layers {{ name: 'it' {config} }} {AFTER}"


def networks():
    examples = required()
    for message in (network_pb2.Layer, activation_pb2.Activation, network_pb2.Block, preset_pb2.Preset):
        for field in message.DESCRIPTOR.oneofs_by_name["kind"].fields:
            if field.name == "extension":
                continue
            name = f"{message.DESCRIPTOR.name.lower()}/{field.name}"
            config = f"{field.name} {{ {examples.get(name, '')} }}"
            if field.name in ("add", "concat", "multiply"):
                twin = "layers { name: 'twin' inputs: 'before' conv2d { out_channels: 6 kernel: 1 } }"
                it = f"layers {{ name: 'it' inputs: ['before', 'twin'] {config} activation {{ relu {{}} }} }}"
                yield name, f"{BEFORE} {twin} {it} {AFTER}"
            elif message is preset_pb2.Preset:
                yield name, f"preset {{ {config} }}"
            elif message is network_pb2.Block:
                yield name, network_of(f"block {{ {config} }}")
            else:
                yield name, network_of(config, message is activation_pb2.Activation)
    for name, config in FORMS.items():
        yield f"form/{name}", network_of(config)
    for name, config in ACTIVATIONS.items():
        yield f"form of activation/{name}", network_of(config, True)


def side(name):
    if name.split("/")[-1].startswith(TOKENS):
        return TEXT
    return 67 if name == "preset/alexnet" else 32 if name.startswith("preset") else 8


def idx(array):
    codes = {numpy.dtype("float32"): 0x0D, numpy.dtype("uint8"): 0x08}
    head = struct.pack(f">4B{array.ndim}I", 0, 0, codes[array.dtype], array.ndim, *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


class Onnx(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = service.Service()
        draw = numpy.random.default_rng(0)
        for length in SIDES:
            examples = draw.normal(size=(EXAMPLES, 2, length, length)).astype("float32")
            (cls.server.root / "x.idx").write_bytes(idx(examples))
            (cls.server.root / "y.idx").write_bytes(idx(draw.integers(0, 5, EXAMPLES).astype("uint8")))
            splits = [{"name": name, "examples": {"path": "x.idx"}, "labels": {"path": "y.idx"}}
                      for name in ("train", "test")]
            cls.server.wait(cls.server.call("ImportDataset", dataset_id=f"side-{length}", splits=splits))
        (cls.server.root / "x.idx").write_bytes(idx(draw.integers(0, 20, (EXAMPLES, TEXT)).astype("uint8")))
        cls.server.wait(cls.server.call("ImportDataset", dataset_id=f"side-{TEXT}", splits=splits))
        cls.jobs = {}

    def begin(self, name, network, preprocessing="scale { factor: 0.7 offset: 0.1 }", more="", data="", length=8):
        spec = text_format.Parse(f"""
            network {{ {network} }} data {{ dataset: "side-{length}" {self.listed(preprocessing)} {data} }}
            steps: 2 batch_size: 8 threads: 1 optimizer {{ adam {{}} learning_rate: 0.01 }} {more}""", job_pb2.JobSpec())
        return name, self.server.call("CreateJob", spec=spec).name, length

    @staticmethod
    def listed(preprocessing):
        return f"preprocessing {{ {preprocessing} }}" if preprocessing else ""

    def finish(self, job):
        self.server.call("WatchJob", name=job)
        ended = self.server.call("GetJob", name=job)
        self.assertEqual(ended.state, job_pb2.JOB_STATE_SUCCEEDED, ended.error)

    def export(self, **model):
        """The file's bytes, and its first message."""
        parts = self.server.call("ExportModel", model=model)
        data = b"".join(part.chunk for part in parts)
        self.assertEqual(len(data), parts[0].size_bytes)
        self.assertEqual(parts[-1].crc32, f"{service.zlib.crc32(data):08x}")
        return data, parts[0]

    def compare(self, name, job, length):
        self.finish(job)
        weights = f"{job}/checkpoints/latest"
        data, first = self.export(model=weights)
        self.assertEqual(list(first.notes), [])
        model = onnx.load_from_string(data)
        onnx.checker.check_model(model, full_check=True)
        self.assertEqual([opset.version for opset in model.opset_import], [17])
        draw = numpy.random.default_rng(1)
        x = draw.normal(size=(5, 2, length, length)).astype("float32")
        if length == TEXT:
            x = draw.integers(0, 20, (5, TEXT)).astype("float32")
        answer = self.server.call("Predict", model={"model": weights},
                                  examples={"shape": x.shape, "values": x.ravel().tolist()})
        want = numpy.array(answer.outputs, "float32").reshape(answer.shape)
        session = onnxruntime.InferenceSession(data)
        got, = session.run(["output"], {"input": x})
        one, = session.run(["output"], {"input": x[:1]})
        limit = CLOSE * max(1, numpy.abs(want).max())
        self.assertLess(numpy.abs(got - want).max(), limit, name)
        self.assertLess(numpy.abs(one - want[:1]).max(), limit, name)
        self.assertGreater(len(numpy.unique(got)), 1, "outputs that are all the same prove nothing")

    def compare_all(self, begun):
        for name, job, length in list(begun):
            with self.subTest(name):
                self.compare(name, job, length)

    def test_every_network(self):
        table = dict(networks())
        self.assertGreater(len(table), 60)
        self.assertLessEqual(set(required()), set(table))
        usual = "scale { factor: 0.7 offset: 0.1 }"
        self.compare_all([self.begin(name, network, "" if side(name) == TEXT else usual, length=side(name))
                          for name, network in table.items()])

    def test_every_preprocessing(self):
        network = "layers { name: 'flat' flatten {} } layers { name: 'fc' dense { units: 5 } }"
        image = network_of("activation { relu {} }")
        begun = []
        for name, config in PREPROCESSING.items():
            keeps = "pca" not in name
            begun.append(self.begin(name, image if keeps else "layers { name: 'fc' dense { units: 5 } }", config))
        begun.append(self.begin("several", network, "scale { offset: 3 } } preprocessing { standardize {} } "
                                                    "preprocessing { whiten {} "))
        self.compare_all(begun)

    def test_what_a_file_is_not_is_said(self):
        _, job, _ = self.begin("crops", network_of("activation { relu {} }"), length=32,
                               data="augmentation { random_resized_crop { height: 24 width: 24 } }",
                               more="evaluation { test_time { flips: true } }")
        self.finish(job)
        data, first = self.export(model=f"{job}/checkpoints/latest")
        self.assertEqual(len(first.notes), 2, first.notes)
        shape = onnx.load_from_string(data).graph.input[0].type.tensor_type.shape
        self.assertEqual([extent.dim_param or extent.dim_value for extent in shape.dim], ["batch", 2, 24, 24])

    def test_names_of_classes_and_origin(self):
        names = ["zero", 'a "b"', "two", "drei", "vier"]
        (self.server.root / "x.idx").write_bytes(idx(numpy.zeros((EXAMPLES, 1, 8, 8), "uint8")))
        (self.server.root / "y.idx").write_bytes(idx(numpy.arange(EXAMPLES, dtype="uint8") % 5))
        self.server.wait(self.server.call("ImportDataset", dataset_id="named", class_names=names, splits=[
            {"name": name, "examples": {"path": "x.idx"}, "labels": {"path": "y.idx"}} for name in ("train", "test")]))
        spec = text_format.Parse("""network { layers { name: "fc" dense { units: 5 } } } data { dataset: "named" }
            steps: 1 batch_size: 8 threads: 1""", job_pb2.JobSpec())
        job = self.server.call("CreateJob", spec=spec).name
        self.finish(job)
        model = onnx.load_from_string(self.export(model=f"{job}/checkpoints/latest")[0])
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        self.assertEqual(json.loads(metadata["class_names"]), names)
        self.assertEqual(metadata["traind.model"], f"{job}/checkpoints/1")
        self.assertLessEqual({"fc.weight", "fc.bias"}, {tensor.name for tensor in model.graph.initializer})

    def test_uploaded_weights(self):
        _, job, _ = self.begin("own", "layers { name: 'fc' dense { units: 5 } }")
        self.finish(job)
        self.server.send("UploadModel", "model_id", "fits", service.safetensors({"fc.weight": [5, 128], "fc.bias": [5]}))
        self.server.send("UploadModel", "model_id", "odd", service.safetensors({"fc.weight": [5, 127]}))
        session = onnxruntime.InferenceSession(self.export(model="models/fits", job=job)[0])
        output, = session.run(None, {"input": numpy.ones((3, 2, 8, 8), "float32")})
        self.assertEqual(output.tolist(), numpy.zeros((3, 5)).tolist())
        error = service.error_of(self.server.call, "ExportModel", model={"model": "models/odd", "job": job})
        self.assertEqual(error.code().name, "INVALID_ARGUMENT")
        self.assertIn("fc.bias", error.details())


if __name__ == "__main__":
    unittest.main()
