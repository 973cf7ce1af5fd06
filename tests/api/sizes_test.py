#!/usr/bin/python3
"""A client with gRPC's default limits (4 MiB a message, 8 KiB of trailers) can read every answer: of the largest specs,
networks, models, datasets, pictures and lists that the server takes."""
import struct
import unittest

import service
from pages_test import everything
from traind.v1 import dataset_service_pb2, job_pb2, network_pb2, training_service_pb2

MIB = 1 << 20
VIEWS = training_service_pb2.JobView.values()
HOLDS = {0: (True, False), 1: (False, False), 2: (True, False), 3: (False, True)}  # Whether spec and resolved_spec.


def network_of(size):
    """A network of about `size` bytes: layers with the longest names, each of which passes its input on."""
    network = network_pb2.Network(input_shape=[1, 8, 8])
    network.layers.add(name="flat").flatten.SetInParent()
    count = max(1, size // 140)
    for i in range(count):
        network.layers.add(name=f"{i:06}".rjust(128, "n")).activation.identity.SetInParent()
    network.layers.add(name="fc").dense.units = 4
    return network


class SizesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = service.Service("--threads", "2")
        cls.server.import_points()

    def answer(self, call, /, *arguments, **fields):
        """The answer of a call (or of a method, by its name), or None where the server refuses it: but never because the
        client cannot read it."""
        if isinstance(call, str):
            call, arguments = self.server.call, (call, *arguments)
        try:
            return call(*arguments, **fields)
        except service.grpc.RpcError as caught:
            error = caught
        self.assertNotIn("larger than max", error.details())
        self.assertIn(error.code().name, {"INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"}, error.details())
        return None

    def good(self, call, /, *arguments, **fields):
        answer = self.answer(call, *arguments, **fields)
        self.assertIsNotNone(answer, f"{call} was refused")
        return answer

    def test_large_specs_alone_and_in_lists(self):
        accepted = []
        for size in (MIB // 4, MIB // 2, MIB, 2 * MIB, 7 * MIB // 2, 6 * MIB):
            spec = job_pb2.JobSpec(network=network_of(size), data={"dataset": "points"}, steps=0, threads=1,
                                   statistics={"every_steps": 0})
            with self.subTest(bytes=spec.ByteSize()):
                job = self.answer("CreateJob", spec=spec, view=VIEWS[len(accepted) % len(VIEWS)])
                if job:
                    accepted.append(job.name)
        self.assertGreaterEqual(len(accepted), 2, "specs of half a MiB are to be accepted")
        for view in VIEWS:
            with self.subTest(view=view):
                for name in accepted:
                    job = self.good("GetJob", name=name, view=view)
                    self.assertEqual((job.HasField("spec"), job.HasField("resolved_spec")), HOLDS[view])
                listed = {job.name for job in everything(self.server, "ListJobs", page_size=500, view=view)}
                self.assertEqual(set(accepted) - listed, set())

    def test_sweeps_with_long_values(self):
        """The values of a choice are as long as a sweep's spec may be, and every trial has one."""
        values = [letter * (MIB // 5) for letter in "abcd"]
        spec = {"trained_by_clients": True, "space": [{"name": "text", "paths": ["display_name"], "choice": {"values": values}}],
                "random": {}, "budget": {"max_trials": 40}}
        for number in range(6):
            sweep = self.good("CreateSweep", sweep_id=f"long-{number}", spec=spec)
            for _ in range(3 if number else 40):
                trial, *_ = self.good("SuggestTrials", parent=sweep.name, client=f"{_}").trials
                self.good("CompleteTrial", name=trial.name, final={"step": 1, "value": 0.5})
            self.good("GetSweep", name=sweep.name)
        self.assertEqual(len(everything(self.server, "ListSweeps", page_size=500)), 6)
        for order in ("", "number desc", "objective"):
            listed = everything(self.server, "ListTrials", parent="sweeps/long-0", page_size=500, order_by=order)
            self.assertEqual(len({trial.number for trial in listed}), 40)
        seen = []
        while page := self.good("ListSweepEntries", parent="sweeps/long-0", page_size=500, after_sequence=len(seen)).entries:
            seen.extend(page)
        self.assertGreaterEqual(len(seen), 80)
        other = self.good("CreateSweep", sweep_id="long", spec=spec)
        taken = self.good("SuggestTrials", parent=other.name, client="here", count=64).trials
        self.assertTrue(0 < len(taken) < 40)
        self.assertEqual(list(taken), list(self.good("SuggestTrials", parent=other.name, client="here", count=64).trials))

    def test_components(self):
        self.assertGreater(len(everything(self.server, "ListComponents", page_size=500)), 80)

    def test_descriptions_of_large_networks(self):
        for preset in ({"densenet": {"classes": 1000, "depth": 190, "growth": 40, "bottleneck": True}},
                       {"resnet": {"classes": 1000, "depth": 164}}):
            network = network_pb2.Network(input_shape=[3, 32, 32], preset=preset)
            with self.subTest(network=preset):
                description = self.good("DescribeNetwork", network=network, expanded=True)
                self.assertGreater(len(description.layers), 100)
        for size in (MIB // 4, MIB, 4 * MIB):
            with self.subTest(size=size):
                self.answer("DescribeNetwork", network=network_of(size), expanded=True)

    def test_statistics_of_large_networks(self):
        for size in (MIB // 4, MIB):
            with self.subTest(probe=size):
                self.answer("ProbeNetwork", network=network_of(size), histogram_bins=256, batch_size=4)
        spec = job_pb2.JobSpec(network=network_of(MIB // 2), data={"dataset": "points"}, steps=2, threads=1,
                               statistics={"every_steps": 1, "histogram_bins": 256})
        job = self.good("CreateJob", spec=spec, job_id="observed")
        events = [event for response in self.good("WatchJob", name=job.name) for event in response.events]
        self.assertEqual([event.sequence for event in events], list(range(1, len(events) + 1)))

    def test_pictures(self):
        for scale in (1, 4, 16):
            with self.subTest(scale=scale):
                picture = self.answer("PreviewDataset", name="datasets/points", rows=64, columns=64, scale=scale,
                                      augmentation=[{"color_jitter": {"brightness": 0.5}}, {"rotate": {"max_degrees": 90}}])
                self.assertTrue(picture or scale > 1)

    def test_models_of_many_tensors(self):
        for count in (100, 10_000, 60_000):
            data = service.safetensors({f"{i:06}".rjust(128, "n") + ".weight": [1] for i in range(count)})
            with self.subTest(tensors=count):
                model = self.answer(self.server.send, "UploadModel", "model_id", f"tensors-{count}", data)
                self.assertTrue(model or count > 100)
                if model:
                    self.good("GetModel", name=model.name)
        self.assertGreater(len(everything(self.server, "ListModels", page_size=500)), 0)

    def write_labels(self, largest):
        """Two examples of two classes, 0 and `largest`."""
        (self.server.root / "two_x.idx").write_bytes(struct.pack(">4B2I", 0, 0, 8, 2, 2, 1) + bytes(2))
        (self.server.root / "two_y.idx").write_bytes(struct.pack(">4BI", 0, 0, 12, 1, 2) + struct.pack(">2i", 0, largest))
        return [{"name": name, "examples": {"path": "two_x.idx"}, "labels": {"path": "two_y.idx"}}
                for name in ("train", "test")]

    def test_datasets_of_many_classes(self):
        for largest in (1000, 100_000, 3_000_000):
            splits = self.write_labels(largest)
            for names in ([], [f"class {i:010}" for i in range(largest + 1)]):
                request = dataset_service_pb2.ImportDatasetRequest(
                    dataset_id=f"classes-{largest}-{len(names)}", splits=splits, class_names=names)
                if request.ByteSize() > 7 * MIB:
                    continue  # More than the server takes.
                with self.subTest(classes=largest, names=len(names)):
                    self.described(request, largest)
        self.assertGreater(len(everything(self.server, "ListDatasets", page_size=500)), 1)
        self.assertGreater(len(everything(self.server, "ListOperations", page_size=500)), 1)

    def described(self, request, largest):
        operation = self.answer("ImportDataset", request)
        if not operation or not self.good("WaitOperation", name=operation.name).HasField("response"):
            self.assertGreater(largest, 1000)
            return
        name = f"datasets/{request.dataset_id}"
        self.good("GetDataset", name=name)
        operation = self.good("DescribeDataset", name=name)
        self.good("WaitOperation", name=operation.name)
        self.good("GetOperation", name=operation.name)

    def test_predictions(self):
        wide = service.dense_job(steps=0)
        wide.network.layers[1].dense.units = 10_000
        wide.loss.softmax_cross_entropy.SetInParent()
        job = self.good("CreateJob", spec=wide, job_id="wide")
        self.good("WatchJob", name=job.name)
        reference = {"model": f"{job.name}/checkpoints/latest"}
        for count in (1, 20, 60, 400):
            with self.subTest(examples=count):
                answer = self.answer("Predict", model=reference,
                                     examples={"shape": [count, 1, 8, 8], "values": [0] * (64 * count)})
                self.assertTrue(answer or count > 20)
        operation = self.server.wait(self.good("PredictSplit", model=reference, range={}))
        parts = self.good("ReadPredictions", operation=operation.name)
        self.assertEqual(sum(part.shape[0] for part in parts), 64)

    def test_errors_of_many_violations(self):
        network = network_of(MIB // 4)
        for layer in network.layers:
            layer.name = "no good name"
        error = service.error_of(self.server.call, "DescribeNetwork", network=network)
        self.assertEqual(error.code().name, "INVALID_ARGUMENT")
        self.assertIn("network.layers[0].name", service.violations(error))


if __name__ == "__main__":
    unittest.main()
