"""A job in MLflow: its parameters, metrics and end as a run, live, by MLflow's REST API. Needs no package of MLflow."""

from __future__ import annotations

import time
from typing import Any, Dict, Iterator, List, Optional, Tuple

from traind import _mlflow_api, _pool, events
from traind._sync.job import Job

_INTERVAL = 1.0  # Seconds between two batches.
_MOST_METRICS, _MOST_PARAMETERS = 1000, 100  # Of one request, by MLflow's API.
_LONGEST = 500  # Characters of a parameter: what the oldest servers take.
_STATUS = {
    "queued": "SCHEDULED",
    "running": "RUNNING",
    "pausing": "RUNNING",
    "stopping": "RUNNING",
    "cancelling": "RUNNING",
    "paused": "SCHEDULED",
    "succeeded": "FINISHED",
    "failed": "FAILED",
    "cancelled": "KILLED",
}


def mirror(
    job: Job,
    *,
    tracking_uri: Optional[str] = None,
    experiment: str = "traind",
    layers: bool = False,
    follow: bool = True,
) -> str:
    """Makes a run of a job, with its resolved configuration, its metrics, labels and end; the run's id.

    It follows the job until that has ended. Again, and after an interruption, it goes on where it was: one job has one
    run in an experiment. Ctrl-C ends the mirror, not the job.

    Parameters
    ----------
    tracking_uri : str
        "http://localhost:5000"; otherwise MLFLOW_TRACKING_URI. Credentials are those of MLFLOW_TRACKING_TOKEN, or of
        MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, and travel to other machines over https alone.
    experiment : str
        Is made if there is none.
    layers : bool
        Also what each layer's statistics say: mean, std, zeros, saturated, dead, gradient norm, update ratio.
    follow : bool
        False: only what there is so far.

    Raises TraindError when MLflow cannot be reached, or refuses.
    """
    if not isinstance(job, Job):
        raise TypeError("mirror follows a Job of traind.Client, not one of AsyncClient")
    run = _Run(_mlflow_api.Api(tracking_uri), experiment, job)
    kinds = ["state", "train", "evaluation", "test", *(["statistics"] if layers else [])]
    for event in job._watch(kinds, after=run.sequence, until_now=not follow):
        run.take(event)
    run.flush()
    return run.id


class _Run:
    """The run of a job, and what of it was not sent yet."""

    def __init__(self, api: _mlflow_api.Api, experiment: str, job: Job) -> None:
        self._api, self._job = api, job
        self._metrics: List[Dict[str, Any]] = []
        self._sent = time.monotonic()
        self.sequence = 0  # Of the last event that the run has.
        job.refresh()
        where = api.experiment(experiment)
        uid = job.proto.uid
        known = api.call("runs/search", experiment_ids=[where], filter=f"tags.`traind.uid` = '{uid}'", max_results=1)
        runs = known.get("runs", [])
        if runs:
            self.id = str(runs[0]["info"]["run_id"])
            tags = {tag["key"]: tag["value"] for tag in runs[0]["data"].get("tags", ())}
            self.sequence = int(tags.get("traind.sequence", 0))
        else:
            self.id = self._made(where)
        if not self.sequence:
            self._tell_parameters()

    def _tell_parameters(self) -> None:
        for batch in _batches(list(parameters_of(self._job.resolved_spec().proto)), _MOST_PARAMETERS):
            parameters = [{"key": name, "value": value} for name, value in batch]
            self._api.call("runs/log-batch", run_id=self.id, params=parameters)

    def _made(self, experiment: str) -> str:
        job = self._job
        tags = {
            "traind.uid": job.proto.uid,
            "traind.job": job.name,
            "traind.server": job._connection.settings.server,
            "traind.dataset": job.dataset,
            "mlflow.user": job.owner or "traind",
            "mlflow.source.name": f"traind {job.name}",
            **{f"label.{name}": value for name, value in job.labels.items()},
        }
        begin = job.proto.create_time
        made = self._api.once(
            "runs/create",
            experiment_id=experiment,
            run_name=job.proto.display_name or job.id,
            start_time=begin.seconds * 1000 + begin.nanos // 1_000_000,
            tags=[{"key": name, "value": value} for name, value in tags.items() if value],
        )
        return str(made["run"]["info"]["run_id"])

    def take(self, event: events.Event) -> None:
        self.sequence = event.sequence
        for name, value in metrics_of(event):
            self._metrics.append({"key": name, "value": value, "timestamp": _millis(event), "step": event.step})
        if isinstance(event, events.State):
            self.flush()
            self._tell(event)
        elif len(self._metrics) >= _MOST_METRICS // 2 or time.monotonic() - self._sent >= _INTERVAL:
            self.flush()

    def flush(self) -> None:
        """Sends the metrics, and with the last of them how far the run has come."""
        batches = list(_batches(self._metrics, _MOST_METRICS)) or [[]]
        for i, batch in enumerate(batches):
            tags = [{"key": "traind.sequence", "value": str(self.sequence)}] if i == len(batches) - 1 else []
            self._api.call("runs/log-batch", run_id=self.id, metrics=batch, tags=tags)
        self._metrics = []
        self._sent = time.monotonic()

    def _tell(self, event: events.State) -> None:
        status = _STATUS.get(event.state, "RUNNING")
        ended = {"end_time": _millis(event)} if status in ("FINISHED", "FAILED", "KILLED") else {}
        self._api.call("runs/update", run_id=self.id, status=status, **ended)
        text = event.error or event.reason
        if text:
            self._api.call("runs/set-tag", run_id=self.id, key="traind.reason", value=text[:_LONGEST])


def _millis(event: events.Event) -> int:
    return int(event.time.timestamp() * 1000)


def _batches(items: List[Any], most: int) -> Iterator[List[Any]]:
    for at in range(0, len(items), most):
        yield items[at : at + most]


def metrics_of(event: events.Event) -> Iterator[Tuple[str, float]]:
    """What of an event MLflow draws."""
    if isinstance(event, events.Train):
        yield from _present("train", event, ("loss", "accuracy", "penalty", "learning_rate", "gradient_norm"))
        if event.timing:
            yield "train/examples_per_second", event.timing.examples_per_second
    elif isinstance(event, events.Evaluation):  # Or a Test.
        yield from _present(event.kind, event, ("loss", "accuracy"))
    elif isinstance(event, events.Statistics):
        for layer in event.layers:
            yield from _present(f"layers/{layer.layer}", layer, ("mean", "std", "zeros", "saturated", "dead"))
        for one in event.parameters:
            yield from _present(f"parameters/{one.name}", one, ("weight_norm", "gradient_norm", "update_ratio"))


def _present(group: str, thing: Any, names: Tuple[str, ...]) -> Iterator[Tuple[str, float]]:
    for name in names:
        value = getattr(thing, name)
        if value is not None:
            yield f"{group}/{name}", float(value)


def parameters_of(message: Any, path: str = "") -> Iterator[Tuple[str, str]]:
    """The fields of a spec that are set, by their paths: ("optimizer.learning_rate", "0.05")."""
    info = _pool.info_of(message)
    for descriptor, value in message.ListFields():
        field = info.fields[descriptor.name]
        name = f"{path}{field.name}"
        if field.kind == "message" and not field.repeated and field.type in _pool.MESSAGES:
            yield from _inside(value, name)
        elif field.kind == "message" and field.repeated:
            for i, one in enumerate(value):
                yield from _inside(one, f"{name}.{getattr(one, 'name', '') or i}")
        else:
            yield name, _text(field, value)[:_LONGEST]


def _inside(message: Any, name: str) -> Iterator[Tuple[str, str]]:
    if message.DESCRIPTOR.full_name not in _pool.MESSAGES or not message.ListFields():
        yield name, str(message).strip()[:_LONGEST]
    else:
        yield from parameters_of(message, f"{name}.")


def _text(field: _pool.Field, value: Any) -> str:
    if field.kind == "map":
        return ", ".join(f"{key}={one}" for key, one in sorted(value.items()))
    if field.kind == "enum" and not field.repeated:
        return _pool.value_name(field.type, value)
    return ", ".join(map(str, value)) if field.repeated else str(value)
