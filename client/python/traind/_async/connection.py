"""Calls and streams over one channel: deadlines, credentials, retries, errors as exceptions."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, AsyncIterator, Callable, Iterator, List, Optional, Tuple

import grpc
import grpc.aio

from traind import _core, _pool, _settings, errors

_log = logging.getLogger("traind")


def _channel(settings: _settings.Settings) -> Any:
    options = list(_core.CHANNEL_OPTIONS)
    if _settings.is_loopback(settings.server):
        options.append(("grpc.enable_http_proxy", 0))  # A proxy leads to other machines, never to this one.
    if not settings.tls:
        return grpc.aio.insecure_channel(settings.server, options=options)
    credentials = grpc.ssl_channel_credentials(settings.ca, settings.key, settings.cert)
    return grpc.aio.secure_channel(settings.server, credentials, options=options)


class AsyncConnection:
    """A channel to a server. on_retry, if given, is told of every retry: the failure, and the seconds of the wait.
    Otherwise the first longer wait is a warning of the logger "traind".
    """

    def __init__(
        self,
        settings: _settings.Settings,
        *,
        timeout: float = 30.0,
        long_timeout: float = 900.0,
        on_retry: Optional[Callable[[errors.ServerError, float], None]] = None,
    ) -> None:
        self.settings = settings
        self.timeout, self.long_timeout = timeout, long_timeout
        self._on_retry = on_retry
        self._channel = _channel(settings)
        self._metadata: Tuple[Tuple[str, str], ...] = ()
        if settings.token:
            self._metadata = (("authorization", f"Bearer {settings.token}"),)

    async def close(self) -> None:
        await self._channel.close()

    def _stub(self, name: str) -> Any:
        method = _pool.METHODS[name]
        kind = f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}"
        return getattr(self._channel, kind)(
            method.path,
            request_serializer=_pool.message_class(method.request).SerializeToString,
            response_deserializer=_pool.message_class(method.response).FromString,
        )

    async def once(self, name: str, request: Any, timeout: Optional[float] = None) -> Any:
        """One call, made once."""
        try:
            return await self._stub(name)(
                request, timeout=self.timeout if timeout is None else timeout, metadata=self._metadata
            )
        except grpc.RpcError as error:
            raise errors.from_rpc(error) from None

    async def call(self, name: str, request: Any, timeout: Optional[float] = None) -> Any:
        """One call that is safe to repeat, within its timeout."""
        end = time.monotonic() + (self.timeout if timeout is None else timeout)
        backoff = _core.Backoff(_core.CALLS)
        while True:
            try:
                return await self.once(name, request, max(end - time.monotonic(), 0.001))
            except errors.ServerError as error:
                delay = backoff.after(error) if errors.is_retryable(error) else None
                if delay is None or time.monotonic() + delay >= end:
                    raise
                await self._pause(error, delay, backoff)

    async def stream(self, name: str, request: Any) -> AsyncIterator[Any]:
        """The responses of one stream."""
        call = self._stub(name)(request, metadata=self._metadata)
        try:
            async for response in call:
                yield response
        except grpc.RpcError as error:
            raise errors.from_rpc(error) from None
        finally:
            call.cancel()

    async def send(self, name: str, requests: Iterator[Any]) -> Any:
        """The answer to a stream of requests."""
        try:
            return await self._stub(name)(requests, metadata=self._metadata)
        except grpc.RpcError as error:
            raise errors.from_rpc(error) from None

    async def wait_after(self, error: errors.ServerError, backoff: _core.Backoff) -> None:
        """Waits before another try of what broke; raises the error when there is to be none."""
        delay = backoff.after(error) if _core.is_broken(error) else None
        if delay is None:
            raise error
        await self._pause(error, delay, backoff)

    async def _pause(self, error: errors.ServerError, delay: float, backoff: _core.Backoff) -> None:
        if self._on_retry is not None:
            self._on_retry(error, delay)
        elif delay >= _core.NOTABLE and not backoff.told:
            backoff.told = True
            _log.warning("%s: %s; trying again", self.settings.server, error)
        await asyncio.sleep(delay)

    async def pages(self, name: str, items: str, limit: Optional[int], fields: Any) -> AsyncIterator[Any]:
        """Everything that a List method lists, page by page."""
        request = _pool.message_class(_pool.METHODS[name].request)(**fields)
        left = limit
        while left is None or left > 0:
            request.page_size = _core.LARGEST_PAGE if left is None else min(left, _core.LARGEST_PAGE)
            page = await self.call(name, request)
            found: List[Any] = list(getattr(page, items))
            for item in found if left is None else found[:left]:
                yield item
            left = None if left is None else left - len(found)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def healthy(self) -> bool:
        """Whether the server takes work. Needs no token."""
        check = self._channel.unary_unary(
            "/grpc.health.v1.Health/Check", request_serializer=bytes, response_deserializer=bytes
        )
        try:
            return bool(await check(b"", timeout=self.timeout) == b"\x08\x01")
        except grpc.RpcError:
            return False
