"""What the tests of this folder share: Python stubs made of proto/ as a user makes them, and a real traind.

Debian's python3-grpcio, python3-protobuf, protobuf-compiler and protobuf-compiler-grpc are enough.
"""
import atexit
import importlib.util
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(os.environ.get("TRAIND_BIN", ROOT / "build/release/bin"))
CHUNK = 1 << 19
PATIENCE = 60.0  # Seconds. Longer than anything here takes on a busy machine; a test that reaches it has failed.


def temporary_folder():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="traind-api-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def make_stubs(protos):
    """The folder of the modules of the .proto files below `protos`, which is put on the path. With PyPI's grpcio-tools
    where that is installed, else with Debian's protoc."""
    folder = temporary_folder()
    if importlib.util.find_spec("grpc_tools"):
        protoc = [sys.executable, "-m", "grpc_tools.protoc"]
    else:
        protoc = ["protoc", f"--plugin=protoc-gen-grpc_python={shutil.which('grpc_python_plugin')}"]
    files = [str(file) for file in sorted(protos.rglob("*.proto")) if "internal" not in file.parts]
    subprocess.run([*protoc, f"-I{protos}", f"--python_out={folder}", f"--grpc_python_out={folder}", *files], check=True)
    sys.path.insert(0, str(folder))
    return folder


STUBS = make_stubs(ROOT / "proto")

import grpc  # noqa: E402
from google.protobuf import text_format  # noqa: E402
from traind.rpc import error_details_pb2, status_pb2  # noqa: E402
from traind.v1 import (auth_service_pb2, dataset_service_pb2, job_pb2, model_service_pb2,  # noqa: E402
                       operation_pb2, server_service_pb2, sweep_service_pb2, training_service_pb2)

MODULES = (training_service_pb2, dataset_service_pb2, model_service_pb2, operation_pb2, auth_service_pb2,
           server_service_pb2, sweep_service_pb2)
SERVICES = [service for module in MODULES for service in module.DESCRIPTOR.services_by_name.values()]


def methods():
    """Every method of the API: ("GetJob", its descriptor)."""
    return {method.name: method for service in SERVICES for method in service.methods}


def messages(method):
    """The classes of a method's request and response."""
    def made(descriptor):
        return getattr(descriptor, "_concrete_class")
    return made(method.input_type), made(method.output_type)


class Service:
    """A traind on a free port with a data folder and a dataset root of its own. Ends with the program. `environment` is
    that of the process; `metadata` goes with each call, a token for example."""

    def __init__(self, *flags, environment=None):
        self.folder = temporary_folder()
        self.root = self.folder / "root"
        self.root.mkdir()
        self.data = self.folder / "data"
        self.flags = flags
        self.environment = environment
        self.metadata = ()
        self.start()
        atexit.register(self.kill)

    def start(self):
        port_file = self.folder / "port"
        port_file.unlink(missing_ok=True)
        self.log = self.folder / "log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [PROGRAMS / "traind", "--listen", "127.0.0.1:0", "--port-file", port_file, "--data-dir",
                 self.data, "--dataset-root", self.root, *self.flags], stdout=log, stderr=log, env=self.environment)
        end = time.monotonic() + PATIENCE
        while not (port_file.exists() and port_file.read_text().strip()):
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("traind did not start:\n" + self.log.read_text())
            time.sleep(0.01)
        self.address = f"127.0.0.1:{port_file.read_text().strip()}"
        self.channel = grpc.insecure_channel(self.address)  # With a client's default limits.

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def call(self, name, /, *requests, **fields):
        """The answer of a method, by its name alone: a message, or the list of those of a stream."""
        answer = self.begin(name, *requests, **fields)
        return list(answer) if methods()[name].server_streaming else answer

    def begin(self, name, /, *requests, **fields):
        """As call, but a stream is what gRPC gives for it."""
        method = methods()[name]
        request_type, response_type = messages(method)
        requests = requests or (request_type(**fields),)
        kind = ("stream" if method.client_streaming else "unary") + "_" + ("stream" if method.server_streaming else "unary")
        stub = getattr(self.channel, kind)(f"/{method.containing_service.full_name}/{name}",
                                           request_type.SerializeToString, response_type.FromString)
        return stub(iter(requests) if method.client_streaming else requests[0], timeout=PATIENCE, metadata=self.metadata)

    def import_points(self, name="points"):
        """64 examples [1, 8, 8] of bytes in four classes, the same in "train" and "test"; returns the dataset."""
        count = 64
        examples = bytes(64 * (i % 4) for i in range(count) for _ in range(64))
        (self.root / "x.idx").write_bytes(struct.pack(">4B4I", 0, 0, 8, 4, count, 1, 8, 8) + examples)
        (self.root / "y.idx").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, count) + bytes(i % 4 for i in range(count)))
        splits = [{"name": split, "examples": {"path": "x.idx"}, "labels": {"path": "y.idx"}}
                  for split in ("train", "test")]
        self.wait(self.call("ImportDataset", dataset_id=name, splits=splits))
        return self.call("GetDataset", name=f"datasets/{name}")

    def wait(self, operation):
        """The operation when it is done; fails when that was not well."""
        done = self.call("WaitOperation", name=operation.name)
        if not done.done or done.HasField("error"):
            raise RuntimeError(f"{done}")
        return done

    def until(self, condition):
        """Waits for what becomes true by itself."""
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise RuntimeError("it did not come true")
            time.sleep(0.02)

    def train(self, job_id, **changes):
        """A job of dense_job on "points" that has ended; fails when that was not well."""
        job = self.call("CreateJob", spec=dense_job(**changes), job_id=job_id)
        self.call("WatchJob", name=job.name)
        job = self.call("GetJob", name=job.name)
        if job.state != job_pb2.JOB_STATE_SUCCEEDED:
            raise RuntimeError(f"{job.name}: {job.error}")
        return job

    def upload_model(self, model_id):
        """A model of one tensor, as "models/{model_id}"."""
        return self.send("UploadModel", "model_id", model_id, safetensors({"fc.weight": [4, 64]}))

    def upload_file(self, upload_id):
        return self.send("UploadDataset", "upload_id", upload_id, b"some bytes")

    def send(self, method, id_field, new_id, data):
        """The answer of a method that takes a file: its header, then its bytes in chunks."""
        request = messages(methods()[method])[0]
        chunks = [request(chunk=data[at:at + CHUNK]) for at in range(0, len(data), CHUNK)]
        return self.call(method, request(header=header_of(id_field, new_id, data)), *chunks)


def header_of(id_field, new_id, data):
    return {id_field: new_id, "size_bytes": len(data), "crc32": f"{zlib.crc32(data):08x}"}


def dense_job(**changes):
    """The spec of a small job on "points", with fields replaced."""
    spec = text_format.Parse("""
        network { layers { name: "flat" flatten {} } layers { name: "fc" dense { units: 4 } } }
        data { dataset: "points" preprocessing { scale {} } }
        steps: 4 batch_size: 16 threads: 1 checkpoint { every_steps: 2 }
        """, job_pb2.JobSpec())
    spec.MergeFrom(job_pb2.JobSpec(**changes))
    return spec


def safetensors(shapes):
    """A safetensors file of float32 zeros."""
    header, at = [], 0
    for name, shape in shapes.items():
        size = 4
        for extent in shape:
            size *= extent
        header.append(f'"{name}":{{"dtype":"F32","shape":{shape},"data_offsets":[{at},{at + size}]}}')
        at += size
    text = ("{" + ",".join(header) + "}").encode()
    return struct.pack("<Q", len(text)) + text + bytes(at)


def error_of(call, /, *arguments, **fields):
    """The grpc.RpcError of a call, or None when it went well."""
    try:
        call(*arguments, **fields)
    except grpc.RpcError as error:
        return error
    return None


def details(error):
    """The messages in an error's details, by their names: {"google.rpc.BadRequest": BadRequest}."""
    found = {}
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                name = detail.type_url.removeprefix("type.googleapis.com/")
                message = getattr(error_details_pb2, name.removeprefix("google.rpc."))()
                message.ParseFromString(detail.value)
                found[name] = message
    return found


def violations(error):
    """The paths of the fields that a request was refused for."""
    bad = details(error).get("google.rpc.BadRequest")
    return [violation.field for violation in bad.field_violations] if bad else []


def resource(error):
    """(type, name) of the resource that an error is about, or None."""
    info = details(error).get("google.rpc.ResourceInfo")
    return (info.resource_type, info.resource_name) if info else None
