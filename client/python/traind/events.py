"""What a job says while it lives, as typed objects: what Job.watch iterates over."""

from __future__ import annotations

import datetime
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Type, TypeVar

import numpy as np

from traind import _pool, _values

E = TypeVar("E", bound="Event")


class Timing(NamedTuple):
    """How fast it goes."""

    examples_per_second: float  # Since the event of this kind before.
    step_ms: float  # Mean of a step over the same time.
    data_wait_ms: float  # The part of step_ms spent waiting for a minibatch.
    remaining: Optional[float]  # Seconds, estimated.


class Event:
    """One thing that happened to a job. `proto` is the whole message."""

    kind = ""

    def __init__(self, proto: Any) -> None:
        self.proto = proto
        self.sequence: int = proto.sequence  # Counted from 1, without gaps.
        self.step: int = proto.step  # Steps done when it was made.
        self.epoch: float = proto.epoch  # The same in epochs.

    @property
    def time(self) -> datetime.datetime:
        """When the server stored it."""
        return _values.time_of(self.proto.time)

    @property
    def timing(self) -> Optional[Timing]:
        """How fast it goes; None where the event does not say."""
        if not self.proto.HasField("timing"):
            return None
        timing = self.proto.timing
        remaining = _values.seconds_of(timing.remaining) if timing.HasField("remaining") else None
        return Timing(timing.examples_per_second, timing.step_ms, timing.data_wait_ms, remaining)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} step {self.step}: {self}>"

    def __str__(self) -> str:
        return self.kind


class State(Event):
    """The job has another state."""

    kind = "state"

    def __init__(self, proto: Any) -> None:
        super().__init__(proto)
        self.state: str = _pool.value_name("traind.v1.JobState", proto.state.state)
        self.reason: str = proto.state.reason
        self.attempt: int = proto.state.attempt
        self.error: str = proto.state.error.message  # With "failed".

    def __str__(self) -> str:
        return " ".join(filter(None, (self.state, self.error or self.reason)))


class Train(Event):
    """The minibatch of step `step`."""

    kind = "train"

    def __init__(self, proto: Any) -> None:
        super().__init__(proto)
        train = proto.train
        self.loss: float = train.loss  # Of the data, mean over the minibatch.
        self.penalty: float = train.penalty  # Of the regularizers.
        self.accuracy: Optional[float] = train.accuracy if train.HasField("accuracy") else None
        self.learning_rate: float = train.learning_rate
        self.gradient_norm: float = train.gradient_norm  # Before clipping.
        # Over the newest `mean_steps` steps, less noisy than one minibatch. None from a server that does not say them.
        self.mean_loss: Optional[float] = train.mean_loss if train.HasField("mean_loss") else None
        self.mean_accuracy: Optional[float] = train.mean_accuracy if train.HasField("mean_accuracy") else None
        self.mean_steps: int = train.mean_steps

    @property
    def shown(self) -> Tuple[float, Optional[float]]:
        """Loss and accuracy: the means where they are known, otherwise the minibatch's."""
        if self.mean_loss is None:
            return self.loss, self.accuracy
        return self.mean_loss, self.mean_accuracy

    def __str__(self) -> str:
        loss, right = self.shown
        accuracy = "" if right is None else f", accuracy {right:.3f}"
        return f"loss {loss:.4g}{accuracy}"


class Evaluation(Event):
    """The evaluation split after step `step`."""

    kind = "evaluation"

    def __init__(self, proto: Any) -> None:
        super().__init__(proto)
        metrics = getattr(proto, self.kind)
        self.split: str = metrics.split
        self.examples: int = metrics.examples
        self.loss: float = metrics.loss
        self.accuracy: Optional[float] = metrics.accuracy if metrics.HasField("accuracy") else None
        self.best: bool = metrics.best  # The best so far by best_metric.
        self.best_metric: str = metrics.best_metric  # "loss", or another of checkpoint.best_metric; empty of a test.
        self.best_metric_value: Optional[float] = (
            metrics.best_metric_value if metrics.HasField("best_metric_value") else None
        )
        self.spread: Optional[float] = metrics.spread if metrics.HasField("spread") else None
        # Messages of the API; None where there is nothing of the kind.
        self.classification: Any = metrics.classification if metrics.HasField("classification") else None
        self.regression: Any = metrics.regression if metrics.HasField("regression") else None

    def __str__(self) -> str:
        accuracy = "" if self.accuracy is None else f", accuracy {self.accuracy:.3f}"
        return f"{self.split} loss {self.loss:.4g}{accuracy}{', the best so far' if self.best else ''}"


class Test(Evaluation):
    """The test split: once, after the training, of the weights of the job's last checkpoint. Nothing is chosen by it."""

    kind = "test"

    def __init__(self, proto: Any) -> None:
        super().__init__(proto)
        # Whose weights they were, where they are not those of `step` (restore_best).
        self.weights_step: Optional[int] = proto.test.weights_step if proto.test.HasField("weights_step") else None

    def __str__(self) -> str:
        weights = "" if self.weights_step is None else f", with the weights of step {self.weights_step}"
        return f"TEST {super().__str__()}{weights}"


class Layer(NamedTuple):
    """The output of one layer over one minibatch."""

    layer: str
    kind: str
    activation: str
    shape: Tuple[int, ...]
    mean: float
    std: float
    min: float
    max: float
    zeros: float  # Share that is exactly zero.
    saturated: Optional[float]  # Share where the activation's derivative is below 0.01.
    dead: Optional[int]  # Units that were zero for every example of the window.
    units: int
    nans: int
    infs: int
    low: float  # Where the histogram begins,
    high: float  # and where it ends.
    counts: "np.ndarray[Any, Any]"  # Of its bins.


class Parameter(NamedTuple):
    """One trained tensor, before and after the update of the observed step."""

    name: str  # "conv1.weight".
    weight_norm: float
    weight_mean: float
    weight_std: float
    gradient_norm: float
    gradient_mean: float
    gradient_std: float
    update_ratio: float  # ||w after - w before|| / ||w before||.
    sparsity: Optional[float]  # Share of the weights that are pruned.
    frozen: bool  # By a parameter rule: gradient and update are 0.
    learning_rate_factor: float  # What parameter rules and the layer make of the rate.


def layers_of(report: Any) -> List[Layer]:
    """Of a StatisticsReport."""
    return [
        Layer(
            one.layer,
            one.kind,
            one.activation,
            tuple(one.shape),
            one.mean,
            one.std,
            one.min,
            one.max,
            one.zero_fraction,
            one.saturated_fraction if one.HasField("saturated_fraction") else None,
            one.dead_units if one.HasField("dead_units") else None,
            one.units,
            one.nan_count,
            one.inf_count,
            one.histogram.low,
            one.histogram.high,
            np.array(one.histogram.counts, dtype=np.int64),
        )
        for one in report.layers
    ]


def parameters_of(report: Any) -> List[Parameter]:
    """Of a StatisticsReport."""
    return [
        Parameter(
            one.name,
            one.weight_norm,
            one.weight_mean,
            one.weight_std,
            one.gradient_norm,
            one.gradient_mean,
            one.gradient_std,
            one.update_ratio,
            one.sparsity if one.HasField("sparsity") else None,
            one.frozen,
            one.learning_rate_factor if one.HasField("learning_rate_factor") else 1.0,
        )
        for one in report.parameters
    ]


class Statistics(Event):
    """The inside of the network at step `step`: all layers, in order, and all trained tensors."""

    kind = "statistics"

    def __init__(self, proto: Any) -> None:
        super().__init__(proto)
        self.thinned: bool = proto.statistics.thinned  # An old report, of which only the extremes are left.

    @property
    def layers(self) -> List[Layer]:
        return layers_of(self.proto.statistics)

    @property
    def parameters(self) -> List[Parameter]:
        return parameters_of(self.proto.statistics)

    def __str__(self) -> str:
        return f"{len(self.proto.statistics.layers)} layers"


class Checkpoint(Event):
    """A checkpoint is durable."""

    kind = "checkpoint"

    def __init__(self, proto: Any) -> None:
        super().__init__(proto)
        self.name: str = proto.checkpoint.name
        self.size_bytes: int = proto.checkpoint.size_bytes
        self.best: bool = proto.checkpoint.best

    def __str__(self) -> str:
        return f"{self.name}{', the best so far' if self.best else ''}"


class Log(Event):
    """A line of the worker's log."""

    kind = "log"

    def __init__(self, proto: Any) -> None:
        super().__init__(proto)
        self.level: str = _pool.value_name("traind.v1.LogLine.Level", proto.log.level)
        self.text: str = proto.log.text

    def __str__(self) -> str:
        return f"{self.level}: {self.text}"


class Moments(NamedTuple):
    """Of the examples of the training split."""

    features: int
    mean_min: float
    mean_max: float
    variance_min: float
    variance_max: float
    mean_absolute_correlation: float


def _moments(proto: Any) -> Moments:
    return Moments(
        proto.features,
        proto.mean_min,
        proto.mean_max,
        proto.variance_min,
        proto.variance_max,
        proto.mean_absolute_correlation,
    )


class Preprocessing(Event):
    """What the preprocessing did to the training split."""

    kind = "preprocessing"

    def __init__(self, proto: Any) -> None:
        super().__init__(proto)
        self.before: Moments = _moments(proto.preprocessing.before)
        self.after: Moments = _moments(proto.preprocessing.after)

    def __str__(self) -> str:
        return f"mean {self.after.mean_min:.4g} to {self.after.mean_max:.4g}"


class Data(Event):
    """What the network is trained on, as it sees it."""

    kind = "data"

    def __init__(self, proto: Any) -> None:
        super().__init__(proto)
        data = proto.data
        self.examples: int = data.examples
        self.class_counts: Tuple[int, ...] = tuple(data.class_counts)  # Empty without labels.
        self.features: int = data.features
        self.mean: float = data.mean  # Of all numbers of a sample.
        self.std: float = data.std
        self.min: float = data.min
        self.max: float = data.max
        self.constant_features: int = data.constant_features

    def __str__(self) -> str:
        return f"{self.examples:,} examples, mean {self.mean:.4g}, std {self.std:.4g}"


class Finding(NamedTuple):
    """What a rule has found in a job. `proto` is the whole message, with the evidence and the fix as a patch."""

    id: str  # "dead_relu/hidden".
    rule: str
    severity: str  # "info", "warning", "critical".
    state: str  # "open", "resolved".
    place: str  # The layer, tensor or split; empty: the whole job.
    first_step: int
    last_step: int
    cause: str
    fix: str  # In words.
    slide: Optional[int]  # Of the lecture.
    root: str  # The finding that explains this one; empty: none does.
    proto: Any

    def __str__(self) -> str:
        if self.state == "resolved":
            return f"resolved: {self.id}"
        help_ = f", because of {self.root}" if self.root else f"; {self.fix}" if self.fix else ""
        return f"{self.severity.upper()} {self.id}: {self.cause}{help_}"


def finding_of(proto: Any) -> Finding:
    """Of the message."""
    return Finding(
        proto.id,
        proto.rule,
        _pool.value_name("traind.v1.Finding.Severity", proto.severity),
        _pool.value_name("traind.v1.Finding.State", proto.state),
        proto.layer or proto.tensor or proto.split,
        proto.first_step,
        proto.last_step,
        proto.cause,
        proto.fix.words,
        proto.slide or None,
        proto.root,
        proto,
    )


class Found(Event):
    """A rule has found something, or what it had found has changed."""

    kind = "finding"

    def __init__(self, proto: Any) -> None:
        super().__init__(proto)
        self.finding: Finding = finding_of(proto.finding)

    def __str__(self) -> str:
        return str(self.finding)


_CLASSES: Dict[str, Type[Event]] = {
    cls.kind: cls for cls in (State, Train, Evaluation, Statistics, Checkpoint, Log, Preprocessing, Data, Found, Test)
}
KINDS = tuple(_CLASSES)


def event_of(proto: Any) -> Event:
    """The typed event; of a kind that only a newer server knows, an Event."""
    return _CLASSES.get(proto.WhichOneof("kind") or "", Event)(proto)
