"""The messages that travel beside an error: traind.rpc.Status, traind.rpc.BadRequest."""

import pkgutil as _pkgutil

from traind import _pool

__path__ = _pkgutil.extend_path(__path__, __name__)
globals().update(_pool.top_level("traind.rpc"))
