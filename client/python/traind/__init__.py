"""The Python client of traind, a server that trains neural networks and shows what happens inside them.

import traind
    client = traind.Client()
    network = traind.Sequential([traind.Conv2d(32, 3, activation="relu"), traind.MaxPool(2), traind.Dense(10)])
    job = client.train(network, "fashion-mnist", epochs=5, optimizer=traind.Adam(), preprocessing="scale")
    job.wait()
    job.predict(images).classes

A network is made of traind.layers, traind.activations and the like, or is one of traind.presets; help(traind.Conv2d)
says what each of them takes. AsyncClient is the same over asyncio.
"""

from __future__ import annotations

import pkgutil as _pkgutil
import sys as _sys
import types as _types
from typing import Any as _Any
from typing import List as _List

try:
    import google.protobuf as _protobuf  # noqa: F401
    import grpc as _grpc  # noqa: F401
    import numpy as _numpy  # noqa: F401
except ImportError as _error:
    raise ImportError(
        f"traind needs grpcio, protobuf and numpy, and {_sys.executable} has not all of them ({_error}): pip install "
        "them, or use Debian's /usr/bin/python3 with python3-grpcio, python3-protobuf and python3-numpy"
    ) from None

__path__ = _pkgutil.extend_path(__path__, __name__)  # Generated stubs, traind.v1.job_pb2, may stand elsewhere.

from traind import _catalog, errors, events  # noqa: E402
from traind._async.client import AsyncClient  # noqa: E402
from traind._async.dataset import AsyncDataset, AsyncModel  # noqa: E402
from traind._async.job import AsyncJob  # noqa: E402
from traind._async.operation import AsyncOperation  # noqa: E402
from traind._async.sweep import AsyncSweep, AsyncTrial  # noqa: E402
from traind._catalog import Network  # noqa: E402
from traind._core import Checkpoint, Prediction, Score, Use, User  # noqa: E402
from traind._part import Part  # noqa: E402
from traind._search import integer, log_uniform, uniform  # noqa: E402
from traind._sync.client import Client  # noqa: E402
from traind._sync.dataset import Dataset, Model  # noqa: E402
from traind._sync.job import Job  # noqa: E402
from traind._sync.operation import Operation  # noqa: E402
from traind._sync.sweep import Sweep, Trial  # noqa: E402
from traind._tables import Description, Table  # noqa: E402
from traind.errors import (  # noqa: E402
    AlreadyExists,
    InvalidSpec,
    JobCancelled,
    JobFailed,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
    ServerError,
    TraindError,
    Unauthenticated,
    Unavailable,
)

__version__ = "0.3.0"
Sequential = Network


def _space(name: str, members: _Any) -> _types.ModuleType:
    module = _types.ModuleType(f"traind.{name}", f"All {name.replace('_', ' ')} that a job can be made of.")
    module.__dict__.update(members, __all__=list(members))
    _sys.modules[module.__name__] = module
    return module


globals().update(_catalog.CLASSES)
globals().update({name: _space(name, members) for name, members in _catalog.SPACES.items()})
_SPACES: _List[str] = list(_catalog.SPACES)
_LAZY = {"Classifier": "traind.estimators", "Regressor": "traind.estimators"}


def __getattr__(name: str) -> _Any:
    """What needs other packages is imported when it is used."""
    import importlib

    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    if name in ("testing", "estimators", "mlflow"):
        return importlib.import_module(f"traind.{name}")
    from traind import _values

    raise AttributeError(f"traind: {_values.known('part of it', name, __dir__())}")


__all__ = [
    "AlreadyExists",
    "AsyncClient",
    "AsyncDataset",
    "AsyncJob",
    "AsyncModel",
    "AsyncOperation",
    "AsyncSweep",
    "AsyncTrial",
    "Checkpoint",
    "Client",
    "Dataset",
    "Description",
    "InvalidSpec",
    "Job",
    "JobCancelled",
    "JobFailed",
    "Model",
    "Network",
    "NotFound",
    "Operation",
    "Part",
    "PermissionDenied",
    "Prediction",
    "QuotaExceeded",
    "Score",
    "Sequential",
    "ServerError",
    "Sweep",
    "Table",
    "TraindError",
    "Trial",
    "Unauthenticated",
    "Unavailable",
    "Use",
    "User",
    "errors",
    "events",
    "integer",
    "log_uniform",
    "uniform",
    *_SPACES,
    *_catalog.CLASSES,
]


def __dir__() -> _List[str]:
    return sorted([*__all__, *_LAZY, "mlflow", "testing"])
