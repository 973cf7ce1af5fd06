#!/usr/bin/python3
"""A real traind with TLS and a user, behind HAProxy with deploy/haproxy.cfg and on its bare port, under floods of frames,
headers, handshakes and connections. While each lasts and after it the API works, and behind HAProxy traind's memory grows
by 64 MiB at most. The bare port has to go on serving. Prints what was measured."""
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "api"))

import service  # noqa: E402
from frames import (CONTINUATION, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, Attacker,  # noqa: E402
                    call_headers, frame, literal)

grpc = service.grpc
MIB = 1 << 20
MOST_GROWTH = 64  # MiB
PATIENCE = 60.0  # Seconds, of one call in the midst of an attack.
# What the tests shorten in deploy/haproxy.cfg.
PROXY_PATIENCE = 3


def wait_until(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {PATIENCE} s")
        time.sleep(0.02)


class Traind:
    """With TLS and one administrator."""

    def __init__(self, *flags):
        self.folder = service.temporary_folder()
        self.certs = self.folder / "certs"
        self.data = self.folder / "data"
        subprocess.run([service.PROGRAMS / "traind", "dev-cert", self.certs], check=True, capture_output=True)
        self.token = subprocess.run(
            [service.PROGRAMS / "traind", "token", "create", "ada", "--role", "admin", "--data-dir", self.data],
            check=True, capture_output=True, text=True).stdout.strip()
        port_file = self.folder / "port"
        self.log = self.folder / "traind.log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [service.PROGRAMS / "traind", "--listen", "127.0.0.1:0", "--port-file", port_file, "--data-dir", self.data,
                 "--tls-cert", self.certs / "server.pem", "--tls-key", self.certs / "server-key.pem",
                 "--audit-log", self.folder / "audit.log", *flags],
                stdout=log, stderr=log)
        wait_until(lambda: port_file.exists() and port_file.read_text().strip() or self.process.poll() is not None,
                   "traind starts")
        if self.process.poll() is not None:
            raise RuntimeError(self.log.read_text())
        self.port = int(port_file.read_text())

    def memory(self, name="VmRSS"):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) / 1024
        raise AssertionError("traind has ended:\n" + self.log.read_text()[-4000:])

    def forget_peak(self):
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def channel(self, port):
        secure = grpc.ssl_channel_credentials((self.certs / "ca.pem").read_bytes())
        return grpc.secure_channel(f"localhost:{port}", grpc.composite_channel_credentials(
            secure, grpc.access_token_call_credentials(self.token)), [("grpc.use_local_subchannel_pool", 1)])

    def end(self):
        self.process.kill()
        self.process.wait()


class Proxy:
    """HAProxy in front of it, as deploy/haproxy.cfg has it."""

    def __init__(self, traind):
        both = traind.folder / "proxy.pem"
        both.write_bytes((traind.certs / "server.pem").read_bytes() + (traind.certs / "server-key.pem").read_bytes())
        listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = listening.getsockname()[1]
        self.log = traind.folder / "haproxy.log"
        environment = {**os.environ, "TRAIND_PROXY_LISTEN": f"fd@{listening.fileno()}", "TRAIND_PROXY_CERT": str(both),
                       "TRAIND_BACKEND": f"127.0.0.1:{traind.port}", "TRAIND_BACKEND_CA": str(traind.certs / "ca.pem"),
                       "TRAIND_PROXY_PATIENCE": f"{PROXY_PATIENCE}s"}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(["/usr/sbin/haproxy", "-db", "-f", HERE.parents[1] / "deploy/haproxy.cfg"],
                                            env=environment, pass_fds=[listening.fileno()], stdout=log, stderr=log)
        listening.close()

    def end(self):
        self.process.kill()
        self.process.wait()


class Bystander:
    """Somebody who uses the API all the while."""

    def __init__(self, traind, port):
        self.channel = traind.channel(port)
        self.calls, self.slowest, self.errors = 0, 0.0, []
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.list_jobs = self.channel.unary_unary("/traind.v1.TrainingService/ListJobs")
        self.list_jobs(b"", timeout=PATIENCE, wait_for_ready=True)
        self.thread.start()

    def run(self):
        while not self.ending.is_set():
            begin = time.monotonic()
            try:
                self.list_jobs(b"", timeout=PATIENCE)
                self.calls += 1
            except grpc.RpcError as error:
                self.errors.append(error)
            self.slowest = max(self.slowest, time.monotonic() - begin)
            self.ending.wait(0.05)

    def end(self):
        wait_until(lambda: self.calls > 0 or self.errors, "a call of the bystander")
        self.ending.set()
        self.thread.join()
        self.channel.close()


def rapid_reset(connect, streams=20_000):
    """Opens each stream and resets it at once."""
    attacker = connect()
    attacker.begin()
    headers = call_headers()
    for first in range(1, 2 * streams, 400):
        if not attacker.send(b"".join(frame(HEADERS, END_HEADERS, stream, headers) +
                                      frame(RST_STREAM, 0, stream, b"\0\0\0\x08")
                                      for stream in range(first, min(first + 400, 2 * streams), 2))):
            break
    # What it was still to see is behind what it has sent: an answer to this, or the end.
    attacker.send(frame(PING, 0, 0, b"the last"))
    wait_until(lambda: PING in attacker.frames or attacker.closed.is_set(), "an answer to the last frame")
    attacker.close()


def header_floods(connect):
    """A header that does not end; one of a megabyte; a small one that stands for 64 MB."""
    for kind in ("endless", "large", "bomb"):
        attacker = connect()
        attacker.begin()
        if kind == "endless":
            attacker.send(frame(HEADERS, 0, 1, call_headers()))
            for _ in range(500):
                if not attacker.send(frame(CONTINUATION, 0, 1, literal(b"x-a", b"b" * 50) * 80) * 10):
                    break
        if kind == "large":
            block = call_headers() + literal(b"x-large", b"l" * MIB)
            pieces = [block[at:at + 16384] for at in range(0, len(block), 16384)]
            attacker.send(frame(HEADERS, 0, 1, pieces[0]) + b"".join(
                frame(CONTINUATION, END_HEADERS if i == len(pieces) - 2 else 0, 1, piece)
                for i, piece in enumerate(pieces[1:])))
        if kind == "bomb":
            attacker.send(frame(HEADERS, END_HEADERS | END_STREAM, 1,
                                call_headers() + literal(b"x-bomb", b"b" * 3900, indexed=True)))
            for stream in range(3, 43, 2):
                if not attacker.send(frame(HEADERS, END_HEADERS | END_STREAM, stream,
                                           call_headers() + b"\xbe" * 16_000)):
                    break
        attacker.send(frame(PING, 0, 0, b"the last"))
        attacker.closed.wait(1)
        attacker.close()


def frame_floods(connect, frames=100_000):
    """SETTINGS and PING, which want an answer each, and frames of a kind that nobody knows."""
    for flood in (frame(SETTINGS), frame(PING, 0, 0, b"12345678"), frame(29)):
        attacker = connect()
        attacker.begin()
        for _ in range(frames // 1000):
            if not attacker.send(flood * 1000):
                break
        attacker.closed.wait(1)
        attacker.close()


def connection_flood(connect, connections=300):
    """Connections as fast as they come, each with a call begun. Those beyond the limits are not let in."""
    attackers, refused = [], 0
    for _ in range(connections):
        try:
            attackers.append(connect())
        except OSError:
            refused += 1
            continue
        attackers[-1].send(PREFACE + frame(SETTINGS) + frame(HEADERS, END_HEADERS, 1, call_headers()))
    for attacker in attackers:
        attacker.close()
    if refused == 0:
        raise AssertionError("HAProxy has let in every connection")


class AttackTest(unittest.TestCase):
    attacks = 0

    @classmethod
    def setUpClass(cls):
        """One traind behind HAProxy, and one whose port is bare: what its attacks leave must not hide behind the other's."""
        cls.behind, cls.bare = Traind("--trusted-proxy", "127.0.0.1"), Traind()
        cls.addClassCleanup(cls.behind.end)
        cls.addClassCleanup(cls.bare.end)
        cls.proxy = Proxy(cls.behind)
        cls.addClassCleanup(cls.proxy.end)

    def through_proxy(self, attack, name):
        self.under(attack, name + ", HAProxy", self.behind, self.proxy.port, MOST_GROWTH)

    def through_bare_port(self, attack, name):
        self.under(attack, name + ", bare port", self.bare, self.bare.port, None)

    def under(self, attack, name, traind, port, most_growth):
        """The API has to go on under an attack and after it; `most_growth` of memory in MiB, None: measured only."""
        AttackTest.attacks += 1
        source = f"127.0.1.{AttackTest.attacks}"  # Of each attack its own, since HAProxy remembers it.
        bystander = Bystander(traind, port)
        before = traind.memory()
        traind.forget_peak()
        begin = time.monotonic()
        try:
            attack(lambda: Attacker(("127.0.0.1", port), traind.certs / "ca.pem", source))
        finally:
            bystander.end()
        peak = traind.memory("VmHWM") - before
        print(f"\n{name}: {time.monotonic() - begin:.1f} s, memory {before:.0f} MiB, {peak:+.0f} at the peak, "
              f"{traind.memory() - before:+.0f} after; {bystander.calls} calls beside it, the slowest "
              f"{bystander.slowest:.2f} s", file=sys.stderr)
        self.assertEqual(bystander.errors, [])
        after = Bystander(traind, port)  # By a new connection.
        after.end()
        self.assertEqual(after.errors, [])
        if most_growth is not None:
            self.assertLessEqual(peak, most_growth)

    def test_rapid_reset(self):
        self.through_proxy(rapid_reset, "rapid reset of 20,000 streams")

    def test_rapid_reset_of_the_bare_port(self):
        self.through_bare_port(rapid_reset, "rapid reset of 20,000 streams")

    def test_header_floods(self):
        self.through_proxy(header_floods, "header floods")
        self.through_bare_port(header_floods, "header floods")

    def test_frame_floods(self):
        self.through_proxy(frame_floods, "SETTINGS and PING floods")
        self.through_bare_port(frame_floods, "SETTINGS and PING floods")

    def test_connection_flood(self):
        self.through_proxy(connection_flood, "300 connections")

    def test_handshakes_that_never_end(self):
        """Nothing is sent, or the beginning of a handshake: the other side closes the connections."""
        for traind, port in ((self.behind, self.proxy.port), (self.bare, self.bare.port)):
            waiting = [Attacker(("127.0.0.1", port)) for _ in range(100)]
            for attacker in waiting[::2]:
                attacker.send(b"\x16\x03\x01\x02\x00\x01")
            bystander = Bystander(traind, port)
            for attacker in waiting:
                self.assertTrue(attacker.closed.wait(PATIENCE))
                attacker.close()
            bystander.end()
            self.assertEqual(bystander.errors, [])

    def test_the_audit_log_has_the_client_behind_the_proxy(self):
        """Whatever the client itself says about its address."""
        for traind, port, address in ((self.behind, self.proxy.port, "127.0.0.1"), (self.bare, self.bare.port, None)):
            channel = traind.channel(port)
            delete = channel.unary_unary("/traind.v1.TrainingService/DeleteJob")
            with self.assertRaises(grpc.RpcError) as refused:
                delete(b"\x0a\x09jobs/none", timeout=PATIENCE, metadata=[("x-forwarded-for", "192.0.2.1")])
            self.assertEqual(refused.exception.code(), grpc.StatusCode.NOT_FOUND)
            line = json.loads((traind.folder / "audit.log").read_text().splitlines()[-1])
            self.assertEqual((line["resource"], line.get("forwarded_for")), ("jobs/none", address))
            channel.close()

    def test_a_watch_outlasts_the_silence(self):
        """HAProxy's patience is for clients that have to do something, not for those who wait for news."""
        channel = self.behind.channel(self.proxy.port)
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch")
        news = watch(b"", timeout=PATIENCE)
        self.assertEqual(next(news), b"\x08\x01")  # SERVING, and then nothing, for as long as that stays so.
        time.sleep(2 * PROXY_PATIENCE)
        self.assertTrue(news.is_active())
        news.cancel()
        channel.close()


if __name__ == "__main__":
    unittest.main()
