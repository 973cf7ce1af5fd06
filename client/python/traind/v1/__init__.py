"""The messages of the API as they travel, by name, and the values of its enums: traind.v1.Job,
traind.v1.JOB_STATE_QUEUED.

Made of the packaged descriptor set. Modules that protoc has generated (traind.v1.job_pb2) may stand beside this one.
"""

import pkgutil as _pkgutil

from traind import _pool

__path__ = _pkgutil.extend_path(__path__, __name__)
globals().update(_pool.top_level("traind.v1"))
