"""Schedules of the learning rate, early stopping, and an average of the weights."""
import statistics

import lab as l
import pictures
from words import compared, paired, paired_numbers, percent, table

SCHEDULES = ["constant", "step", "cosine", "linear", "inverse_square_root"]


def mean(values):
    return statistics.mean(values)


def schedules(lab):
    arms = {name: [lab.run(f"schedules/{name}", seed) for seed in lab.seeds] for name in SCHEDULES}
    lab.train([run for runs in arms.values() for run in runs])
    titled = {runs[0].title: runs for runs in arms.values()}
    text = ("## Schedules of the learning rate\n\nOne network of three convolutions on 10,000 images, 15 epochs, SGD with momentum, "
            "and one rate to begin with, 0.05, which was not chosen for any schedule; then the rate falls as the schedule says.\n\n")
    text += l.failures(titled)
    pictures.curves(lab.pictures / "schedules_rate.png",
                    {title: [run.curve("train", "learning_rate") for run in runs[:1]] for title, runs in titled.items()},
                    "step", "learning rate", "Learning rate")
    pictures.curves(lab.pictures / "schedules.png",
                    {title: [[(step, 100 * value) for step, value in run.curve("evaluation", "accuracy")] for run in l.good(runs)]
                     for title, runs in titled.items()},
                    "step", "validation accuracy, %", "Validation accuracy, mean and range of the seeds")
    text += "![learning rate](lecture11/schedules_rate.png)\n\n![validation accuracy](lecture11/schedules.png)\n\n"
    text += table(["schedule", "test accuracy, %", "test loss"],
                  [[title, l.percent_of(runs), l.mean_test_loss(runs)] for title, runs in titled.items()]) + "\n"
    base = l.accuracies(arms["constant"])
    for title, runs in titled.items():
        if runs is not arms["constant"] and base and l.good(runs):
            text += f"- {title}: test accuracy {compared(l.accuracies(runs), base, 'that with a constant rate')}.\n"
    return text


def early_stopping(lab):
    arms = {name: [lab.run(f"early_stopping/{name}", seed, epochs=12) for seed in lab.seeds]
            for name in ("to_the_end", "stopped")}
    lab.train([run for runs in arms.values() for run in runs])
    whole, stopped = arms["to_the_end"], arms["stopped"]
    text = ("## Early stopping\n\n2,000 images, a network that is large for them, and nothing against overfitting. The second job "
            "is the first one, but it ends when the validation loss has not become better for four epochs, and its result "
            "is the weights of its best epoch (`early_stopping { metric: EVALUATION_LOSS patience: 4 restore_best: true }`).\n\n")
    text += l.failures({"to the end": whole, "stopped early": stopped})
    pairs = [(a, b) for a, b in zip(whole, stopped) if a.error is None and b.error is None]
    if not pairs:
        return text
    pictures.curves(lab.pictures / "early_stopping.png", {
        "training loss": [a.curve("train", "mean_loss") for a, _ in pairs],
        "validation loss": [a.curve("evaluation", "loss") for a, _ in pairs],
    }, "step", "loss", "Trained to the end; the lines are where the seeds were stopped",
        marks=[b.events["evaluation"][-1]["step"] for _, b in pairs])
    text += "![training and validation loss](lecture11/early_stopping.png)\n\n"
    rows = [[title, f"{mean(r.events['evaluation'][-1]['step'] for r in runs):.0f}", f"{mean(r.test_loss for r in runs):.3f}",
             percent([r.test_accuracy for r in runs])]
            for title, runs in (("to the end", [a for a, _ in pairs]), ("stopped early", [b for _, b in pairs]))]
    text += table(["", "steps", "test loss", "test accuracy, %"], rows) + "\n"
    lowest = [min(a.curve("evaluation", "loss"), key=lambda point: point[1]) for a, _ in pairs]
    last = [a.curve("evaluation", "loss")[-1][1] for a, _ in pairs]
    share = mean(b.events["evaluation"][-1]["step"] for _, b in pairs) / mean(
        a.events["evaluation"][-1]["step"] for a, _ in pairs)
    text += (f"To the end, the validation loss is lowest at step {mean(step for step, _ in lowest):.0f} (mean of the seeds), "
             f"{mean(loss for _, loss in lowest):.3f}, and {mean(last):.3f} in the end. Early stopping took {100 * share:.0f} % of "
             "the steps; its test loss is " +
             paired_numbers([b.test_loss for _, b in pairs], [a.test_loss for a, _ in pairs], "that of the whole training") +
             ", its test accuracy " +
             paired([b.test_accuracy for _, b in pairs], [a.test_accuracy for a, _ in pairs], "that of the whole training") + ".\n")
    return text


def ema(lab):
    arms = {
        "constant rate": [lab.run("schedules/constant", seed) for seed in lab.seeds],
        "constant rate, EMA": [lab.run("ema/with", seed) for seed in lab.seeds],
        "cosine": [lab.run("schedules/cosine", seed) for seed in lab.seeds],
    }
    lab.train([run for runs in arms.values() for run in runs])
    text = ("## An average of the weights (Polyak averaging)\n\nThe training with a constant rate from above, and the same "
            "training with `ema { decay: 0.99 ramp: true }`: an exponential moving average of the weights, which is what is "
            "evaluated. It changes nothing in the training; the two differ in that alone.\n\n") + l.failures(arms)
    pictures.curves(lab.pictures / "ema.png",
                    {title: [[(step, 100 * value) for step, value in run.curve("evaluation", "accuracy")] for run in l.good(runs)]
                     for title, runs in arms.items()},
                    "step", "validation accuracy, %", "Validation accuracy, mean and range of the seeds")
    text += "![validation accuracy](lecture11/ema.png)\n\n"
    text += table(["", "test accuracy, %", "test loss"],
                  [[title, l.percent_of(runs), l.mean_test_loss(runs)] for title, runs in arms.items()]) + "\n"
    plain, averaged, cosine = (l.accuracies(runs) for runs in arms.values())
    if len(plain) == len(averaged) == len(lab.seeds):
        text += f"The test accuracy of the average is {paired(averaged, plain, 'that of the weights themselves')}"
        text += f", and {compared(averaged, cosine, 'that with a rate that falls to 0')}.\n" if cosine else ".\n"
    return text
