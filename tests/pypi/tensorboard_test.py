"""What TensorBoard itself (PyPI) reads in the event files of `trainctl export tensorboard` and of `traind --tensorboard-dir`;
its curves are compared with numpy's, its pictures, as Pillow reads them, with the data.

    TRAIND_BIN=build/release/bin build/python/bin/python tests/pypi/tensorboard_test.py     # .ci/run has made that Python
"""
import io
import pathlib
import random
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "api"))

import numpy
import PIL.Image
import service
from service import PROGRAMS
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.plugins.image import metadata as image_metadata
from tensorboard.plugins.pr_curve import metadata as pr_curve_metadata
from tensorboard.util import tensor_util

CLASSES = ["cat", "dog", "a fish", "bird"]


class TensorBoardTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = service.temporary_folder()
        cls.live, cls.exported = folder / "live", folder / "exported"
        cls.server = service.Service("--tensorboard-dir", cls.live)
        cls.server.import_points()
        for job in ("first", "second"):
            cls.server.train(job)
        cls.export()

    @classmethod
    def export(cls, *arguments):
        return subprocess.run([PROGRAMS / "trainctl", "--server", cls.server.address, "export", "tensorboard",
                               *(arguments or ("first", "second", cls.exported))], check=True, capture_output=True, text=True)

    def events(self, name):
        """The job's events of a kind, as the API has them."""
        responses = self.server.call("WatchJob", name="jobs/first")
        return [event for response in responses for event in response.events if event.HasField(name)]

    def test_curves_histograms_settings_and_graph(self):
        run = EventAccumulator(str(self.exported / "first"), size_guidance={"scalars": 0, "histograms": 0})
        run.Reload()
        trained = self.events("train")
        self.assertEqual([(point.step, round(point.wall_time, 3)) for point in run.Scalars("loss/train")],
                         [(event.step, round(event.time.ToNanoseconds() / 1e9, 3)) for event in trained])
        for point, event in zip(run.Scalars("loss/train"), trained):
            self.assertAlmostEqual(point.value, event.train.loss, places=5)
        evaluated = self.events("evaluation")
        self.assertTrue(evaluated)
        self.assertEqual(len(run.Scalars(f"loss/{evaluated[0].evaluation.split}")), len(evaluated))
        reports = self.events("statistics")
        layer = reports[0].statistics.layers[0]
        histogram = run.Histograms(f"outputs/{layer.layer}")[0].histogram_value
        self.assertEqual(list(histogram.bucket), list(layer.histogram.counts))
        self.assertAlmostEqual(histogram.bucket_limit[-1], layer.histogram.high, places=5)
        self.assertIn(layer.layer, [node.name for node in run.Graph().node])
        data = plugin_data_pb2.HParamsPluginData.FromString(
            run.SummaryMetadata("_hparams_/session_start_info").plugin_data.content)
        self.assertIn("optimizer.learning_rate", data.session_start_info.hparams)

    def import_noise(self):
        """Pictures in color and labels by chance, which no network can tell; returns both."""
        chance, shape = random.Random(3), (150, 3, 7, 5)
        pictures = numpy.frombuffer(chance.randbytes(150 * 3 * 7 * 5), numpy.uint8).reshape(shape)
        labels = numpy.array([chance.randrange(4) for _ in range(150)], numpy.uint8)
        (self.server.root / "x.idx").write_bytes(struct.pack(">4B4I", 0, 0, 8, 4, *shape) + pictures.tobytes())
        (self.server.root / "y.idx").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, 150) + labels.tobytes())
        files = {"examples": {"path": "x.idx"}, "labels": {"path": "y.idx"}}
        self.server.wait(self.server.call("ImportDataset", dataset_id="noise", class_names=CLASSES, splits=[
            {"name": split, **files} for split in ("train", "test")]))
        return pictures, labels

    def predict(self, weights):
        """The probabilities of all examples of "test", float64, from the API."""
        made = self.server.wait(self.server.call("PredictSplit", model={"model": weights}))
        parts = self.server.call("ReadPredictions", operation=made.name)
        return numpy.concatenate([numpy.array(part.probabilities, numpy.float64).reshape(part.shape) for part in parts])

    def test_predictions(self):
        pictures, labels = self.import_noise()
        step = self.server.train("noisy", data={"dataset": "noise"}).progress.step
        folder = self.exported.parent / "predicted"
        said = self.export("noisy", folder, "--predictions")
        probabilities = self.predict("jobs/noisy/checkpoints/latest")
        run = EventAccumulator(str(folder / "noisy"))
        run.Reload()
        self.assertTrue(run.Scalars("loss/train"), "both files are read")
        self.check_curves(run, step, probabilities, labels)
        self.check_mistakes(run, step, probabilities, pictures, labels)
        self.assertIn(f"{(probabilities.argmax(1) != labels).sum()} of 150 examples of test wrong", said.stderr)
        (predicted,) = (folder / "noisy").glob("*.predictions")
        before = predicted.read_bytes()
        self.export("noisy", folder, "--predictions", "test")
        self.assertEqual(predicted.read_bytes(), before)

    def check_curves(self, run, step, probabilities, labels):
        thresholds = numpy.linspace(0, 1, 201)
        for number, name in enumerate(CLASSES):
            tag = f"pr_curves/{name}"
            plugin = run.SummaryMetadata(tag).plugin_data
            self.assertEqual(plugin.plugin_name, pr_curve_metadata.PLUGIN_NAME)
            self.assertEqual(pr_curve_metadata.parse_plugin_metadata(plugin.content).num_thresholds, len(thresholds))
            (event,) = run.Tensors(tag)
            self.assertEqual(event.step, step)
            curve = tensor_util.make_ndarray(event.tensor_proto)
            self.assertEqual((curve.shape, curve.dtype), ((6, 201), numpy.float32))
            positive, true = probabilities[:, number, None] >= thresholds, labels[:, None] == number
            tp, fp = (positive & true).sum(0), (positive & ~true).sum(0)
            tn, fn = (~positive & ~true).sum(0), (~positive & true).sum(0)
            numpy.testing.assert_array_equal(curve[:4], [tp, fp, tn, fn])
            numpy.testing.assert_allclose(curve[pr_curve_metadata.PRECISION_INDEX], tp / numpy.maximum(tp + fp, 1), rtol=1e-6)
            numpy.testing.assert_allclose(curve[pr_curve_metadata.RECALL_INDEX], tp / (tp + fn), rtol=1e-6)

    def check_mistakes(self, run, step, probabilities, pictures, labels):
        said = probabilities.argmax(1)
        wrong = [i for i in range(len(labels)) if said[i] != labels[i]]
        surest = sorted(wrong, key=lambda i: (-probabilities[i, said[i]], i))[:48]
        self.assertEqual(len(surest), 48)
        expected, counted = {}, {}
        for i in surest:
            pair = f"mistakes/{CLASSES[labels[i]]}_as_{CLASSES[said[i]]}"
            counted[pair] = counted.get(pair, -1) + 1
            expected[f"{pair}/{counted[pair]}"] = i
        self.assertEqual({tag for tag in run.Tags()["tensors"] if tag.startswith("mistakes/")}, set(expected))
        for tag, i in expected.items():
            self.assertEqual(run.SummaryMetadata(tag).plugin_data.plugin_name, image_metadata.PLUGIN_NAME)
            (event,) = run.Tensors(tag)
            width, height, file = tensor_util.make_ndarray(event.tensor_proto)
            picture = PIL.Image.open(io.BytesIO(file))
            self.assertEqual((event.step, int(width), int(height), picture.format, picture.mode), (step, 5, 7, "PNG", "RGB"))
            numpy.testing.assert_array_equal(numpy.asarray(picture), pictures[i].transpose(1, 2, 0))
            self.assertIn(f"Example {i} of test", run.SummaryMetadata(tag).summary_description)

    def test_live_files_and_exports_have_the_same_bytes(self):
        self.server.process.terminate()  # Writes what is still to be written.
        self.server.process.wait()
        self.server.start()
        self.export()  # Finds nothing that is new.
        for job in ("first", "second"):
            (live,), (exported,) = ((folder / job).iterdir() for folder in (self.live, self.exported))
            self.assertEqual(live.name, exported.name)
            self.assertEqual(live.read_bytes(), exported.read_bytes())


if __name__ == "__main__":
    unittest.main()
