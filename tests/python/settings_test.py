"""Which server the client means, and what it shows it: the rules of trainctl, whose contexts it shares."""

import json
import os
import subprocess

import pytest

from traind import _settings
from traind._settings import choose, is_loopback


@pytest.fixture
def home(tmp_path):
    """An environment with the contexts "lab" (current) and "here"."""
    token = tmp_path / "lab.token"
    token.write_text("traind_lab\n")
    token.chmod(0o600)
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----")
    (tmp_path / "traind").mkdir()
    (tmp_path / "traind/contexts.json").write_text(
        json.dumps(
            {
                "current": "lab",
                "contexts": {
                    "lab": {
                        "server": "lab.example.org:50051",
                        "tls_ca": str(tmp_path / "ca.pem"),
                        "token_file": str(token),
                    },
                    "here": {"server": "localhost:1"},
                },
            }
        )
    )
    return {"XDG_CONFIG_HOME": str(tmp_path)}


def test_without_anything_it_is_this_machine():
    assert choose(environment={}) == _settings.Settings("127.0.0.1:50051")


def test_the_current_context(home):
    chosen = choose(environment=home)
    assert (
        chosen.server == "lab.example.org:50051"
        and chosen.tls
        and chosen.ca == b"-----BEGIN CERTIFICATE-----"
        and chosen.token == "traind_lab"
    )


def test_who_names_the_server_brings_the_credentials(home):
    environment = {**home, "TRAIND_TOKEN": "mine"}
    assert choose(environment=environment).token == "traind_lab", "the context's own"
    assert choose(context="here", environment=environment).token == ""
    assert choose("127.0.0.1:7", environment=environment).token == "mine"
    assert choose(environment={**environment, "TRAIND_SERVER": "localhost:3"}) == _settings.Settings(
        "localhost:3", token="mine"
    )
    assert choose(environment={**home, "TRAIND_CONTEXT": "here"}).server == "localhost:1"
    assert choose("127.0.0.1:7", token="t", environment=environment).token == "t"


def test_a_context_that_trainctl_writes(tmp_path):
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path), "TRAIND_SERVER": "", "TRAIND_CONTEXT": ""}
    trainctl = os.path.join(os.environ["TRAIND_BIN"], "trainctl")
    subprocess.run(
        [trainctl, "context", "add", "x", "--server", "localhost:9", "--token-file", "-"],
        input="traind_secret\n",
        text=True,
        check=True,
        env=environment,
    )
    chosen = choose(environment=environment)
    assert (chosen.server, chosen.token, chosen.context) == ("localhost:9", "traind_secret", "x")


@pytest.mark.parametrize(
    "words, fields",
    [
        ("both name a server", {"server": "a:1", "context": "here"}),
        ("did you mean here", {"context": "her"}),
        ("would travel unencrypted", {"server": "example.org:1", "token": "t"}),
        ("something other than one token", {"server": "localhost:1", "token": "a b"}),
        ("tls_cert and tls_key", {"server": "localhost:1", "files": {"tls_cert": "x"}}),
    ],
)
def test_what_is_refused(home, words, fields):
    with pytest.raises(ValueError, match=words):
        choose(environment=home, **fields)


def test_a_token_that_everybody_can_read_is_refused(tmp_path):
    (tmp_path / "token").write_text("t")
    (tmp_path / "token").chmod(0o644)
    with pytest.raises(ValueError, match="chmod o="):
        choose("localhost:1", files={"token_file": str(tmp_path / "token")}, environment={})


def test_certificates_that_are_none(tmp_path):
    certs = tmp_path / "certs"
    subprocess.run([os.path.join(os.environ["TRAIND_BIN"], "traind"), "dev-cert", certs], check=True)
    (tmp_path / "junk").write_text("junk")
    (tmp_path / "junk").chmod(0o600)
    junk, cert, key = str(tmp_path / "junk"), str(certs / "client.pem"), str(certs / "client-key.pem")

    def chosen(**files):
        return choose("localhost:1", files=files, environment={})

    assert chosen(tls_ca=str(certs / "ca.pem"), tls_cert=cert, tls_key=key).tls
    for words, files in (
        ("tls_ca .* no certificate", {"tls_ca": junk}),
        ("tls_cert .* no certificate", {"tls_cert": junk, "tls_key": key}),
        ("tls_key .* no private key", {"tls_cert": cert, "tls_key": junk}),
        ("is not the key of", {"tls_cert": str(certs / "server.pem"), "tls_key": key}),
    ):
        with pytest.raises(ValueError, match=words):
            chosen(**files)


def test_what_is_secret_is_not_printed():
    assert "hush" not in repr(choose("localhost:1", token="hush", environment={}))


def test_files_are_bounded(tmp_path):
    (tmp_path / "ca").write_bytes(bytes(2 << 20))
    with pytest.raises(ValueError, match="tls_ca .* is larger than"):
        choose("localhost:1", files={"tls_ca": str(tmp_path / "ca")}, environment={})


def test_contexts_that_cannot_be_read(home, tmp_path):
    (tmp_path / "traind/contexts.json").write_text("{")
    with pytest.raises(ValueError, match="cannot be read"):
        choose(environment=home)
    assert choose("localhost:1", environment=home).server == "localhost:1", "they are not asked"


def test_loopback():
    for server in ("127.0.0.1:1", "localhost:1", "[::1]:1", "unix:/x", "dns:///localhost:1", "ipv4:127.0.0.1:3"):
        assert is_loopback(server), server
    for server in (
        "127.evil.example:1",
        "127.0.0.1.example:1",
        "127.999.0.1:1",
        "example.org:1",
        "localhost.example:1",
        "10.0.0.1:1",
    ):
        assert not is_loopback(server), server
