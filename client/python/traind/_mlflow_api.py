"""MLflow's REST API, as far as a mirror needs it: bounded, with retries, and credentials that travel encrypted."""

from __future__ import annotations

import base64
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Dict, Mapping, Optional, Sequence

from traind import _settings, errors

_TIMEOUT = 30.0  # Seconds of one request.
_PAUSES = (0.2, 1.0, 3.0)  # Seconds before another try of what did not get through.
_LARGEST_ANSWER = 16 << 20


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The credentials are for the server that was named."""

    def redirect_request(self, *arguments: Any) -> None:
        return None


class Api:
    """A tracking server: that of `uri`, or of MLFLOW_TRACKING_URI. ValueError: there is none, or not by HTTP."""

    def __init__(self, uri: Optional[str], environment: Mapping[str, str] = os.environ) -> None:
        self.uri = (uri or environment.get("MLFLOW_TRACKING_URI", "")).rstrip("/")
        parts = urllib.parse.urlsplit(self.uri)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ValueError(
                f'"{self.uri}" is no tracking server: give tracking_uri="http://localhost:5000", or set '
                "MLFLOW_TRACKING_URI"
            )
        here = _settings.is_loopback(f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname)
        self._headers = {"Content-Type": "application/json", **_credentials(environment)}
        if "Authorization" in self._headers and parts.scheme == "http" and not here:
            raise ValueError(f"the credentials of MLflow would travel unencrypted to {parts.hostname}: use https")
        handlers = [urllib.request.ProxyHandler({})] if here else []  # A proxy leads to other machines.
        self._opener = urllib.request.build_opener(_NoRedirect(), *handlers)

    def call(self, path: str, **fields: Any) -> Dict[str, Any]:
        """POSTs to a method that is safe to repeat. TraindError says what MLflow said."""
        return self._send(path, json.dumps(fields).encode(), _PAUSES)

    def once(self, path: str, **fields: Any) -> Dict[str, Any]:
        """POSTs to a method, once."""
        return self._send(path, json.dumps(fields).encode(), ())

    def experiment(self, name: str) -> str:
        """The id of an experiment, which is made if there is none."""
        path = f"experiments/get-by-name?{urllib.parse.urlencode({'experiment_name': name})}"
        try:
            return str(self._send(path, None, _PAUSES)["experiment"]["experiment_id"])
        except _Missing:
            return str(self.once("experiments/create", name=name)["experiment_id"])

    def _send(self, path: str, body: Optional[bytes], pauses: Sequence[float]) -> Dict[str, Any]:
        request = urllib.request.Request(f"{self.uri}/api/2.0/mlflow/{path}", body, self._headers)
        for pause in (*pauses, None):
            try:
                with self._opener.open(request, timeout=_TIMEOUT) as answer:
                    return self._parsed(answer.read(_LARGEST_ANSWER + 1))
            except urllib.error.HTTPError as error:
                failure, again = self._refused(error), error.code == 429 or error.code >= 500
            except OSError as error:
                failure, again = errors.TraindError(f"MLflow at {self.uri} does not answer: {error}"), True
            if pause is None or not again:
                break
            time.sleep(pause)
        raise failure

    def _parsed(self, text: bytes) -> Dict[str, Any]:
        try:
            if len(text) <= _LARGEST_ANSWER:
                return dict(json.loads(text or b"{}"))
        except (ValueError, TypeError):
            pass
        raise errors.TraindError(f"{self.uri} does not answer as MLflow does: is it the tracking server?")

    def _refused(self, error: urllib.error.HTTPError) -> errors.TraindError:
        with error:
            text = error.read(_LARGEST_ANSWER)
        if 300 <= error.code < 400:
            return errors.TraindError(f"MLflow at {self.uri} leads to {error.headers.get('Location')}: name that one")
        try:
            told = json.loads(text)
            code, message = str(told.get("error_code", "")), str(told.get("message", ""))
        except (ValueError, AttributeError):
            code, message = "", str(error.reason)
        kind = _Missing if code == "RESOURCE_DOES_NOT_EXIST" else errors.TraindError
        return kind(f"MLflow at {self.uri} refused: {error.code} {message[:500]}")


class _Missing(errors.TraindError):
    """There is no such thing."""


def _credentials(environment: Mapping[str, str]) -> Dict[str, str]:
    token, user = environment.get("MLFLOW_TRACKING_TOKEN"), environment.get("MLFLOW_TRACKING_USERNAME")
    if token:
        return {"Authorization": f"Bearer {token}"}
    if user:
        pair = f"{user}:{environment.get('MLFLOW_TRACKING_PASSWORD', '')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {}
