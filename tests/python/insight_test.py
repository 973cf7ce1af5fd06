"""What a job's findings lead to: fixes that are tried, and labels that may be wrong. Against a real server."""

import asyncio
import json
import os
import pathlib
import subprocess

import numpy as np
import pytest

import traind
from conftest import images

WRONG = 30  # Of 600 labels.


@pytest.fixture(scope="module")
def mislabelled(client):
    """A job on images of which one label in twenty was changed on purpose; and which ones."""
    x, y = images(600, seed=5)
    draw = np.random.default_rng(11)
    wrong = np.sort(draw.choice(len(y), WRONG, replace=False))
    labels = y.copy()
    labels[wrong] = (labels[wrong] + draw.integers(1, 4, WRONG)) % 4
    client.upload_dataset("mislabelled", x_train=x, y_train=labels, x_test=x[:50], y_test=y[:50])
    network = traind.Sequential(
        [traind.Flatten(), traind.Dense(64, activation="relu", name="hidden"), traind.Dense(4, name="out")]
    )
    job = client.train(
        network,
        "mislabelled",
        job_id="mislabelled",
        steps=200,
        batch_size=20,
        threads=1,
        learning_rate=0.05,
        checkpoint={"every_steps": 25, "keep_last": 16},
    ).wait(progress=False)
    return job, x, labels, wrong


def test_wrong_labels_are_found(mislabelled):
    job, x, labels, wrong = mislabelled
    found = job.suspects(WRONG)
    assert list(found) == ["example", "label", "taken_for", "margin"] and found.rows == WRONG
    assert set(range(25, 201, 25)) <= set(found.checkpoints), "beside them the best ones"
    right = np.isin(found["example"], wrong).mean()
    print(f"precision at {WRONG}: {right:.3f}")
    assert right >= 0.9
    assert (np.diff(found["margin"]) >= 0).all() and (found["label"] == labels[found["example"]]).all()
    # The area under the margin once more, of weights that were downloaded, in float64.
    margins = np.mean([margins_by_hand(job.weights(step), x, labels) for step in found.checkpoints], axis=0)
    np.testing.assert_allclose(found["margin"], margins[found["example"]], atol=1e-4)
    assert set(np.argsort(margins)[:10]) == set(found["example"][:10])


def margins_by_hand(weights, x, labels):
    weights = {name: tensor.astype(np.float64) for name, tensor in weights.items()}
    hidden = np.maximum(x.reshape(len(x), -1) @ weights["hidden.weight"].T + weights["hidden.bias"], 0)
    outputs = hidden @ weights["out.weight"].T + weights["out.bias"]
    given = np.eye(4, dtype=bool)[labels]
    return outputs[given] - np.where(given, -np.inf, outputs).max(1)


def test_trainctl_says_the_same(mislabelled, client, server, tmp_path):
    job, _, _, wrong = mislabelled
    trainctl = pathlib.Path(os.environ["TRAIND_BIN"]) / "trainctl"

    def run(*arguments):
        done = subprocess.run([trainctl, "--server", server.address, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done

    page = tmp_path / "suspects.html"
    done = run("suspects", job.id, "-n", "12", "--json", "-o", str(page))
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    ours = job.suspects(12)
    for name in ("example", "label", "taken_for"):
        assert [line[name] for line in lines] == ours[name].tolist()
    np.testing.assert_allclose([line["margin"] for line in lines], ours["margin"], rtol=1e-6)
    assert page.read_text().count("<img") == 12
    # A job that keeps the last checkpoint alone is trained once more: the same numbers, for the same seed.
    short = client.submit(job.spec, job_id="forgot", checkpoint={"every_steps": 0, "keep_last": 1})
    short.wait(progress=False)
    assert "few checkpoints" in run("suspects", "forgot", "-n", "1").stderr
    done = run("suspects", "forgot", "-n", str(WRONG), "-q", "--train", "forgot-margins")
    found = [int(line) for line in done.stdout.split()]
    assert np.isin(found, wrong).mean() >= 0.9


def test_suspects_of_one_output(client):
    """Log odds x of the second of two classes are the outputs 0 and x."""
    draw = np.random.default_rng(3)
    x = draw.normal(size=(200, 4)).astype(np.float32)
    labels = (x[:, 0] > 0).astype(np.int32)
    labels[7] = 1 - labels[7]
    client.upload_dataset("halves", x_train=x, y_train=labels, x_test=x[:20], y_test=labels[:20])
    job = client.train(
        traind.Sequential([traind.Dense(1, name="out")]), "halves", steps=50, loss="binary_cross_entropy", threads=1
    )
    job.wait(progress=False)
    found = job.suspects(200)
    weights = job.weights(found.checkpoints[-1])
    assert len(found.checkpoints) == 1
    odds = (x.astype(np.float64) @ weights["out.weight"].astype(np.float64).reshape(4, 1)).ravel() + weights["out.bias"]
    margins = np.where(labels == 1, odds, -odds)
    np.testing.assert_allclose(found["margin"], margins[found["example"]], atol=1e-4)
    assert (found["taken_for"] == 1 - found["label"]).all()


def test_suspects_of_what_has_none(client):
    draw = np.random.default_rng(0)
    x = draw.normal(size=(64, 3)).astype(np.float32)
    client.upload_dataset("line", x_train=x, y_train=x[:, :1] * 2, x_test=x, y_test=x[:, :1] * 2)
    job = client.train(traind.Sequential([traind.Dense(1)]), "line", steps=5, loss="mean_squared_error", threads=1)
    job.wait(progress=False)
    with pytest.raises(traind.TraindError, match="no classifier"):
        job.suspects()
    with pytest.raises(ValueError, match="must be 1 or more"):
        job.suspects(0)


@pytest.fixture(scope="module")
def too_fast(client):
    """A long job with a rate far too high, cancelled after its beginning."""
    network = traind.Sequential([traind.Flatten(), traind.Dense(16, activation="relu"), traind.Dense(4)])
    job = client.train(
        network,
        "toy",
        job_id="too-fast",
        steps=10_000_000,
        batch_size=16,
        threads=1,
        learning_rate=3.0,
        labels={"team": "a"},
    )
    return cancelled(job)


def cancelled(job):
    """After its beginning."""
    for event in job.watch(["train"]):
        if event.kind == "train":
            break
    job.cancel()
    with pytest.raises(traind.JobCancelled):
        job.wait(progress=False)
    return job


def test_a_fix_is_tried(client, too_fast):
    found = {one.id: one for one in too_fast.findings()}
    assert "learning_rate_habit" in found
    fixed = too_fast.fixed_spec("learning_rate_habit")
    assert fixed.optimizer.learning_rate == found["learning_rate_habit"].proto.fix.patch.optimizer.learning_rate < 3
    assert fixed.steps == 10_000_000 and too_fast.spec.optimizer.learning_rate == 3
    trial = too_fast.fix(found["learning_rate_habit"], steps=100)
    assert trial.helps and trial.verdict.startswith("the fix helps: "), trial.verdict
    assert trial.checkpoint == "" and trial.steps == 100
    assert trial.patched.job.name == "jobs/too-fast-fix-1" and trial.patched.job.state == "paused"
    assert trial.control.job.name == "jobs/too-fast-control-1" and trial.control.job.state in ("cancelled", "failed")
    assert trial.control.job.labels["fix-verdict"] == "helps" and trial.control.job.labels["team"] == "a"
    # The means of the verdict, of the jobs' own curves.
    for side in (trial.patched, trial.control):
        curve = side.job.metrics()
        last = curve["loss"][(curve["step"] > 75) & (curve["step"] <= 100) & np.isfinite(curve["loss"])]
        assert side.loss == pytest.approx(last.mean(), rel=1e-6)
    assert trial.patched.loss < trial.control.loss
    # Six steps an epoch: its own evaluations fell into the trial.
    own = trial.patched.job.metrics()
    last = own["evaluation_loss"][(own["step"] <= 100) & np.isfinite(own["evaluation_loss"])][-1]
    assert trial.patched.evaluation_loss == last and trial.patched.job.spec.evaluation is None
    trial.patched.job.resume()
    assert trial.patched.job.stop().wait(progress=False).step >= 100


def test_a_trial_without_an_evaluation_is_evaluated(client, too_fast):
    job = cancelled(client.submit(too_fast.spec, job_id="rarely", evaluation={"every_steps": 1_000_000}))
    trial = job.fix("learning_rate_habit", steps=50)
    score = trial.patched.job.evaluate()
    assert (trial.patched.evaluation_loss, trial.patched.evaluation_accuracy) == (score.loss, score.accuracy)
    assert trial.patched.job.spec.evaluation.every_steps == 1_000_000


def test_a_fix_without_proof(too_fast):
    trial = too_fast.fix("learning_rate_habit", verify=False)
    assert trial.helps is None and trial.control is None
    job = trial.patched.job.cancel()
    assert job.spec.optimizer.learning_rate == too_fast.fixed_spec("learning_rate_habit").optimizer.learning_rate
    assert job.total_steps == 10_000_000 and job.labels["fix-of"] == "too-fast"


def test_what_cannot_be_tried(client, too_fast):
    with pytest.raises(ValueError, match='no finding "dead"; there are: .*learning_rate_habit'):
        too_fast.fix("dead")
    with pytest.raises(ValueError, match="from 1 to 10000000"):
        too_fast.fix("learning_rate_habit", steps=10_000_001)
    x, y = images(64)
    client.upload_dataset("one-class", x_train=x, y_train=0 * y, x_test=x, y_test=y)
    job = client.train(traind.Sequential([traind.Dense(4)]), "one-class", steps=5, threads=1).wait(progress=False)
    assert "constant_labels" in {one.id for one in job.findings()}
    with pytest.raises(traind.TraindError, match="no change that a program can make"):
        job.fix("constant_labels")


def test_the_same_with_await(server, too_fast):
    async def tried():
        async with traind.AsyncClient(server.address) as client:
            job = await client.job("too-fast")
            trial = await job.fix("learning_rate_habit", steps=100)
            return trial.helps, trial.control.job.state

    helps, state = asyncio.run(tried())
    assert helps and state in ("cancelled", "failed")


def test_where_a_trial_begins():
    from traind import _core, _pool, _trials
    from traind.events import finding_of

    kept = [_core.Checkpoint(f"jobs/a/checkpoints/{step}", step, 1, False, None, None) for step in (0, 50, 100, 150)]

    def finding(first_step, *paths):
        proto = _pool.new("Finding", id="loss_jump", rule="loss_jump", first_step=first_step)
        proto.fix.mask.paths.extend(paths)
        return finding_of(proto)

    rate = finding(120, "optimizer.learning_rate", "optimizer.gradient_clip_norm")
    assert _trials.begin(rate, kept, "") == ("jobs/a/checkpoints/100", 100)
    assert _trials.begin(finding(150, "optimizer"), kept, "") == ("jobs/a/checkpoints/100", 100), "not with it"
    assert _trials.begin(finding(120, "optimizer.learning_rate", "network"), kept, "") == ("", 0)
    assert _trials.begin(finding(120, "data.preprocessing"), kept, "") == ("", 0)
    assert _trials.begin(finding(0, "optimizer"), kept, "") == ("", 0)
    assert _trials.begin(finding(40, "optimizer"), kept, "jobs/b/checkpoints/30") == ("jobs/b/checkpoints/30", 30)


def test_balanced_classes_are_judged_by_their_recall():
    from types import SimpleNamespace

    from traind import _core, _pool, _trials
    from traind.events import finding_of

    proto = _pool.new("Finding", id="class_imbalance", rule="class_imbalance")
    proto.fix.mask.paths.append("loss")
    plan = _trials.Plan("", 0, 100, _trials.measure_of(finding_of(proto)), 0)

    def record(accuracy, recall):
        made = _trials.Record("class_imbalance", plan)
        made.step = 100
        metrics = _pool.new("ClassificationMetrics", macro_recall=recall)
        made.add(_core.Score("test", 100, 0.5, accuracy, None, metrics))
        return made

    job = SimpleNamespace(state="paused")
    helps, verdict = _trials.judge(record(0.9, 0.8), record(0.95, 0.5), job, job, plan, False)
    assert helps and "evaluation macro recall 0.8 instead of 0.5" in verdict


def test_a_fix_replaces_what_its_mask_names():
    from traind import _pool, _trials

    spec = traind.JobSpec(
        network=[traind.Dense(8, name="a"), traind.Dense(4, name="b")],
        data={"dataset": "toy", "preprocessing": ["scale", "standardize"]},
        optimizer={"sgd": {"momentum": 0.9}, "learning_rate": 3, "batch_scaling": {"base_batch_size": 8}},
        steps=10,
    ).proto
    fix = _pool.new("Fix")
    fix.mask.paths.extend(["optimizer.learning_rate", "data.preprocessing", "network.layers"])
    fix.mask.paths.extend(["early_stopping.patience", "optimizer.batch_scaling", "optimizer.schedule"])
    fix.patch.optimizer.learning_rate = 0.1
    fix.patch.optimizer.sgd.momentum = 0.5  # Not in the mask.
    fix.patch.network.layers.add(name="c")
    fix.patch.early_stopping.patience = 3
    fixed = _trials.apply(spec, fix)
    assert fixed.optimizer.learning_rate == 0.1 and fixed.optimizer.sgd.momentum == 0.9
    assert not fixed.optimizer.HasField("batch_scaling") and not fixed.optimizer.HasField("schedule")
    assert not fixed.data.preprocessing and fixed.data.dataset == "toy", "a list that the patch has not is cleared"
    assert [layer.name for layer in fixed.network.layers] == ["c"] and fixed.early_stopping.patience == 3
    assert spec.optimizer.learning_rate == 3 and len(spec.network.layers) == 2
