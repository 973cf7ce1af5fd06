#!/usr/bin/env python3
"""Makes a dataset of token ids for examples/texts_text_cnn.textproto: an NPZ with x_train, y_train, x_test, y_test.

    examples/make_texts.py texts.npz                          sentences that are invented here: good or bad?
    examples/make_texts.py texts.npz --lines reviews.tsv      your own: a line is <class number> TAB <text>

Token 0 is padding, 1 every word that is too rare for the vocabulary. Needs numpy.
"""
import argparse
import collections
import pathlib
import random
import re

import numpy as np

GOOD = "good great lovely fine superb clever warm bright honest funny moving rich".split()
BAD = "bad dull awful poor clumsy cold flat false tired shallow bland weak".split()
THINGS = "film book play song story scene plot cast voice camera ending score".split()
FILLERS = "i think that;as my friends say;to be fair;after all;in the end;for once".split(";")


def invented(count):
    """(class, text): 1 for good. "not" turns the word behind it around, so that single words do not tell."""
    draw = random.Random(5)
    for _ in range(count):
        good, negated = draw.random() < 0.5, draw.random() < 0.5
        word = draw.choice(GOOD if good != negated else BAD)
        said = ("is", draw.choice("not hardly never".split() if negated else "really quite so".split()), word)
        parts = ["the", draw.choice(THINGS), *said]
        other = draw.choice(GOOD + BAD)
        parts += ["although", "the", draw.choice(THINGS), "could", "be", "called", other]
        yield int(good), " ".join([draw.choice(FILLERS)] * draw.randint(0, 1) + parts)


def written(path):
    with path.open(encoding="utf-8-sig") as lines:  # Tables of other programs begin with a mark of the byte order.
        for number, line in enumerate(lines, 1):
            label, tab, text = line.rstrip("\n").partition("\t")
            if not tab or not re.fullmatch("[0-9]+", label.strip()):
                raise SystemExit(f"{path}:{number}: is not <class number> TAB <text>")
            yield int(label), text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--lines", type=pathlib.Path)
    parser.add_argument("--length", type=int, default=24, help="tokens of each text: longer ones are cut")
    parser.add_argument("--vocabulary", type=int, default=1000, help="token ids, with padding and the rare words")
    options = parser.parse_args()
    texts = list(written(options.lines) if options.lines else invented(5000))
    words = [re.findall(r"\w+|[^\w\s]", text.lower()) for _, text in texts]
    order = np.random.default_rng(5).permutation(len(texts))
    held_out = set(order[: len(texts) // 5].tolist())
    # The vocabulary is that of the training texts.
    counts = collections.Counter(word for i, text in enumerate(words) if i not in held_out for word in text)
    ids = {word: 2 + i for i, (word, _) in enumerate(counts.most_common(options.vocabulary - 2))}
    arrays = {}
    for name, chosen in (("test", sorted(held_out)), ("train", [i for i in range(len(texts)) if i not in held_out])):
        x = np.zeros((len(chosen), options.length), np.int32)
        for row, i in zip(x, chosen):
            tokens = [ids.get(word, 1) for word in words[i][: options.length]]
            row[: len(tokens)] = tokens
        arrays[f"x_{name}"], arrays[f"y_{name}"] = x, np.array([texts[i][0] for i in chosen], np.int32)
    np.savez_compressed(options.out, **arrays)
    cut = sum(len(text) > options.length for text in words)
    print(f"{options.out}: {len(arrays['x_train'])} texts to train on, {len(held_out)} to test, of {options.length} "
          f"tokens; vocabulary: {max(ids.values(), default=1) + 1}; {cut} texts were cut, "
          f"{int((arrays['x_test'] == 1).sum())} words of the test texts are not in the vocabulary")


if __name__ == "__main__":
    main()
