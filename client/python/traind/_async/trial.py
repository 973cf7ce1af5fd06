"""What a job's findings lead to: a fix, tried beside the same without it; and labels that may be wrong."""

from __future__ import annotations

from typing import Any, List, Optional, Tuple, Union

import numpy as np

from traind import _core, _pool, _tables, _trials, errors, events
from traind._async.operation import AsyncOperation, read_predictions

_MOST_TRIALS = 99  # Of one job, by their names.


async def fix(job: Any, finding: Union[str, events.Finding], verify: bool, steps: Optional[int]) -> _trials.Trial:
    """As AsyncJob.fix says."""
    await job.refresh()
    chosen = _trials.choose(await job.findings(resolved=True), finding, job.name)
    fixed_spec = _trials.apply(job.proto.spec, chosen.proto.fix)
    resolved = (await job.resolved_spec()).proto
    start = _trials.begin(chosen, await job.checkpoints(), job.proto.forked_from)
    opened = chosen.last_step
    for event in await job._past(("finding",)):
        told = event.finding
        if told.id == chosen.id and told.state == "open" and told.proto.severity >= chosen.proto.severity:
            opened = event.step
            break
    plan = _trials.plan(job, resolved, chosen, opened, start, steps)
    patched_name, control_name = await _free_names(job)
    if not verify:
        spec = _trials.trial_spec(fixed_spec, job, resolved, chosen, plan, "")
        patched = await _start(job, spec, plan, patched_name)
        side = _trials.Side(patched, None, None, None, False)
        return _trials.Trial(chosen, None, "the fix was not verified", side, None, plan.checkpoint, 0)
    made: List[Tuple[Any, _trials.Record]] = []
    try:
        for role, spec, name in (
            ("patched", fixed_spec, patched_name),
            ("control", job.proto.spec, control_name),
        ):
            one = await _start(job, _trials.trial_spec(spec, job, resolved, chosen, plan, role), plan, name)
            made.append((one, _trials.Record(chosen.id, plan)))
            await _follow(one, made[-1][1], plan)
        for one, record in made:
            if plan.cadence and record.evaluated("evaluation loss", False) is None and one.state == "paused":
                record.add(await one.evaluate())
    except BaseException:
        for one, _ in made:
            if not one.done:
                await one.cancel()
        raise
    (patched, fixed), (control, without) = made
    helps, verdict = _trials.judge(fixed, without, patched, control, plan, fixed_spec.early_stopping.restore_best)
    for one in (patched, control):
        await one.update(labels={**one.labels, "fix-verdict": "helps" if helps else "no-help"})
    if control.state == "paused":
        await control.cancel()
    if patched.state == "paused" and not helps:
        await patched.cancel()
    step = min(plan.target, fixed.step, without.step)
    return _trials.Trial(
        chosen,
        helps,
        verdict,
        fixed.side(patched, step),
        without.side(control, step),
        plan.checkpoint,
        step - plan.first_step,
    )


async def _free_names(job: Any) -> Tuple[str, str]:
    for number in range(1, _MOST_TRIALS + 1):
        names = _trials.names(job.id, number)
        taken = False
        for name in names:
            try:
                await job._connection.call("GetJob", _pool.new("GetJobRequest", name=f"jobs/{name}"))
                taken = True
            except errors.NotFound:
                pass
        if not taken:
            return names
    raise errors.TraindError(f"there are {_MOST_TRIALS} trials of {job.name} already; delete some")


async def _start(job: Any, spec: Any, plan: _trials.Plan, name: str) -> Any:
    if plan.checkpoint:
        request = _pool.new("ForkJobRequest", name=plan.checkpoint, job_id=name, request_id=_core.request_id())
        request.spec.CopyFrom(spec)
        return type(job)(job._connection, await job._connection.call("ForkJob", request))
    request = _pool.new("CreateJobRequest", job_id=name, request_id=_core.request_id(), spec=spec)
    return type(job)(job._connection, await job._connection.call("CreateJob", request))


async def _follow(job: Any, record: _trials.Record, plan: _trials.Plan) -> None:
    """Until it is paused at the plan's last step, or has ended by itself."""
    asked = False
    async for event in job.watch(("train", "evaluation", "finding")):
        record.take(event)
        if isinstance(event, events.State) and event.state == "paused":
            break
        if asked or event.step < plan.target:
            continue
        asked = True
        try:
            await job.pause()
        except errors.FailedPrecondition:
            pass  # It has come to its own end, which the next events tell.
    await job.refresh()
    if job.state == "cancelled" or (job.state == "paused" and not asked):
        raise errors.TraindError(f"{job.name} was {job.state} by somebody before it came to step {plan.target}")


async def suspects(job: Any, most: int, checkpoints: int) -> _tables.Table:
    """As AsyncJob.suspects says."""
    if most < 1 or checkpoints < 1:
        raise ValueError("most and checkpoints: must be 1 or more")
    await job.refresh()
    kept = [one for one in await job.checkpoints() if one.step > 0]
    if not kept:
        raise errors.TraindError(
            f"{job.name} has no checkpoint of a step that it has trained; "
            "train with checkpoint={'every_steps': ..., 'keep_last': 16}"
        )
    count = min(len(kept), checkpoints)
    used = [kept[i * len(kept) // count - 1] for i in range(1, count + 1)]
    split = (await job.resolved_spec()).proto.data.train_split
    total: Any = None
    for one in used:
        labels, taken, margins = await _margins(job, split, one.name)
        if total is None:
            total, lowest, where = np.zeros(len(margins)), margins.copy(), taken.copy()
        if len(margins) != len(total):
            raise errors.DataLoss("DATA_LOSS", f"{one.name}: {len(margins)} predictions instead of {len(total)}")
        total += margins
        lower = margins < lowest
        lowest[lower], where[lower] = margins[lower], taken[lower]
    mean = total / len(used)
    order = np.argsort(mean, kind="stable")[:most]
    table = _tables.Table(example=order, label=labels[order], taken_for=where[order], margin=mean[order])
    table.checkpoints = [one.step for one in used]
    return table


async def _margins(job: Any, split: str, checkpoint: str) -> Tuple[Any, Any, Any]:
    """Labels, largest other classes, and margins of one checkpoint."""
    request = _pool.new("PredictSplitRequest", request_id=_core.request_id())
    request.model.model = checkpoint
    request.range.split = split
    request.test_time.SetInParent()  # One look, whatever the job's evaluations take.
    operation = AsyncOperation(job._connection, await job._connection.call("PredictSplit", request))
    made = await operation.wait()
    labels, taken, margins = [], [], []
    async for part in read_predictions(job._connection, made.operation):
        outputs = np.array(part.outputs, dtype=np.float32).reshape(part.shape[0], -1)
        label = np.array(part.labels, dtype=np.int64)
        if len(label) != len(outputs):
            raise errors.TraindError(f"{job.name} is no classifier of labelled data: a margin is between classes")
        if outputs.shape[1] == 1:  # Log odds x of the second of two classes: as the outputs 0 and x.
            outputs = np.hstack([np.zeros_like(outputs), outputs])
        rows = np.arange(len(outputs))
        of_label = outputs[rows, label].copy()
        outputs[rows, label] = -np.inf
        other = outputs.argmax(1)
        labels.append(label)
        taken.append(other)
        margins.append((of_label - outputs[rows, other]).astype(np.float64))
    await operation.delete()
    if not np.isfinite(np.concatenate(margins)).all():
        raise errors.TraindError(f"{checkpoint}: the network's outputs are not finite")
    return np.concatenate(labels), np.concatenate(taken), np.concatenate(margins)
