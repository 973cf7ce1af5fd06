"""Beside the tools that people have: scikit-learn, pandas, type checkers."""

import os
import pathlib
import pickle
import subprocess
import sys

import numpy as np
import pandas
import pytest
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import check_estimator  # noqa: E402

import traind
from conftest import images


@pytest.fixture(autouse=True)
def here(server, monkeypatch):
    monkeypatch.setenv("TRAIND_SERVER", server.address)


@pytest.mark.parametrize("cls", [traind.Classifier, traind.Regressor])
def test_check_estimator(cls):
    """All checks but one, which asks for SCIPY_ARRAY_API, and is skipped by scikit-learn itself."""
    results = check_estimator(cls(), on_fail=None, on_skip=None)
    assert len(results) > 40
    assert [(one["check_name"], one["exception"]) for one in results if one["status"] == "failed"] == []
    assert {one["check_name"] for one in results if one["status"] == "skipped"} <= {"check_array_api_input"}


def test_in_a_pipeline_and_a_search(client):
    x, y = images(120)
    flat = x.reshape(len(x), -1)
    names = np.array(list("abcd"))[y]
    search = GridSearchCV(
        make_pipeline(StandardScaler(), traind.Classifier(epochs=10, preprocessing=None)),
        {"classifier__learning_rate": [1e-9, 0.01]},
        cv=2,
    )
    search.fit(flat, names)
    assert search.best_params_ == {"classifier__learning_rate": 0.01} and search.best_score_ > 0.9
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    assert (again.predict(flat) == search.predict(flat)).all()
    for job in client.jobs("labels.made_by = classifier"):
        job.delete()


def test_images_and_forgetting(client):
    x, y = images(80)
    network = traind.Sequential([traind.Conv2d(4, 3, activation="relu"), traind.Dense(4)])
    model = traind.Classifier(network, epochs=10).fit(x, y)
    assert model.score(x, y) > 0.9
    job = model.job_
    model.forget()
    with pytest.raises(traind.NotFound):
        client.job(job)
    assert not [one for one in client.datasets("name:fit-")], "the data goes with the fit"


def test_pandas(client, trained):
    frame = trained.metrics().pandas()
    assert list(frame.columns)[:3] == ["step", "epoch", "loss"] and len(frame) == 18
    layers = trained.layers().pandas()
    assert layers.groupby("layer")["mean"].count().min() > 1
    x, y = images(20)
    table = pandas.DataFrame(x.reshape(20, -1))
    made = client.upload_dataset("frame", x_train=table, y_train=pandas.Series(y))
    assert made.shape == (64,)
    words = client.upload_dataset("frame-words", x_train=table, y_train=pandas.Series(list("ab") * 10))
    assert words.class_names == ["a", "b"]


GOOD = """
import traind
from traind import layers, presets
from typing_extensions import assert_type

client = traind.Client()
network = traind.Sequential([traind.Conv2d(32, 3, activation="relu", padding="same"), "flatten", layers.Dense(10)])
job = client.train(network, "toy", epochs=5, learning_rate=0.1, preprocessing=["scale", traind.Standardize()])
assert_type(job, traind.Job)
client.train(presets.resnet(classes=10, depth=20), "toy", early_stopping=traind.EarlyStopping(3))
for event in job.watch():
    if isinstance(event, traind.events.Train):
        assert_type(event.loss, float)
for one in client.jobs():
    assert_type(one, traind.Job)
assert_type(job.share("bob").update(pinned=True), traind.Job)
assert_type(client.quota()["threads"].used, int)
assert_type(traind.mlflow.mirror(job), str)
job.metrics().save("metrics.csv")


async def go() -> None:
    other = await traind.AsyncClient().train(network, "toy")
    async for event in other.watch():
        print(event)
    assert_type(await other.evaluate(), traind.Score)
"""
BAD = {
    "traind.Conv2d(32)": "Missing positional argument",
    'traind.Conv2d(32, 3, activation="rulu")': "incompatible type",
    'traind.Client().train([], "toy", epoch=5)': "Unexpected keyword argument",
    'traind.Dense("x")': "incompatible type",
    "traind.Client().job(3)": "incompatible type",
}


def mypy(*arguments, cwd):
    config = pathlib.Path(__file__).parents[3] / "client/python/pyproject.toml"
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", config, *arguments],
        cwd=cwd,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": ""},
    )


def test_types(tmp_path):
    package = pathlib.Path(traind.__file__).parent
    done = mypy("traind", cwd=package.parent)
    assert done.returncode == 0, done.stdout
    (tmp_path / "traind").symlink_to(package)
    (tmp_path / "good.py").write_text(GOOD)
    done = mypy("good.py", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    (tmp_path / "bad.py").write_text("import traind\n" + "\n".join(BAD))
    said = mypy("bad.py", cwd=tmp_path).stdout
    for line, (program, words) in enumerate(BAD.items(), 2):
        assert any(f"bad.py:{line}: error" in one and words in one for one in said.splitlines()), (program, said)
