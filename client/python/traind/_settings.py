"""Which server is meant and what it is shown: arguments, the environment, and the contexts of trainctl."""

from __future__ import annotations

import json
import os
import pathlib
import re
import ssl
import stat
from typing import Any, Dict, Mapping, NamedTuple, Optional, Union

from traind import _values

DEFAULT_SERVER = "127.0.0.1:50051"
_LARGEST_FILE = 1 << 20
_LARGEST_TOKEN = 4096
_FILES = {
    "tls_ca": "TRAIND_TLS_CA",
    "tls_cert": "TRAIND_TLS_CLIENT_CERT",
    "tls_key": "TRAIND_TLS_CLIENT_KEY",
    "token_file": "TRAIND_TOKEN_FILE",
}
_LOOPBACK = re.compile(
    r"(dns:(///)?|ipv4:|ipv6:)?(\[::1\]|localhost|127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3})(:.*)?", re.IGNORECASE
)
_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/=]+")


class Settings(NamedTuple):
    """One server, and who we are to it."""

    server: str
    tls: bool = False
    ca: Optional[bytes] = None  # PEM. None: the system's authorities.
    cert: Optional[bytes] = None
    key: Optional[bytes] = None
    token: str = ""
    context: str = ""  # Of trainctl, that said it.

    def __repr__(self) -> str:
        """Without what is secret."""
        return f"Settings(server={self.server!r}, tls={self.tls}, token={'...' if self.token else ''!r})"


def contexts_path(environment: Mapping[str, str]) -> Optional[pathlib.Path]:
    """Where trainctl keeps its contexts."""
    config = environment.get("XDG_CONFIG_HOME", "")
    if config.startswith("/"):
        return pathlib.Path(config) / "traind/contexts.json"
    home = environment.get("HOME", "")
    return pathlib.Path(home) / ".config/traind/contexts.json" if home else None


def _read_contexts(environment: Mapping[str, str]) -> Dict[str, Any]:
    path = contexts_path(environment)
    if path is None or not path.exists():
        return {}
    try:
        contexts = json.loads(_bytes_of(path, "contexts"))
        return {"current": str(contexts.get("current", "")), "contexts": dict(contexts["contexts"])}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} cannot be read ({error!r}): mend or remove it, or name a server") from None


def is_loopback(server: str) -> bool:
    return server.startswith(("unix:", "unix-abstract:")) or _LOOPBACK.fullmatch(server) is not None


def _bytes_of(path: Union[str, pathlib.Path], what: str) -> bytes:
    with open(path, "rb") as file:
        data = file.read(_LARGEST_FILE + 1)
    if len(data) > _LARGEST_FILE:
        raise ValueError(f"{what} {path}: is larger than {_LARGEST_FILE} bytes")
    return data


def _secret(path: str, what: str) -> bytes:
    info = os.stat(path)
    if stat.S_ISREG(info.st_mode) and info.st_mode & stat.S_IRWXO:
        raise ValueError(f"{what} {path}: every user of this machine can read it or write to it: chmod o= the file")
    return _bytes_of(path, what)


def choose(
    server: Optional[str] = None,
    context: Optional[str] = None,
    token: Optional[str] = None,
    tls: bool = False,
    files: Optional[Mapping[str, Optional[str]]] = None,
    environment: Mapping[str, str] = os.environ,
) -> Settings:
    """The server of the arguments, of TRAIND_SERVER or TRAIND_CONTEXT, of trainctl's current context, or of this
    machine.

    The token of a context goes to its server alone; TRAIND_TOKEN and TRAIND_TOKEN_FILE to one that no context names.
    """
    named = server is not None or context is not None
    server = server if named else environment.get("TRAIND_SERVER") or None
    context = context if named else environment.get("TRAIND_CONTEXT") or None
    if server and context:
        raise ValueError(
            ("server and context" if named else "TRAIND_SERVER and TRAIND_CONTEXT") + " both name a server; give one"
        )
    given = {name: path for name, path in (files or {}).items() if path}
    contexts = {} if server else _read_contexts(environment)
    context = context or ("" if server else contexts.get("current", ""))
    if context:
        known = contexts.get("contexts", {})
        if context not in known:
            raise ValueError(
                _values.known("context", context, known)
                if known
                else f'there is no context "{context}"; `trainctl context add` makes one'
            )
        entry = known[context]
        tls = tls or bool(entry.get("tls", False))
        chosen = {name: entry[name] for name in _FILES if entry.get(name)}
        return _read(entry["server"], tls, {**chosen, **given}, token or "", context)
    tls = tls or environment.get("TRAIND_TLS", "") not in ("", "0", "false")
    chosen = {name: environment[variable] for name, variable in _FILES.items() if environment.get(variable)}
    if token is None and "token_file" not in given:
        token = environment.get("TRAIND_TOKEN", "")
    return _read(server or DEFAULT_SERVER, tls, {**chosen, **given}, token or "", "")


def _check_pem(files: Mapping[str, str], data: Mapping[str, bytes]) -> None:
    """gRPC would fail every handshake, and not say why."""
    for name in ("tls_ca", "tls_cert"):
        if name in data and b"-----BEGIN CERTIFICATE-----" not in data[name]:
            raise ValueError(f"{name} {files[name]}: holds no certificate in PEM")
    if "tls_key" not in data:
        return
    if b"PRIVATE KEY-----" not in data["tls_key"] or b"ENCRYPTED" in data["tls_key"]:
        raise ValueError(f"tls_key {files['tls_key']}: holds no private key in PEM, or an encrypted one")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(files["tls_cert"], files["tls_key"], password="")
    except ssl.SSLError as error:
        what = f"is not the key of {files['tls_cert']}" if "MISMATCH" in str(error.reason) else str(error)
        raise ValueError(f"tls_key {files['tls_key']}: {what}") from None


def _read(server: str, tls: bool, files: Mapping[str, str], token: str, context: str) -> Settings:
    if ("tls_cert" in files) != ("tls_key" in files):
        raise ValueError("tls_cert and tls_key belong together: give both")
    tls = tls or any(name in files for name in ("tls_ca", "tls_cert"))
    if not token and "token_file" in files:
        token = _secret(files["token_file"], "token_file").decode("utf-8", "replace").strip()
        if len(token) > _LARGEST_TOKEN:
            raise ValueError(f"token_file {files['token_file']}: is larger than {_LARGEST_TOKEN} bytes")
        if not token:
            raise ValueError(f"token_file {files['token_file']}: is empty")
    if token and not _TOKEN.fullmatch(token):
        raise ValueError("the token holds something other than one token")
    if token and not tls and not is_loopback(server):
        raise ValueError(f"the token would travel unencrypted to {server}: use TLS (tls=True or tls_ca=FILE)")
    data = {name: _bytes_of(files[name], name) for name in ("tls_ca", "tls_cert") if name in files}
    if "tls_key" in files:
        data["tls_key"] = _secret(files["tls_key"], "tls_key")
    _check_pem(files, data)
    return Settings(server, tls, data.get("tls_ca"), data.get("tls_cert"), data.get("tls_key"), token, context)
