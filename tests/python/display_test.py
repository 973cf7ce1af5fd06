"""What a person sees of a job, in a terminal and in a notebook."""

import html.parser
import io
import sys
import types

import pytest

from traind import _pages, _progress, _tables, display, events, v1

HOSTILE = "<script>alert(1)</script>\"'&\x1b[31m\u202e"


def event(sequence, step, **fields):
    return events.event_of(v1.Event(sequence=sequence, step=step, **fields))


def a_job(**fields):
    proto = v1.Job(name="jobs/a", state=v1.JOB_STATE_RUNNING, last_sequence=1, **fields)
    proto.progress.total_steps = 100
    return types.SimpleNamespace(
        proto=proto,
        name="jobs/a",
        id="a",
        state="running",
        done=False,
        step=proto.progress.step,
        total_steps=100,
        warnings=list(proto.warnings),
        error="",
    )


def a_finding(**fields):
    finding = v1.Finding(
        id="dead_relu/conv2",
        rule="dead_relu",
        layer="conv2",
        severity=v1.Finding.SEVERITY_CRITICAL,
        state=v1.Finding.STATE_OPEN,
        cause="3 of 4 units are dead",
    )
    finding.fix.words = "use leaky_relu"
    finding.MergeFrom(v1.Finding(**fields))
    return finding


def a_history(layers=(), count=10):
    history = _progress.History()
    for i in range(count):
        train = event(3 * i + 2, i + 1, train=v1.TrainMetrics(loss=1 / (i + 1), accuracy=i / 10))
        history.take(train)
        history.take(
            event(3 * i + 3, i + 1, evaluation=v1.EvaluationMetrics(split="test", loss=2 / (i + 1), accuracy=0.5))
        )
        history.take(event(3 * i + 4, i + 1, statistics=v1.StatisticsReport(layers=layers)))
    return history


def a_layer(name="conv1", **fields):
    return v1.LayerStatistics(
        layer=name,
        kind="conv2d",
        shape=[4, 8, 8],
        units=4,
        histogram=v1.Histogram(low=-1, high=1, counts=[1, 2, 3, 4] * 16),
        **fields,
    )


class Page(html.parser.HTMLParser):
    """Fails on a page whose elements are not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.text += text


def test_a_page():
    history = a_history([a_layer(), a_layer("conv2")])
    history.take(event(1000, 10, finding=a_finding()))
    page = Page(_pages.job_html(a_job(display_name="mine"), history))
    assert page.tags.count("svg") == 4, "loss, accuracy, two histograms"
    assert "step 10 of 100" in page.text and "conv1" in page.text and "4×8×8" in page.text
    assert "CRITICAL dead_relu/conv2: 3 of 4 units are dead; use leaky_relu" in page.text


def test_a_page_has_only_what_is_still_so_and_was_not_warned_of():
    history = a_history()
    history.take(event(1000, 10, finding=a_finding()))
    history.take(event(1001, 11, finding=a_finding(state=v1.Finding.STATE_RESOLVED)))
    history.take(event(1002, 12, finding=a_finding(id="other", warned=True)))
    assert "units are dead" not in Page(_pages.job_html(a_job(), history)).text


def test_a_page_of_a_job_that_has_said_nothing():
    page = Page(_pages.job_html(a_job(), _progress.History()))
    assert "svg" not in page.tags and "step 0 of 100" in page.text


def test_hostile_names_are_text():
    text = _pages.job_html(a_job(display_name=HOSTILE, warnings=[HOSTILE]), a_history([a_layer(HOSTILE)]))
    assert "<script" not in text and "\x1b" not in text and "\u202e" not in text
    assert Page(text).text.count("<script>alert(1)</script>") == 3
    assert "\x1b" not in _progress.printable(HOSTILE)


def test_numbers_that_are_none():
    history = a_history([a_layer(nan_count=5)])
    history.take(event(1000, 11, train=v1.TrainMetrics(loss=float("nan"))))
    assert "nan" in Page(_pages.job_html(a_job(), history)).text.lower()


def test_curves_stay_small_and_keep_their_ends():
    curve = _progress.Curve()
    for i in range(100_000):
        curve.add(_progress.Point(i, float(i), None))
    assert len(curve.points) <= 2048 + 1
    assert curve.points[0].step == 0 and curve.points[-1].step == 99_999
    steps = [point.step for point in curve.points]
    assert steps == sorted(set(steps))


def test_a_line():
    line = _progress.job_line(a_job(), a_history(), 120)
    assert line.startswith("jobs/a running  10%  █") and "loss 0.1" in line and "test loss 0.2" in line
    assert len(_progress.job_line(a_job(), a_history(), 30)) == 30
    assert (_progress.clock(65), _progress.clock(7205.4), _progress.clock(-3)) == ("1:05", "2:00:05", "0:00")
    assert (
        _progress.blocks(0.5, 4) == "██  " and _progress.blocks(1.5, 2) == "██" and _progress.blocks(1 / 16, 2) == "▏ "
    )


def test_running_means_and_the_test_in_the_end():
    history = _progress.History()
    history.take(event(2, 9, train=v1.TrainMetrics(loss=5, accuracy=0.1, mean_loss=2, mean_accuracy=0.75, mean_steps=9)))
    test = event(3, 9, test=v1.EvaluationMetrics(split="test", loss=3, accuracy=0.625, weights_step=4))
    history.take(test)
    line = _progress.job_line(a_job(), history)
    assert "loss 2  acc 75.0%" in line and "TEST loss 3 acc 62.5%" in line and "loss 5" not in line
    assert isinstance(test, events.Test) and str(test).startswith("TEST test loss 3, accuracy 0.625, with the weights of")
    assert history.train.points == [_progress.Point(9, 2, 0.75)] and not history.evaluation.points
    table = _tables.metrics_table([history.newest["train"], test])
    assert (table["loss"][0], table["mean_loss"][0], table["test_loss"][0], table["test_accuracy"][0]) == (5, 2, 3, 0.625)


def notebook(monkeypatch):
    """As in a notebook: the pages that are shown."""
    shown = []

    class Handle:
        def update(self, data, raw):
            shown.append(data["text/html"])

    def show(data, raw, display_id):
        shown.append(data["text/html"])
        return Handle()

    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(display=show))
    return shown


def test_a_live_display_changes_four_times_a_second(monkeypatch):
    shown, now = notebook(monkeypatch), [0.0]
    monkeypatch.setattr(display.time, "monotonic", lambda: now[0])
    live = display.Live(a_job(), a_history(), None)
    for i in range(1000):  # Ten seconds.
        now[0] += 0.01
        live.show(event(i, i))
    assert 35 <= len(shown) <= 41
    live.close()
    assert len(shown) <= 42


def test_detaching_says_what_goes_on(monkeypatch, capsys):
    notebook(monkeypatch)
    display.Live(a_job(), a_history(), None).detach()
    assert 'jobs/a goes on; client.job("a")' in capsys.readouterr().err


def test_ctrl_c_detaches(client, monkeypatch, capsys):
    from conftest import small_network

    job = client.train(small_network(), "toy", steps=50_000_000, threads=1, metrics_every_steps=500)

    def interrupt(self, event):
        if event.kind == "train":
            raise KeyboardInterrupt

    monkeypatch.setattr(display.Live, "show", interrupt)
    with pytest.raises(KeyboardInterrupt):
        job.wait(progress=True)
    assert "goes on" in capsys.readouterr().err
    assert job.refresh().state == "running"
    job.cancel()


def test_nothing_is_shown_to_nobody(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not display.wanted(None) and display.wanted(True)


def test_tables(trained):
    page = Page(trained.layers(-1)._repr_html_())
    assert page.tags.count("svg") == 3 and page.tags.count("tr") == 4
    Page(trained.metrics()._repr_html_())
    Page(trained._repr_html_())
