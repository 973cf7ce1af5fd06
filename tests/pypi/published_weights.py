"""Files of weights as torchvision (PyPI) and timm (PyPI) publish them, in jobs with our presets: the whole network gives
torch's outputs. The weights are random, and so are the running statistics of batch norm.

    TRAIND_BIN=build/release/bin build/published/bin/python tests/pypi/published_weights.py

.ci/run has made that Python: Debian's PyTorch beside torchvision and timm without their own, which has gigabytes.
"""
import pathlib
import subprocess
import sys
import unittest
import warnings

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "api"))
warnings.filterwarnings("ignore")

import numpy
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

import service
from service import PROGRAMS

CLASSES = 7
NARROW = 32  # In place of 4096: the names and the row-major order are the same.


def narrow_head(net, inputs):
    """torchvision's alexnet and vgg with smaller dense layers."""
    dense = [i for i, layer in enumerate(net.classifier) if isinstance(layer, nn.Linear)]
    for i, sizes in zip(dense, ((inputs, NARROW), (NARROW, NARROW), (NARROW, CLASSES))):
        net.classifier[i] = nn.Linear(*sizes)
    return net


def timm_vgg():
    """timm's vgg16_bn, whose dense layers are convolutions, with smaller ones."""
    net = timm.create_model("vgg16_bn", num_classes=CLASSES)
    net.pre_logits.fc1 = nn.Conv2d(512, NARROW, 7)
    net.pre_logits.fc2 = nn.Conv2d(NARROW, NARROW, 1)
    net.head.fc = nn.Linear(NARROW, CLASSES)
    return net


models = torchvision.models
HEAD = f"classes: {CLASSES} dense_width: {NARROW}"
CASES = {  # The network, its side, our preset, the names.
    "resnet18": (lambda: models.resnet18(num_classes=CLASSES), 64, f"resnet {{ depth: 18 stem: IMAGENET classes: {CLASSES} }}",
                 "TORCHVISION"),
    "resnet50": (lambda: models.resnet50(num_classes=CLASSES), 64, f"resnet {{ depth: 50 stem: IMAGENET classes: {CLASSES} }}", ""),
    "wide_resnet50_2": (lambda: models.wide_resnet50_2(num_classes=CLASSES), 64,
                        f"resnet {{ depth: 50 widen: 2 stem: IMAGENET classes: {CLASSES} }}", ""),
    "densenet121": (lambda: models.densenet121(num_classes=CLASSES), 64,
                    f"densenet {{ stem: IMAGENET classes: {CLASSES} }}", ""),
    "alexnet": (lambda: narrow_head(models.alexnet(), 256 * 36), 224, f"alexnet {{ torchvision: true {HEAD} }}", ""),
    "vgg16": (lambda: narrow_head(models.vgg16(), 512 * 49), 224, f"vgg16 {{ {HEAD} }}", ""),
    "vgg16_bn": (lambda: narrow_head(models.vgg16_bn(), 512 * 49), 224, f"vgg16 {{ batch_norm: true {HEAD} }}", "TORCHVISION"),
    "timm_vgg16_bn": (timm_vgg, 224, f"vgg16 {{ batch_norm: true {HEAD} }}", ""),
    "timm_resnet34": (lambda: timm.create_model("resnet34", num_classes=CLASSES), 64,
                      f"resnet {{ depth: 34 stem: IMAGENET classes: {CLASSES} }}", "TIMM"),
}


def randomized(net):
    """In eval mode, with running statistics that a trained network could have."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
    return net.eval()


class PublishedWeightsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = service.Service()
        cls.folder = service.temporary_folder()
        generator = numpy.random.default_rng(3)
        cls.images = {}
        for side in (64, 224):
            images = generator.standard_normal((2, 3, side, side)).astype(numpy.float32)
            cls.images[side] = images
            numpy.save(cls.folder / f"x{side}.npy", images)
            numpy.savez(cls.server.root / f"images{side}.npz", x=images, y=numpy.array([0, CLASSES - 1], dtype=numpy.int64))
            cls.server.wait(cls.server.call("ImportDataset", dataset_id=f"images{side}", splits=[
                {"name": "train", "examples": {"path": f"images{side}.npz"}}]))

    def trainctl(self, *arguments, check=True):
        done = subprocess.run([PROGRAMS / "trainctl", "--server", self.server.address, *map(str, arguments)],
                              capture_output=True, text=True)
        if check:
            self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def job_file(self, name, preset, side, weights):
        path = self.folder / f"{name}.textproto"
        path.write_text(f"""network {{ preset {{ {preset} }} }}
            data {{ dataset: "images{side}" evaluation_split: "none" }}
            initial_weights {{ {weights} }} optimizer {{ sgd {{}} }} batch_size: 2 steps: 0 statistics {{ every_steps: 0 }}
            insight {{ profile: OFF }}""")
        return path

    def test_outputs_of_the_whole_network(self):
        for name, (make, side, preset, names) in CASES.items():
            with self.subTest(name), torch.no_grad():
                torch.manual_seed(5)
                net = randomized(make())
                expected = net(torch.from_numpy(self.images[side])).numpy()
                self.assertGreater(numpy.abs(expected[0] - expected[1]).max(), 1e-3)
                path = self.folder / f"{name}.safetensors"
                save_file({key: value.contiguous() for key, value in net.state_dict().items()}, path)
                job = name.replace("_", "-")
                self.trainctl("model", "upload", job, path)
                weights = f'model: "models/{job}"' + (f" names: {names}" if names else "")
                self.trainctl("run", self.job_file(name, preset, side, weights), "--job-id", job)
                says = self.trainctl("logs", job).stdout
                self.assertIn("by the names of " + (names or ("TIMM" if name.startswith("timm_vgg") else "TORCHVISION")), says)
                output = self.folder / f"{name}.npy"
                self.trainctl("model", "predict", job, "--input", self.folder / f"x{side}.npy", "-o", output)
                scale = numpy.abs(expected).max()
                numpy.testing.assert_allclose(numpy.load(output) / scale, expected / scale, rtol=0, atol=1e-4)
                # The file itself, in that job's network.
                self.trainctl("model", "predict", f"models/{job}", "--job", job, "--input", self.folder / f"x{side}.npy",
                              "-o", output, "--force")
                numpy.testing.assert_allclose(numpy.load(output) / scale, expected / scale, rtol=0, atol=1e-4)
                path.unlink()
                self.trainctl("delete", job)
                self.trainctl("model", "delete", f"models/{job}")

    def test_other_classes_and_other_networks(self):
        """A head of another width begins anew by one line; a network that has no such names is refused, with the field."""
        path = self.folder / "mine.safetensors"
        save_file(dict(models.resnet18().state_dict()), path)
        self.trainctl("model", "upload", "mine", path)
        preset = f"resnet {{ depth: 18 stem: IMAGENET classes: {CLASSES} }}"
        refused = self.trainctl("submit", self.job_file("refused", preset, 64, 'model: "models/mine"'), check=False)
        self.assertIn("logits.weight (from fc.weight): has shape [1000, 512], the network needs [7, 512]", refused.stderr)
        self.trainctl("run", self.job_file("fits", preset, 64, 'model: "models/mine" on_mismatch: SKIP'), "--job-id", "fits")
        other = self.trainctl("submit", self.job_file("other", f"mlp {{ classes: {CLASSES} }}", 64,
                                                      'model: "models/mine" names: TORCHVISION'), check=False)
        self.assertIn("initial_weights.model", other.stderr)
        self.assertIn("this network is none of them", other.stderr)


if __name__ == "__main__":
    unittest.main()
