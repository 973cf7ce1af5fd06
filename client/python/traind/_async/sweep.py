"""Sweeps and their trials: searches over the fields of a job."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any, AsyncIterator, Dict, List, Optional

from traind import _core, _pool, _progress, _search, _tables, display, errors
from traind._async.connection import AsyncConnection
from traind._async.job import AsyncJob
from traind._async.resource import AsyncResource

_LOOK = 1.0  # Seconds between two looks at what goes on.
_ENDED = ("succeeded", "stopped", "failed", "cancelled")


class AsyncTrial:
    """One assignment of values, and what came of it, as it was last seen: refresh() looks again."""

    def __init__(self, connection: AsyncConnection, proto: Any) -> None:
        self._connection = connection
        self.proto = proto

    @property
    def name(self) -> str:
        """ "sweeps/widths/trials/3"."""
        return str(self.proto.name)

    @property
    def number(self) -> int:
        return int(self.proto.number)

    @property
    def state(self) -> str:
        """ "running", "held", "succeeded", "stopped", "failed", "cancelled"."""
        return _pool.value_name("traind.v1.TrialState", self.proto.state)

    @property
    def done(self) -> bool:
        return self.state in _ENDED

    @property
    def values(self) -> Dict[str, Any]:
        """Of each parameter, by its name: numbers, or the text of a job file."""
        return {one.parameter: _search.number_or_text(one) for one in self.proto.assignments}

    @property
    def objective(self) -> Optional[float]:
        """None: nothing was evaluated yet."""
        return float(self.proto.objective) if self.proto.HasField("objective") else None

    @property
    def error(self) -> str:
        """Why it has failed; empty: it has not."""
        return str(self.proto.error.message)

    async def refresh(self) -> "AsyncTrial":
        """Looks again, with the measurements."""
        self.proto = await self._connection.call("GetTrial", _pool.new("GetTrialRequest", name=self.name))
        return self

    async def job(self) -> AsyncJob:
        """That trains it. TraindError: there is none, because clients train or it is not made yet."""
        deadline = time.monotonic() + self._connection.timeout
        while not self.proto.job and not self.done and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK / 4)
            await self.refresh()
        if not self.proto.job:
            raise errors.TraindError(f"{self.name} has no job" + (f": {self.error}" if self.error else ""))
        request = _pool.new("GetJobRequest", name=self.proto.job)
        return AsyncJob(self._connection, await self._connection.call("GetJob", request))

    async def wait(self) -> "AsyncTrial":
        """Until it has ended, in one way or another."""
        while not self.done:
            await asyncio.sleep(_LOOK)
            await self.refresh()
        return self

    async def rerun(self) -> "AsyncTrial":
        """Tries a failed or cancelled one again, from its newest checkpoint."""
        self.proto = await self._connection.once("RerunTrial", _pool.new("RerunTrialRequest", name=self.name))
        return self

    # Of a sweep whose trials clients train.

    async def measure(self, step: int, value: float) -> "AsyncTrial":
        """Tells a value while it trains."""
        request = _pool.new("AddMeasurementRequest", name=self.name)
        request.measurement.step, request.measurement.value = step, value
        self.proto = await self._connection.once("AddMeasurement", request)
        return self

    async def should_stop(self) -> bool:
        """Whether median_stopping would end it now."""
        request = _pool.new("ShouldTrialStopRequest", name=self.name)
        return bool((await self._connection.call("ShouldTrialStop", request)).should_stop)

    async def complete(
        self, value: Optional[float] = None, *, step: int = 0, failed: str = "", stopped: bool = False
    ) -> "AsyncTrial":
        """Tells what came of it: a last value; or, without one, that of measure(). failed: why it gave none."""
        request = _pool.new("CompleteTrialRequest", name=self.name, stopped=stopped)
        if failed:
            request.infeasible_reason = failed
        elif value is None:
            request.from_measurements = True
        else:
            request.final.step, request.final.value = step, value
        self.proto = await self._connection.call("CompleteTrial", request)
        return self

    def __repr__(self) -> str:
        words = ", ".join(f"{name}={value!r}" for name, value in self.values.items())
        return _progress.printable(f"<Trial {self.name} {self.state} objective={self.objective} {words}>")


class AsyncSweep(AsyncResource):
    """Many trials of one job, as they were last seen: refresh() looks again. Properties make no call."""

    _message = "Sweep"

    @property
    def state(self) -> str:
        """ "running", "paused", "stopping", "cancelling", "succeeded", "failed", "cancelled"."""
        return _pool.value_name("traind.v1.SweepState", self.proto.state)

    @property
    def done(self) -> bool:
        """Whether it has ended, in one way or another."""
        return self.state in _core.TERMINAL

    @property
    def warnings(self) -> List[str]:
        """What the server allows but a person should know."""
        return list(self.proto.warnings)

    @property
    def mean(self) -> Optional[float]:
        """Of the objectives of all trials that were trained to their end."""
        return float(self.proto.summary.mean) if self.proto.summary.HasField("mean") else None

    @property
    def standard_deviation(self) -> Optional[float]:
        """Of the sample: divided by n - 1."""
        summary = self.proto.summary
        return float(summary.standard_deviation) if summary.HasField("standard_deviation") else None

    async def best(self) -> AsyncTrial:
        """The best trial so far. NotFound: none was evaluated."""
        request = _pool.new("GetTrialRequest", name=f"{self.name}/trials/best")
        return AsyncTrial(self._connection, await self._connection.call("GetTrial", request))

    async def trial(self, number: int) -> AsyncTrial:
        """By its number, with its measurements. NotFound."""
        request = _pool.new("GetTrialRequest", name=f"{self.name}/trials/{number}")
        return AsyncTrial(self._connection, await self._connection.call("GetTrial", request))

    async def trials(self, *, order_by: str = "", limit: Optional[int] = None) -> AsyncIterator[AsyncTrial]:
        """All of them by number, or the best first: order_by="objective". Without their measurements."""
        fields = {"parent": self.name, "order_by": order_by}
        async for one in self._connection.pages("ListTrials", "trials", limit, fields):
            yield AsyncTrial(self._connection, one)

    async def table(self) -> _tables.Table:
        """One row for each trial: trial, state, objective, step, job, and a column for each parameter."""
        rows = []
        async for one in self.trials():
            rows.append({**_search.row_of(one.proto), **one.values})
        names = list(dict.fromkeys(name for row in rows for name in row))
        return _tables.table_of([tuple(row.get(name) for name in names) for row in rows], names)

    async def wait(self, *, progress: Optional[bool] = None) -> "AsyncSweep":
        """Waits until it has ended, and shows how far it is; goes on after a broken connection. Raises TraindError when
        it failed or was cancelled.

        Ctrl-C detaches: the sweep goes on, and client.sweep("widths") comes back to it.
        """
        backoff = _core.Backoff(_core.STREAMS)
        shown = ""
        while True:
            try:
                await self.refresh()
                backoff.reset()
            except errors.ServerError as error:
                await self._connection.wait_after(error, backoff)
                continue
            line = self._line()
            if display.wanted(progress) and line != shown:
                print(line, file=sys.stderr)
                shown = line
            if self.done:
                break
            await asyncio.sleep(_LOOK)
        if self.state != "succeeded":
            raise errors.TraindError(f"{self.name} {self.state}: {self.proto.state_reason}")
        return self

    async def create_trial(self, values: Dict[str, Any], *, client: str = "") -> AsyncTrial:
        """A trial with values that an optimizer outside has chosen, by the names of the parameters; of a sweep whose
        algorithm is "external". Raises InvalidSpec, FailedPrecondition when the budget is used up.
        """
        request = _pool.new("CreateTrialRequest", parent=self.name, client=client, request_id=_core.request_id())
        request.assignments.extend(_search.assignments(values))
        return AsyncTrial(self._connection, await self._connection.call("CreateTrial", request))

    async def suggest(self, client: str, count: int = 1) -> List[AsyncTrial]:
        """The next trials of a sweep whose trials clients train; those first that this client has not completed. None
        are left: an empty list.
        """
        request = _pool.new("SuggestTrialsRequest", parent=self.name, client=client, count=count)
        answer = await self._connection.call("SuggestTrials", request)
        return [AsyncTrial(self._connection, one) for one in answer.trials]

    async def log(self, after: int = 0) -> List[Any]:
        """What was decided and what was heard, in order: messages traind.v1.SweepEntry."""
        entries: List[Any] = []
        while True:
            request = _pool.new(
                "ListSweepEntriesRequest", parent=self.name, page_size=_core.LARGEST_PAGE, after_sequence=after
            )
            page = (await self._connection.call("ListSweepEntries", request)).entries
            if not page:
                return entries
            entries.extend(page)
            after = entries[-1].sequence

    async def _steer(self, method: str) -> "AsyncSweep":
        self.proto = await self._connection.call(method, _pool.new(f"{method}Request", name=self.name))
        return self

    async def pause(self) -> "AsyncSweep":
        """Lets no trial start or go on; those under way train on to where they end."""
        return await self._steer("PauseSweep")

    async def resume(self) -> "AsyncSweep":
        """Lets a paused one go on."""
        return await self._steer("ResumeSweep")

    async def stop(self) -> "AsyncSweep":
        """Ends it early and well: trials under way are stopped with what they have learned."""
        return await self._steer("StopSweep")

    async def cancel(self) -> "AsyncSweep":
        """Ends it, and cancels the jobs of its trials."""
        return await self._steer("CancelSweep")

    async def delete(self, *, jobs: bool = False) -> None:
        """Removes it; jobs: with the jobs of its trials, but those that are pinned. Not while it is alive."""
        await self._connection.once("DeleteSweep", _pool.new("DeleteSweepRequest", name=self.name, delete_jobs=jobs))

    def _line(self) -> str:
        summary = self.proto.summary
        words = [f"{self.name} {self.state}", f"{summary.trials} of {summary.planned_trials or '?'} trials"]
        if summary.HasField("best"):
            best = AsyncTrial(self._connection, summary.best)
            values = ", ".join(f"{name}={value}" for name, value in best.values.items())
            words.append(f"best {best.objective:.4g} (trial {best.number}: {values})")
        if summary.HasField("remaining") and not self.done:
            words.append(f"{_progress.clock(summary.remaining.seconds)} left")
        return _progress.printable("  ".join(words))

    def __repr__(self) -> str:
        return f"<Sweep {self._line()}>"
