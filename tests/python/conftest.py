"""A real traind for the tests of the Python client. TRAIND_BIN says where it is; PYTHONPATH where the built package
is.
"""

import os

# Python 3.9 starts programs with fork, in which newer gRPC would clean up threads that are not there, and abort.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")

import numpy as np
import pytest

import traind
from traind.testing import Server


def images(count, seed=0, classes=4):
    """Images [N, 1, 8, 8] whose class is where they are bright, and their labels."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, classes, count)
    examples = (0.3 * draw.normal(size=(count, 1, 8, 8))).astype(np.float32)
    examples[np.arange(count), 0, labels * 2] += 2
    return examples, labels


def small_network():
    return traind.Sequential(
        [traind.Conv2d(4, 3, padding="same", activation="relu"), traind.MaxPool(2), traind.Dense(4)]
    )


@pytest.fixture(scope="session")
def server():
    one = Server().start()
    yield one
    one.stop()


@pytest.fixture(scope="session")
def client(server):
    with server.client() as one:
        x, y = images(96)
        x_test, y_test = images(32, seed=1)
        one.upload_dataset("toy", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
        yield one


@pytest.fixture(scope="session")
def trained(client):
    """A job that has succeeded, with statistics."""
    job = client.train(
        small_network(),
        "toy",
        job_id="trained",
        epochs=3,
        batch_size=16,
        threads=1,
        learning_rate=0.05,
        metrics_every_steps=1,
        statistics={"every_steps": 6},
    )
    return job.wait(progress=False)
