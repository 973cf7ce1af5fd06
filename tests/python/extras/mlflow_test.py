"""A job in a real MLflow, read back by MLflow's own client; tables in Parquet, read back by pandas."""

import math
import socket
import subprocess
import sys
import time
import urllib.request

import mlflow as theirs
import pandas
import pytest

from conftest import small_network
from traind import mlflow


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(
            [*command, "--backend-store-uri", f"sqlite:///{folder}/runs.db"], stdout=log, stderr=log, cwd=folder
        )
    uri, end = f"http://127.0.0.1:{port}", time.monotonic() + 300
    while True:
        try:
            with urllib.request.urlopen(uri + "/health", timeout=5):
                break
        except OSError:
            assert server.poll() is None and time.monotonic() < end, (folder / "log").read_text()
            time.sleep(0.2)
    yield uri
    server.terminate()
    server.wait()


def test_a_mirror(uri, client, trained):
    run_id = mlflow.mirror(trained, tracking_uri=uri, experiment="lectures & more", layers=True)
    assert mlflow.mirror(trained, tracking_uri=uri, experiment="lectures & more", layers=True) == run_id
    reader = theirs.MlflowClient(uri)
    run = reader.get_run(run_id)
    metrics = trained.metrics()
    losses = sorted(reader.get_metric_history(run_id, "train/loss"), key=lambda one: one.step)
    assert [one.value for one in losses] == metrics["loss"].tolist()
    assert [one.step for one in losses] == metrics["step"].tolist()
    assert run.info.status == "FINISHED" and run.info.end_time >= run.info.start_time > 0
    assert run.info.run_name == "trained" and run.data.params["optimizer.learning_rate"] == "0.05"
    assert run.data.metrics["evaluation/accuracy"] == metrics["evaluation_accuracy"][-1]
    newest = trained.layers(step=-1)
    assert run.data.metrics["layers/conv2d1/std"] == newest["std"][0]


def test_a_job_that_fails(uri, client):
    job = client.train(
        small_network(), "toy", epochs=50, learning_rate=1e30, threads=1, batch_size=8, labels={"team": "a"}
    )
    run = theirs.MlflowClient(uri).get_run(mlflow.mirror(job, tracking_uri=uri))
    assert run.info.status == "FAILED" and run.data.tags["label.team"] == "a"
    assert run.data.tags["traind.reason"] == job.refresh().error


def test_parquet(trained, tmp_path):
    trained.layers().save(tmp_path / "layers.parquet")
    frame, table = pandas.read_parquet(tmp_path / "layers.parquet"), trained.layers()
    assert frame["std"].tolist() == table["std"].tolist() and list(frame.columns) == list(table)
    assert frame["counts"][0].tolist() == table["counts"][0].tolist()
    assert frame["shape"][0].tolist() == list(table["shape"][0])
    assert math.isnan(frame["gradient_norm"][1])
