"""Jobs: followed, steered, asked what they have learned."""

from __future__ import annotations

import os
import pathlib
import time
from typing import Any, AsyncIterator, Dict, List, Mapping, Optional, Sequence, Union

from traind import _core, _files, _pages, _pool, _progress, _spec, _tables, _torch, _trials, _values, data, display
from traind import errors, events
from traind._async import trial
from traind._async.connection import AsyncConnection
from traind._async.operation import AsyncOperation, download, read_predictions
from traind._async.resource import AsyncResource


class AsyncJob(AsyncResource):
    """A training job, as it was last seen: refresh() looks again. Properties make no call.

    In a notebook it shows itself; wait() shows it live.
    """

    _message = "Job"

    def __init__(self, connection: AsyncConnection, proto: Any) -> None:
        super().__init__(connection, proto)
        self._history = _progress.History()

    # What is known.

    @property
    def state(self) -> str:
        """ "queued", "running", "pausing", "paused", "stopping", "cancelling", "succeeded", "failed", "cancelled"."""
        return _pool.value_name("traind.v1.JobState", self.proto.state)

    @property
    def done(self) -> bool:
        """Whether it has ended, in one way or another."""
        return self.state in _core.TERMINAL

    @property
    def step(self) -> int:
        return int(self.proto.progress.step)

    @property
    def total_steps(self) -> int:
        return int(self.proto.progress.total_steps)

    @property
    def dataset(self) -> str:
        """ "datasets/toy"."""
        return str(self.proto.dataset)

    @property
    def warnings(self) -> List[str]:
        """What the server allows but a person should know."""
        return list(self.proto.warnings)

    @property
    def error(self) -> str:
        """Why it has failed; empty: it has not."""
        return str(self.proto.error.message)

    @property
    def spec(self) -> Any:
        """What was submitted, a traind.JobSpec."""
        return _spec.as_part(self.proto.spec)

    # Looking.

    async def resolved_spec(self) -> Any:
        """What is trained, with every default filled in: a traind.JobSpec."""
        request = _pool.new("GetJobRequest", name=self.name, view=_pool.enum("JobView", "resolved"))
        return _spec.as_part((await self._connection.call("GetJob", request)).resolved_spec)

    async def watch(
        self, kinds: Sequence[str] = (), *, layers: Sequence[str] = (), after: int = 0
    ) -> AsyncIterator[events.Event]:
        """The job's events, first those of the past, until it has ended. Goes on after a broken connection, and misses
        none.

        kinds: "state", "train", "evaluation", "test", "statistics", "checkpoint", "log", "preprocessing", "data",
        "finding"; empty: all. State events always come. layers: statistics of these alone. after: the sequence number of the last
        event that was seen.
        """
        async for event in self._watch(kinds, layers, after):
            yield event

    async def _watch(
        self, kinds: Sequence[str], layers: Sequence[str] = (), after: int = 0, *, until_now: bool = False
    ) -> AsyncIterator[events.Event]:
        """As watch; with until_now no further than what there is."""
        watch = _core.Watch(self.name, self.proto.uid, after, kinds, layers, until_now)
        backoff = _core.Backoff(_core.STREAMS)
        while True:
            opened = time.monotonic()
            stream: Any = self._connection.stream("WatchJob", watch.request())
            try:
                async for response in stream:
                    backoff.reset()
                    for event in watch.take(response):
                        self._history.take(event)
                        yield event
                return
            except errors.ServerError as error:
                if time.monotonic() - opened >= _core.STEADY:
                    backoff.reset()
                await self._connection.wait_after(watch.failure(error), backoff)
            finally:
                await stream.aclose()

    async def wait(self, *, progress: Optional[bool] = None) -> "AsyncJob":
        """Waits until the job has ended, and shows how far it is. Raises JobFailed or JobCancelled when that was not
        well.

        Ctrl-C detaches: the job goes on. progress: None shows it in notebooks and terminals.
        """
        view = display.Live(self, self._history, progress)
        try:
            async for event in self.watch():
                view.show(event)
            await self.refresh()
            view.close()
        except BaseException as error:
            view.close() if isinstance(error, Exception) else view.detach()
            raise
        return self._ended()

    def _ended(self) -> "AsyncJob":
        if self.state == "failed":
            lines = list(self.proto.error.last_log_lines)
            raise errors.JobFailed(self, f"{self.name} failed: {self.error}", lines)
        if self.state == "cancelled":
            raise errors.JobCancelled(self, f"{self.name} was cancelled")
        return self

    async def _past(self, kinds: Sequence[str]) -> List[events.Event]:
        """The events so far."""
        await self.refresh()
        return [event async for event in self._watch(kinds, until_now=True) if event.kind in kinds]

    async def metrics(self) -> _tables.Table:
        """Loss, accuracy, learning rate, ... over the steps so far: columns of numpy; .pandas() makes a DataFrame."""
        return _tables.metrics_table(await self._past(("train", "evaluation", "test")))

    async def layers(self, step: Optional[int] = None) -> _tables.Table:
        """The inside of every layer at every observed step so far, or at one step (-1: the newest)."""
        seen = await self._past(("statistics",))
        if step is not None and seen:
            wanted = seen[-1].step if step == -1 else step
            seen = [event for event in seen if event.step == wanted]
        return _tables.layers_table(seen)

    async def log(self) -> List[str]:
        """The lines of the job's workers so far."""
        return [str(event) for event in await self._past(("log",))]

    async def findings(self, *, resolved: bool = False) -> List[events.Finding]:
        """What is wrong with it: causes first, each followed by what it explains. resolved: also what is no longer so."""
        request = _pool.new("ListFindingsRequest", parent=self.name, with_resolved=resolved)
        return [events.finding_of(one) for one in (await self._connection.call("ListFindings", request)).findings]

    async def fixed_spec(self, finding: Union[str, events.Finding]) -> Any:
        """What was submitted, with the fix of a finding (or of its id): a traind.JobSpec. Nothing is started.

        ValueError: there is no such finding. TraindError: what helps is no change that a program can make.
        """
        await self.refresh()
        found = _trials.choose(await self.findings(resolved=True), finding, self.name)
        return _spec.as_part(_trials.apply(self.proto.spec, found.proto.fix))

    async def fix(
        self, finding: Union[str, events.Finding], *, verify: bool = True, steps: Optional[int] = None
    ) -> _trials.Trial:
        """Tries the fix of a finding (or of its id), as `trainctl fix --verify` does: one job with it and one without,
        of the same seed, from the newest checkpoint before the finding, or from the beginning where the fix only counts
        there; compared over the last quarter of their steps.

        Both remain, labelled: the one that helps is paused (trial.patched.job.resume() lets it go on), the others are
        cancelled. steps: of each; default: as many as it took the finding to come and a tenth more, at least 100, at
        most a fifth of the job. verify=False starts the job with the fix alone, for its whole length. What interrupts
        the wait cancels both. Errors as of fixed_spec.
        """
        return await trial.fix(self, finding, verify, steps)

    async def suspects(self, most: int = 100, *, checkpoints: int = 16) -> _tables.Table:
        """Training examples whose labels are likely wrong, the most suspect first: columns example, label, taken_for
        and margin.

        The margin is the output of the label minus the largest other one, as a mean over at most so many of the job's
        checkpoints (Pleiss et al. 2020), whose steps are in the table's `checkpoints`. A network comes to know wrong
        labels by heart: keep checkpoints of the whole training, checkpoint={"every_steps": ..., "keep_last": 16}.
        """
        return await trial.suspects(self, most, checkpoints)

    async def show(self) -> None:
        """Fetches what there is to see, and shows it: in a notebook as a page, in a terminal as text."""
        await self._past(("train", "evaluation", "test", "statistics", "finding"))
        display.show(self, self._history)

    # Steering.

    async def _steer(self, method: str, **fields: Any) -> "AsyncJob":
        request = _pool.new(f"{method}Request", name=self.name, **fields)
        self.proto = await self._connection.call(method, request)
        return self

    async def cancel(self) -> "AsyncJob":
        """Ends it; a running one leaves a checkpoint."""
        return await self._steer("CancelJob")

    async def pause(self) -> "AsyncJob":
        """Gives its threads and memory back, and keeps its place."""
        return await self._steer("PauseJob")

    async def resume(self) -> "AsyncJob":
        """Goes on from the newest checkpoint; also after a failure or a cancel."""
        return await self._steer("ResumeJob")

    async def stop(self) -> "AsyncJob":
        """Ends it early and well: evaluated, and with a checkpoint."""
        return await self._steer("StopJob")

    async def extend(self, *, epochs: Optional[int] = None, steps: Optional[int] = None) -> "AsyncJob":
        """Gives one that has succeeded more to train: how long in all."""
        fields = {name: value for name, value in (("epochs", epochs), ("steps", steps)) if value is not None}
        request = _pool.new("ExtendJobRequest", name=self.name, **fields)
        self.proto = await self._connection.once("ExtendJob", request)
        return self

    async def fork(self, checkpoint: Union[str, int] = "latest", *, job_id: str = "", **fields: Any) -> "AsyncJob":
        """A new job that begins at a checkpoint of this one, with fields of its spec changed as in Client.train."""
        request = _pool.new(
            "ForkJobRequest",
            name=_core.checkpoint_name(self.name, checkpoint),
            job_id=job_id,
            request_id=_core.request_id(),
        )
        if fields:
            await self.refresh()
            request.spec.CopyFrom(_spec.change(self.proto.spec, fields))
        return AsyncJob(self._connection, await self._connection.call("ForkJob", request))

    async def update(
        self,
        *,
        display_name: Optional[str] = None,
        labels: Optional[Mapping[str, str]] = None,
        priority: Optional[int] = None,
        pinned: Optional[bool] = None,
    ) -> "AsyncJob":
        """Changes what may change. pinned: no rule of retention removes anything of it."""
        return await self._update(
            {"display_name": display_name, "labels": labels, "priority": priority, "pinned": pinned}
        )

    async def delete(self) -> None:
        """Removes it, with its events and checkpoints. Not while it is alive."""
        await self._connection.once("DeleteJob", _pool.new("DeleteJobRequest", name=self.name))

    # What it has learned. A checkpoint is "latest", "best" or a step.

    async def checkpoints(self) -> List[_core.Checkpoint]:
        """All that are kept, in the order of their steps."""
        return [
            _core.checkpoint_of(one)
            async for one in self._connection.pages("ListCheckpoints", "checkpoints", None, {"parent": self.name})
        ]

    async def weights(self, checkpoint: Union[str, int] = "latest") -> Dict[str, Any]:
        """The tensors by name, as numpy arrays: "conv1.weight"."""
        return _core.read_safetensors(await download(self._connection, _core.checkpoint_name(self.name, checkpoint)))

    async def download(self, path: Union[str, "os.PathLike[str]"], checkpoint: Union[str, int] = "latest") -> None:
        """Writes the weights as a safetensors file."""
        weights = await download(self._connection, _core.checkpoint_name(self.name, checkpoint))
        part = pathlib.Path(f"{os.fspath(path)}.part")
        part.write_bytes(weights)
        part.replace(path)

    async def predict(
        self,
        examples: Any = None,
        *,
        images: Any = None,
        table: Any = None,
        label_column: str = "",
        target_columns: Sequence[str] = (),
        drop_columns: Sequence[str] = (),
        checkpoint: Union[str, int] = "latest",
        test_time: Any = None,
    ) -> _core.Prediction:
        """What the network says of one of: examples, an array as the training data was, before preprocessing; images,
        JPEG or PNG files or folders of them; table, a CSV file with the columns of the dataset's.

        Of a table the dataset's label or target columns, or those named here, are compared with the answers if they
        are there; drop_columns are not read.
        """
        reference = _pool.new("ModelRef", model=_core.checkpoint_name(self.name, checkpoint))
        columns = _columns(label_column, target_columns, drop_columns)
        return await predict(self._connection, reference, examples, test_time, images=images, table=table, **columns)

    async def predict_split(
        self,
        split: str = "",
        *,
        dataset: str = "",
        first: int = 0,
        count: int = 0,
        checkpoint: Union[str, int] = "latest",
        progress: bool = False,
    ) -> _core.Prediction:
        """What the network says of a split, however large; empty: the job's evaluation split."""
        request = _pool.new("PredictSplitRequest", request_id=_core.request_id())
        request.model.model = _core.checkpoint_name(self.name, checkpoint)
        _values.fill(
            request.range,
            {
                "dataset": dataset and _core.full_name("datasets", dataset),
                "split": split,
                "first": first,
                "count": count,
            },
        )
        made = await AsyncOperation(self._connection, await self._connection.call("PredictSplit", request)).wait(
            progress=progress
        )
        parts = [part async for part in read_predictions(self._connection, made.operation)]
        return _core.Prediction(parts, made=made)

    async def evaluate(
        self,
        split: str = "",
        *,
        dataset: str = "",
        checkpoint: Union[str, int] = "latest",
        test_time: Any = None,
        batch_size: Optional[int] = None,
        progress: bool = False,
    ) -> _core.Score:
        """Loss, accuracy and metrics on a split; empty: the job's evaluation split."""
        request = _pool.new("EvaluateRequest", request_id=_core.request_id())
        request.model.model = _core.checkpoint_name(self.name, checkpoint)
        if split or dataset:
            request.data.dataset = dataset or self.dataset
            request.data.evaluation_split = split
        _values.fill(request, {"batch_size": batch_size, "test_time": test_time})
        made = await AsyncOperation(self._connection, await self._connection.call("Evaluate", request)).wait(
            progress=progress
        )
        return _core.score_of(made)

    async def expanded_network(self) -> Any:
        """The network with blocks and presets expanded into plain layers, and every default filled in."""
        spec = (await self.resolved_spec()).proto
        request = _pool.new("DescribeNetworkRequest", expanded=True)
        request.network.CopyFrom(spec.network)
        return (await self._connection.call("DescribeNetwork", request)).expanded

    async def to_torch(self, checkpoint: Union[str, int] = "latest", *, preprocessing: bool = True) -> Any:
        """A torch.nn.Module that gives the same outputs for the same examples; its state_dict has the names of
        weights().

        preprocessing: `scale` is part of it. What is fitted to the data cannot be: with False the module takes
        examples as they are after the preprocessing.
        """
        spec = (await self.resolved_spec()).proto
        return _torch.module_of(
            await self.expanded_network(),
            await self.weights(checkpoint),
            spec.data.preprocessing if preprocessing else (),
        )

    # Showing itself.

    def __repr__(self) -> str:
        return f"<Job {_progress.job_line(self)}>"

    def _repr_html_(self) -> str:
        return _pages.job_html(self, self._history)


def _columns(label: str, targets: Sequence[str], drop: Sequence[str]) -> Dict[str, Any]:
    given = {"label_column": label, "target_columns": list(targets), "drop_columns": list(drop)}
    return {name: value for name, value in given.items() if value}


async def predict(
    connection: AsyncConnection,
    reference: Any,
    examples: Any,
    test_time: Any,
    *,
    images: Any = None,
    table: Any = None,
    **columns: Any,
) -> _core.Prediction:
    """Of an array of any length, of images or of a table, in as many calls as it takes."""
    if sum(one is not None for one in (examples, images, table)) != 1:
        raise ValueError("predict takes one of examples, images and table")
    if columns and table is None:
        raise ValueError(f"{', '.join(columns)}: of a table alone")
    parts, files = [], []
    most = [16]  # The first answer tells how large they are.
    if images is not None:
        calls = _files.image_calls(images, most)
    elif table is not None:
        calls = _files.table_calls(table, columns, most)
    else:
        batches = _core.example_batches(data.to_examples(examples))
        calls = (_files.Call({"examples": _core.examples_message(batch)}, []) for batch in batches)
    for call in calls:
        request = _pool.new("PredictRequest", model=reference, **call.fields)
        _values.fill(request, {"test_time": test_time})
        parts.append(await connection.call("Predict", request, connection.long_timeout))
        files += call.files
        most[0] = max(1, (1 << 19) // (3 * int(parts[0].shape[1]) + 8))
    return _core.Prediction(parts, files=files)
