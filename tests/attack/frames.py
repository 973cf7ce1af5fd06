"""HTTP/2 as an attacker writes it: frames by hand, on a socket or on TLS, with nothing that would keep to the rules."""
import functools
import select
import socket
import ssl
import struct
import threading
import time

PATIENCE = 60  # Seconds.
WAITING = BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 6, 7, 9
ACK, END_STREAM, END_HEADERS = 1, 1, 4


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def number(value, prefix, first=0):
    """An integer of HPACK in `prefix` bits, the bits before them being `first`."""
    most = (1 << prefix) - 1
    if value < most:
        return bytes([first | value])
    out, value = [first | most], value - most
    while value >= 128:
        out.append(value % 128 | 128)
        value //= 128
    return bytes([*out, value])


def text(value):
    return number(len(value), 7) + value


def literal(name, value, indexed=False):
    """A header in full; `indexed`: the receiver keeps it, as number 62."""
    return (b"\x40" if indexed else b"\x00") + text(name) + text(value)


def call_headers(path=b"/traind.v1.TrainingService/ListJobs", *more):
    fields = ((b":method", b"POST"), (b":scheme", b"https"), (b":path", path), (b":authority", b"localhost"),
              (b"content-type", b"application/grpc"), (b"te", b"trailers"))
    return b"".join(literal(*field) for field in (*fields, *more))


@functools.cache
def trusting(ca):
    context = ssl.create_default_context(cafile=ca)
    context.set_alpn_protocols(["h2"])
    return context


class Attacker:
    """One connection. What it gets is read and counted by its kind of frame in a thread of its own; one of both threads
    is in OpenSSL at a time, which a connection of TLS does not bear otherwise."""

    def __init__(self, address, ca=None, source="127.0.0.2"):
        raw = socket.create_connection(address, timeout=PATIENCE, source_address=(source, 0))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = raw
        if ca:
            try:
                self.socket = trusting(ca).wrap_socket(raw, server_hostname="localhost")
            except OSError:
                raw.close()
                raise
        self.socket.setblocking(False)
        self.lock = threading.Lock()
        self.frames = {}
        self.closed = threading.Event()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def begin(self):
        return self.send(PREFACE + frame(SETTINGS))

    def send(self, data):
        """False: the other side does not take any more."""
        left, end = memoryview(data), time.monotonic() + PATIENCE
        try:
            while left and time.monotonic() < end:
                try:
                    with self.lock:
                        sent = self.socket.send(left)
                    left = left[sent:]
                except WAITING:
                    select.select([], [self.socket], [], end - time.monotonic())
        except (OSError, ValueError):  # Closed.
            return False
        return not left

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.reader.join()  # Or it would read from the next one, under the same number.
        self.socket.close()

    def _read(self):
        data = b""
        try:
            while more := self._receive():
                data += more
                while len(data) >= 9 and len(data) >= (size := 9 + int.from_bytes(data[:3], "big")):
                    self.frames[data[3]] = self.frames.get(data[3], 0) + 1
                    data = data[size:]
        except (OSError, ValueError):
            pass
        self.closed.set()

    def _receive(self):
        while True:
            try:
                with self.lock:
                    return self.socket.recv(1 << 16)
            except WAITING:
                select.select([self.socket], [], [], PATIENCE)
