#!/usr/bin/env python3
"""Makes what of the package is not written by hand: the descriptor set, the synchronous client, and the types of the
catalogue for type checkers.

    client/python/tools/generate.py OUT [DESCRIPTORS]     the whole package, in OUT/traind

Without a file of DESCRIPTORS it is compiled, by grpcio-tools or by protoc. The wheel's build and CMake call it.
"""

import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parents[1]
# In the wheel's source archive the protos lie beside the package.
PROTOS = HERE / "proto" if (HERE / "proto").is_dir() else HERE.parents[1] / "proto"
# From the words of the asynchronous client to those of the other one.
WORDS = [
    (r"\basync (def|for|with)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\bAsync(Client|Job|Dataset|Model|Operation|Sweep|Trial|Connection|Resource|Iterator)\b", r"\1"),
    (r"\b_async\b", "_sync"),
    (r"\bgrpc\.aio\.", "grpc."),
    (r"^import grpc\.aio\n", ""),
    (r"\basyncio\.sleep\b", "time.sleep"),
    (r"^import asyncio\n", ""),
    (r"\.aclose\(\)", ".close()"),
    (r"\b__aenter__\b", "__enter__"),
    (r"\b__aexit__\b", "__exit__"),
]


def synchronous(text):
    """A module of _async as one of _sync."""
    for pattern, word in WORDS:
        text = re.sub(pattern, word, text, flags=re.M)
    return text


def compile_descriptors(out):
    """The public .proto files with their comments, as a FileDescriptorSet."""
    tools = importlib.util.find_spec("grpc_tools")
    protoc = [sys.executable, "-m", "grpc_tools.protoc"] if tools else ["protoc"]
    if tools:
        protoc.append(f"-I{pathlib.Path(tools.origin).parent / '_proto'}")
    files = sorted(str(file) for file in PROTOS.rglob("*.proto") if "internal" not in file.parts)
    subprocess.run(
        [*protoc, f"-I{PROTOS}", "--include_imports", "--include_source_info", f"--descriptor_set_out={out}", *files],
        check=True,
    )


def public(data):
    """A descriptor set without the server's own messages."""
    from google.protobuf import descriptor_pb2

    files = descriptor_pb2.FileDescriptorSet.FromString(data)
    kept = [file for file in files.file if "/internal/" not in file.name]
    return descriptor_pb2.FileDescriptorSet(file=kept).SerializeToString()


def generate(out, descriptors=None):
    """Writes the package to out/traind."""
    package = pathlib.Path(out) / "traind"
    shutil.rmtree(package, ignore_errors=True)  # With what has another name by now.
    shutil.copytree(
        HERE / "traind", package, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "descriptors.pb")
    )
    with tempfile.TemporaryDirectory() as folder:
        if descriptors is None:
            descriptors = pathlib.Path(folder) / "descriptors.pb"
            compile_descriptors(descriptors)
        (package / "descriptors.pb").write_bytes(public(pathlib.Path(descriptors).read_bytes()))
    (package / "_sync").mkdir(exist_ok=True)
    for module in (HERE / "traind/_async").glob("*.py"):
        (package / "_sync" / module.name).write_text(synchronous(module.read_text()))
    # In a process of its own: it imports the package. What stands on the path already is what a builder installed for it.
    path = os.pathsep.join(filter(None, [str(out), os.environ.get("PYTHONPATH")]))
    subprocess.run([sys.executable, "-B", HERE / "tools/stubs.py", package], check=True, env={**os.environ, "PYTHONPATH": path})


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    generate(*sys.argv[1:])
