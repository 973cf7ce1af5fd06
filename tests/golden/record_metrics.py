#!/usr/bin/env python3
"""Records what scikit-learn says of outputs made by a formula, as the table that metrics_test.cc includes.

    python3 tests/golden/record_metrics.py > tests/core/train/recorded_metrics.inc          (pip install scikit-learn)

Example i of the cases has the outputs v(i, c) = 2 sin(1 + 7 i + 3 c), plus 1 for its class in those of many classes. In the
cases with ties the outputs are rounded to quarters. The calibration error, which scikit-learn has not, is numpy's.
"""
import numpy as np
from sklearn import metrics as sk

N, CLASSES = 200, 5


def outputs(columns, ties, labels=None):
    i, c = np.mgrid[0:N, 0:columns]
    v = 2 * np.sin(1.0 + 7 * i + 3 * c)
    if labels is not None:
        v += c == labels[:, None]
    return (np.round(4 * v) / 4 if ties else v).astype(np.float32)


def label_of(i):
    return i * i % 7  # 0, 1, 2 and 4: class 3 has no examples.


def softmax(x):
    e = np.exp(x.astype(np.float64) - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def calibration(probability, right):
    """Equal bins (m / 15, (m + 1) / 15]."""
    edges = np.linspace(0, 1, 16)
    bins = np.clip(np.digitize(probability, edges, right=True) - 1, 0, 14)
    error = 0.0
    for m in range(15):
        members = bins == m
        if members.any():
            error += members.mean() * abs(right[members].mean() - probability[members].mean())
    return error


def number(name, value):
    return f"{name}: {float(value):.12g}"


def classes(y, answer, scores, labels):
    """The messages of the classes, and the means over those that have examples."""
    precision, recall, f1, support = sk.precision_recall_fscore_support(y, answer, labels=labels, zero_division=0)
    text, areas = [], []
    for k, c in enumerate(labels):
        parts = [f"examples: {support[k]}", number("precision", precision[k]), number("recall", recall[k]),
                 number("f1", f1[k])]
        if 0 < (y == c).sum() < len(y):
            areas.append(sk.roc_auc_score(y == c, scores[:, k]))
            parts.append(number("auc", areas[-1]))
        text.append("classes { " + " ".join(parts) + " }")
    present = [k for k in range(len(labels)) if support[k] > 0]
    text += [number("macro_precision", precision[present].mean()), number("macro_recall", recall[present].mean()),
             number("macro_f1", f1[present].mean()), number("macro_auc", np.mean(areas))]
    assert abs(recall[present].mean() - sk.balanced_accuracy_score(y, answer)) < 1e-12
    return text


def of_labels(y, scores, probabilities, labels):
    answer = scores.argmax(axis=1)
    ranked = np.argsort(-scores, axis=1, kind="stable")  # Of equal ones the first.
    text = []
    for k in range(1, len(labels) + 1):
        share = (ranked[:, :k] == y[:, None]).any(axis=1).mean()
        if len(labels) > 2 and k < len(labels):
            assert abs(share - sk.top_k_accuracy_score(y, scores, k=k, labels=labels)) < 1e-12
        text.append(number("top_k_accuracy", share))
    text += classes(y, answer, scores if probabilities is None else probabilities, labels)
    if probabilities is not None:
        p = probabilities
        text.append(number("log_loss", sk.log_loss(y, p, labels=labels)))
        text.append(number("calibration_error", calibration(p.max(axis=1), answer == y)))
    text.append(f"confusion: {sk.confusion_matrix(y, answer, labels=labels).ravel().tolist()}")
    return text


def emit(name, kind, lines):
    print(f'{{"{name}", R"({kind} {{')
    print("\n".join("  " + line for line in lines))
    print('})"},')


def main():
    i = np.arange(N)
    print("// Made by tests/golden/record_metrics.py with scikit-learn.")
    y = label_of(i)
    x = outputs(CLASSES, ties=False, labels=y)
    emit("logits", "classification", of_labels(y, x, softmax(x), list(range(CLASSES))))
    emit("scores", "classification", of_labels(y, x, None, list(range(CLASSES))))
    x = outputs(1, ties=True)
    # Answers of 0 are no: the first of equals.
    p = sigmoid(x)
    lines = of_labels(label_of(i) % 2, np.concatenate([-x, x], axis=1), np.concatenate([1 - p, p], axis=1), [0, 1])
    emit("one_output", "classification", lines)

    x = outputs(3, ties=True)
    many = (i[:, None] % (np.arange(3) + 2) == 0).astype(int)
    p = sigmoid(x)
    answer = (x > 0).astype(int)
    lines = []
    precision, recall, f1, support = sk.precision_recall_fscore_support(many, answer, zero_division=0)
    for c in range(3):
        lines.append(f"classes {{ examples: {support[c]} " + " ".join(
            [number("precision", precision[c]), number("recall", recall[c]), number("f1", f1[c]),
             number("auc", sk.roc_auc_score(many[:, c], x[:, c]))]) + " }")
    lines += [number(f"macro_{key}", value) for key, value in (
        ("precision", sk.precision_score(many, answer, average="macro", zero_division=0)),
        ("recall", sk.recall_score(many, answer, average="macro", zero_division=0)),
        ("f1", sk.f1_score(many, answer, average="macro", zero_division=0)),
        ("auc", sk.roc_auc_score(many, x, average="macro")))]
    lines.append(number("log_loss", np.mean([sk.log_loss(many[:, c], p[:, c]) for c in range(3)])))
    right = (answer == many).ravel()
    lines.append(number("calibration_error", calibration(np.maximum(p, 1 - p).ravel(), right)))
    lines.append(number("label_accuracy", 1 - sk.hamming_loss(many, answer)))
    lines.append(number("exact_match", sk.accuracy_score(many, answer)))
    emit("many_labels", "classification", lines)

    x = outputs(3, ties=False)
    targets = np.stack([x[:, 0] + 0.5 * np.cos(i), 1e5 + np.cos(3 * i), np.full(N, 2.0)], axis=1).astype(np.float32)
    x[:, 1] += np.float32(1e5)
    for name, answers in (("numbers", x.astype(np.float64)), ("counts", np.exp(outputs(3, ties=False).astype(float)))):
        t = targets.astype(np.float64)
        mae = sk.mean_absolute_error(t, answers, multioutput="raw_values")
        mse = sk.mean_squared_error(t, answers, multioutput="raw_values")
        r2 = sk.r2_score(t, answers, multioutput="raw_values")
        lines = [f"targets {{ {number('mean_absolute_error', mae[c])} "
                 f"{number('root_mean_squared_error', mse[c] ** 0.5)} {number('r2', r2[c]) if c < 2 else ''} }}"
                 for c in range(3)]
        lines += [number("mean_absolute_error", mae.mean()), number("root_mean_squared_error", mse.mean() ** 0.5),
                  number("r2", r2[:2].mean())]
        emit(name, "regression", lines)


if __name__ == "__main__":
    main()
