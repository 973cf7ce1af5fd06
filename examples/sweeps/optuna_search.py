#!/usr/bin/env python3
"""Optuna chooses, traind trains: a search driven from outside by ask and tell.

    pip install optuna
    examples/sweeps/optuna_search.py examples/fashion_mnist_mlp.textproto --trials 20

The sweep's algorithm is "external": the server trains a trial with each set of values that Optuna's sampler suggests, as an
ordinary job; Optuna hears of each evaluation, and its pruner stops what is hopeless. The space is said once, in traind's
words. A trial of which Optuna hears nothing because its job failed is told as failed, and the search goes on.
"""

import argparse
from concurrent.futures import ThreadPoolExecutor

import optuna

import traind

SPACE = {
    ("network.layers[hidden1].dense.units", "network.layers[hidden2].dense.units"): traind.integer(64, 1024, log=True),
    "optimizer.learning_rate": traind.log_uniform(1e-4, 1e-2),
    "batch_size": [32, 64, 128, 256],
}


def distribution(parameter):
    """A parameter of the sweep in Optuna's words."""
    kind = parameter.WhichOneof("kind")
    if kind == "choice":
        return optuna.distributions.CategoricalDistribution(list(parameter.choice.values))
    if kind == "integer":
        return optuna.distributions.IntDistribution(
            parameter.integer.low, parameter.integer.high, log=parameter.integer.log
        )
    numbers = getattr(parameter, kind)
    return optuna.distributions.FloatDistribution(numbers.low, numbers.high, log=kind == "log_uniform")


def train(sweep, study, asked):
    """One trial: what Optuna has asked for is trained, and what came of it is told."""
    trial = sweep.create_trial(asked.params, client="optuna")
    job = trial.job()
    pruned = False
    for event in job.watch(["evaluation"]):
        if isinstance(event, traind.events.Evaluation) and not pruned:
            asked.report(event.accuracy, event.step)
            if pruned := asked.should_prune():
                job.stop()
    trial.wait()
    if trial.state == "stopped":
        study.tell(asked, state=optuna.trial.TrialState.PRUNED)
    elif trial.objective is None or trial.state in ("failed", "cancelled"):
        study.tell(asked, state=optuna.trial.TrialState.FAIL)
    else:
        study.tell(asked, trial.objective)
    return trial


def search(client, base, space, trials, *, parallel=2, study=None, **fields):
    """The sweep and the study, when all trials have ended."""
    study = study or optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=0), pruner=optuna.pruners.MedianPruner()
    )
    sweep = client.search(base, space, algorithm="external", trials=trials, maximize="accuracy", **fields)
    distributions = {one.name: distribution(one) for one in sweep.proto.spec.space}

    def one(_):
        return train(sweep, study, study.ask(distributions))

    with ThreadPoolExecutor(parallel) as pool:
        for trial in pool.map(one, range(trials)):
            print(trial)
    return sweep.stop(), study


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", help="the job file that is varied; it has layers hidden1 and hidden2")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--parallel", type=int, default=2, help="trials at a time")
    parser.add_argument("--server", help="as of trainctl; default: TRAIND_SERVER, or this machine")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with traind.Client(options.server) as client:
        sweep, study = search(client, options.job, SPACE, options.trials, parallel=options.parallel)
        print(f"{sweep.name}: best accuracy {study.best_value:.4f} with {study.best_params}")
        print(f"  trainctl sweep best {sweep.id} --spec > best.textproto")


if __name__ == "__main__":
    main()
