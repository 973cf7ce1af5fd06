"""Transfer learning: from one half of Fashion-MNIST's classes to the other, with few examples of it."""
import pathlib

import fashion_mnist_halves
import lab as l
import numpy as np
import pictures
from session import datasets
from words import paired, table

CLASSES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
IMAGES = pathlib.Path("/usr/share/datasets/fashion-mnist")
EACH = [10, 100, 1000]  # Examples of each class.
ARMS = {"from scratch": "from_scratch", "frozen": "frozen", "fine-tuned": "fine_tuned"}


def upload(lab, name, first, train, test):
    if name in datasets(lab.trainctl):
        return
    file = lab.data / f"{name}.npz"
    np.savez(file, x_train=train[0], y_train=train[1], x_test=test[0], y_test=test[1])
    lab.trainctl("dataset", "upload", name, file, "--class-names", ",".join(CLASSES[first:first + 5]))
    file.unlink()


def prepare(lab):
    """The first half as it is; of the second one, for each seed and number, other examples."""
    train, test = (fashion_mnist_halves.read(IMAGES, split) for split in ("train", "t10k"))
    of_classes = fashion_mnist_halves.of_classes
    upload(lab, "first-half", 0, of_classes(*train, 0), of_classes(*test, 0))
    for seed in lab.seeds:
        order = np.random.default_rng(seed).permutation(len(train[1]))
        for each in EACH:
            upload(lab, f"second-half-{each}-{seed}", 5,
                   of_classes(train[0][order], train[1][order], 5, each), of_classes(*test, 5))


def transfer(lab):
    prepare(lab)
    quick = ["data.max_evaluation_examples=500"]
    first = {seed: lab.run("transfer/first_half", seed, quick=quick + ["data.max_train_examples=2000"], epochs=1)
             for seed in lab.seeds}
    lab.train(first.values())
    text = ("## Transfer: from one half of the classes to the other\n\nA network learns the first five classes "
            f"({', '.join(CLASSES[:5])}; 30,000 images, three epochs). Then the other five ({', '.join(CLASSES[5:])}) are "
            "learned from few images, drawn anew for each seed: from scratch; with the first network's convolutions, frozen; "
            "and with the same, trained on. 600 steps of 50 images each, one rate and a cosine for all.\n\n")
    text += l.failures({"first half": first.values()})

    def changes(arm, each, seed):
        model = [] if arm == "from_scratch" else [f"initial_weights.model=jobs/{first[seed].id}"]
        steps = ["steps=30"] if lab.quick else []
        return [f"data.dataset=second-half-{each}-{seed}", *model, *steps]

    arms = {title: {each: [lab.run(f"transfer/{arm}", seed, *changes(arm, each, seed), quick=quick, epochs=None)
                           for seed in lab.seeds if first[seed].error is None] for each in EACH}
            for title, arm in ARMS.items()}
    lab.train([run for sizes in arms.values() for runs in sizes.values() for run in runs])
    text += l.failures({f"{title}, {each} a class": runs for title, sizes in arms.items() for each, runs in sizes.items()})
    pictures.lines(lab.pictures / "transfer.png",
                   {title: {each: [100 * v for v in l.accuracies(runs)] for each, runs in sizes.items()}
                    for title, sizes in arms.items()},
                   "examples of each class", "test accuracy, %", "Test accuracy on the second half", logarithmic_x=True)
    text += "![test accuracy by examples](lecture11/transfer.png)\n\n"
    text += table(["examples of each class", *(f"{title}: test accuracy, %" for title in arms)],
                  [[str(each)] + [l.percent_of(sizes[each]) for sizes in arms.values()] for each in EACH]) + "\n"
    for each in EACH:
        values = {title: l.accuracies(sizes[each]) for title, sizes in arms.items()}
        if all(len(of_arm) == len(lab.seeds) for of_arm in values.values()):
            scratch, frozen, tuned = values.values()
            text += (f"- {each} a class: test accuracy frozen {paired(frozen, scratch, 'that from scratch')}, fine-tuned "
                     f"{paired(tuned, scratch, 'that from scratch')}; fine-tuned {paired(tuned, frozen, 'that frozen')}.\n")
    return text
