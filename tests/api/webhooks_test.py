#!/usr/bin/python3
"""Webhooks: small servers of HTTP and HTTPS hear of every state of a job, once they answer; what is signed, whom a
server trusts, where it does not go, and what those cost who never answer."""
import base64
import hashlib
import hmac
import http.server
import json
import os
import queue
import re
import socket
import sqlite3
import ssl
import subprocess
import threading
import unittest
import urllib.request

import service

SECRET = bytes(range(32))
PROXIED = {**os.environ, "https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}  # Is not asked.


class Receiver(http.server.ThreadingHTTPServer):
    """Takes requests, answers `status`, and keeps them in `requests`: (path, headers, body). With TLS where there is a
    folder of certificates."""

    def __init__(self, status=204, location=None, address="127.0.0.1", certificates=None):
        self.requests, self.status, self.location = queue.Queue(), status, location
        self.scheme, self.address = "https" if certificates else "http", address
        super().__init__((address, 0), Handler)
        if certificates:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificates / "server.pem", certificates / "server-key.pem")
            self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, path="/hook", host=None):
        return f"{self.scheme}://{host or self.address}:{self.server_port}{path}"

    def next(self):
        return self.requests.get(timeout=service.PATIENCE)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("location", self.server.location)
        self.send_header("content-length", "0")
        self.end_headers()
        self.server.requests.put((self.path, dict(self.headers), body))

    def do_GET(self):
        self.server.requests.put((self.path, dict(self.headers), None))
        self.send_error(404)

    def log_message(self, *_):
        pass


class Nuisance:
    """Takes connections, sends `bytes` again and again with a pause between, and never an answer."""

    def __init__(self, begin=b"", again=b"", pause=0.05):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.begin, self.again, self.pause, self.connections = begin, again, pause, queue.Queue()
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self):
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}/hook"

    def accept(self):
        while True:
            connection, _ = self.socket.accept()
            self.connections.put(connection)
            threading.Thread(target=self.annoy, args=(connection,), daemon=True).start()

    def annoy(self, connection):
        try:
            connection.sendall(self.begin)
            while self.again:
                connection.sendall(self.again)
                service.time.sleep(self.pause)
        except OSError:
            pass  # The server has closed.


def certificates(*names):
    """A folder with ca.pem, server.pem and server-key.pem, for localhost, 127.0.0.1, ::1 and the names."""
    folder = service.temporary_folder() / "certificates"
    subprocess.run([service.PROGRAMS / "traind", "dev-cert", folder, *names], check=True, stdout=subprocess.DEVNULL)
    return folder


def secret_file():
    path = service.temporary_folder() / "secret"
    path.write_text("whsec_" + base64.b64encode(SECRET).decode() + "\n")
    path.chmod(0o600)
    return path


def flags(*receivers):
    told = [part for receiver in receivers for part in ("--webhook", receiver.url())]
    return [*told, "--webhook-secret", secret_file(), "--webhook-allow-private"]


def states_of(receiver, job, last="SUCCEEDED"):
    """The data of the requests about a job until that state."""
    found = []
    while not found or found[-1]["state"] != last:
        data = json.loads(receiver.next()[2])["data"]
        if data["job"] == job:
            found.append(data)
    return found


class Webhooks(unittest.TestCase):
    def test_every_state_is_told_and_signed(self):
        receiver, other = Receiver(), Receiver()
        server = service.Service(*flags(receiver, other), environment=PROXIED)
        server.import_points()
        server.train("first")
        states, ids = [], set()
        while "SUCCEEDED" not in states:
            path, headers, body = receiver.next()
            self.assertEqual(path, "/hook")
            message = json.loads(body)
            self.assertEqual(message["type"], "job.state")
            self.assertEqual(message["data"]["job"], "jobs/first")
            states.append(message["data"]["state"])
            headers = {name.lower(): value for name, value in headers.items()}
            self.assertEqual(headers["content-type"], "application/json")
            self.assertNotIn(headers["webhook-id"], ids)
            ids.add(headers["webhook-id"])
            signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
            right = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
            self.assertEqual(headers["webhook-signature"], "v1," + right)
        events = server.call("WatchJob", name="jobs/first")
        stored = [event.state for batch in events for event in batch.events if event.HasField("state")]
        self.assertEqual(len(states), len(stored))
        self.assertEqual(len(states_of(other, "jobs/first")), len(stored))
        server.kill()

    def test_a_restart_loses_none_and_ids_stay(self):
        receiver = Receiver(status=500)
        server = service.Service(*flags(receiver))
        server.import_points()
        server.train("first")
        first = receiver.next()
        server.kill()
        receiver.status = 204
        server.start()
        seen = {}
        while "SUCCEEDED" not in seen.values():
            _, headers, body = receiver.next()
            seen[headers["webhook-id"]] = json.loads(body)["data"]["state"]
        # What was tried before the kill waits for its pause; it comes with the id that it had.
        while first[1]["webhook-id"] not in seen:
            _, headers, body = receiver.next()
            seen[headers["webhook-id"]] = json.loads(body)["data"]["state"]
            self.assertEqual(body if headers["webhook-id"] == first[1]["webhook-id"] else first[2], first[2])
        server.kill()

    def test_redirects_are_not_followed(self):
        target = Receiver()
        receiver = Receiver(status=302, location=target.url("/elsewhere"))
        server = service.Service(*flags(receiver))
        server.import_points()
        server.train("first")
        receiver.next()
        receiver.next()
        self.assertTrue(target.requests.empty())
        self.assertIn("it answered 302, which is not followed", server.log.read_text())
        server.kill()

    def refused(self, *arguments, environment=None):
        """What a server says that does not start so."""
        with self.assertRaises(RuntimeError) as raised:
            service.Service(*arguments, environment=environment)
        return str(raised.exception)

    def test_what_is_refused_at_the_start(self):
        secret = secret_file()
        self.assertIn("wants --webhook-secret", self.refused("--webhook", "https://example.org/hook"))
        self.assertIn("read along", self.refused("--webhook", "http://example.org/hook", "--webhook-secret", secret))
        said = self.refused("--webhook", "https://ada:hidden@example.org/hook", "--webhook-secret", secret)
        self.assertIn("a user or password", said)
        self.assertNotIn("hidden", said)
        self.assertIn("wants https", self.refused("--webhook", "ftp://example.org/hook", "--webhook-secret", secret))
        for url, why in (("https://0x7f000001/hook", "four decimal numbers"), ("https://b\u00fccher.example/", "xn--"),
                         ("https://example.org/hook#token", "%23"), ("https://example.org:0/hook", "a port from 1")):
            self.assertIn(why, self.refused("--webhook", url, "--webhook-secret", secret))
        for file in (secret, secret.with_name("none")):
            said = self.refused("--webhook", "https://example.org/", "--webhook-secret", secret, "--webhook-ca", file)
            self.assertIn(f"--webhook-ca {file}: no certificates", said)
        nothing = {**os.environ, "SSL_CERT_DIR": str(service.temporary_folder()), "SSL_CERT_FILE": "/none"}
        said = self.refused("--webhook", "https://example.org/", "--webhook-secret", secret, environment=nothing)
        self.assertIn("install ca-certificates", said)
        secret.chmod(0o644)
        self.assertIn("chmod o=", self.refused("--webhook", "https://example.org/hook", "--webhook-secret", secret))

    def test_no_address_of_the_inside(self):
        """The name is looked up and its address refused, before anything is sent."""
        hosts = ("localhost", "127.0.0.1", "[::1]", "10.0.0.1", "169.254.169.254", "[::ffff:127.0.0.1]", "0.0.0.0")
        told = [part for host in hosts for part in ("--webhook", f"https://{host}:9/hook")]
        server = service.Service(*told, "--webhook-secret", secret_file(), "--webhook-ca", certificates() / "ca.pem")
        server.import_points()
        server.train("first")
        for shown in re.findall(r"states of jobs are told to (\S+)", server.log.read_text()):
            self.await_line(server, f"{shown} could not be told of a state of jobs/first")
        lines = [line for line in server.log.read_text().splitlines() if "could not be told" in line]
        self.assertGreaterEqual(len(lines), len(hosts))
        self.assertTrue(all("takes --webhook-allow-private" in line for line in lines), lines)
        server.kill()

    def await_line(self, server, text):
        end = service.time.monotonic() + service.PATIENCE
        while text not in server.log.read_text():
            self.assertLess(service.time.monotonic(), end, server.log.read_text())
            service.time.sleep(0.02)

    def test_certificates(self):
        """Those of the given authority for the very host are taken; why others are not stands in the log."""
        own, foreign = certificates(), certificates()
        named, addressed, strange = (Receiver(certificates=folder) for folder in (own, own, foreign))
        elsewhere = Receiver(address="127.0.0.2", certificates=own)  # For which the certificate is not.
        urls = (named.url(host="localhost"), addressed.url(), strange.url(), elsewhere.url())
        told = [part for url in urls for part in ("--webhook", url)]
        server = service.Service(*told, "--webhook-secret", secret_file(), "--webhook-allow-private", "--webhook-ca",
                                 own / "ca.pem")
        server.import_points()
        server.train("first")
        for receiver in (named, addressed):
            self.assertEqual(states_of(receiver, "jobs/first")[-1]["state"], "SUCCEEDED")
        # The two authorities have the same name, so that it is the signature which is wrong.
        for receiver, why in ((strange, "signature|issuer|self-signed"), (elsewhere, "IP address mismatch")):
            shown = receiver.url(path="")
            self.await_line(server, f"{shown} could not be told of a state of jobs/first")
            self.assertRegex(server.log.read_text(), f"{shown} could not .* its certificate is not taken: .*({why})")
            self.assertTrue(receiver.requests.empty())
        server.kill()

    def test_those_who_never_answer_hold_up_nobody(self):
        silent, dripping = Nuisance(), Nuisance(b"HTTP/1.1 200 OK\r\nX: ", b"x")
        endless = Nuisance(b"HTTP/1.1 200 OK\r\n", b"X: again\r\n" * 1000, pause=0)
        well = Receiver()
        server = service.Service(*flags(silent, dripping, endless, well))
        server.import_points()
        server.train("first")
        self.assertEqual(states_of(well, "jobs/first")[-1]["state"], "SUCCEEDED")
        self.await_line(server, "the headers of its answer have more than 64 KiB")
        for nuisance in (silent, dripping):
            nuisance.connections.get(timeout=service.PATIENCE)
        server.process.terminate()
        self.assertEqual(server.process.wait(service.PATIENCE), 0, server.log.read_text())

    def test_what_finds_no_room_is_said_and_counted(self):
        receiver = Receiver()
        server = service.Service(*flags(receiver), "--metrics-listen", "127.0.0.1:0")
        server.import_points()
        server.kill()
        with sqlite3.connect(server.data / "traind.db") as store:  # None of these is due in this century.
            store.executemany("INSERT INTO webhook_deliveries (webhook, id, job, payload, due) VALUES (?, ?, '', '', ?)",
                              ((receiver.url(), f"old {i}", 10 ** 14) for i in range(10_000)))
        store.close()
        server.start()
        server.train("first")
        self.await_line(server, "of the 10000 that may wait for all webhooks 10000 wait for this one")
        port = re.findall(r"metrics and probes on port (\d+)", server.log.read_text())[-1]
        page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=service.PATIENCE).read().decode()
        numbers = dict(re.findall(r"^(traind_webhook\w+) (\S+)$", page, re.M))
        self.assertEqual(float(numbers["traind_webhooks_waiting"]), 10_000)
        self.assertGreater(float(numbers["traind_webhooks_lost_total"]), 0)
        self.assertEqual(float(numbers["traind_webhooks_delivered_total"]), 0)
        self.assertEqual(float(numbers["traind_webhook_failures_total"]), 0)
        self.assertTrue(receiver.requests.empty())
        server.kill()

    def test_without_webhooks_nothing_waits(self):
        receiver = Receiver(status=500)
        server = service.Service(*flags(receiver))
        server.import_points()
        server.train("first")
        receiver.next()
        server.kill()
        server.flags = ()
        server.start()
        self.assertIn("no longer given are told to nobody", server.log.read_text())
        server.train("second")
        server.kill()


if __name__ == "__main__":
    unittest.main()
