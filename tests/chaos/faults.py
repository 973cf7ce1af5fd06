"""Faults of machine and disk: kinds of chaos.py. Each runs `count` faults and steps `progress` for each."""
import collections
import errno
import os
import pathlib
import shutil
import signal
import sqlite3
import time

import disk
from control import KINDS as CALLS, SERVER, WORKER
from house import Broken, House, Ledger, Person, require

import grpc

Kind = collections.namedtuple("Kind", "run short long")
YEAR = 365 * 86400.0


class Town:
    """A house with people in it, who are there while `with` lasts."""

    def __init__(self, rng, progress, people=2, careful=False, moment=time.monotonic, house=None):
        self.rng, self.progress = rng, progress
        self.house = house or House(rng.randrange(1 << 32))
        require(self.house.control.count(SERVER, "commit") > 0, "the library of shim.cc is not loaded")
        self.ledger = Ledger(moment)
        self.people = [Person(self.house, self.ledger, f"p{i}", rng.__class__(rng.random()), careful)
                       for i in range(people)]

    def __enter__(self):
        for person in self.people:
            person.start()
        return self

    def __exit__(self, *fault):
        self.leave()
        if fault[0] is None:
            self.progress.note(**{f"kept_{what}": count for what, count in self.ledger.counts.items()})
        else:
            print(self.house.log.read_text()[-3000:], flush=True)
        self.house.kill()
        shutil.rmtree(self.house.folder, ignore_errors=True)

    def leave(self):
        for person in self.people:
            person.leave.set()
        for person in self.people:
            if person.ident:
                person.join(60)
        self.look()

    def look(self):
        for person in self.people:
            if person.fault:
                raise Broken(f"{person.user}: {person.fault!r}") from person.fault

    def check(self, most=60):
        self.look()
        self.ledger.check(self.house, random=self.rng, most=most)
        self.ledger.forget()

    def revive(self):
        """Starts the server where it has ended; whether it had."""
        if self.house.alive():
            return False
        self.house.restart()
        return True

    def end(self, resume=False):
        """What is left over goes on to its end, and all holds."""
        self.leave()
        self.house.settle(resume)
        self.check(most=None)


def kills(count, rng, progress):
    """SIGKILL at random moments: of the server, of a worker."""
    with Town(rng, progress) as town:
        while progress.done < count:
            time.sleep(rng.uniform(0, 0.25))
            workers = town.house.workers()
            if rng.random() < 0.5:
                town.house.kill()
                town.revive()
                progress.step(server=1)
                if rng.random() < 0.1:
                    town.check()
            elif workers:
                try:
                    os.kill(rng.choice(workers), signal.SIGKILL)
                    progress.step(worker=1)
                except ProcessLookupError:
                    pass
            town.look()
        town.end()


# Of the programs: the calls before and after which they may end.
POINTS = [(program, call, after)
          for program, calls in ((SERVER, CALLS),
                                 (WORKER, ("create", "write", "fsync", "fsync-folder", "rename", "mkdir", "remove", "send")))
          for call in calls for after in (False, True)]


def failpoints(count, rng, progress):
    """The program ends right before or right after a system call: each of 38 points in turn, at a random one of the calls
    to come."""
    with Town(rng, progress) as town:
        points = rng.sample(POINTS, len(POINTS))
        while progress.done < count:
            program, call, after = points[progress.done % len(points)]
            before = town.house.control.crashes()
            town.house.control.crash(program, call, after, rng.randint(1, 12 if call != "send" else 60))
            end = time.monotonic() + 5
            while town.house.control.crashes() == before and time.monotonic() < end:
                time.sleep(0.01)
                town.look()
                # Some of what a server does, it does when it starts.
                if program == SERVER and call in ("link", "remove", "resize") and end - time.monotonic() < 4:
                    town.house.kill()
                    restart_under_fire(town)
            town.house.control.crash_no_more()
            hit = town.house.control.crashes() - before
            if program == SERVER and hit:
                town.house.process.wait(30)
            town.revive()
            progress.step(**{"server" if program == SERVER else "worker": hit, "never_reached": 1 - min(hit, 1)})
            if rng.random() < 0.2:
                town.check()
        town.end()


def restart_under_fire(town):
    """A start in which a failpoint may be hit."""
    try:
        town.revive()
    except RuntimeError:
        require(town.house.control.crashes() > 0, "the server does not start")


def power(count, rng, progress):
    """The power is cut at a random moment of a life that was written down; on the disk is what was synced, and of the rest
    nothing, all, some, or zeros. The server starts on that."""
    while progress.done < count:
        cuts = min(count - progress.done, 50)
        house = House(rng.randrange(1 << 32))
        # From its very beginning: the folder is made anew.
        house.kill()
        shutil.rmtree(house.data)
        house.control.trace(True)
        house.secret = None
        begin = house.control.position()
        house.restart()
        house.import_points()
        house.train("reference")
        town = Town(rng, progress, moment=house.control.position, house=house)
        with town:
            ready = house.control.position()
            time.sleep(3 + 0.2 * cuts)
            town.leave()
            house.control.trace(False)
            require(not house.control.broken(), "the trace is too short")
            cut_power(town, begin, ready, cuts)


def cut_power(town, begin, ready, cuts):
    notes = list(town.house.control.notes(begin))
    moments = [promise.since for promise in town.ledger.promises]
    ends = [note[0] for note in notes if note[0] >= ready]
    # Every second one right when something was promised.
    chosen = sorted(town.rng.choice(moments if i % 2 and moments else ends) for i in range(cuts))
    house, data, model = town.house, town.house.data, disk.Disk(town.house.data)
    house.kill()
    house.environment, at = None, 0
    for i, cut in enumerate(chosen):
        while at < len(notes) and notes[at][0] <= cut:
            model.add(notes[at])
            at += 1
        how = town.rng.choice(disk.POLICIES)
        house.data = data.parent / f"cut-{i}"
        model.restore(house.data, town.rng, how)
        try:
            house.restart()
            held = town.ledger.check(house, at=cut)
            house.settle()
        except (Broken, RuntimeError, grpc.RpcError) as fault:
            raise Broken(f"cut {i} at {cut}, {how} of what was not synced: {fault}\n{house.log.read_text()[-2000:]}") from fault
        house.kill()
        shutil.rmtree(house.data)
        town.progress.step(promises_checked=held, **{how: 1})


# What fails, and how.
_CHANGES = ("create", "write", "fsync", "commit", "fsync-folder", "rename", "mkdir", "link", "resize")
_ERRORS = (errno.ENOSPC, errno.EIO, errno.EDQUOT)


def errors(count, rng, progress):
    """Calls fail for a while, in the server or its workers: the disk is full, or broken. The server stays, and when it is
    over all goes on."""
    with Town(rng, progress, careful=True) as town:
        control = town.house.control
        while progress.done < count:
            program = rng.choice((SERVER, WORKER))
            before = control.errors()
            kinds = rng.sample(_CHANGES, rng.randint(1, len(_CHANGES)))
            control.fail(program, kinds, rng.choice(_ERRORS), rng.choice((0.01, 0.1, 0.5, 1)))
            time.sleep(rng.uniform(0.05, 0.6))
            control.fail(program, (), 0, 0)
            time.sleep(0.1)
            require(town.house.alive(), "the server ended")
            progress.step(calls_failed=control.errors() - before)
            if rng.random() < 0.2:
                town.check()
            if rng.random() < 0.1:
                town.house.kill()
                town.revive()
        town.end(resume=True)


def drains(count, rng, progress):
    """SIGTERM at random moments: the server ends by itself, in time, and loses nothing."""
    with Town(rng, progress) as town:
        for _ in range(count):
            time.sleep(rng.uniform(0, 1))
            progress.most(longest_ms=int(1000 * town.house.stop()))
            require(not town.house.workers(), "a worker is left")
            town.revive()
            progress.step()
            if rng.random() < 0.2:
                town.check()
        town.end()


def clock(count, rng, progress):
    """The time of day jumps by a year, forth and back, while people work; things go on as before."""
    with Town(rng, progress) as town:
        town.ledger.left_out = ("operation", "upload", "token")  # They end with their time.
        for i in range(count):
            town.house.control.set_clock(YEAR * rng.choice((-1, 1)) if i % 2 == 0 else 0)
            town.house.train(f"clock-{i}")
            require(town.house.alive(), "the server ended")
            healthy(town.house)
            if rng.random() < 0.3:
                town.house.kill()
                town.revive()
            progress.step()
            town.check()
        town.end()


def healthy(house):
    check = house.channel.unary_unary("/grpc.health.v1.Health/Check")
    require(check(b"", timeout=5) == b"\x08\x01", "NOT_SERVING")


def soak(count, rng, progress):
    """`count` seconds of work: memory of the server, threads and open files do not grow."""
    with Town(rng, progress) as town:
        process = pathlib.Path(f"/proc/{town.house.process.pid}")

        def sizes():
            return town.house.memory(), len(list((process / "task").iterdir())), len(list((process / "fd").iterdir()))
        begin = time.monotonic()
        first = None
        while (passed := time.monotonic() - begin) < count:
            time.sleep(min(1, count / 4))
            town.look()
            if passed > count / 5:
                now = sizes()
                first = first or now
            progress.step(int(time.monotonic() - begin) - progress.done)
        town.check(most=200)
        town.leave()
        time.sleep(3)
        last = sizes()
        progress.most(grown_KiB=int(1024 * (last[0] - first[0])), threads=last[1], files=last[2])
        if count >= 600:
            require(last[0] - first[0] <= 10, f"memory grew by {last[0] - first[0]:.1f} MiB")
        town.end()


KINDS = {
    "kills": Kind(kills, 12, 4000),
    "failpoints": Kind(failpoints, 12, 1000),
    "power": Kind(power, 8, 500),
    "errors": Kind(errors, 6, 200),
    "drains": Kind(drains, 2, 200),
    "clock": Kind(clock, 4, 200),
    "soak": Kind(soak, 4, 8 * 3600),
}
