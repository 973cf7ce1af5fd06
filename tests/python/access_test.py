"""TLS and tokens: a server with users, as one that others can reach."""

import os
import subprocess

import pytest

import traind
from conftest import images, small_network
from traind.testing import Server


def program(*words):
    path = os.path.join(os.environ["TRAIND_BIN"], "traind")
    return subprocess.run([path, *map(str, words)], check=True, capture_output=True, text=True).stdout.strip()


class Place:
    """The server, its certificates, and a client for each user."""

    def __init__(self, folder):
        self.certs = folder / "certs"
        program("dev-cert", self.certs)
        self.server = Server(
            "--tls-cert", str(self.certs / "server.pem"), "--tls-key", str(self.certs / "server-key.pem")
        )
        self.server.start()
        roles = {"root": "admin", "ada": "user", "bob": "user", "vera": "viewer"}
        self.tokens = {
            user: program("token", "create", user, "--role", role, "--data-dir", self.server.data_dir)
            for user, role in roles.items()
        }

    def be(self, token, **options):
        return self.server.client(token=token, tls_ca=str(self.certs / "ca.pem"), timeout=5, **options)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    one = Place(tmp_path_factory.mktemp("access"))
    yield one
    one.server.stop()


def test_who_one_is(place, monkeypatch):
    with place.be(place.tokens["ada"]) as ada:
        assert ada.whoami() == ("ada", "user") and ada.healthy()
    monkeypatch.setenv("TRAIND_SERVER", place.server.address)
    monkeypatch.setenv("TRAIND_TOKEN", place.tokens["vera"])
    monkeypatch.setenv("TRAIND_TLS_CA", str(place.certs / "ca.pem"))
    with traind.Client() as vera:
        assert vera.whoami().role == "viewer"


@pytest.mark.parametrize("token", ["", "nonsense", "traind_" + "0" * 72])
def test_strangers(place, token):
    with place.be(token) as nobody, pytest.raises(traind.Unauthenticated):
        list(nobody.jobs())


def test_a_server_that_nobody_vouches_for(place):
    with traind.Client(place.server.address, tls=True) as client, pytest.raises(traind.Unavailable):
        client.whoami()


def test_what_is_anothers_is_not_there(place):
    x, y = images(32)
    with (
        place.be(place.tokens["ada"]) as ada,
        place.be(place.tokens["bob"]) as bob,
        place.be(place.tokens["vera"]) as vera,
    ):
        ada.upload_dataset("hers", x_train=x, y_train=y, x_test=x, y_test=y)
        job = ada.train(small_network(), "hers", steps=2, threads=1).wait(progress=False)
        for act in (lambda: bob.job(job.id), lambda: bob.dataset("hers")):
            with pytest.raises(traind.NotFound):
                act()
        assert job.owner == "ada" and job.share("users/bob").share("vera").proto.sharing.readers == ["bob", "vera"]
        assert bob.job(job.id).predict(x).classes.shape == (32,)
        assert job.share(nobody=True).proto.sharing.readers == []
        assert job.share("bob").update(pinned=True).proto.pinned and job.proto.sharing.readers == ["bob"]
        assert ada.dataset("hers").share(everybody=True).proto.sharing.public
        assert bob.dataset("hers").owner == "ada"
        with pytest.raises(TypeError, match="share with whom"):
            job.share()
        with pytest.raises(traind.PermissionDenied):
            bob.job(job.id).delete()
        with pytest.raises(traind.PermissionDenied):
            vera.train(small_network(), "hers")
        # The same file of two users is an upload of each.
        bob.upload_dataset("his", x_train=x, y_train=y)
        assert bob.dataset("his").proto.owner == "bob"


def test_quotas(place, caplog):
    x, y = images(32)
    with place.be(place.tokens["root"]) as root, place.be(place.tokens["bob"]) as bob:
        root.call("SetUser", user="bob", quota={"queued_jobs": 0, "model_bytes": 10})
        assert bob.quota()["queued_jobs"] == (0, 0) and bob.quota()["threads"].limit is None
        assert root.quota("bob")["model_bytes"].limit == 10
        with pytest.raises(traind.NotFound):
            bob.quota("root")
        bob.upload_dataset("few", x_train=x, y_train=y)
        with pytest.raises(traind.QuotaExceeded) as caught:  # Asks to wait for as long as the client has time.
            bob.train(small_network(), "few", evaluation_split="none")
        assert caught.value.retry_after == 5 and "queued_jobs" in caught.value.quotas[0].description
        assert caught.value.quotas[0].subject == "users/bob"
        with pytest.raises(traind.QuotaExceeded) as caught:
            bob.upload_model("large", {"a.weight": x})
        assert caught.value.retry_after is None
        assert not caplog.records
        root.call("SetUser", user="bob", quota={"requests_per_second": 1})
        assert [bob.whoami().name for _ in range(2)] == ["bob"] * 2, "it waits"
        root.call("SetUser", user="bob", quota={"queued_jobs": -1, "model_bytes": -1, "requests_per_second": -1})


def test_the_server_tells_of_itself(place):
    with place.be(place.tokens["vera"]) as vera:
        info = vera.server_info()
        assert info.ready and "storage" in info.features and info.HasField("certificate_expire_time")
        assert vera.storage(plan=True).total_bytes > 0
