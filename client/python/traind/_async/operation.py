"""Work that the server does while somebody waits, or nobody."""

from __future__ import annotations

from typing import Any, AsyncIterator, Optional

from traind import _core, _pool, _sources, _values, display, errors
from traind._async.connection import AsyncConnection

_SLICE = 20.0  # Seconds of one wait, so that progress is seen and a dead connection is found.
_FAST = 0.25  # Seconds of the first one.


def _metadata(operation: Any) -> Any:
    return _pool.message_class("traind.v1.OperationMetadata").FromString(operation.metadata.value)


class AsyncOperation:
    """Work that goes on without us: wait() waits for it, cancel() ends it. `proto` is as it was last seen."""

    def __init__(self, connection: AsyncConnection, proto: Any) -> None:
        self._connection = connection
        self.proto = proto

    @property
    def name(self) -> str:
        return str(self.proto.name)

    @property
    def done(self) -> bool:
        return bool(self.proto.done)

    @property
    def state(self) -> str:
        return _pool.value_name("traind.v1.OperationState", _metadata(self.proto).state)

    async def cancel(self) -> None:
        """Ends the work as soon as possible."""
        self.proto = await self._connection.call("CancelOperation", _pool.new("CancelOperationRequest", name=self.name))

    async def delete(self) -> None:
        """Forgets it, with what it holds."""
        await self._connection.once("DeleteOperation", _pool.new("DeleteOperationRequest", name=self.name))

    async def wait(self, *, progress: bool = False) -> Any:
        """The message that it makes; raises what went wrong. Goes on after a broken connection."""
        backoff = _core.Backoff(_core.STREAMS)
        bar = display.Bar(progress)
        wait = _FAST
        while not self.proto.done:
            request = _pool.new("WaitOperationRequest", name=self.name, timeout=_values.to_duration(wait))
            try:
                self.proto = await self._connection.once("WaitOperation", request, wait + self._connection.timeout)
                backoff.reset()
            except errors.ServerError as error:
                await self._connection.wait_after(error, backoff)
            wait = 1.0 if progress else _SLICE
            metadata = _metadata(self.proto)
            bar.update(
                f"{metadata.method} {metadata.target}",
                metadata.progress.done,
                metadata.progress.total,
                metadata.progress.unit,
            )
        bar.close()
        if self.proto.HasField("error"):
            raise errors.from_status(self.proto.error)
        return _pool.message_class(self.proto.response.type_url.rsplit("/", 1)[-1]).FromString(
            self.proto.response.value
        )

    def __repr__(self) -> str:
        return f"<Operation {self.name} {self.state}>"


async def read_predictions(connection: AsyncConnection, operation: str) -> AsyncIterator[Any]:
    """What a PredictSplit has made. Goes on after a broken connection."""
    backoff = _core.Backoff(_core.STREAMS)
    first = 0
    while True:
        try:
            async for part in connection.stream(
                "ReadPredictions", _pool.new("ReadPredictionsRequest", operation=operation, first=first)
            ):
                first += part.shape[0] if part.shape else 0
                backoff.reset()
                yield part
            return
        except errors.ServerError as error:
            await connection.wait_after(error, backoff)


async def download(connection: AsyncConnection, name: str, report: Optional[_core.Progress] = None) -> bytes:
    """The bytes of a checkpoint or a model, checked. Goes on after a broken connection."""
    backoff = _core.Backoff(_core.STREAMS)
    received, known = bytearray(), ""
    while True:
        try:
            size, crc32 = 0, ""
            async for part in connection.stream(
                "DownloadCheckpoint", _pool.new("DownloadCheckpointRequest", name=name, offset=len(received))
            ):
                if part.crc32:
                    size, crc32 = part.size_bytes, part.crc32
                    if known not in ("", crc32):  # "latest" is another one by now.
                        received, known = bytearray(), ""
                        break
                    known = crc32
                received += part.chunk
                backoff.reset()
                if report is not None:
                    report(name, len(received), size)
            else:
                if _sources.crc32_of(received) == known and len(received) == size:
                    return bytes(received)
                raise errors.DataLoss("DATA_LOSS", f"{name}: the bytes that came do not match their checksum {known}")
        except errors.ServerError as error:
            await connection.wait_after(error, backoff)
