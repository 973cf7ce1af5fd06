"""How far a job is, as far as was seen: what the line and the page of a job are made of."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, NamedTuple, Optional

from traind import events

_POINTS = 2048  # Of a curve that are kept.
_BLOCKS = " ▏▎▍▌▋▊▉█"


class Point(NamedTuple):
    step: int
    loss: float
    accuracy: Optional[float]


class Curve:
    """Points, thinned out where there are too many: the first and the last stay."""

    def __init__(self) -> None:
        self.points: List[Point] = []
        self._every, self._seen = 1, 0

    def add(self, point: Point) -> None:
        # A point whose turn it is not gives way to the next one.
        if self.points and (self._seen - 1) % self._every:
            self.points.pop()
        self.points.append(point)
        self._seen += 1
        if len(self.points) > _POINTS:
            del self.points[1:-1:2]
            self._every *= 2


class History:
    """What was seen of a job, as far as it is shown."""

    def __init__(self) -> None:
        self.train, self.evaluation = Curve(), Curve()
        self.newest: Dict[str, events.Event] = {}
        self.findings: Dict[str, events.Finding] = {}  # As they are now, by id.
        self.sequence = 0

    def take(self, event: events.Event) -> None:
        if event.sequence <= self.sequence:
            return
        self.sequence = event.sequence
        self.newest[event.kind] = event
        if isinstance(event, events.Train):
            self.train.add(Point(event.step, *event.shown))
        elif isinstance(event, events.Test):
            pass  # No curve: it comes once.
        elif isinstance(event, events.Evaluation):
            self.evaluation.add(Point(event.step, event.loss, event.accuracy))
        elif isinstance(event, events.Found):
            self.findings[event.finding.id] = event.finding

    @property
    def remaining(self) -> Optional[float]:
        """Seconds, estimated."""
        timing = self.newest["train"].timing if "train" in self.newest else None
        return timing.remaining if timing else None


def printable(text: str) -> str:
    """Without control characters, which would steer a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)


def clock(seconds: float) -> str:
    """1:05, 2:00:05."""
    whole = max(0, round(seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def blocks(share: float, width: int) -> str:
    """A bar of eighths."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_BLOCKS[rest] if rest else "")).ljust(width)


def numbers_of(job: Any, history: History) -> Iterable[str]:
    train, evaluation = history.newest.get("train"), history.newest.get("evaluation")
    progress = job.proto.progress
    mean = progress.mean_loss if progress.HasField("mean_loss") else progress.loss
    loss, right = train.shown if isinstance(train, events.Train) else (mean if job.step else None, None)
    if loss is not None:
        yield f"loss {loss:.4g}"
    if right is not None:
        yield f"acc {right:.1%}"
    if isinstance(evaluation, events.Evaluation):
        yield f"{evaluation.split} loss {evaluation.loss:.4g}"
        if evaluation.accuracy is not None:
            yield f"acc {evaluation.accuracy:.1%}"
    elif progress.HasField("evaluation_accuracy"):
        yield f"evaluation acc {progress.evaluation_accuracy:.1%}"
    test = history.newest.get("test")
    if isinstance(test, events.Test):
        right = test.accuracy
        yield f"TEST loss {test.loss:.4g}" + ("" if right is None else f" acc {right:.1%}")
    elif progress.HasField("test_loss"):
        right = progress.test_accuracy if progress.HasField("test_accuracy") else None
        yield f"TEST loss {progress.test_loss:.4g}" + ("" if right is None else f" acc {right:.1%}")


def state_of(job: Any, history: History) -> str:
    seen = history.newest.get("state")
    newer = isinstance(seen, events.State) and seen.sequence > job.proto.last_sequence
    return seen.state if newer and isinstance(seen, events.State) else str(job.state)


def step_of(job: Any, history: History) -> int:
    return max([int(job.step), *(event.step for event in history.newest.values())])


def job_line(job: Any, history: Optional[History] = None, width: int = 0) -> str:
    """jobs/mine running  45%  █████▍        step 210 of 468  0:12 left  loss 0.39  acc 96.9%."""
    history = history or History()
    step, total = step_of(job, history), job.total_steps
    share = step / total if total else 0.0
    words = [f"{job.name} {state_of(job, history)} {share:4.0%}"]
    if width:
        words.append(blocks(share, 12))
    words.append(f"step {step} of {total}")
    if history.remaining is not None and not job.done:
        words.append(f"{clock(history.remaining)} left")
    if state_of(job, history) == "queued" and job.proto.queue.reason:
        words.append(job.proto.queue.reason)
    words += numbers_of(job, history)
    line = printable("  ".join(words))
    return line[:width] if width else line
