"""Networks of a traind server as scikit-learn's estimators: in pipelines, in a grid search, wherever one fits.

fit() sends the data, trains a job and removes the data again; predict() asks the server. The job stays, under `job_`,
with everything that there is to see of it; fitting again, or forget(), removes it. Both pass scikit-learn's
check_estimator. There is no sample_weight and no partial_fit, which a job does not know.
"""

from __future__ import annotations

import functools
import uuid
from typing import Any, Optional, Tuple

import numpy as np

from traind._sync.client import Client

try:
    import sklearn.base
    import sklearn.utils
    import sklearn.utils.validation as _validation
    from sklearn.utils.multiclass import check_classification_targets
except ImportError:
    raise ImportError("traind.Classifier and traind.Regressor need scikit-learn: pip install traind[sklearn]") from None


@functools.lru_cache(maxsize=8)
def _client(server: Optional[str]) -> Client:
    return Client(server)


class _Estimator(sklearn.base.BaseEstimator):  # type: ignore[misc]
    """What both have in common."""

    def __init__(
        self,
        network: Any = None,
        *,
        epochs: int = 100,
        batch_size: Optional[int] = None,
        optimizer: Any = "adam",
        learning_rate: Optional[float] = None,
        preprocessing: Any = "standardize",
        random_state: Any = 0,
        server: Optional[str] = None,
    ) -> None:
        self.network = network
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.preprocessing = preprocessing
        self.random_state = random_state
        self.server = server

    def _validated(self, X: Any, y: Any = "no_validation", *, reset: bool) -> Any:
        options = {"dtype": np.float32, "ensure_2d": True, "allow_nd": True, "reset": reset}
        if isinstance(y, str):
            checked: Any = _validate(self, X, **options)
            return checked
        return _validate(self, X, y, multi_output=True, **options)

    def _layers(self, outputs: int) -> Any:
        if self.network is not None:
            return self.network
        return {
            "layers": [
                {"name": "hidden", "dense": {"units": 64}, "activation": "relu"},
                {"name": "outputs", "dense": {"units": outputs}},
            ]
        }

    def _train(self, X: Any, y: Any, outputs: int, loss: Any) -> None:
        client = _client(self.server)
        self.forget()
        name = f"fit-{uuid.uuid4().hex}"
        dataset = client.upload_dataset(name, x_train=X, y_train=y, progress=False)
        try:
            job = client.train(
                self._layers(outputs),
                dataset,
                job_id=name,
                epochs=self.epochs,
                batch_size=self.batch_size,
                optimizer=self.optimizer,
                learning_rate=self.learning_rate,
                preprocessing=self.preprocessing,
                evaluation_split="none",
                seed=self._seed(),
                loss=loss,
                labels={"made_by": type(self).__name__.lower()},
                statistics={"every_steps": 0},
            )
            job.wait(progress=False)
        finally:
            _remove(dataset)
        self.job_ = job.name
        self.n_iter_ = self.epochs

    def _seed(self) -> int:
        if isinstance(self.random_state, (int, np.integer)):
            return int(self.random_state)
        return int(sklearn.utils.check_random_state(self.random_state).randint(2**31 - 1))

    def _outputs(self, X: Any) -> Any:
        _validation.check_is_fitted(self, "job_")
        examples = self._validated(X, reset=False)
        return _client(self.server).job(self.job_).predict(examples).outputs

    def forget(self) -> None:
        """Removes the job from the server; predict() does not work any more."""
        name = self.__dict__.pop("job_", None)
        if name is not None:
            _remove(_client(self.server).job(name))


def _validate(estimator: Any, *data: Any, **options: Any) -> Any:
    if hasattr(_validation, "validate_data"):  # From scikit-learn 1.6 on.
        return _validation.validate_data(estimator, *data, **options)
    return estimator._validate_data(*data, **options)


def _remove(thing: Any) -> None:
    from traind import errors

    try:
        thing.delete(force=True) if hasattr(thing, "splits") else thing.delete()
    except errors.FailedPrecondition:  # A job that was interrupted goes on, and keeps its data.
        pass


class Classifier(sklearn.base.ClassifierMixin, _Estimator):  # type: ignore[misc]
    """A classifier that a traind server trains.

    Parameters
    ----------
    network
        As of Client.train; its last layer has an output for each class. Default: one hidden layer of 64.
    epochs, batch_size, optimizer, learning_rate, preprocessing
        As of Client.train.
    random_state : int
        The same gives the same weights, bit for bit. None draws one.
    server : str
        Default: as traind.Client().
    """

    def fit(self, X: Any, y: Any) -> "Classifier":
        """Trains on examples [N, features] or [N, channels, height, width] and their classes."""
        X, y = self._validated(X, y, reset=True)
        y = _validation.column_or_1d(y, warn=True)
        check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("a classifier needs at least two classes; the data has one class")
        self._train(X, numbers.astype(np.int64), len(self.classes_), "softmax_cross_entropy")
        return self

    def decision_function(self, X: Any) -> Any:
        """The network's outputs; of two classes their difference."""
        outputs = self._outputs(X)
        return outputs[:, 1] - outputs[:, 0] if len(self.classes_) == 2 else outputs

    def predict_proba(self, X: Any) -> Any:
        """[N, classes], in the order of classes_."""
        outputs = self._outputs(X).astype(np.float64)
        exponentials = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> Any:
        """The likeliest classes."""
        best = self._outputs(X).argmax(axis=1)
        return self.classes_[best]


class Regressor(sklearn.base.RegressorMixin, _Estimator):  # type: ignore[misc]
    """A regressor that a traind server trains. Parameters as of Classifier; the last layer has an output for each
    target.

    Targets are brought to mean 0 and standard deviation 1 before the training, and back after it.
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _more_tags(self) -> Any:  # Before scikit-learn 1.6.
        return {"multioutput": True}

    def fit(self, X: Any, y: Any) -> "Regressor":
        """Trains on examples and targets [N] or [N, targets]."""
        X, y = self._validated(X, y, reset=True)
        targets = np.asarray(y, dtype=np.float64)
        columns = targets.reshape(len(targets), -1)
        self.target_mean_ = columns.mean(axis=0)
        spread = columns.std(axis=0)
        self.target_scale_ = np.where(spread > 0, spread, 1.0)
        self.target_shape_: Tuple[int, ...] = targets.shape[1:]
        self._train(X, (columns - self.target_mean_) / self.target_scale_, columns.shape[1], "mean_squared_error")
        return self

    def predict(self, X: Any) -> Any:
        """[N] or [N, targets], as fit had them."""
        outputs = self._outputs(X)
        outputs = outputs * self.target_scale_ + self.target_mean_
        return outputs.reshape(len(outputs), *self.target_shape_)
