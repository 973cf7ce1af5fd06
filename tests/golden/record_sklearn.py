#!/usr/bin/env python3
"""Records the diabetes set of scikit-learn, split as everybody splits it, for last_batch_test.cc.

    python3 tests/golden/record_sklearn.py          (pip install scikit-learn)

and prints what its MLPRegressor makes of it: 331 rows in minibatches of 200 and 131. The numbers are in the test.
"""
import pathlib
import warnings

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPRegressor


def main():
    warnings.filterwarnings("ignore")
    data = load_diabetes()
    x, x_test, y, y_test = train_test_split(data.data, data.target, random_state=0)
    folder = pathlib.Path(__file__).with_name("sklearn")
    folder.mkdir(exist_ok=True)
    for name, examples, targets in (("train", x, y), ("test", x_test, y_test)):
        np.savez_compressed(folder / f"diabetes_{name}.npz", x=examples.astype(np.float32),
                            y=targets.astype(np.float32)[:, None])
    for seed in range(6):
        model = MLPRegressor(max_iter=100, learning_rate_init=0.01, n_iter_no_change=1000, random_state=seed).fit(x, y)
        print(seed, mean_squared_error(y_test, model.predict(x_test)))


if __name__ == "__main__":
    main()
