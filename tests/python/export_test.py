"""Numbers in files that other programs read, and in MLflow: here one that only writes down what it is told."""

import collections
import csv
import http.server
import json
import math
import threading

import numpy as np
import pytest

import traind
from traind import _mlflow_api, _tables, mlflow


def test_a_table_in_files(trained, tmp_path):
    table = trained.metrics()
    table.save(tmp_path / "metrics.csv")
    with open(tmp_path / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == table["loss"].tolist()
    assert rows[0]["evaluation_loss"] == "" and float(rows[5]["evaluation_loss"]) == table["evaluation_loss"][5]
    layers = trained.layers()
    layers.save(tmp_path / "layers.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "layers.jsonl").read_text().splitlines()]
    assert [line["counts"] for line in lines] == [counts.tolist() for counts in layers["counts"]]
    assert lines[0]["shape"] == list(layers["shape"][0]) and lines[1]["gradient_norm"] is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["layers.jsonl", "metrics.csv"]


def test_what_json_has_not(tmp_path):
    table = _tables.table_of([(1, math.inf, "a,\nb"), (2, None, "é")], ("step", "loss", "text"))
    table.save(tmp_path / "a.jsonl")
    assert [json.loads(line) for line in (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()] == [
        {"step": 1, "loss": "Infinity", "text": "a,\nb"},
        {"step": 2, "loss": None, "text": "é"},
    ]
    with pytest.raises(ValueError, match="did you mean .csv"):
        table.save(tmp_path / "a.cvs")


class Tracking(http.server.BaseHTTPRequestHandler):
    """What MLflow would keep."""

    def do_GET(self):
        self.answer(404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no experiment"})

    def do_POST(self):
        path = self.path.rsplit("mlflow/", 1)[-1]
        fields = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        kept = self.server.kept
        kept.calls.append((path, fields, self.headers["Authorization"]))
        if kept.failures:
            return self.answer(kept.failures.pop(), {"error_code": "SOMETHING", "message": "not now"})
        if path == "runs/create":
            kept.tags.update({tag["key"]: tag["value"] for tag in fields["tags"]})
        elif path == "runs/log-batch":
            kept.metrics.extend(fields.get("metrics", []))
            kept.params.extend(fields.get("params", []))
            kept.tags.update({tag["key"]: tag["value"] for tag in fields.get("tags", [])})
        elif path == "runs/update":
            kept.status.append(fields["status"])
        tags = [{"key": key, "value": value} for key, value in kept.tags.items()]
        run = {"info": {"run_id": "r1"}, "data": {"tags": tags}}
        self.answer(200, {"experiment_id": "7", "run": run, "runs": [run] if kept.tags else []})

    def answer(self, code, fields):
        text = json.dumps(fields).encode()
        self.send_response(code)
        if code == 302:
            self.send_header("Location", "http://elsewhere.example/")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *words):
        pass


@pytest.fixture
def tracking(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    for name in ("TOKEN", "USERNAME", "PASSWORD", "URI"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tracking)
    server.kept = collections.namedtuple("Kept", "calls metrics params tags status failures")([], [], [], {}, [], [])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}/")
    yield server.kept
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_mirror_has_everything_once(trained, tracking):
    assert mlflow.mirror(trained, layers=True) == "r1"
    losses = {one["step"]: one["value"] for one in tracking.metrics if one["key"] == "train/loss"}
    assert list(losses.values()) == trained.metrics()["loss"].tolist()
    assert {one["key"] for one in tracking.metrics} >= {"evaluation/accuracy", "layers/conv2d1/std"}
    params = {one["key"]: one["value"] for one in tracking.params}
    assert params["epochs"] == "3" and params["network.layers.conv2d1.conv2d.out_channels"] == "4"
    assert tracking.status == ["SCHEDULED", "RUNNING", "FINISHED"]
    assert tracking.tags["traind.job"] == "jobs/trained"
    before = len(tracking.metrics), len(tracking.params)
    mlflow.mirror(trained, layers=True)
    assert (len(tracking.metrics), len(tracking.params)) == before, "it goes on where it was"


def test_a_mirror_tries_again_where_that_is_safe(trained, tracking):
    api = _mlflow_api.Api(None)
    tracking.failures.extend([503, 429])
    assert api.call("runs/log-batch")["experiment_id"] == "7" and len(tracking.calls) == 3
    tracking.failures.append(503)
    with pytest.raises(traind.TraindError, match="refused: 503 not now"):
        api.once("runs/create", tags=[])
    tracking.failures.append(400)
    with pytest.raises(traind.TraindError, match="refused: 400 not now"):
        api.call("runs/log-batch")
    tracking.failures.append(302)
    with pytest.raises(traind.TraindError, match="leads to http://elsewhere.example/"):
        api.call("runs/log-batch")
    assert len(tracking.calls) == 6


def test_credentials_of_a_mirror():
    def headers(uri, **environment):
        return _mlflow_api.Api(uri, environment)._headers.get("Authorization")

    assert headers("http://[::1]:5000", MLFLOW_TRACKING_TOKEN="t") == "Bearer t"
    assert headers("https://a.example", MLFLOW_TRACKING_USERNAME="u", MLFLOW_TRACKING_PASSWORD="p") == "Basic dTpw"
    assert headers("http://a.example") is None
    with pytest.raises(ValueError, match="would travel unencrypted to a.example"):
        headers("http://a.example", MLFLOW_TRACKING_TOKEN="t")
    for uri in ("", "sqlite:///x", "file:/x", "http://u:p@a.example"):
        with pytest.raises(ValueError, match="no tracking server"):
            headers(uri)


def test_what_is_not_there_is_not_drawn():
    from traind import events, v1

    event = events.event_of(v1.Event(sequence=1, step=2, train=v1.TrainMetrics(loss=math.nan)))
    names = dict(mlflow.metrics_of(event))
    assert "train/accuracy" not in names and np.isnan(names["train/loss"])
