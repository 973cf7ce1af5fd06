"""Bytes on their way to the server: those of an array, or of a file."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zlib
from typing import Any, BinaryIO, Iterator, Sequence, Union

import numpy as np

from traind import _settings, errors

CHUNK = 256 << 10  # Of the 1 MiB that the API allows: smooth progress, little overhead.


class Source:
    """Bytes on their way out: those of an array, or of a file."""

    def __init__(self, name: str, pieces: Sequence[Union[bytes, "memoryview", BinaryIO]]) -> None:
        self.name = name
        self._pieces = pieces
        self._sizes = [_size_of(piece) for piece in pieces]
        self.size = sum(self._sizes)
        crc = 0
        for chunk in self.chunks(0):
            crc = zlib.crc32(chunk, crc)
        self.crc32 = f"{crc:08x}"

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def close(self) -> None:
        for piece in self._pieces:
            if not isinstance(piece, (bytes, memoryview)):
                piece.close()

    def chunks(self, offset: int) -> Iterator[bytes]:
        """From `offset` on."""
        for piece, size in zip(self._pieces, self._sizes):
            at, offset = min(offset, size), max(offset - size, 0)
            while at < size:
                end = min(at + CHUNK, size)
                yield _read(piece, at, end)
                at = end


def _size_of(piece: Any) -> int:
    return os.fstat(piece.fileno()).st_size if hasattr(piece, "fileno") else len(piece)


def _read(piece: Any, begin: int, end: int) -> bytes:
    if not hasattr(piece, "fileno"):
        return bytes(piece[begin:end])
    data = os.pread(piece.fileno(), end - begin, begin) if hasattr(os, "pread") else _seek_and_read(piece, begin, end)
    if len(data) != end - begin:
        raise errors.TraindError("the file became shorter while it was sent")
    return data


def _seek_and_read(file: BinaryIO, begin: int, end: int) -> bytes:
    file.seek(begin)
    return file.read(end - begin)


def array_source(name: str, array: Any) -> Source:
    """An array as an NPY file."""
    array = np.ascontiguousarray(array)
    with tempfile.SpooledTemporaryFile() as header:
        np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
        header.seek(0)
        head = header.read()
    return Source(name, [head, memoryview(array.reshape(-1).view(np.uint8)) if array.size else b""])


def file_source(path: Union[str, "os.PathLike[str]"]) -> Source:
    return Source(os.fspath(path), [open(path, "rb")])


def upload_id(source: Source, settings: _settings.Settings) -> str:
    """The same file has the same upload, so that a broken one goes on; two users have one each."""
    shown = settings.token.encode() or settings.cert or b""
    tag = f"-of-{hashlib.sha256(shown).hexdigest()[:8]}" if shown else ""
    return f"crc-{source.crc32}-size-{source.size}{tag}"


def is_path(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike))


def crc32_of(data: Union[bytes, bytearray]) -> str:
    return f"{zlib.crc32(data):08x}"
