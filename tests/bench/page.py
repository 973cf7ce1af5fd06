#!/usr/bin/python3
"""What the page costs: a long record in a real browser, and fifty pages beside a job that trains.

    tests/bench/page.py [--build build/release] [--reports 10000] [--layers 100] [--pages 50]

Makes the record of a job of 1 million steps and 100 layers, starts a server of its own on loopback ports, and ends all of it.
Needs Debian's chromium, chromium-driver, python3-selenium. Prints one JSON line for each figure, with its target.
"""
import argparse
import itertools
import json
import os
import pathlib
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/web"), str(ROOT / "tests/api")]
parser = argparse.ArgumentParser(description="Measures what the page costs browser and server.")
parser.add_argument("--build", default=str(ROOT / "build/release"))
parser.add_argument("--reports", type=int, default=10_000, help="reports of statistics in the record")
parser.add_argument("--layers", type=int, default=100)
parser.add_argument("--steps", type=int, default=1_000_000)
parser.add_argument("--pages", type=int, default=50)
parser.add_argument("--seconds", type=int, default=20, help="how long each turn with and without pages takes")
args = parser.parse_args()
os.environ["TRAIND_BIN"] = str(pathlib.Path(args.build).resolve() / "bin")

import browser  # noqa: E402
from browser import service  # noqa: E402
from http_test import Browser  # noqa: E402

SCALARS = ["QUANTITY_LOSS", "QUANTITY_PENALTY", "QUANTITY_ACCURACY", "QUANTITY_LEARNING_RATE", "QUANTITY_GRADIENT_NORM",
           "QUANTITY_STEP_MS", "QUANTITY_DATA_WAIT_MS", "QUANTITY_EXAMPLES_PER_SECOND", "QUANTITY_EVALUATION_LOSS",
           "QUANTITY_EVALUATION_ACCURACY"]


def say(figure, value, unit, target=None):
    print(json.dumps({"figure": figure, "value": round(value, 2), "unit": unit, "target": target}), flush=True)


def resident_mb(pid, line="VmRSS"):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(text.split(line + ":")[1].split()[0]) / 1024


def heap_mb(page):
    page.driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    metrics = page.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return next(one["value"] for one in metrics if one["name"] == "JSHeapUsedSize") / 1e6


def open_record(server):
    """A view from its address until its numbers are drawn."""
    views = {"curves": ("#/jobs/a", lambda: "Loss. train" in (page.element(".plot").get_attribute("aria-label") or "")),
             "layers": ("#/jobs/a?tab=layers", lambda: f"{args.layers} rows" in (page.element(".plot").get_attribute("aria-label") or "")),
             "a layer": ("#/jobs/a?tab=layers&layer=fc1", lambda: "fc1.weight" in page.text(".layer-panel"))}
    for name, (address, ready) in views.items():
        times = []
        for _ in range(3):
            page = browser.Page(server.url)
            page.driver.execute_cdp_cmd("Performance.enable", {})
            page.driver.get(server.url + "icon.svg")  # So that the browser's own start is not counted.
            begin = time.monotonic()
            page.open(address)
            page.until(ready, name)
            times.append(time.monotonic() - begin)
            heap = heap_mb(page)
            page.close()
        say(f"{name}: opens within", statistics.median(times), "s", "< 2")
        say(f"{name}: memory of the script", heap, "MB", "< 150")


class Watching(threading.Thread):
    """What an open view of a job asks for, until told to end."""

    def __init__(self, server, job, layers, ended):
        super().__init__(daemon=True)
        self.server, self.job, self.layers, self.ended = server, job, layers, ended

    def run(self):
        calls = Browser(self.server.http_port)
        (series,), _ = calls.call("GetSeries", name=self.job, quantities=SCALARS, max_points=1000)
        calls.call("WatchJob", name=self.job, until_now=True, kinds=["EVENT_KIND_STATE", "EVENT_KIND_LOG"])
        threading.Thread(target=self.stream, args=(series.last_sequence,), daemon=True).start()
        after = self.strip(calls, 0)
        for turn in itertools.count(1):
            if self.ended.wait(2):
                return
            calls.call("GetJob", name=self.job, view="JOB_VIEW_BASIC")
            if turn % 2 == 0:
                after = self.strip(calls, after)

    def strip(self, calls, after):
        if not self.layers:
            return 0
        (series,), _ = calls.call("GetSeries", name=self.job, quantities=["QUANTITY_UPDATE_RATIO"], max_points=400, after_sequence=after)
        return series.last_sequence

    def stream(self, after):
        browser_ = Browser(self.server.http_port)
        request = service.messages(service.methods()["WatchJob"])[0](
            name=self.job, after_sequence=after, kinds=["EVENT_KIND_STATE", "EVENT_KIND_TRAIN", "EVENT_KIND_EVALUATION"]).SerializeToString()
        browser_.connection.request("POST", "/traind.v1.TrainingService/WatchJob", struct.pack(">BI", 0, len(request)) + request,
                                    {"X-Grpc-Web": "1", "Content-Type": "application/grpc-web+proto"})
        answer = browser_.connection.getresponse()
        while not self.ended.is_set() and answer.read1(65536):
            pass
        browser_.connection.close()


def progress(server):
    return server.call("GetJob", name="jobs/live").progress.step


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def observe(server, seconds):
    """Milliseconds of a step, and the share of a core that the server takes."""
    begin, first, used = time.monotonic(), progress(server), cpu_seconds(server.process.pid)
    time.sleep(seconds)
    took, used = time.monotonic() - begin, cpu_seconds(server.process.pid) - used
    return 1e3 * took / (progress(server) - first), 100 * used / took


def beside_a_job(server):
    """A job of as many layers on one core, the pages' work and the server's on the other ones."""
    server.import_points()
    layers = "".join(f"layers {{ name: 'fc{i}' dense {{ units: 64 }} activation {{ relu {{}} }} }} "
                     for i in range(args.layers))
    spec = service.text_format.Parse(f"network {{ layers {{ name: 'flat' flatten {{}} }} {layers} layers {{ name: 'out' dense {{ units: 4 }} }} }}"
                                     "data { dataset: 'points' evaluation_split: 'none' preprocessing { scale {} } } batch_size: 32 steps: 100000000 threads: 1 "
                                     "optimizer { sgd {} learning_rate: 0.0001 }", service.job_pb2.JobSpec())
    server.call("CreateJob", spec=spec, job_id="live")
    while progress(server) < 100:
        time.sleep(0.1)
    time.sleep(10)
    for layers in (False, True):
        alone, beside, memory = [], [], []
        for _ in range(3):
            alone.append(observe(server, args.seconds))
            before, ended = resident_mb(server.process.pid), threading.Event()
            pages = [Watching(server, "jobs/live", layers, ended) for _ in range(args.pages)]
            for page in pages:
                page.start()
            time.sleep(args.seconds / 2)  # Until all of them have opened.
            beside.append(observe(server, args.seconds))
            memory.append(resident_mb(server.process.pid) - before)
            ended.set()
            for page in pages:
                page.join()
            time.sleep(2)
        what = f"{args.pages} pages of {'layers' if layers else 'curves'}"
        say(f"{what}: memory of the server", max(memory), "MB", "< 32")
        (step, core), (step_beside, core_beside) = (map(statistics.median, zip(*turns)) for turns in (alone, beside))
        say(f"{what}: the server takes of a core", core_beside - core, "%", "< 2")
        say(f"{what}: a step alone", step, "ms")
        say(f"{what}: a step takes longer by", 100 * (step_beside / step - 1), "%")
    server.call("CancelJob", name="jobs/live")


def main():
    server = browser.PageServer()
    server.kill()
    with tempfile.TemporaryDirectory() as folder:
        begin = time.monotonic()
        subprocess.run([pathlib.Path(os.environ["TRAIND_BIN"]) / "traind-event-bench", folder, str(args.reports), str(args.layers),
                        str(args.steps // args.reports)], check=True, stdout=subprocess.DEVNULL)
        say("the record was made in", time.monotonic() - begin, "s")
        for file in server.data.glob("traind.db*"):
            file.unlink()
        for file in pathlib.Path(folder).iterdir():
            file.rename(server.data / file.name)
    server.start()
    say("the record on the disk", sum(file.stat().st_size for file in server.data.glob("traind.db*")) / 1e6, "MB")
    open_record(server)
    say("memory of the server after that, at most", resident_mb(server.process.pid, "VmHWM"), "MB")
    beside_a_job(server)


if __name__ == "__main__":
    main()
