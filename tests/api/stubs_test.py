#!/usr/bin/python3
"""Generated Python stubs beside googleapis-common-protos and grpcio-status, in one program: imports in both orders, rich
errors as grpc_status.rpc_status reads them, and operations.

    tests/api/stubs_test.py               stands in for both where there are only Debian's packages: see googleapis.py
    TRAIND_PYPI=1 tests/api/stubs_test.py with a Python that has both from PyPI, as .ci/run has it
"""
import os
import subprocess
import sys
import unittest

import googleapis
import service
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from traind.v1 import dataset_pb2, event_pb2, model_service_pb2, operation_pb2

OURS = "from traind.rpc import error_details_pb2 as ours, status_pb2\n" + "\n".join(
    f"import traind.v1.{file.stem}_pb2, traind.v1.{file.stem}_pb2_grpc"
    for file in sorted((service.ROOT / "proto/traind/v1").glob("*.proto")))
PUBLIC = "from google.rpc import error_details_pb2, status_pb2\nfrom grpc_status import rpc_status"
BOTH_WORK = """
assert ours.BadRequest.DESCRIPTOR.full_name == "traind.rpc.BadRequest"
assert error_details_pb2.BadRequest.DESCRIPTOR.full_name == "google.rpc.BadRequest"
"""


class ImportsTest(unittest.TestCase):
    def test_imports_in_both_orders(self):
        for first, second in ((OURS, PUBLIC), (PUBLIC, OURS)):
            done = subprocess.run([sys.executable, "-c", f"{first}\n{second}\n{BOTH_WORK}"], stderr=subprocess.PIPE,
                                  text=True, env={**os.environ, "PYTHONPATH": googleapis.PATH})
            self.assertEqual(done.returncode, 0, done.stderr)


class StubsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = service.Service()
        cls.server.import_points()

    def detail(self, error, message):
        """The first detail of an error, which must be of the message's type."""
        status = rpc_status.from_call(error)
        self.assertEqual((status.code, status.message), (error.code().value[0], error.details()))
        self.assertTrue(status.details[0].Unpack(message), status.details[0].type_url)
        return message

    def test_bad_request(self):
        spec = service.dense_job(batch_size=10**6, display_name="x" * 1000)
        error = service.error_of(self.server.call, "CreateJob", spec=spec)
        self.assertEqual(error.code().name, "INVALID_ARGUMENT")
        bad = self.detail(error, error_details_pb2.BadRequest())
        self.assertEqual({violation.field for violation in bad.field_violations}, {"spec.batch_size", "spec.display_name"})
        for violation in bad.field_violations:
            self.assertTrue(violation.description)

    def test_resource_info(self):
        error = service.error_of(self.server.call, "GetJob", name="jobs/nobody")
        self.assertEqual(error.code().name, "NOT_FOUND")
        info = self.detail(error, error_details_pb2.ResourceInfo())
        self.assertEqual((info.resource_type, info.resource_name), ("traind.v1.Job", "jobs/nobody"))

    def test_operations(self):
        operation = self.server.wait(self.server.call("DescribeDataset", name="datasets/points"))
        description, metadata = dataset_pb2.DatasetDescription(), operation_pb2.OperationMetadata()
        self.assertTrue(operation.response.Unpack(description))
        self.assertEqual([split.num_examples for split in description.splits], [64, 64])
        self.assertTrue(operation.metadata.Unpack(metadata))
        self.assertEqual((metadata.state, metadata.method, metadata.target),
                         (operation_pb2.OPERATION_STATE_SUCCEEDED, "DescribeDataset", "datasets/points"))
        self.assertFalse(operation.response.Unpack(dataset_pb2.Dataset()))

    def test_what_operations_make(self):
        job = self.server.train("trained")
        reference = {"model": f"{job.name}/checkpoints/latest"}
        for made, call in ((event_pb2.EvaluationMetrics(), self.server.call("Evaluate", model=reference)),
                           (model_service_pb2.PredictSplitResponse(),
                            self.server.call("PredictSplit", model=reference, range={}))):
            self.assertTrue(self.server.wait(call).response.Unpack(made))
            self.assertEqual(made.examples, 64)

    def test_the_error_of_an_operation(self):
        (self.server.root / "broken.npy").write_bytes(b"no array")
        operation = self.server.call("ImportDataset", dataset_id="broken",
                                     splits=[{"name": "train", "examples": {"path": "broken.npy"}}])
        operation = self.server.call("WaitOperation", name=operation.name)
        self.assertTrue(operation.done)
        public = status_pb2.Status.FromString(operation.error.SerializeToString())
        self.assertEqual(public.code, service.grpc.StatusCode.INVALID_ARGUMENT.value[0])
        bad = error_details_pb2.BadRequest()
        self.assertTrue(public.details[0].Unpack(bad))
        self.assertTrue(bad.field_violations)


if __name__ == "__main__":
    unittest.main()
