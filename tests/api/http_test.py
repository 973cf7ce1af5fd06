#!/usr/bin/python3
"""The port of browsers of a real server, by Python's http.client and ssl: with TLS and users, with client certificates, and
on loopback without either.

    tests/api/http_test.py
"""
import gzip
import http.client
import os
import re
import ssl
import struct
import subprocess
import unittest

import service
from service import PROGRAMS, messages

OURS = {"X-Grpc-Web": "1", "Content-Type": "application/grpc-web+proto"}


def traind(*words):
    return subprocess.run([PROGRAMS / "traind", *words], check=True, capture_output=True, text=True).stdout


def port_of(server):
    return int(re.search(r"for browsers: https? on port (\d+)", server.log.read_text())[1])


class Browser:
    """A connection to the port, and what a page does with it."""

    def __init__(self, port, context=None):
        kind = http.client.HTTPSConnection if context else http.client.HTTPConnection
        options = {"context": context} if context else {}
        self.connection = kind("localhost", port, timeout=service.PATIENCE, **options)

    def __del__(self):
        self.connection.close()

    def ask(self, method, path, body=None, headers=None):
        self.connection.request(method, path, body, headers or {})
        answer = self.connection.getresponse()
        return answer, answer.read()

    def call(self, name, /, headers=None, **fields):
        """(messages, trailers) of a method, by its name alone."""
        method = service.methods()[name]
        request_type, response_type = messages(method)
        message = request_type(**fields).SerializeToString()
        answer, body = self.ask("POST", f"/{method.containing_service.full_name}/{name}",
                                struct.pack(">BI", 0, len(message)) + message, {**OURS, **(headers or {})})
        if answer.status != 200:
            raise RuntimeError(f"HTTP {answer.status}: {body}")
        found, trailers = [], {}
        while body:
            flags, size = struct.unpack(">BI", body[:5])
            content, body = body[5:5 + size], body[5 + size:]
            if flags == 0x80:
                trailers = dict(line.split(": ", 1) for line in content.decode().split("\r\n") if line)
            else:
                found.append(response_type.FromString(content))
        return found, trailers


class LoopbackTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = service.Service("--http-listen", "127.0.0.1:0")
        cls.server.import_points()
        cls.server.train("done", steps=40, statistics={"every_steps": 1}, metrics_every_steps=1)
        cls.port = port_of(cls.server)

    def test_the_page(self):
        answer, page = Browser(self.port).ask("GET", "/")
        if os.environ.get("TRAIND_WEB") == "OFF":
            self.assertEqual(answer.status, 404)
            self.assertIn(b"TRAIND_WEB=OFF", page)
            return
        self.assertEqual(answer.status, 200)
        self.assertIn(b"<!doctype html>", page[:100].lower())
        packed, body = Browser(self.port).ask("GET", "/", headers={"Accept-Encoding": "gzip"})
        self.assertEqual(packed.getheader("Content-Encoding"), "gzip")
        self.assertEqual(gzip.decompress(body), page)
        again, body = Browser(self.port).ask("GET", "/", headers={"If-None-Match": answer.getheader("ETag")})
        self.assertEqual((again.status, body), (304, b""))
        for file in re.findall(rb'(?:src|href)="([^"]+)"', page):
            with self.subTest(file=file):
                self.assertNotIn(b"//", file, "an address elsewhere")
                self.assertEqual(Browser(self.port).ask("GET", "/" + file.decode().lstrip("/"))[0].status, 200)

    def test_calls_and_streams_are_those_of_grpc(self):
        browser = Browser(self.port)
        for _ in range(2):  # Over one connection.
            (job,), trailers = browser.call("GetJob", name="jobs/done")
            self.assertEqual(trailers, {"grpc-status": "0"})
            self.assertEqual(job, self.server.call("GetJob", name="jobs/done"))
        batches, trailers = browser.call("WatchJob", name="jobs/done")
        self.assertEqual([event for batch in batches for event in batch.events],
                         [event for batch in self.server.call("WatchJob", name="jobs/done") for event in batch.events])
        self.assertEqual(browser.call("GetJob", name="jobs/nobody")[1]["grpc-status"], "5")

    def test_series_are_what_the_events_say(self):
        events = [event for batch in self.server.call("WatchJob", name="jobs/done") for event in batch.events]
        losses = {event.step: event.train.loss for event in events if event.HasField("train")}
        ratios = {event.step: parameter.update_ratio for event in events
                  for parameter in event.statistics.parameters if parameter.name == "fc.weight"}
        self.assertEqual(len(losses), 40)
        (series,), _ = Browser(self.port).call("GetSeries", name="jobs/done",
                                               quantities=["QUANTITY_LOSS", "QUANTITY_UPDATE_RATIO"], layers=["fc"])
        curves = {curve.of: curve for curve in series.curves}
        self.assertEqual(dict(zip(curves[""].steps, curves[""].values)), losses)
        self.assertEqual(dict(zip(curves["fc.weight"].steps, curves["fc.weight"].values)), ratios)
        self.assertEqual(series.last_sequence, events[-1].sequence)
        (thin,), _ = Browser(self.port).call("GetSeries", name="jobs/done", quantities=["QUANTITY_LOSS"], max_points=8)
        points = dict(zip(thin.curves[0].steps, thin.curves[0].values))
        self.assertLessEqual(len(points), 8)
        self.assertEqual({step: losses[step] for step in points}, points)
        for extreme in (min, max):
            self.assertEqual(extreme(points.values()), extreme(losses.values()))
        self.assertIn(1, points)
        self.assertIn(40, points)

    def test_foreign_names_and_pages_are_refused(self):
        for headers, status in (({"Host": "evil.example"}, 421), ({"Origin": "http://evil.example"}, 403),
                                ({"Sec-Fetch-Site": "cross-site"}, 403)):
            with self.subTest(headers=headers):
                answer, _ = Browser(self.port).ask("POST", "/traind.v1.TrainingService/ListJobs", bytes(5),
                                                   {**OURS, **headers})
                self.assertEqual(answer.status, status)


class TlsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = service.temporary_folder()
        cls.certs = cls.folder / "certs"
        traind("dev-cert", cls.certs)
        cls.flags = ("--tls-cert", cls.certs / "server.pem", "--tls-key", cls.certs / "server-key.pem", "--http-listen",
                     "127.0.0.1:0")
        cls.server = service.Service(*cls.flags)
        cls.token = traind("token", "create", "ada", "--role", "admin", "--data-dir", cls.server.folder / "data").strip()

    def context(self, own=False):
        context = ssl.create_default_context(cafile=self.certs / "ca.pem")
        if own:
            context.load_cert_chain(self.certs / "client.pem", self.certs / "client-key.pem")
        return context

    def test_login(self):
        browser = Browser(port_of(self.server), self.context())
        self.assertEqual(browser.call("WhoAmI")[1]["grpc-status"], "16")
        answer, _ = browser.ask("POST", "/login", "traind_wrong", OURS)
        self.assertEqual(answer.status, 401)
        answer, _ = browser.ask("POST", "/login", self.token, OURS)
        self.assertEqual(answer.status, 204)
        cookie, *attributes = answer.getheader("Set-Cookie").split("; ")
        self.assertEqual(cookie, f"__Host-traind={self.token}")
        self.assertEqual(set(attributes), {"Path=/", "HttpOnly", "SameSite=Strict", "Secure"})
        (who,), _ = browser.call("WhoAmI", headers={"Cookie": cookie})
        self.assertEqual(who.user.name, "users/ada")
        port = port_of(self.server)
        for origin, status in ((f"https://localhost:{port}", 200), (f"http://localhost:{port}", 403)):
            answer, _ = browser.ask("POST", "/traind.v1.AuthService/WhoAmI", bytes(5),
                                    {**OURS, "Cookie": cookie, "Origin": origin})
            self.assertEqual(answer.status, status)
        answer, _ = browser.ask("POST", "/logout", None, OURS)
        self.assertIn("Max-Age=0", answer.getheader("Set-Cookie"))

    def test_old_protocols_and_other_authorities_are_refused(self):
        with self.assertRaises(ssl.SSLError):
            Browser(port_of(self.server), ssl.create_default_context()).ask("GET", "/")
        old = self.context()
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises((ssl.SSLError, OSError)):
            Browser(port_of(self.server), old).ask("GET", "/")
        with self.assertRaises((http.client.HTTPException, OSError)):
            Browser(port_of(self.server)).ask("GET", "/")
        browser = Browser(port_of(self.server), self.context())
        self.assertIn(browser.ask("GET", "/")[0].status, (200, 404))
        self.assertEqual(browser.connection.sock.version(), "TLSv1.3")

    def test_client_certificates(self):
        server = service.Service(*self.flags, "--tls-client-ca", self.certs / "ca.pem")
        name = subprocess.run(["openssl", "x509", "-noout", "-subject", "-nameopt", "multiline", "-in",
                               self.certs / "client.pem"], check=True, capture_output=True, text=True).stdout
        name = re.search(r"commonName\s*= (\S+)", name)[1]
        traind("token", "create", name, "--role", "admin", "--data-dir", server.folder / "data")
        (who,), _ = Browser(port_of(server), self.context(own=True)).call("WhoAmI")
        self.assertEqual(who.user.name, f"users/{name}")
        with self.assertRaises((ssl.SSLError, OSError, http.client.HTTPException)):
            Browser(port_of(server), self.context()).call("WhoAmI")
        server.kill()

    def test_strangers_need_tls_and_users(self):
        for flags, said in ((("--http-listen", "0.0.0.0:0"), "--http-listen 0.0.0.0:0 can be reached"),
                            (("--http-name", "train.example"), "--http-name: there is no --http-listen")):
            with self.subTest(flags=flags):
                done = subprocess.run([PROGRAMS / "traind", "--listen", "127.0.0.1:0", "--data-dir", self.folder / "none",
                                       *flags], capture_output=True, text=True, timeout=service.PATIENCE)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(said, done.stderr)
        done = subprocess.run([PROGRAMS / "traind", "--listen", "127.0.0.1:0", "--data-dir", self.folder / "empty",
                               "--tls-cert", self.certs / "server.pem", "--tls-key", self.certs / "server-key.pem",
                               "--http-listen", "0.0.0.0:0"], capture_output=True, text=True, timeout=service.PATIENCE)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("--http-listen 0.0.0.0:0 can be reached from other machines, and there are no users", done.stderr)


if __name__ == "__main__":
    unittest.main()
