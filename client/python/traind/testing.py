"""A server of one's own for tests and lessons, on a free port, with a data folder that goes with it."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import tempfile
import time
from typing import Any, Optional, Union

from traind import errors
from traind._sync.client import Client


class Server:
    """`with traind.testing.Server() as client:` starts traind, gives a client of it, and ends it.

    Parameters
    ----------
    program : path
        Of traind; otherwise that of TRAIND_BIN (a folder), or the one on the PATH.
    data_dir, dataset_root : path
        Where it keeps its data and may read files; otherwise temporary folders.
    flags
        Further options of traind.
    """

    def __init__(
        self,
        *flags: str,
        program: Union[None, str, "os.PathLike[str]"] = None,
        data_dir: Union[None, str, "os.PathLike[str]"] = None,
        dataset_root: Union[None, str, "os.PathLike[str]"] = None,
        patience: float = 60.0,
    ) -> None:
        self._flags, self._patience = flags, patience
        self._program = _find(program)
        self._folder: Optional[pathlib.Path] = None
        self._process: Any = None
        self._client: Optional[Client] = None
        self.data_dir = pathlib.Path(data_dir) if data_dir else None
        self.dataset_root = pathlib.Path(dataset_root) if dataset_root else None
        self.address = ""

    def start(self) -> "Server":
        """Starts it, and waits until it takes work. TraindError, with its log, when it does not."""
        if self._folder is None:
            self._folder = pathlib.Path(tempfile.mkdtemp(prefix="traind-"))
        self.data_dir = self.data_dir or self._folder / "data"
        self.dataset_root = self.dataset_root or self._folder / "root"
        self.dataset_root.mkdir(parents=True, exist_ok=True)
        port = self._folder / "port"
        if port.exists():
            port.unlink()
        command = [
            self._program,
            "--listen",
            self.address or "127.0.0.1:0",
            "--port-file",
            str(port),
            "--data-dir",
            str(self.data_dir),
            "--dataset-root",
            str(self.dataset_root),
            *self._flags,
        ]
        with open(self._folder / "log", "ab") as log:
            # In a group of its own: Ctrl-C is for the lesson, not for the server.
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + self._patience
        while not (port.exists() and port.read_text().strip()):
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise errors.TraindError("traind did not start:\n" + self.log())
            time.sleep(0.01)
        self.address = f"127.0.0.1:{port.read_text().strip()}"
        return self

    def client(self, **options: Any) -> Client:
        """A new client of it."""
        return Client(self.address, **options)

    def log(self) -> str:
        """What it has said so far."""
        if self._folder is None:
            return ""
        return (self._folder / "log").read_text(errors="replace")

    def kill(self) -> None:
        """Ends it as a power cut does; start() starts it again, on the same port and with the same data."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Ends it well, and removes its temporary folders."""
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(self._patience)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __enter__(self) -> Client:
        self.start()
        self._client = self.client()
        return self._client

    def __exit__(self, *exception: Any) -> None:
        self.stop()


def _find(program: Union[None, str, "os.PathLike[str]"]) -> str:
    folder = os.environ.get("TRAIND_BIN")
    candidates = [program, folder and os.path.join(folder, "traind"), shutil.which("traind")]
    for candidate in candidates:
        if candidate:
            return os.fspath(candidate)
    raise errors.TraindError("there is no traind on the PATH: give program=, or TRAIND_BIN, the folder where it is")
