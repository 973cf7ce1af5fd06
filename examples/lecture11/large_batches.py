"""Large batches: linear scaling of the rate, with and without a warm-up, and LARS against SGD."""
import statistics

import lab as l
import pictures
from words import compared, percent, table

BATCHES = [256, 1024, 2048]
SGD_RATES = [0.05, 0.1, 0.2, 0.3, 0.4]
LARS_RATES = [0.1, 0.2, 0.4, 0.8, 1.6]
# A batch of 4096 needs more than 640 images.
QUICK = ["data.max_train_examples=8192", "data.max_evaluation_examples=200", "data.max_test_examples=500"]


def percents(runs):
    return [100 * value for value in l.accuracies(runs)]


def scaling(lab):
    base = [lab.run("large_batch/batch_64", seed, quick=QUICK) for seed in lab.seeds]
    arms = {title: {batch: [lab.run(file, seed, f"batch_size={batch}", *changes, quick=QUICK) for seed in lab.seeds]
                    for batch in BATCHES}
            for title, file, changes in (("the rate of batch 64", "large_batch/batch_64", []),
                                         ("linear scaling", "large_batch/scaled", []),
                                         ("linear scaling, warm-up", "large_batch/warm_up", []))}
    lab.train(base + [run for batches in arms.values() for runs in batches.values() for run in runs])
    text = ("## Large batches: linear scaling, with and without a warm-up\n\nTwo hidden layers, all images, ten epochs whatever the "
            "batch, SGD with momentum and a cosine; at a batch of 64 the rate is 0.01. With `batch_scaling` a batch of n takes "
            "n / 64 times that rate (Goyal et al. 2017). The warm-up is two epochs long.\n\n")
    text += l.failures({f"{title}, batch {batch}": runs for title, batches in arms.items() for batch, runs in batches.items()})
    pictures.lines(lab.pictures / "scaling.png",
                   {title: {64: percents(base), **{batch: percents(runs) for batch, runs in batches.items()}}
                    for title, batches in arms.items()},
                   "batch", "test accuracy, %", "Test accuracy by batch, ten epochs each", logarithmic_x=True, low=80)
    text += "![test accuracy by batch](lecture11/scaling.png)\n\n"
    rows = [["64"] + [l.percent_of(base)] * len(arms)]
    rows += [[str(batch)] + [l.percent_of(batches[batch]) for batches in arms.values()] for batch in BATCHES]
    text += table(["batch", *(f"{title}: test accuracy, %" for title in arms)], rows) + "\n"
    for title, batches in arms.items():
        parts = [f"at {batch} {against_base(batches[batch], base)}" for batch in BATCHES]
        text += f"- {title}: test accuracy {'; '.join(parts)}.\n"
    return text


def against_base(runs, base):
    """Where hardly a run came to its end there is nothing to compare."""
    good = l.good(runs)
    if len(good) == len(runs) or len(good) > 1:
        return compared(l.accuracies(runs), l.accuracies(base), "that at 64")
    return f"not known: of {len(runs)} runs " + (f"one came to its end, with {percents(runs)[0]:.2f} %" if good else "none came to its end")


def chosen(arms):
    """The rate with the best mean validation accuracy, among those whose runs all came to their end."""
    whole = {rate: runs for rate, runs in arms.items() if len(l.good(runs)) == len(runs)}
    return max(whole, key=lambda rate: statistics.mean(run.validation_accuracy for run in whole[rate])) if whole else None


def lars(lab):
    arms = {title: {rate: [lab.run(f"large_batch/{file}", seed, f"optimizer.learning_rate={rate}", quick=QUICK)
                           for seed in lab.seeds] for rate in rates}
            for title, file, rates in (("SGD", "sgd", SGD_RATES), ("LARS", "lars", LARS_RATES))}
    lab.train([run for rates in arms.values() for runs in rates.values() for run in runs])
    text = ("## LARS against SGD at a batch of 4096\n\nThe same network and epochs; both with a warm-up of two epochs and a cosine. "
            "Five rates each, of which the best by mean validation accuracy is taken, so that neither is shown at a rate that "
            "suits the other.\n\n")
    text += l.failures({f"{title}, rate {rate:g}": runs for title, rates in arms.items() for rate, runs in rates.items()})
    best = {title: chosen(rates) for title, rates in arms.items()}
    rows = [[title, f"{rate:g}" + (" (chosen)" if rate == best[title] else ""),
             percent([run.validation_accuracy for run in l.good(runs)]) if l.good(runs) else "-", l.percent_of(runs)]
            for title, rates in arms.items() for rate, runs in rates.items()]
    pictures.lines(lab.pictures / "lars.png", {title: {rate: percents(runs) for rate, runs in rates.items()}
                                               for title, rates in arms.items()},
                   "learning rate", "test accuracy, %", "Test accuracy by rate, batch 4096", logarithmic_x=True, low=80)
    text += "![test accuracy by rate](lecture11/lars.png)\n\n"
    text += table(["optimizer", "rate", "validation accuracy, %", "test accuracy, %"], rows) + "\n"
    if None in best.values():
        return text
    values = {title: l.accuracies(arms[title][rate]) for title, rate in best.items()}
    text += (f"With the rates chosen, {best['LARS']:g} and {best['SGD']:g}, the test accuracy with LARS is "
             f"{compared(values['LARS'], values['SGD'], 'that with SGD')}.")
    at_end = [title for title, rates in arms.items() if best[title] in (min(rates), max(rates))]
    if at_end:
        text += f" The rate of {' and '.join(at_end)} is at the end of those that were tried: there may be better ones beyond."
    return text + "\n"
