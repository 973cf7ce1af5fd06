"""What the clients have in common and that talks to nobody: retries, watching, what is sent and what comes back."""

from __future__ import annotations

import json
import random
import struct
import uuid
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from traind import _pool, errors, events

LARGEST_CALL = 3 << 20  # Bytes of examples in one Predict, of the 4 MiB that the API allows.
LARGEST_PAGE = 500
STEADY = 60.0  # Seconds: a stream that lasted so long was one, though nothing came.
NOTABLE = 1.0  # Seconds: a wait that a person is told of.
TERMINAL = ("succeeded", "failed", "cancelled")
Array = "np.ndarray[Any, Any]"
Progress = Callable[[str, int, int], None]  # What, bytes done, bytes in all.
# The channel's own pauses between attempts to connect stay below those of our retries; gRPC looks for the addresses
# anew before it connects to a server that was gone, and would not do so for half a minute. A server that has vanished
# is found while a call waits for it; it takes a ping every 10 s.
CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.primary_user_agent", "traind-python"),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 5000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.dns_min_time_between_resolutions_ms", 100),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.max_pings_without_data", 0),
]


class Retry(NamedTuple):
    """When a failed call is tried again, and after how long."""

    attempts: int = 5  # Calls in all.
    initial: float = 0.1  # Seconds.
    multiplier: float = 2.0
    longest: float = 5.0


CALLS = Retry()
STREAMS = Retry(attempts=30)  # Counted from the last progress: a little over two minutes, for a server to restart.


class Backoff:
    """The waits of one call, each shortened by up to a half at random."""

    def __init__(self, policy: Retry) -> None:
        self._policy = policy
        self.reset()

    def reset(self) -> None:
        """Begins anew, after progress was made."""
        self._failures, self._next = 0, self._policy.initial
        self.told = False  # Somebody was told that it waits.

    def after(self, failure: errors.ServerError) -> Optional[float]:
        """Seconds before the next attempt; None when there is to be none."""
        self._failures += 1
        if self._failures >= self._policy.attempts:
            return None
        delay = self._next * random.uniform(0.5, 1)
        self._next = min(self._next * self._policy.multiplier, self._policy.longest)
        return max(delay, failure.retry_after or 0.0)


def is_broken(error: errors.ServerError) -> bool:
    """The connection ended a stream, not the server's decision. A server that shuts down ends them with CANCELLED."""
    return errors.is_retryable(error) or error.code == "CANCELLED"


def request_id() -> str:
    return uuid.uuid4().hex


def full_name(collection: str, name: Any) -> str:
    """ "cnn", "jobs/cnn" and a Job are all "jobs/cnn"."""
    text = str(getattr(name, "name", name))
    return text if text.startswith(collection + "/") else f"{collection}/{text}"


def checkpoint_name(job: str, checkpoint: Union[str, int]) -> str:
    """Of a job's checkpoint: "latest", "best", a step, or a whole name."""
    text = str(getattr(checkpoint, "name", checkpoint))
    return text if "/" in text else f"{job}/checkpoints/{text}"


def weights_name(weights: Any) -> str:
    """ "cnn", a Job and "cnn/latest" are all "jobs/cnn/checkpoints/latest"; whole names stay as they are."""
    text = str(getattr(weights, "name", weights))
    if text.startswith("models/") or "/checkpoints/" in text:
        return text
    job, _, checkpoint = text[5 if text.startswith("jobs/") else 0 :].partition("/")
    return f"jobs/{job}/checkpoints/{checkpoint or 'latest'}"


class Watch:
    """The state of a watch over broken connections."""

    def __init__(
        self, name: str, uid: str, after: int, kinds: Sequence[str], layers: Sequence[str], until_now: bool
    ) -> None:
        numbers = {value.name: value.number for value in _pool.ENUMS["traind.v1.EventKind"] if value.number}
        for kind in kinds:
            if kind not in numbers:
                raise ValueError(f'there is no kind of event "{kind}"; there are {", ".join(numbers)}')
        self._name, self._uid, self._last = name, uid, after
        self._kinds, self._layers = [numbers[kind] for kind in kinds], list(layers)
        self._until_now = until_now

    def request(self) -> Any:
        return _pool.new(
            "WatchJobRequest",
            name=self._name,
            uid=self._uid,
            after_sequence=self._last,
            kinds=self._kinds,
            layers=self._layers,
            until_now=self._until_now,
        )

    def failure(self, error: errors.ServerError) -> errors.ServerError:
        """What a broken stream means."""
        if isinstance(error, errors.NotFound) and self._uid:
            return errors.NotFound(error.code, f"{self._name} was deleted", resource=self._name)
        return error

    def take(self, response: Any) -> Iterator[events.Event]:
        """The events that were not seen yet."""
        for event in response.events:
            if event.sequence <= self._last:
                continue
            if not self._kinds and not self._layers and event.sequence != self._last + 1:
                raise errors.DataLoss(
                    "DATA_LOSS",
                    f"event {self._last + 1} of {self._name} is missing; the server went on "
                    f"with event {event.sequence}",
                )
            self._last = event.sequence
            yield events.event_of(event)


# --- what comes back


def read_safetensors(data: bytes) -> Dict[str, Any]:
    """The tensors of a safetensors file of float32."""
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if entry["dtype"] != "F32":
            raise errors.DataLoss("DATA_LOSS", f"{name} is of {entry['dtype']}, not of F32")
        begin, end = entry["data_offsets"]
        tensors[name] = (
            np.frombuffer(data, "<f4", (end - begin) // 4, 8 + length + begin).reshape(entry["shape"]).copy()
        )
    return tensors


def write_safetensors(tensors: Dict[str, Any]) -> bytes:
    """A safetensors file of float32."""
    header: Dict[str, Any] = {}
    parts, at = [], 0
    for name, tensor in tensors.items():
        data = np.ascontiguousarray(tensor, "<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(np.shape(tensor)), "data_offsets": [at, at + len(data)]}
        parts.append(data)
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(parts)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 128:
        out.append(number % 128 + 128)
        number //= 128
    return bytes(out + bytes([number]))


def examples_message(array: Any) -> Any:
    """An Examples message of a float32 array; its values are packed as they lie in memory, which is what they travel
    as.
    """
    data = np.ascontiguousarray(array, "<f4").tobytes()
    shape = _pool.new("Examples", shape=list(array.shape))
    return _pool.message_class("traind.v1.Examples").FromString(
        shape.SerializeToString() + b"\x12" + _varint(len(data)) + data
    )


def example_batches(array: Any) -> Iterator[Any]:
    """Parts of an array that fit into one call each."""
    per_example = max(1, 4 * int(np.prod(array.shape[1:], dtype=np.int64)))
    # The answer has outputs, probabilities and spread of each.
    count = max(1, min(LARGEST_CALL // per_example, 1024))
    for at in range(0, len(array), count):
        yield array[at : at + count]


class Score(NamedTuple):
    """What an evaluation says."""

    split: str
    examples: int
    loss: float
    accuracy: Optional[float]  # None without class labels.
    spread: Optional[float]  # Over several looks at each example (test_time).
    # The API's messages, whose comments say what is in them; None where there is nothing of the kind.
    classification: Any = None  # ClassificationMetrics: .macro_f1, .classes[3].recall, .confusion, ...
    regression: Any = None  # RegressionMetrics: .mean_absolute_error, .targets[0].r2, ...


def score_of(made: Any) -> Score:
    """Of an EvaluationMetrics."""
    return Score(
        made.split,
        made.examples,
        made.loss,
        made.accuracy if made.HasField("accuracy") else None,
        made.spread if made.HasField("spread") else None,
        made.classification if made.HasField("classification") else None,
        made.regression if made.HasField("regression") else None,
    )


class Checkpoint(NamedTuple):
    """Weights that a job has saved."""

    name: str
    step: int
    size_bytes: int
    best: bool
    evaluation_loss: Optional[float]
    evaluation_accuracy: Optional[float]
    best_metric: str = "loss"  # By which the best one is the best,
    best_metric_value: Optional[float] = None  # and its value for this one, when it was evaluated.


def checkpoint_of(proto: Any) -> Checkpoint:
    return Checkpoint(
        proto.name,
        proto.step,
        proto.size_bytes,
        proto.best,
        proto.evaluation_loss if proto.HasField("evaluation_loss") else None,
        proto.evaluation_accuracy if proto.HasField("evaluation_accuracy") else None,
        proto.best_metric,
        proto.best_metric_value if proto.HasField("best_metric_value") else None,
    )


class User(NamedTuple):
    """Who makes the calls."""

    name: str  # Empty: everybody, on a server without users.
    role: str


class Use(NamedTuple):
    """How much there is of something that has a quota."""

    used: int
    limit: Optional[int]  # None: none.


def uses_of(answer: Any) -> Dict[str, Use]:
    """Of a GetQuotaResponse: by the names of `trainctl quota`."""
    return {
        name: Use(getattr(answer.used, name), getattr(answer.limits, name) if answer.limits.HasField(name) else None)
        for name in _pool.MESSAGES["traind.v1.Quota"].fields
    }


class Prediction:
    """What a network says of some examples: arrays with one row for each."""

    def __init__(self, parts: List[Any], *, made: Any = None, files: Sequence[str] = ()) -> None:
        def joined(name: str, dtype: Any) -> Any:
            rows = [np.array(getattr(part, name), dtype=dtype) for part in parts]
            rows = [
                row.reshape(part.shape[0], -1) if name in ("outputs", "probabilities", "spread", "targets") else row
                for row, part in zip(rows, parts)
                if row.size
            ]
            return np.concatenate(rows) if rows else None

        self.outputs: Any = joined("outputs", np.float32)  # [N, outputs]: the network's output as it is.
        self.probabilities: Any = joined("probabilities", np.float32)  # Of a loss that gives such; else None.
        self.classes: Any = joined("classes", np.int64)  # The largest output, for classifiers; else None.
        self.labels: Any = joined("labels", np.int64)  # Of a labelled split; else None.
        self.spread: Any = joined("spread", np.float32)  # Over several looks (test_time) or members; else None.
        self.targets: Any = joined("targets", np.float32)  # [N, outputs], of data with float targets; else None.
        names = made if made is not None else parts[0] if parts else None
        self.class_names: List[str] = list(names.class_names) if names is not None else []  # Empty: not known.
        self.target_names: List[str] = list(names.target_names) if names is not None else []
        self.files: List[str] = list(files)  # Of each example, of images.
        # What the server guessed or changed in what it was given.
        self.notes: List[str] = list(dict.fromkeys(note for part in parts for note in part.notes))
        self._log_counts = any(part.log_counts for part in parts)

    @property
    def names(self) -> List[str]:
        """The name of each example's class, or its number where the classes have none."""
        return [self._name(int(one)) for one in ([] if self.classes is None else self.classes)]

    @property
    def errors(self) -> Any:
        """[N, outputs]: answers less targets; None without targets. An answer is the output, its exponential where it
        is the logarithm of a count, or its probability."""
        if self.targets is None:
            return None
        if self._log_counts:
            return np.exp(self.outputs) - self.targets
        return (self.outputs if self.probabilities is None else self.probabilities) - self.targets

    def top(self, count: int = 5) -> List[List[Tuple[str, float]]]:
        """Of each example its best classes with their probabilities, or outputs where there are none."""
        scores = self.outputs if self.probabilities is None else self.probabilities
        if self.classes is None:
            raise ValueError("these outputs are no classes")
        if scores.shape[1] == 1:
            if self.probabilities is None:
                return [[(self._name(int(one)), float(row[0]))] for one, row in zip(self.classes, scores)]
            scores = np.concatenate([1 - scores, scores], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
        return [[(self._name(int(c)), float(row[c])) for c in best] for best, row in zip(order, scores)]

    def _name(self, index: int) -> str:
        return self.class_names[index] if index < len(self.class_names) else str(index)

    def __len__(self) -> int:
        return 0 if self.outputs is None else len(self.outputs)

    def __repr__(self) -> str:
        return f"<Prediction of {len(self)} examples>"
