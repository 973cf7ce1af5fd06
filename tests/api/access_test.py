#!/usr/bin/python3
"""A server with TLS and users, as real programs: certificates of `traind dev-cert`, tokens of `traind token`, Python's
gRPC and trainctl as clients. No method of the API answers strangers, and what is another's is not there.

    tests/api/access_test.py
"""
import os
import stat
import subprocess
import unittest

import service
from service import PROGRAMS, error_of, messages

import grpc

USERS = {"root": "admin", "ada": "user", "bob": "user", "vera": "viewer"}


def traind(*words):
    return subprocess.run([PROGRAMS / "traind", *words], check=True, capture_output=True, text=True).stdout


class AccessTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = service.temporary_folder()
        cls.certs = cls.folder / "certs"
        traind("dev-cert", cls.certs)
        cls.server = service.Service("--tls-cert", cls.certs / "server.pem", "--tls-key", cls.certs / "server-key.pem")
        cls.data = cls.server.folder / "data"
        # Beside the server that runs.
        cls.tokens = {user: traind("token", "create", user, "--role", role, "--data-dir", cls.data).strip()
                      for user, role in USERS.items()}
        cls.be("ada")
        cls.server.import_points()
        cls.server.train("done")
        cls.server.upload_model("brought")
        cls.server.upload_file("whole")
        cls.operation = cls.server.wait(cls.server.call("DescribeDataset", name="datasets/points")).name

    @classmethod
    def connect(cls, token):
        credentials = grpc.ssl_channel_credentials((cls.certs / "ca.pem").read_bytes())
        if token:
            credentials = grpc.composite_channel_credentials(credentials, grpc.access_token_call_credentials(token))
        cls.server.channel = grpc.secure_channel(cls.server.address.replace("127.0.0.1", "localhost"), credentials)

    @classmethod
    def be(cls, user):
        cls.connect(cls.tokens[user])

    def code(self, method, *requests, **fields):
        error = error_of(self.server.call, method, *requests, **fields)
        return error.code().name if error else "OK"

    def ctl(self, *words, stdin=None, **environment):
        done = subprocess.run([PROGRAMS / "trainctl", *words], input=stdin, capture_output=True, text=True,
                              env={"PATH": os.environ["PATH"], "HOME": str(self.folder), **environment})
        return done.returncode, done.stdout, done.stderr

    def test_no_method_answers_strangers(self):
        for token in ("", "nonsense", "traind_" + "0" * 72):
            self.connect(token)
            for name, method in service.methods().items():
                with self.subTest(method=name, token=token):
                    request = messages(method)[0]()
                    if "header" in method.input_type.fields_by_name:
                        request.header.SetInParent()  # An upload is looked at when it says what it is.
                    self.assertEqual(self.code(name, request), "UNAUTHENTICATED")

    def test_whatever_is_anothers_is_not_there(self):
        named = {"jobs/done": "Get Watch Cancel Pause Resume Stop Extend Fork Delete",
                 "datasets/points": "Get Delete Describe Preview", "models/brought": "Get Delete Download", "uploads/whole": "Get Delete",
                 self.operation: "Get Wait Cancel Delete"}
        nouns = {"jobs": "Job", "datasets": "Dataset", "models": "Model", "uploads": "Upload", "operations": "Operation"}
        for user in ("bob", "vera"):
            self.be(user)
            for name, verbs in named.items():
                for verb in verbs.split():
                    noun = "Checkpoint" if verb == "Download" else nouns[name.split("/")[0]]
                    with self.subTest(user=user, method=verb + noun, name=name):
                        expected = ("NOT_FOUND", "PERMISSION_DENIED") if user == "vera" else ("NOT_FOUND",)
                        self.assertIn(self.code(verb + noun, name=name), expected)
            for noun in ("Jobs", "Datasets", "Models", "Uploads", "Operations"):
                with self.subTest(user=user, list=noun):
                    seen = {thing.name for thing in getattr(self.server.call(f"List{noun}"), noun.lower())}
                    self.assertEqual(seen & set(named), set())
        self.be("root")
        self.assertIn("jobs/done", {job.name for job in self.server.call("ListJobs").jobs})
        self.assertEqual(self.server.call("GetModel", name="models/brought").owner, "ada")
        self.assertEqual(self.server.call("GetUpload", name="uploads/whole").owner, "ada")
        self.assertEqual(self.server.call("GetDataset", name="datasets/points").owner, "ada", "the worker writes it")

    def test_sharing(self):
        self.be("ada")
        job = self.server.train("shared")
        self.server.call("UpdateJob", job={"name": job.name, "sharing": {"readers": ["bob"]}},
                         update_mask={"paths": ["sharing"]})
        self.be("bob")
        self.assertEqual([found.name for found in self.server.call("ListJobs").jobs], [job.name])
        self.assertGreater(len(self.server.call("WatchJob", name=job.name)), 0)
        self.assertEqual(self.code("CancelJob", name=job.name), "PERMISSION_DENIED")
        self.assertEqual(self.code("ForkJob", name=job.name, job_id="forked"), "INVALID_ARGUMENT", "on ada's dataset")
        self.be("vera")
        self.assertEqual(self.code("GetJob", name=job.name), "NOT_FOUND")

    def test_a_revoked_token_ends(self):
        token = traind("token", "create", "bob", "--data-dir", self.data).strip()
        self.connect(token)
        tokens = self.server.call("ListTokens").tokens
        self.assertEqual({entry.owner for entry in tokens}, {"bob"}, "one's own")
        newest = max(tokens, key=lambda entry: (entry.create_time.seconds, entry.HasField("last_use_time")))
        traind("token", "revoke", newest.name.removeprefix("tokens/"), "--data-dir", self.data)
        self.assertTrue(self.refuses(token))
        self.assertFalse(self.refuses(self.tokens["bob"]))

    def refuses(self, token):
        self.connect(token)
        return self.code("ListJobs") == "UNAUTHENTICATED"

    def test_health_needs_no_token(self):
        self.connect("")
        check = self.server.channel.unary_unary("/grpc.health.v1.Health/Check")
        self.assertEqual(check(b""), b"\x08\x01")
        code, out, _ = self.ctl("--server", self.server.address, "--tls-ca", self.certs / "ca.pem", "health")
        self.assertEqual((code, out), (0, "SERVING\n"))

    def test_trainctl_keeps_a_token_in_a_context(self):
        address = self.server.address
        code, _, err = self.ctl("context", "add", "here", "--server", address, "--tls-ca", self.certs / "ca.pem",
                                "--token-file", "-", stdin=self.tokens["ada"] + "\n")
        self.assertEqual(code, 0, err)
        kept = self.folder / ".config/traind/here.token"
        self.assertEqual(stat.S_IMODE(kept.stat().st_mode), 0o600)
        self.assertEqual(kept.read_text().strip(), self.tokens["ada"])
        self.assertEqual(self.ctl("whoami")[:2], (0, "ada user\n"))
        # The token is the context's: another server does not get it.
        code, _, err = self.ctl("--server", address, "--tls-ca", self.certs / "ca.pem", "whoami")
        self.assertEqual(code, 4)
        self.assertIn("--token-file", err)
        self.assertEqual(self.ctl("context", "remove", "here")[0], 0)
        self.assertFalse(kept.exists())

    def test_a_server_of_strangers_does_not_start_without_users(self):
        data = self.folder / "empty"
        done = subprocess.run([PROGRAMS / "traind", "--listen", "0.0.0.0:0", "--data-dir", data, "--tls-cert",
                               self.certs / "server.pem", "--tls-key", self.certs / "server-key.pem"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("traind token create", done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
