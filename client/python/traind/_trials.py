"""A fix, tried: what it changes, where and how long it is tried, and what came of it. As `trainctl fix` does it; talks
to nobody.
"""

from __future__ import annotations

import math
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from traind import _core, _pool, errors, events

# Paths of a job's spec, and what is below them, with which a checkpoint can go on.
_GOES_ON = (
    *("optimizer", "loss", "batch_size", "sampling", "epochs", "steps", "evaluation", "statistics", "checkpoint"),
    *("threads", "metrics_every_steps", "max_duration", "last_batch", "insight", "early_stopping"),
    *("data.augmentation", "data.prefetch_threads"),
)
_LEAST_STEPS = 100
_MOST_AT_START = 1000  # Of a finding that was there before the first step; a tenth of the job at most.
_METRICS = 40  # Reports of the loss in a trial, at least.
_EVALUATIONS = 4  # Of a trial that is judged by them.
_SHARES = ("evaluation accuracy", "evaluation macro recall")  # Measures of which larger numbers are better.
_MARGIN = 0.02  # Of the control's value: less is no help worth a new job.
_MOST_ID = 63 - len("-control-99")


class Side(NamedTuple):
    """One of the two jobs of a trial."""

    job: Any  # A Job: paused where they are compared, or ended.
    loss: Optional[float]  # The mean of the training loss over the last quarter of the trial; None: none was told.
    evaluation_loss: Optional[float]  # Of the newest evaluation in the trial; None: there was none.
    evaluation_accuracy: Optional[float]  # Of the same; None also without class labels.
    found_again: bool  # The finding came again.


class Trial(NamedTuple):
    """What a fix has done."""

    finding: events.Finding
    helps: Optional[bool]  # None: it was not verified.
    verdict: str  # In a sentence.
    patched: Side
    control: Optional[Side]  # The same without the fix; None: it was not verified.
    checkpoint: str  # With which both began; empty: from the beginning.
    steps: int  # That each has trained.

    def __str__(self) -> str:
        return self.verdict


class Plan(NamedTuple):
    checkpoint: str
    first_step: int
    steps: int
    measure: str  # "training loss", "evaluation loss", "evaluation accuracy", "evaluation macro recall", "time of a step".
    cadence: int  # Steps between two evaluations of the job; 0: there are none.

    @property
    def target(self) -> int:
        return self.first_step + self.steps


def apply(spec: Any, fix: Any) -> Any:
    """The spec with the fields of the fix's mask replaced by those of its patch, lists as a whole."""
    if not fix.mask.paths:
        words = f"what helps is no change that a program can make: {fix.words}" if fix.words else "it suggests nothing"
        raise errors.TraindError(words)
    fixed = type(spec).FromString(spec.SerializeToString())
    for path in fix.mask.paths:
        place, patch = fixed, fix.patch
        *parents, last = path.split(".")
        for name in parents:
            place, patch = getattr(place, name), getattr(patch, name)
            place.SetInParent()
        place.ClearField(last)
        alone = type(patch).FromString(patch.SerializeToString())
        for field, _ in patch.ListFields():
            if field.name != last:
                alone.ClearField(field.name)
        place.MergeFrom(alone)
    return fixed


def choose(findings: Sequence[events.Finding], wanted: Union[str, events.Finding], job: str) -> events.Finding:
    """By its id, or the name of a rule that has found one thing."""
    name = wanted if isinstance(wanted, str) else wanted.id
    exact = [one for one in findings if one.id == name]
    found = exact or [one for one in findings if one.rule == name]
    if len(found) == 1:
        return found[0]
    known = ", ".join(one.id for one in findings) or "none"
    raise ValueError(f'{job} has {"several findings" if found else "no finding"} "{name}"; there are: {known}')


def measure_of(finding: events.Finding) -> str:
    """By which number a fix is judged."""
    paths = list(finding.proto.fix.mask.paths)
    if all(path in ("data.prefetch_threads", "threads") for path in paths):
        return "time of a step"
    if any(path == "loss" or path.startswith("loss.") for path in paths):
        # Balanced weights cost accuracy, and are for the rare classes.
        return "evaluation macro recall" if finding.rule == "class_imbalance" else "evaluation accuracy"
    regularizing = ("early_stopping", "data.augmentation", "optimizer.weight_decay")
    regularizes = any(path.startswith(regularizing) for path in paths)
    split = finding.proto.HasField("split") or finding.rule == "overfitting"
    return "evaluation loss" if split or regularizes else "training loss"


def begin(finding: events.Finding, checkpoints: Sequence[_core.Checkpoint], forked_from: str) -> Tuple[str, int]:
    """The newest checkpoint before the finding, where the fix can go on with one; "", 0: the beginning."""
    for path in finding.proto.fix.mask.paths:
        if not any(path == one or path.startswith(one + ".") for one in _GOES_ON):
            return "", 0
    before = [one for one in checkpoints if 0 < one.step < finding.first_step]
    if before:
        return before[-1].name, before[-1].step
    return forked_from, int(forked_from.rsplit("/", 1)[1]) if forked_from else 0


def plan(
    job: Any, resolved: Any, finding: events.Finding, opened: int, start: Tuple[str, int], steps: Optional[int]
) -> Plan:
    """opened: the step at which the finding came; 0: before the first."""
    total, (checkpoint, first) = job.total_steps, start
    left = total - first
    if left <= 0:
        raise errors.TraindError(f"{job.name} has {total} steps; none is left to try a fix in after step {first}")
    measure = measure_of(finding)
    cadence = job.proto.progress.steps_per_epoch
    if resolved.data.evaluation_split == "none":
        cadence = 0
    elif resolved.evaluation.HasField("every_steps"):
        cadence = resolved.evaluation.every_steps
    if steps is not None:
        if not 1 <= steps <= left:
            raise ValueError(f"steps: must be from 1 to {left}, those that {job.name} has after step {first}")
        chosen = steps
    else:
        run = opened - first
        chosen = (
            min(max(total // 10, _LEAST_STEPS), _MOST_AT_START)
            if run <= 0
            else min(max(run + run // 10, _LEAST_STEPS), max(total // 5, _LEAST_STEPS))
        )
        if measure == "evaluation loss":
            chosen = max(chosen, _EVALUATIONS * cadence)
        chosen = min(chosen, left)
    return Plan(checkpoint, first, chosen, measure, cadence)


def trial_spec(spec: Any, job: Any, resolved: Any, finding: events.Finding, plan_: Plan, role: str) -> Any:
    """With what a trial needs: numbers often enough, and labels. Evaluations stay as the job has them."""
    made = type(spec).FromString(spec.SerializeToString())
    if role:
        told = max(resolved.metrics_every_steps, 1)
        made.metrics_every_steps = max(1, min(told, plan_.steps // _METRICS))
    labels = {"fix-of": job.id, "fix-rule": finding.rule, "fix-finding": finding.id, "fix-role": role or "patched"}
    made.labels.clear()
    made.labels.update({**job.labels, **labels})
    made.labels.pop("fix-verdict", None)
    return made


def names(job: str, number: int) -> Tuple[str, str]:
    return f"{job[:_MOST_ID]}-fix-{number}", f"{job[:_MOST_ID]}-control-{number}"


class Record:
    """What one of the two has told."""

    def __init__(self, finding: str, plan_: Plan) -> None:
        self._finding, self._plan = finding, plan_
        self.losses: Dict[int, float] = {}
        self.times: Dict[int, float] = {}
        self.evaluations: List[Tuple[int, Dict[str, Optional[float]]]] = []  # With their steps.
        self.again = False
        self.step = plan_.first_step

    def take(self, event: events.Event) -> None:
        self.step = max(self.step, event.step)
        if event.step > self._plan.target:
            return
        if isinstance(event, events.Train):
            self.losses[event.step] = event.loss
            self.times[event.step] = event.proto.timing.step_ms
        elif isinstance(event, events.Evaluation):
            self.evaluations.append((event.step, _numbers(event)))
        elif isinstance(event, events.Found) and event.finding.id == self._finding:
            self.again = self.again or event.finding.state == "open"

    def tail(self, step: int, numbers: Dict[int, float]) -> Dict[int, float]:
        """Of the last quarter of the way to the step."""
        known = {at: value for at, value in numbers.items() if at <= step}
        last = {at: value for at, value in known.items() if at > step - (step - self._plan.first_step) // 4}
        return last or ({max(known): known[max(known)]} if known else {})

    def evaluated(self, measure: str, best: bool) -> Optional[float]:
        found = [numbers[measure] for step, numbers in self.evaluations if step > self._plan.first_step]
        known = [value for value in found if value is not None]
        if not known:
            return None
        return (max(known) if measure in _SHARES else min(known)) if best else known[-1]

    def add(self, score: _core.Score) -> None:
        """An evaluation of the job as it stands at the end of its trial."""
        self.evaluations.append((self._plan.target, _numbers(score)))

    def side(self, job: Any, step: int) -> Side:
        loss = _mean(self.tail(step, self.losses))
        return Side(job, loss, self.evaluated("evaluation loss", False), self.evaluated(_SHARES[0], False), self.again)


def _numbers(score: Union[events.Evaluation, _core.Score]) -> Dict[str, Optional[float]]:
    """Of an evaluation, by the measures that it can be judged by."""
    classes = score.classification
    recall = classes.macro_recall if classes is not None and classes.HasField("macro_recall") else None
    return {"evaluation loss": score.loss, "evaluation accuracy": score.accuracy, "evaluation macro recall": recall}


def _mean(values: Dict[int, float]) -> Optional[float]:
    return math.fsum(values.values()) / len(values) if values else None


def _noise(a: Dict[int, float], b: Dict[int, float]) -> float:
    """Twice the standard error of the mean difference at the same steps; 0: there are too few to say."""
    differences = [a[at] - b[at] for at in a if at in b]
    if len(differences) < 3:
        return 0.0
    mean = math.fsum(differences) / len(differences)
    squares = math.fsum((one - mean) ** 2 for one in differences)
    return 2 * math.sqrt(squares / (len(differences) - 1) / len(differences))


def judge(
    fixed: Record, control: Record, fixed_job: Any, control_job: Any, plan_: Plan, best: bool
) -> Tuple[bool, str]:
    """Whether it helps, and the sentence that says so: better by a fiftieth and by twice the standard error of the
    difference; or the control failed and the other did not.
    """
    if fixed_job.state == "failed":
        return False, f"the fix does not help: with it the job failed at step {fixed.step}: {fixed_job.error}"
    if control_job.state == "failed":
        return True, f"the fix helps: without it the job failed at step {control.step}"
    step = min(plan_.target, fixed.step, control.step)
    noise = 0.0
    if plan_.measure in ("training loss", "time of a step"):
        told = "losses" if plan_.measure == "training loss" else "times"
        a, b = fixed.tail(step, getattr(fixed, told)), control.tail(step, getattr(control, told))
        with_, without, noise = _mean(a), _mean(b), _noise(a, b)
    else:
        with_, without = fixed.evaluated(plan_.measure, best), control.evaluated(plan_.measure, False)
    steps = step - plan_.first_step
    if with_ is None or without is None:
        return False, f"the fix is not proven: no {plan_.measure} was reported in {steps} steps"
    gain = with_ - without if plan_.measure in _SHARES else without - with_
    helps = math.isfinite(with_) and (not math.isfinite(without) or gain > max(_MARGIN * abs(without), noise))
    return helps, (
        f"the fix {'helps' if helps else 'does not help'}: {plan_.measure} {with_:.4g} instead of {without:.4g} "
        f"after {steps} steps"
    )
