"""Searches: what is sent for what a person writes, and sweeps of a real server."""

import numpy as np
import pytest

import traind
from conftest import small_network
from traind import _search, _values


def toy(**fields):
    return traind.JobSpec(
        network=small_network(), data={"dataset": "toy"}, epochs=1, batch_size=16, threads=1, **fields
    )


SPACE = {"optimizer.learning_rate": traind.log_uniform(0.001, 0.1), "batch_size": [8, 16]}


def test_what_is_sent():
    spec = _search.sweep_spec(
        toy(), {**SPACE, ("a", "b"): traind.integer(1, 9, log=True)}, {"asha": {"min_epochs": 1}}, 9, "accuracy", "", {}
    )
    assert [list(one.paths) for one in spec.space] == [["optimizer.learning_rate"], ["batch_size"], ["a", "b"]]
    assert (spec.space[0].log_uniform.low, spec.space[0].log_uniform.high) == (0.001, 0.1)
    assert list(spec.space[1].choice.values) == ["8", "16"] and spec.space[2].integer.log
    assert spec.asha.min_epochs == 1 and spec.budget.max_trials == 9
    assert (spec.objective.metric, spec.objective.goal) == ("accuracy", 2)
    assert spec.base.data.dataset == "toy"


@pytest.mark.parametrize(
    "value, text",
    [(True, "true"), (None, ""), (0.1, "0.1"), (3, "3"), (np.float64(0.25), "0.25"), ("BF16", "BF16")],
)
def test_values_are_text(value, text):
    assert _search.value_text(value) == text


def test_parts_are_values():
    text = _search.value_text(traind.Sgd(momentum=0.9))
    assert text.startswith("{ sgd {") and "\n" not in text
    assert _values.parse_text(text[1:-1], "traind.v1.Optimizer").sgd.momentum == 0.9


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"algorithm": "randm"}, "did you mean random"),
        ({"trials": None}, "needs to know how many"),
        ({"minimize": "loss"}, "not both"),
        ({"space": {"batch_size": 3}}, r"space\['batch_size'\]"),
        ({"space": {"batch_size": []}}, "no value to choose"),
        ({"space": {"optimizer": [{"adam": {}}]}}, "give a part"),
        ({"fields": {"paralellism": 2}}, "did you mean parallelism"),
    ],
)
def test_what_is_wrong_is_said(changes, words):
    given = {"base": toy(), "space": SPACE, "algorithm": "random", "trials": 3, "maximize": "accuracy", "minimize": ""}
    with pytest.raises((ValueError, TypeError), match=words):
        _search.sweep_spec(**{**given, "fields": {}, **changes})


def test_a_sweep_searches(client):
    sweep = client.search(toy(), SPACE, trials=4, maximize="accuracy", parallelism=2, seed=5, labels={"team": "t"})
    assert sweep.wait(progress=False).state == "succeeded"
    table = sweep.table()
    assert table["trial"].tolist() == [1, 2, 3, 4] and set(table["state"]) == {"succeeded"}
    best = sweep.best()
    assert best.objective == table["objective"].max() and best.objective == sweep.proto.summary.best.objective
    assert sweep.mean == pytest.approx(table["objective"].mean())
    assert sweep.standard_deviation == pytest.approx(table["objective"].std(ddof=1))
    for trial in sweep.trials():
        job = trial.job()
        assert job.labels["sweep"] == sweep.id and job.labels["trial"] == str(trial.number)
        assert job.spec.proto.optimizer.learning_rate == trial.values["learning_rate"]
        assert job.spec.proto.batch_size == trial.values["batch_size"]
        assert job.evaluate().accuracy == pytest.approx(trial.objective)
    assert [entry.sequence for entry in sweep.log()] == list(range(1, sweep.proto.last_sequence + 1))
    assert sweep.id in [one.id for one in client.sweeps('labels.team = "t"')]
    assert client.sweep(sweep.id).refresh().proto.uid == sweep.proto.uid
    sweep.delete(jobs=True)
    with pytest.raises(traind.NotFound):
        client.sweep(sweep.id)


def test_values_may_come_from_outside(client):
    sweep = client.search(toy(), SPACE, algorithm="external", trials=2, maximize="accuracy")
    trial = sweep.create_trial({"learning_rate": 0.05, "batch_size": 8}).wait()
    assert trial.state == "succeeded" and trial.values == {"learning_rate": 0.05, "batch_size": 8}
    assert trial.job().spec.proto.batch_size == 8
    with pytest.raises(traind.InvalidSpec):
        sweep.create_trial({"learning_rate": 5.0, "batch_size": 8})
    assert sweep.stop().wait(progress=False).best().number == trial.number


def test_clients_may_train(client):
    sweep = client.search(None, {"x": traind.uniform(-1, 1)}, trials=3, minimize="miss", trained_by_clients=True)
    misses = []
    for _ in range(3):
        (trial,) = sweep.suggest("me")
        assert [one.number for one in sweep.suggest("me")] == [trial.number]  # It is not completed yet.
        misses.append((trial.values["x"] - 0.5) ** 2)
        trial.measure(1, 10.0)
        trial.complete(misses[-1], step=2)
    assert sweep.suggest("me") == []
    assert sweep.wait(progress=False).best().objective == min(misses)
    assert [one.step for one in sweep.trial(1).proto.measurements] == [1, 2]


def test_a_wrong_space_is_refused(client):
    with pytest.raises(traind.InvalidSpec) as caught:
        client.search(toy(), {"bach_size": [8, 16]}, algorithm="grid", maximize="accuracy")
    assert "space[0]" in str(caught.value)
