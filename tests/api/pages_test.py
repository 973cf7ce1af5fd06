#!/usr/bin/python3
"""Pages: what was there all the time comes exactly once, whatever comes and goes meanwhile; for every list one page at a
time gives the whole list.

    tests/api/pages_test.py       TRAIND_API_JOBS=10000 for more jobs than the default
"""
import os
import re
import sys
import threading
import unittest

import service

sys.path.insert(0, str(service.ROOT / ".ci"))
from protolint import compiled  # noqa: E402

JOBS = int(os.environ.get("TRAIND_API_JOBS", 2000))
COLORS = ("red", "green", "blue")
UNORDERED = ("ListComponents", "ListOperations", "ListUsers", "ListTokens")
PARENTS = {"ListCheckpoints": "jobs/done", "ListTrials": "sweeps/sweep-0"}
SPACE = [{"name": "rate", "paths": ["optimizer.learning_rate"], "uniform": {"low": 0, "high": 1}}]
OF_ACCOUNTS = ("ListUsers", "ListTokens")  # Of which this server has none.


def pages(server, method, /, **fields):
    """The pages of a list, each as the list of its things."""
    token = ""
    while True:
        response = server.call(method, page_token=token, **fields)
        yield list(getattr(response, response.DESCRIPTOR.fields[0].name))
        token = response.next_page_token
        if not token:
            return


def everything(server, method, /, **fields):
    return [thing for page in pages(server, method, **fields) for thing in page]


def filter_fields():
    """{"ListJobs": ["name", "uid", ...]}: the fields of each filter, as its comment names them."""
    found = {}
    for file in compiled(service.ROOT).file:
        comments = {tuple(place.path): place.leading_comments + place.trailing_comments
                    for place in file.source_code_info.location}
        for m, message in enumerate(file.message_type):
            for f, field in enumerate(message.field):
                if field.name == "filter":
                    over = re.search(r"Over ([\w\s,]+)[.:;]", comments[(4, m, 2, f)])[1]
                    found[message.name.removesuffix("Request")] = re.split(r",\s*", over)
    return found


class Churn(threading.Thread):
    """Deletes the given jobs, one after the other, and creates another for each, until it is told to stop."""

    def __init__(self, server, victims):
        super().__init__()
        self.server, self.victims, self.stopped, self.turns = server, list(victims), threading.Event(), 0

    def run(self):
        while not self.stopped.is_set() and self.victims:
            name = self.victims.pop(self.turns * 7 % len(self.victims))
            self.server.call("CancelJob", name=name)
            self.server.call("DeleteJob", name=name)
            self.victims.append(make_job(self.server, "", self.turns).name)
            self.turns += 1


def make_job(server, job_id, number):
    """A job that waits; its names do not follow the order in which they are made."""
    return server.call("CreateJob", job_id=job_id,
                       spec=service.dense_job(display_name=f"{number * 7919 % 1000:03}", priority=number % 3,
                                              labels={"color": COLORS[number % len(COLORS)]}))


class PagesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = server = service.Service("--threads", "1")
        server.import_points()
        server.import_points("others")
        server.train("done")
        # The only thread is this job's, for longer than the test takes: all others wait.
        endless = service.dense_job(steps=10**9, priority=100, checkpoint={"every_steps": 10**6})
        server.call("CreateJob", job_id="running", spec=endless)
        cls.jobs = [make_job(server, f"job-{(i * 31) % JOBS}", i) for i in range(JOBS)]
        cls.stay = {job.name for job in cls.jobs if int(job.display_name) % 3}

    def while_they_come_and_go(self, expected, **fields):
        victims = [job.name for job in self.jobs if job.name not in self.stay]
        churn = Churn(self.server, victims)
        churn.start()
        try:
            for _ in range(3):
                seen = [job.name for job in everything(self.server, "ListJobs", page_size=17, **fields)]
                self.assertEqual(len(seen), len(set(seen)), "a job came twice")
                self.assertEqual(expected - set(seen), set(), "a job that stayed was missed")
        finally:
            churn.stopped.set()
            churn.join()
            type(self).jobs = [job for job in self.jobs if job.name in self.stay]
            type(self).jobs += [self.server.call("GetJob", name=name) for name in churn.victims]
        self.assertGreater(churn.turns, 0, "nothing came and went")

    def test_none_missed_none_twice(self):
        for order in ("", "create_time", "display_name, create_time desc", "priority desc, name"):
            with self.subTest(order_by=order):
                self.while_they_come_and_go(self.stay, order_by=order)

    def test_none_missed_none_twice_with_a_filter(self):
        red = {job.name for job in self.jobs if job.labels["color"] == "red"} & self.stay
        self.assertTrue(red)
        self.while_they_come_and_go(red, filter='labels.color = "red" AND state = QUEUED')

    def test_orders_are_those_asked_for(self):
        def key(job):
            return -job.priority, job.display_name
        listed = everything(self.server, "ListJobs", order_by="priority desc, display_name", page_size=100)
        self.assertEqual([key(job) for job in listed], sorted(key(job) for job in listed))

    def test_a_token_is_of_its_own_list(self):
        for method in ("ListJobs", "ListDatasets"):
            token = self.server.call(method, page_size=1, order_by="create_time").next_page_token
            self.assertTrue(token)
            for other in ({"filter": 'name != "x"'}, {"order_by": "name"}):
                with self.subTest(method=method, other=other):
                    fields = {"order_by": "create_time", **other}
                    error = service.error_of(self.server.call, method, page_token=token, **fields)
                    self.assertEqual(error and error.code().name, "INVALID_ARGUMENT")
                    self.assertIn("page_token", service.violations(error))

    def test_every_documented_field_is_in_filter_and_order(self):
        for method, fields in filter_fields().items():
            parent = {"parent": "jobs/done"} if method == "ListCheckpoints" else {}
            for field in fields:
                with self.subTest(method=method, field=field):
                    self.server.call(method, filter="labels:x" if field == "labels" else f"{field}:*", **parent)
                    if field not in ("labels", "state") and method not in UNORDERED:
                        self.server.call(method, order_by=f"{field} desc", **parent)

    def test_every_list_page_by_page(self):
        for number in range(3):
            self.server.upload_file(f"upload-{number}")
            self.server.upload_model(f"model-{number}")
            self.server.wait(self.server.call("DescribeDataset", name="datasets/points"))
            # Those of clients, who take their trials: all threads are in use here.
            self.server.call("CreateSweep", sweep_id=f"sweep-{number}", spec={
                "trained_by_clients": True, "space": SPACE, "random": {}, "budget": {"max_trials": 100}})
            self.server.call("SuggestTrials", parent=f"sweeps/sweep-{number}", client="here", count=9)
        for name in service.methods():
            if name.startswith("List") and "page_token" in service.methods()[name].input_type.fields_by_name and name not in OF_ACCOUNTS:
                with self.subTest(method=name):
                    fields = {"parent": PARENTS[name]} if name in PARENTS else {}
                    whole = everything(self.server, name, page_size=500, **fields)
                    self.assertGreater(len(whole), 0)
                    for size in (1, 7) if len(whole) < 100 else (7,):
                        single = everything(self.server, name, page_size=size, **fields)
                        self.assertEqual([self.key(thing) for thing in single], [self.key(thing) for thing in whole])

    def test_a_log_page_by_page(self):
        self.server.call("CreateSweep", sweep_id="logged", spec={
            "trained_by_clients": True, "space": SPACE, "random": {}, "budget": {"max_trials": 100}})
        self.server.call("SuggestTrials", parent="sweeps/logged", client="here", count=9)
        for size in (1, 4, 500):
            with self.subTest(page_size=size):
                seen = []
                while page := self.server.call("ListSweepEntries", parent="sweeps/logged", page_size=size,
                                               after_sequence=len(seen)).entries:
                    seen.extend(page)
                self.assertEqual([entry.sequence for entry in seen], list(range(1, 10)))

    def key(self, thing):
        """A name of its own; components are told apart by their messages."""
        return getattr(thing, "message", "") or thing.name


if __name__ == "__main__":
    unittest.main()
