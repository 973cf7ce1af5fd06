"""Random against grid search, with one hyperparameter that matters and one that hardly does (Bergstra & Bengio 2012)."""
import math
import statistics

import lab as l
import pictures
import sweeps
from words import compared, explained, percent, table

TRIALS = 9  # A grid of three by three.
RATE, DECAY = "optimizer.learning_rate", "optimizer.coupled_weight_decay"
# Nobody knows beforehand where in the box the best rate is: four boxes of four decades, half a decade apart.
LOWEST_RATES = [10 ** (exponent / 2) for exponent in (-10, -9, -8, -7)]
DECAYS = (1e-7, 1e-4)


class Search:
    """Nine trials of one kind in one box."""

    def __init__(self, kind, seed, box, trials):
        self.kind, self.seed, self.box, self.trials = kind, seed, box, trials
        good = [trial for trial in trials if trial.error is None]
        # Chosen by the validation images; what is told is what the test images say of it.
        self.best = max(good, key=lambda trial: trial.validation_accuracy) if good else None


def begin(lab, kind, seed, box):
    low = LOWEST_RATES[box]
    ranges = {RATE: (low, 1e4 * low), DECAY: DECAYS}
    side = 2 if lab.quick else math.isqrt(TRIALS)
    changes = [f"seed={seed}"] + (l.QUICK + ["epochs=1"] if lab.quick else [])
    return sweeps.start(lab, lab.files / "search/base.textproto", f"{kind}-{seed}-{box}", changes, ranges,
                        grid=side if kind == "grid" else 0, trials=side * side, seed=10 * seed + box)


def importance(searches):
    """Of the grids without a failed trial: what each of the two parameters explains."""
    whole = [s.trials for s in searches if s.kind == "grid" and all(trial.error is None for trial in s.trials)]
    if not whole:
        return ""
    rate, decay = (statistics.mean(explained([(trial.values[path], trial.validation_accuracy) for trial in trials])
                                   for trials in whole) for path in (RATE, DECAY))
    return (f"In the grids without a failed trial ({len(whole)} of {sum(s.kind == 'grid' for s in searches)}) the learning rate "
            f"alone explains {100 * rate:.0f} % of the variance of the validation accuracy, the weight decay alone "
            f"{100 * decay:.1f} %.\n\n")


def search(lab):
    boxes = range(1 if lab.quick else len(LOWEST_RATES))
    begun = {(kind, seed, box): begin(lab, kind, seed, box) for kind in ("grid", "random") for seed in lab.seeds for box in boxes}
    sweeps.wait(lab, begun.values())
    searches = [Search(*key, sweeps.trials(lab, name, (RATE, DECAY))) for key, name in begun.items()]
    trials = [trial for s in searches for trial in s.trials]
    lab.count += len(trials)
    text = ("## Random search against a grid\n\nTwo hyperparameters of a network of two hidden layers on 10,000 images: the learning "
            "rate, over four decades, and the weight decay, over three. A grid of three by three, and nine draws at random: both are "
            f"sweeps. Where in its box the best rate is nobody knows beforehand; so there are {len(boxes)} boxes of rates, from "
            f"{LOWEST_RATES[0]:.1g} to {1e4 * LOWEST_RATES[0]:.1g} for the first, each half a decade above the one before.\n\n")
    failed = sum(trial.error is not None for trial in trials)
    if failed:
        text += f"{failed} of the {len(trials)} trials did not come to their end; no search chose them.\n\n"
    drawn = {s.kind: [(trial.values[RATE], trial.values[DECAY], 100 * trial.validation_accuracy) for trial in s.trials
                      if trial.error is None] for s in searches if s.seed == lab.seeds[0] and s.box == 0}
    pictures.searches(lab.pictures / "search.png", drawn, "learning rate", "weight decay", "validation accuracy, %")
    text += "![where the searches looked](lecture11/search.png)\n\n" + importance(searches)
    means, rows = {}, []
    for kind in ("grid", "random"):
        of_kind = [s for s in searches if s.kind == kind and s.best]
        means[kind] = [statistics.mean(s.best.test_accuracy for s in of_kind if s.seed == seed)
                       for seed in lab.seeds if any(s.seed == seed for s in of_kind)]
        rows.append([kind] + [percent([s.best.test_accuracy for s in of_kind if s.box == box]) for box in boxes] +
                    [percent(means[kind]) if means[kind] else "-"])
    text += table(["test accuracy of the best by validation, %"] +
                  [f"rates {LOWEST_RATES[box]:.1g} to {1e4 * LOWEST_RATES[box]:.1g}" for box in boxes] + ["mean of the boxes"], rows)
    if all(means.values()):
        text += f"\nOver all boxes the test accuracy that random search finds is {compared(means['random'], means['grid'], 'that of the grid')}.\n"
    return text
