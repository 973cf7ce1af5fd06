#!/usr/bin/python3
"""A server with two users, each over a quota of their own, as real programs: what Python's gRPC and trainctl see of it.

    tests/api/quota_test.py
"""
import json
import os
import subprocess
import time
import unittest

import service
from service import PROGRAMS, details, error_of, job_pb2

import grpc

QUOTA, RETRY = "google.rpc.QuotaFailure", "google.rpc.RetryInfo"


def traind(*words):
    return subprocess.run([PROGRAMS / "traind", *words], check=True, capture_output=True, text=True).stdout


class QuotaTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = service.temporary_folder()
        cls.certs = cls.folder / "certs"
        traind("dev-cert", cls.certs)
        cls.server = service.Service("--tls-cert", cls.certs / "server.pem", "--tls-key", cls.certs / "server-key.pem",
                                     "--threads", "2", "--quota", "threads=2,queued_jobs=5", "--quota", "streams=50")
        cls.data = cls.server.folder / "data"
        cls.tokens = {user: traind("token", "create", user, "--role", role, "--data-dir", cls.data).strip()
                      for user, role in {"root": "admin", "ada": "user", "bob": "user"}.items()}
        for user, token in cls.tokens.items():
            (cls.folder / user).write_text(token)
            (cls.folder / user).chmod(0o600)

    def be(self, user):
        credentials = grpc.composite_channel_credentials(
            grpc.ssl_channel_credentials((self.certs / "ca.pem").read_bytes()),
            grpc.access_token_call_credentials(self.tokens[user]))
        self.server.channel = grpc.secure_channel(self.server.address.replace("127.0.0.1", "localhost"), credentials)

    def ctl(self, user, *words):
        done = subprocess.run([PROGRAMS / "trainctl", "--server", self.server.address, "--tls-ca", self.certs / "ca.pem",
                               "--token-file", self.folder / user, *map(str, words)], capture_output=True, text=True,
                              env={"PATH": os.environ["PATH"], "HOME": str(self.folder)})
        return done.returncode, done.stdout, done.stderr

    def limit(self, user, quota):
        code, _, err = self.ctl("root", "user", "set", user, "--quota", quota)
        self.assertEqual(code, 0, err)

    def quota(self, user):
        code, out, err = self.ctl(user, "--json", "quota")
        self.assertEqual(code, 0, err)
        return json.loads(out)

    def test_the_servers_quota_holds_for_all(self):
        limits = self.quota("bob")["limits"]
        self.assertEqual((limits["threads"], limits["queued_jobs"], limits["streams"]), ("2", "5", "50"))
        code, out, err = self.ctl("bob", "quota")
        self.assertEqual(code, 0, err)
        self.assertRegex(out, r"(?m)^threads +0 +2$")
        self.assertRegex(out, r"(?m)^dataset_bytes +0 B +-$")
        self.assertEqual(self.ctl("bob", "quota", "ada")[0], 3, "another's is not found")
        self.assertEqual(self.ctl("root", "quota", "ada")[0], 0)

    def test_requests_are_refused_and_trainctl_waits(self):
        self.limit("ada", "requests_per_second=5")
        self.be("ada")
        errors = [error for error in (error_of(self.server.call, "ListJobs") for _ in range(30)) if error]
        self.assertGreater(len(errors), 0)
        for error in errors:
            self.assertEqual(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
            found = details(error)
            self.assertEqual(set(found), {QUOTA, RETRY})
            self.assertEqual(found[QUOTA].violations[0].subject, "users/ada")
            self.assertLess(found[RETRY].retry_delay.seconds, 2)
        for _ in range(10):  # Each is tried again after as long as the server says.
            code, _, err = self.ctl("ada", "list")
            self.assertEqual(code, 0, err)
        self.limit("ada", "requests_per_second=default")

    def test_bytes_are_refused_at_once(self):
        self.limit("bob", "upload_bytes=1KiB")
        file = self.folder / "large.bin"
        file.write_bytes(bytes(2048))
        begin = time.monotonic()
        code, _, err = self.ctl("bob", "dataset", "upload", "large", "--split", f"train={file},{file}")
        self.assertEqual(code, 4, err)
        self.assertIn("bob's quota of upload_bytes is 1.0 KiB", err)
        self.assertLess(time.monotonic() - begin, service.PATIENCE)
        self.be("bob")
        self.assertEqual([upload.name for upload in self.server.call("ListUploads").uploads], [])

    def test_a_job_waits_for_its_owners_threads(self):
        self.be("ada")
        self.server.import_points()
        self.limit("ada", "threads=1,queued_jobs=1")
        spec = service.dense_job(steps=200_000)
        self.server.call("CreateJob", job_id="first", spec=spec)
        deadline = time.monotonic() + service.PATIENCE
        # Before its worker runs it counts as a queued one, though it waits for nothing any more.
        while self.server.call("GetJob", name="jobs/first").state != job_pb2.JOB_STATE_RUNNING:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        self.server.call("CreateJob", job_id="second", spec=spec)
        while "quota" not in (reason := self.server.call("GetJob", name="jobs/second").queue.reason):
            self.assertLess(time.monotonic(), deadline, reason)
            time.sleep(0.05)
        self.assertIn("ada's quota: 1 of 1 threads are taken", reason)
        error = error_of(self.server.call, "CreateJob", job_id="third", spec=spec)
        self.assertEqual(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.assertEqual(set(details(error)), {QUOTA, RETRY})
        used = self.quota("ada")["used"]
        self.assertEqual((used["running_jobs"], used["queued_jobs"], used["threads"]), ("1", "1", "1"))
        for name in ("first", "second"):
            self.assertEqual(self.ctl("ada", "cancel", name)[0], 0)


if __name__ == "__main__":
    unittest.main()
