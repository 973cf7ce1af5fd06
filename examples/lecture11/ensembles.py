"""An ensemble of five trainings against one, and the snapshots of a single training."""
import statistics

import lab as l
import pictures
from words import compared, paired, percent, table

SIZE = 5
QUICK_SNAPSHOTS = l.QUICK + ["optimizer.schedule.cosine_restarts.first_epochs=1", "checkpoint.every_steps=10"]


def made(lab, name, members):
    """The accuracy of the mean of the members' probabilities on the test images."""
    if f"models/{name}" not in {model["name"] for model in lab.trainctl("model", "list")}:
        lab.trainctl("model", "ensemble", name, *members)
    return lab.evaluate(f"models/{name}")


def of_trainings(lab, groups):
    """[(members' accuracies, the ensemble's evaluation)] of the groups that came to their end."""
    results = []
    for runs in groups:
        if len(l.good(runs)) == len(runs):
            name = f"ensemble-{runs[0].id.removeprefix('lecture11-')}"
            results.append((l.accuracies(runs), made(lab, name, [run.id for run in runs])))
    return results


def of_snapshots(lab, runs):
    """The same of single trainings, whose members are the last checkpoints of their cycles."""
    results = []
    for run in l.good(runs):
        steps = int(run.job["progress"]["total_steps"])
        ends = [f"{run.id}/{steps * (i + 1) // SIZE}" for i in range(SIZE)]
        name = f"snapshots-{run.id.removeprefix('lecture11-')}"
        results.append(([float(lab.evaluate(end)["accuracy"]) for end in ends], made(lab, name, ends)))
    return results


def row(title, trainings, accuracies, losses):
    return [title, trainings, percent(accuracies), f"{statistics.mean(losses):.3f}"]


def ensembles(lab):
    groups = [[lab.run("schedules/cosine", SIZE * (seed - 1) + i + 1) for i in range(SIZE)] for seed in lab.seeds]
    cycles = [lab.run("ensemble/snapshots", seed, quick=QUICK_SNAPSHOTS, epochs=SIZE) for seed in lab.seeds]
    lab.train([run for group in groups for run in group] + cycles)
    text = ("## An ensemble of five against one\n\nFive trainings of the network above with a cosine, which differ in their seed "
            "alone, answer together with the mean of their probabilities: `trainctl model ensemble NAME JOB JOB ...`. The "
            "snapshot ensemble (Huang et al. 2017) has one training, as long as one of the five, whose rate falls to 0 and "
            "begins anew five times; its members are the checkpoints at the ends of the cycles.\n\n")
    text += l.failures({"cosine": [run for group in groups for run in group], "cosine with restarts": cycles})
    five, snapshots = of_trainings(lab, groups), of_snapshots(lab, cycles)
    if not five or not snapshots:
        return text
    single = [statistics.mean(members) for members, _ in five]
    together = [float(whole["accuracy"]) for _, whole in five]
    last = [members[-1] for members, _ in snapshots]
    cycle = [float(whole["accuracy"]) for _, whole in snapshots]
    every = [run for group in groups for run in l.good(group)]
    text += table(["", "trainings", "test accuracy, %", "test loss"], [
        row("one training (mean of five)", "1", single, [run.test_loss for run in every]),
        row("ensemble of five", "5", together, [float(whole["loss"]) for _, whole in five]),
        row("last snapshot alone", "1", last, [run.test_loss for run in l.good(cycles)]),
        row("ensemble of five snapshots", "1", cycle, [float(whole["loss"]) for _, whole in snapshots])]) + "\n"
    pictures.dots(lab.pictures / "ensembles.png", [
        ("one training", {"test": [100 * v for members, _ in five for v in members]}),
        ("ensemble of five", {"test": [100 * v for v in together]}),
        ("last snapshot", {"test": [100 * v for v in last]}),
        ("ensemble of five snapshots", {"test": [100 * v for v in cycle]})],
        "test accuracy, % (small dots: single trainings and ensembles)", "Test accuracy, alone and together")
    text += "![test accuracy, alone and together](lecture11/ensembles.png)\n\n"
    text += f"- Ensemble of five: test accuracy {paired(together, single, 'the mean of its members')}.\n"
    text += f"- Ensemble of snapshots: test accuracy {paired(cycle, last, 'that of its last snapshot')}.\n"
    ones = l.accuracies([lab.run("schedules/cosine", seed) for seed in lab.seeds])
    if ones:
        text += f"- Ensemble of snapshots: test accuracy {compared(cycle, ones, 'that of one training of the same length with a cosine')}.\n"
    return text
