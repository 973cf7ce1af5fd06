"""examples/sweeps/optuna_search.py with Optuna itself (PyPI): it chooses, a real traind trains.

    build/python/bin/python tests/pypi/optuna_test.py       # .ci/run has made that Python
"""
import os
import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).parents[2]
PROGRAMS = pathlib.Path(os.environ.get("TRAIND_BIN", ROOT / "build/release/bin"))
os.environ["TRAIND_BIN"] = str(PROGRAMS)
sys.path[:0] = [str(PROGRAMS.parent / "python"), str(ROOT / "examples/sweeps")]

import numpy
import optuna
import optuna_search

import traind
from traind.testing import Server

SPACE = {"optimizer.learning_rate": traind.log_uniform(0.001, 0.1), "epochs": [5, 100000],
         "network.layers[hidden].dense.units": traind.integer(4, 16)}
EPOCHS = [5, 5, 100000, 5]  # Of the trials. The third ends in time because it is pruned, or not at all.


class PruneThird(optuna.pruners.BasePruner):
    """Its third trial is hopeless."""

    def prune(self, study, trial):
        return trial.number == 2


class OptunaTest(unittest.TestCase):
    def test_it_drives_a_sweep(self):
        draw = numpy.random.default_rng(0)
        labels = draw.integers(0, 3, 96)
        examples = (draw.normal(size=(96, 6)) + 2 * numpy.eye(6)[labels]).astype(numpy.float32)
        network = traind.Sequential([traind.Dense(8, activation="relu", name="hidden"), traind.Dense(3)])
        base = traind.JobSpec(network=network, data={"dataset": "toy"}, batch_size=16, threads=1)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=1), pruner=PruneThird())
        for epochs in EPOCHS:
            study.enqueue_trial({"epochs": str(epochs)})
        with Server() as client:
            client.upload_dataset("toy", x_train=examples, y_train=labels, x_test=examples[:32], y_test=labels[:32])
            sweep, study = optuna_search.search(client, base, SPACE, len(EPOCHS), parallel=1, study=study)
            sweep.wait(progress=False)
            trials = list(sweep.trials())
            best = sweep.best()
        self.assertEqual([one.values["epochs"] for one in trials], EPOCHS)
        self.assertEqual([one.state.name for one in study.trials], ["COMPLETE", "COMPLETE", "PRUNED", "COMPLETE"])
        for asked, trained in zip(study.trials, trials):
            chosen = {name: int(value) if name == "epochs" else value for name, value in asked.params.items()}
            self.assertEqual(chosen, trained.values)
        self.assertLess(trials[2].proto.step, trials[2].proto.total_steps)
        complete = [one for one in study.trials if one.state.name == "COMPLETE"]
        for asked in complete:
            self.assertEqual(asked.value, trials[asked.number].objective)
        self.assertEqual(max(one.objective for one in trials), best.objective)


if __name__ == "__main__":
    unittest.main()
