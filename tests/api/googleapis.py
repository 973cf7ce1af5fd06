"""The packages that a Python program reads rich errors with: PyPI's googleapis-common-protos and grpcio-status.

With TRAIND_PYPI=1 they must be installed. Otherwise, on Debian, which does not have them, `provide` makes what the tests
need of them: modules of .proto files with the names and messages of the public ones, and from_call with its checks.
"""
import os

import service

PROTOS = {
    "status": """
        import "google/protobuf/any.proto";
        message Status { int32 code = 1; string message = 2; repeated google.protobuf.Any details = 3; }
        """,
    "error_details": """
        message BadRequest {
          message FieldViolation { string field = 1; string description = 2; }
          repeated FieldViolation field_violations = 1;
        }
        message ResourceInfo {
          string resource_type = 1; string resource_name = 2; string owner = 3; string description = 4;
        }
        """,
}
FROM_CALL = '''
from google.rpc import status_pb2

def from_call(call):
    for key, value in call.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status = status_pb2.Status.FromString(value)
            if call.code().value[0] != status.code:
                raise ValueError("Code in Status proto doesn't match status code")
            if call.details() != status.message:
                raise ValueError("Message in Status proto doesn't match status details")
            return status
    return None
'''


def provide():
    """Makes google.rpc and grpc_status importable; the folder of the stand-ins, or None."""
    if os.environ.get("TRAIND_PYPI"):
        return None
    protos = service.temporary_folder()
    (protos / "google/rpc").mkdir(parents=True)
    for name, text in PROTOS.items():
        (protos / f"google/rpc/{name}.proto").write_text('syntax = "proto3"; package google.rpc;' + text)
    folder = service.make_stubs(protos)
    (folder / "grpc_status").mkdir()
    (folder / "grpc_status/rpc_status.py").write_text(FROM_CALL)
    import google
    google.__path__.append(str(folder / "google"))  # Debian's google is a namespace that was read already.
    return folder


FOLDER = provide()
PATH = os.pathsep.join(filter(None, [str(service.STUBS), FOLDER and str(FOLDER)]))
