"""The client against a real server: a cycle, errors, and what happens when the server goes."""

import asyncio
import pathlib
import threading

import numpy as np
import pytest

import traind
from conftest import images, small_network
from traind import events
from traind.testing import Server

ROOT = pathlib.Path(__file__).parents[2]


def _settings_of(server):
    from traind import _settings

    return _settings.choose(server, environment={})


def test_a_job_is_followed(trained):
    seen = list(trained.watch())
    assert [event.sequence for event in seen] == list(range(1, len(seen) + 1))
    assert [event.state for event in seen if isinstance(event, events.State)] == ["queued", "running", "succeeded"]
    assert {event.kind for event in seen} >= {"state", "train", "evaluation", "statistics", "checkpoint"}
    evaluations = list(trained.watch(["evaluation"]))
    assert [event.step for event in evaluations if event.kind == "evaluation"] == [6, 12, 18]
    assert {event.kind for event in evaluations} == {"evaluation", "state"}
    assert list(trained.watch(after=seen[-1].sequence)) == []
    with pytest.raises(ValueError, match="there is no kind"):
        list(trained.watch(["trian"]))


def test_findings(client):
    network = traind.Sequential([traind.Dense(8, activation="tanh", weight_init="zeros", name="a"), traind.Dense(4)])
    job = client.train(network, "toy", epochs=1, batch_size=16, threads=1).wait(progress=False)
    found = {one.id: one for one in job.findings()}
    assert found["no_symmetry_breaking/a"].severity == "warning" and found["no_symmetry_breaking/a"].slide == 45
    assert found["no_symmetry_breaking/a"].proto.fix.patch.network.layers[0].dense.weight_init.HasField("xavier")
    assert {event.finding.id for event in job.watch(["finding"]) if event.kind == "finding"} >= set(found)


def test_numbers_of_a_job(trained):
    metrics = trained.metrics()
    assert metrics["step"].tolist() == list(range(1, 19))
    assert np.isfinite(metrics["loss"]).all() and metrics["loss"][-1] < metrics["loss"][0]
    assert np.flatnonzero(np.isfinite(metrics["evaluation_loss"])).tolist() == [5, 11, 17]
    layers = trained.layers()
    assert layers.rows == 3 * len(set(layers["step"]))
    newest = trained.layers(step=-1)
    assert newest["layer"].tolist() == ["conv2d1", "max_pool1", "dense1"]
    assert newest["counts"][0].sum() == 16 * 4 * 64
    assert np.isnan(newest["gradient_norm"][1]) and newest["gradient_norm"][0] > 0
    assert trained.step == trained.total_steps == 18


def test_what_it_has_learned(client, trained, tmp_path):
    x, y = images(40, seed=7)
    said = trained.predict(x)
    assert said.outputs.shape == said.probabilities.shape == (40, 4)
    assert (said.classes == said.outputs.argmax(1)).all()
    np.testing.assert_allclose(said.probabilities.sum(1), 1, atol=1e-5)
    weights = trained.weights()
    by_hand = forward(weights, x)
    np.testing.assert_allclose(said.outputs, by_hand, atol=1e-4)
    assert trained.evaluate().accuracy == trained.checkpoints()[-1].evaluation_accuracy
    score = trained.evaluate()
    right = sum(one.recall * one.examples for one in score.classification.classes)
    assert right / score.examples == pytest.approx(score.accuracy)
    assert sum(score.classification.confusion) == score.examples and score.regression is None
    assert trained.evaluate("train").examples == 96
    split = trained.predict_split("test")
    assert (split.classes == split.labels).mean() == pytest.approx(trained.evaluate().accuracy)
    trained.download(tmp_path / "w.safetensors")
    assert not list(tmp_path.glob("*.part"))
    model = client.upload_model("brought", tmp_path / "w.safetensors")
    assert (model.predict(x, trained).outputs == said.outputs).all()
    again = client.upload_model("changed", {name: 0 * tensor for name, tensor in weights.items()})
    assert (again.predict(x, trained).outputs == 0).all()
    assert set(again.weights()) == set(weights)


def forward(weights, x):
    """The network of small_network in numpy."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    y = np.einsum("ncyxij,ocij->noyx", windows, weights["conv2d1.weight"]) + weights["conv2d1.bias"][:, None, None]
    y = np.maximum(y, 0).reshape(len(x), 4, 4, 2, 4, 2).max((3, 5)).reshape(len(x), -1)
    return y @ weights["dense1.weight"].T + weights["dense1.bias"]


def test_a_large_array_is_asked_in_parts(trained):
    x, _ = images(1500)
    said = trained.predict(x)
    assert len(said) == 1500
    assert (said.outputs[-10:] == trained.predict(x[-10:]).outputs).all()


def test_steering(client):
    job = client.train(
        small_network(), "toy", steps=50_000_000, threads=1, metrics_every_steps=500, labels={"team": "a"}
    )
    assert job.pause().state in ("paused", "pausing")
    wait_for(job, "paused")
    assert job.update(priority=3, labels={"team": "b"}, display_name="x").labels == {"team": "b"}
    assert [one.name for one in client.jobs("labels.team = b")] == [job.name]
    job.resume()
    for event in job.watch(["train"]):
        if event.kind == "train":
            break
    assert job.metrics().rows > 0, "of a job that goes on"
    job.stop()
    job.wait(progress=False)
    assert 0 < job.step < 50_000_000
    fork = job.fork(epochs=100_000, job_id="forked", learning_rate=0.2)
    assert fork.spec.optimizer.learning_rate == 0.2 and fork.spec.epochs == 100_000 and fork.spec.steps is None
    fork.cancel()
    with pytest.raises(traind.JobCancelled):
        fork.wait(progress=False)
    fork.delete()
    with pytest.raises(traind.NotFound):
        fork.refresh()


def wait_for(job, state):
    for event in job.watch(["state"]):
        if event.kind == "state" and event.state == state:
            return


def test_extend(client):
    job = client.train(small_network(), "toy", epochs=1, threads=1).wait(progress=False)
    before = job.step
    job.extend(epochs=2).wait(progress=False)
    assert job.step == 2 * before


def test_lists_page_by_themselves(client, monkeypatch):
    from traind import _core

    for i in range(5):
        client.train(small_network(), "toy", steps=0, threads=1, labels={"many": str(i)}).wait(progress=False)
    monkeypatch.setattr(_core, "LARGEST_PAGE", 2)
    assert len(list(client.jobs("labels:many"))) == 5
    assert len(list(client.jobs("labels:many", limit=3))) == 3
    assert [job.labels["many"] for job in client.jobs("labels:many", order_by="create_time")] == list("01234")
    assert list(client.jobs("labels.many = 7")) == []
    assert [one.id for one in client.datasets("name:toy")] == ["toy"]


class TestErrors:
    def test_every_violation_at_once(self, client):
        with pytest.raises(traind.InvalidSpec) as caught:
            client.train(small_network(), "toy", batch_size=10**6, display_name="x" * 1000)
        assert {one.field for one in caught.value.violations} == {"spec.batch_size", "spec.display_name"}
        assert "spec.batch_size must be 1 to 96" in str(caught.value)
        assert isinstance(caught.value, ValueError)

    def test_names(self, client):
        with pytest.raises(traind.NotFound) as caught:
            client.job("nobody")
        assert caught.value.resource == "jobs/nobody"
        client.train(small_network(), "toy", job_id="taken", steps=0)
        with pytest.raises(traind.AlreadyExists):
            client.train(small_network(), "toy", job_id="taken", steps=0)

    def test_fields_that_no_job_has(self, client):
        with pytest.raises(TypeError, match="did you mean epochs"):
            client.train(small_network(), "toy", epoch=3)

    def test_a_job_that_fails(self, client):
        job = client.train(small_network(), "toy", epochs=50, learning_rate=1e30, threads=1, batch_size=8)
        with pytest.raises(traind.JobFailed) as caught:
            job.wait(progress=False)
        assert caught.value.job is job and job.state == "failed" and job.error in str(caught.value)

    def test_no_server(self):
        waits = []
        with traind.Client("127.0.0.1:1", timeout=2, on_retry=lambda error, delay: waits.append(delay)) as nobody:
            assert not nobody.healthy()
            with pytest.raises(traind.Unavailable):
                nobody.job("a")
        assert 1 <= len(waits) <= 4

    def test_what_is_not_safe_is_not_retried(self):
        waits = []
        with traind.Client("127.0.0.1:1", timeout=2, on_retry=lambda error, delay: waits.append(delay)) as nobody:
            with pytest.raises(traind.Unavailable):
                nobody.call("DeleteJob", name="jobs/a")
        assert waits == []

    def test_a_quota_says_when(self):
        from traind import errors, rpc

        status = rpc.Status(code=8, message="too many")
        info = rpc.RetryInfo()
        info.retry_delay.seconds = 3
        status.details.add(type_url="type.googleapis.com/google.rpc.RetryInfo", value=info.SerializeToString())
        error = errors.from_status(status)
        assert isinstance(error, traind.QuotaExceeded) and error.retry_after == 3 and errors.is_retryable(error)
        info.retry_delay.seconds = 10**6
        status.details[0].value = info.SerializeToString()
        assert errors.from_status(status).retry_after is None
        failure = rpc.QuotaFailure()
        failure.violations.add(subject="users/ada", description="threads")
        status.details.add(type_url="type.googleapis.com/google.rpc.QuotaFailure", value=failure.SerializeToString())
        assert errors.from_status(status).quotas == [("users/ada", "threads")]

    def test_what_is_deleted_while_it_is_watched(self, client):
        job = client.train(small_network(), "toy", steps=0, threads=1).wait(progress=False)
        job.delete()
        with pytest.raises(traind.NotFound, match=f"{job.name} was deleted"):
            list(job.watch())

    def test_who_waits_long_is_told_once(self, caplog, monkeypatch):
        from traind import _core
        from traind._sync.connection import Connection

        connection, backoff = Connection(_settings_of("localhost:1")), _core.Backoff(_core.STREAMS)
        error = traind.QuotaExceeded("RESOURCE_EXHAUSTED", "too many", retry_after=_core.NOTABLE)
        monkeypatch.setattr("time.sleep", lambda seconds: None)
        for _ in range(2):
            connection.wait_after(error, backoff)
        assert [record.getMessage() for record in caplog.records] == ["localhost:1: too many; trying again"]
        connection.close()


@pytest.mark.parametrize("page, dataset", [("README.md", "fashion-mnist"), ("client/python/README.md", "toy")])
def test_the_readmes_first_job_works(server, client, monkeypatch, capsys, page, dataset):
    text = (ROOT / page).read_text().split("```python\nimport traind")[1].split("```")[0]
    monkeypatch.setenv("TRAIND_SERVER", server.address)
    x, y = images(64)
    scope = {"x": x, "y": y, "x_test": x[:16], "y_test": y[:16], "images": x}
    if "upload_dataset" not in text:
        client.upload_dataset("readme", x_train=x, y_train=y, x_test=x[:16], y_test=y[:16])
    exec(
        "import traind" + text.replace(f'"{dataset}"', '"readme"' if "upload_dataset" not in text else '"readme-2"'),
        scope,
    )
    assert capsys.readouterr().out.startswith(("0.", "1.0"))


def test_any_method(client):
    assert client.call("ListComponents", filter='name = "conv2d"').components[0].category == "layer"
    with pytest.raises(ValueError, match="there is no method"):
        client.call("ListCompnents")


def test_the_catalogue_is_the_servers(client):
    from traind import _catalog

    ours = {name.lower() for members in _catalog.SPACES.values() for name in members}
    theirs = [one for one in client.call("ListComponents").components if one.category != "part of a job"]
    assert len(theirs) > 60
    for one in theirs:
        assert one.name in _catalog.SPACES["presets"] or one.message.rsplit(".", 1)[-1].lower() in ours, one.name


def test_describe_and_probe(client):
    network = traind.presets.mlp(classes=4, depth=1, width=8)
    described = client.describe(network, [16])
    assert described.parameters == 16 * 8 + 8 + 8 * 4 + 4
    assert "172 parameters" in repr(described)
    layers = client.probe([traind.Dense(64, activation="tanh", weight_init=traind.Normal(std=0.01))] * 3, [64], seed=1)
    assert layers["std"][2] < layers["std"][0] / 10


def test_all_ways_to_say_a_job(client, tmp_path):
    want = client.train(small_network(), "toy", epochs=2, preprocessing="scale", validate_only=True).spec
    assert want.data.dataset == "toy"
    (tmp_path / "job.textproto").write_text(str(want))
    for said in (want, want.to_dict(), str(want), tmp_path / "job.textproto"):
        assert client.submit(said, validate_only=True).spec == want
    for network in (
        small_network().to_dict(),
        str(small_network()),
        tmp_path / "job.textproto",
        list(small_network().layers),
    ):
        assert client.train(network, "toy", epochs=2, preprocessing=traind.Scale(), validate_only=True).spec == want
    assert client.submit(want, epochs=5, validate_only=True).spec.epochs == 5


def test_async_is_the_same(server, client, trained):
    async def go():
        async with traind.AsyncClient(server.address) as other:
            job = await other.train(small_network(), "toy", epochs=1, threads=1, job_id="asynchronous")
            kinds = [event.kind async for event in job.watch(["evaluation"])]
            await job.wait(progress=False)
            assert "evaluation" in kinds and job.state == "succeeded"
            x, _ = images(10)
            old = await other.job("trained")
            assert ((await old.predict(x)).outputs == trained.predict(x).outputs).all()
            assert (await old.metrics())["loss"].tolist() == trained.metrics()["loss"].tolist()
            assert "jobs/asynchronous" in [one.name async for one in other.jobs()]
            assert (await old.evaluate()) == trained.evaluate()
            data = await other.upload_dataset("asynchronous", x_train=x, y_train=np.arange(10) % 2)
            assert data.splits == {"train": 10}
            with pytest.raises(traind.NotFound):
                await other.job("nobody")

    asyncio.run(go())


def test_a_watch_survives_the_servers_end():
    server = Server().start()
    try:
        with server.client() as client:
            x, y = images(256)
            client.upload_dataset("toy", x_train=x, y_train=y)
            job = client.train(
                small_network(),
                "toy",
                steps=3000,
                batch_size=8,
                threads=1,
                metrics_every_steps=10,
                checkpoint={"every_steps": 200},
            )
            sequences, killed, starter = [], False, None
            for event in job.watch():
                sequences.append(event.sequence)
                if event.kind == "checkpoint" and event.step > 0 and not killed:
                    killed = True
                    server.kill()
                    starter = threading.Thread(target=server.start)
                    starter.start()
            starter.join()
            assert sequences == list(range(1, len(sequences) + 1))
            assert job.refresh().state == "succeeded" and job.step == 3000
    finally:
        server.stop()
