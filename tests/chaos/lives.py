"""Lives of jobs and sweeps under kills: a kind of chaos.py. Paused, extended, forked or searched for while server and
workers die, each ends with the decisions and the bits of one that nobody disturbed."""
import os
import shutil
import signal
import time

from faults import Kind
from house import SPEC, STEPS, Broken, House, Over, Person, require
from service import PATIENCE

import grpc
from traind.v1 import job_pb2, sweep_pb2

FORKED_AT = STEPS // 2
ENDED = (job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED)


def spec(**changes):
    """SPEC with every checkpoint kept and fields replaced."""
    made = job_pb2.JobSpec()
    made.CopyFrom(SPEC)
    made.checkpoint.keep_last = STEPS
    made.MergeFrom(job_pb2.JobSpec(**changes))
    return made


def forked_spec():
    made = spec()
    made.optimizer.learning_rate *= 2
    return made


def sweep_spec():
    """Six trials, of which some go on to the next rung. One at a time: what is decided next depends on what has ended."""
    made = sweep_pb2.SweepSpec(base=SPEC, asha={"reduction_factor": 2, "min_steps": STEPS // 4}, parallelism=1, seed=3,
                               budget={"max_trials": 6})
    made.space.add(paths=["optimizer.learning_rate"], log_uniform={"low": 1e-4, "high": 1e-1})
    made.space.add(paths=["network.layers[hidden].dense.units"], choice={"values": ["4", "8", "16"]})
    return made


def decisions(entries):
    """What a sweep's log says, without the time of day."""
    told = []
    for entry in entries:
        kept = sweep_pb2.SweepEntry()
        kept.CopyFrom(entry)
        kept.ClearField("time")
        told.append(kept.SerializeToString(deterministic=True))
    return told


class Life(Person):
    """Leads jobs and sweeps through their lives, one after the other, until `last` is set and one is over."""

    def __init__(self, house, ledger, name, random):
        super().__init__(house, ledger, name, random)
        self.last = False
        self.left = []
        self.known = {}  # What undisturbed ones came to.
        self.done = {"paused": 0, "extended": 0, "forked": 0, "searched": 0}

    def act(self):
        if self.last:
            raise Over
        self.left = self.left or self.random.sample(sorted(self.done), len(self.done))
        kind = self.left.pop()
        getattr(self, kind)(self.new_id(kind))
        self.done[kind] += 1

    def create(self, job_id, made):
        return self.ask("CreateJob", spec=made, job_id=job_id, request_id=job_id).name

    def await_state(self, name, states, get="GetJob", failed=job_pb2.JOB_STATE_FAILED):
        end = time.monotonic() + 4 * PATIENCE
        while True:
            found = self.ask(get, name=name)
            if found.state in states:
                return found
            require(found.state != failed and time.monotonic() < end, f"{name} does not go on: {found}")
            time.sleep(0.03)

    def ended_well(self, name, weights):
        self.await_state(name, [job_pb2.JOB_STATE_SUCCEEDED])
        require(self.download(name) == weights, f"{name}: other weights")

    def download(self, name):
        """A job's last weights. A download is cut off with its server, and tried again."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return self.house.download(f"{name}/checkpoints/latest")
            except (grpc.RpcError, ValueError, IndexError):
                require(time.monotonic() < end, f"{name} cannot be downloaded")
                time.sleep(0.02)

    def paused(self, job_id):
        name = self.create(job_id, spec())
        for _ in range(self.random.randint(1, 4)):
            time.sleep(self.random.uniform(0, 0.3))
            try:
                self.ask("PauseJob", name=name)
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.FAILED_PRECONDITION:  # It has ended.
                    raise
                break
            if self.await_state(name, [job_pb2.JOB_STATE_PAUSED, *ENDED]).state == job_pb2.JOB_STATE_PAUSED:
                self.ask("ResumeJob", name=name)
        self.ended_well(name, self.house.weights)

    def extended(self, job_id):
        name = self.create(job_id, spec(steps=STEPS // 3))
        self.await_state(name, [job_pb2.JOB_STATE_SUCCEEDED])
        try:
            self.ask("ExtendJob", name=name, steps=STEPS)
        except grpc.RpcError as error:
            # The answer of the first try was lost.
            if error.code() not in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION):
                raise
            require(self.ask("GetJob", name=name).progress.total_steps == STEPS, f"{name}: {error.details()}")
        self.ended_well(name, self.house.weights)

    def forked(self, job_id):
        name = self.create(job_id, spec())
        self.ended_well(name, self.house.weights)
        fork = self.ask("ForkJob", name=f"{name}/checkpoints/{FORKED_AT}", job_id=f"{job_id}-on", spec=forked_spec(),
                        request_id=f"{job_id}-on")
        self.ended_well(fork.name, self.known["fork"])

    def searched(self, sweep_id):
        name = self.ask("CreateSweep", spec=sweep_spec(), sweep_id=sweep_id, request_id=sweep_id).name
        self.await_state(name, [sweep_pb2.SWEEP_STATE_SUCCEEDED], "GetSweep", sweep_pb2.SWEEP_STATE_FAILED)
        require(self.outcome(name) == self.known["sweep"], f"{name}: other decisions, or other weights of its best trial")

    def outcome(self, name):
        best = self.ask("GetSweep", name=name).summary.best
        entries = decisions(self.ask("ListSweepEntries", parent=name, page_size=500).entries)
        return entries, best.number, self.download(best.job)

    def learn(self):
        """What undisturbed ones come to."""
        self.ask("SetUser", user=self.user, role="ROLE_USER")
        name = self.create("whole", spec())
        self.await_state(name, [job_pb2.JOB_STATE_SUCCEEDED])
        fork = self.ask("ForkJob", name=f"{name}/checkpoints/{FORKED_AT}", job_id="fork", spec=forked_spec())
        self.await_state(fork.name, [job_pb2.JOB_STATE_SUCCEEDED])
        sweep = self.ask("CreateSweep", spec=sweep_spec(), sweep_id="sweep").name
        self.await_state(sweep, [sweep_pb2.SWEEP_STATE_SUCCEEDED], "GetSweep", sweep_pb2.SWEEP_STATE_FAILED)
        self.known = {"fork": self.house.download(f"{fork.name}/checkpoints/latest"), "sweep": self.outcome(sweep)}
        require(self.known["fork"] != self.house.weights, "a fork with another rate has other weights")


def lives(count, rng, progress):
    """SIGKILL of the server and of workers at random moments, while jobs and sweeps are led through their lives."""
    house = House(rng.randrange(1 << 32))
    people = [Life(house, None, f"l{i}", rng.__class__(rng.random())) for i in range(2)]
    try:
        people[0].learn()
        for person in people:
            person.known = people[0].known
            person.start()
        begin = time.monotonic()
        while progress.done < count or any(person.is_alive() for person in people):
            time.sleep(rng.uniform(0, 0.6))
            for person in people:
                person.last = progress.done >= count
                if person.fault:
                    raise Broken(f"{person.user}: {person.fault!r}") from person.fault
            if progress.done < count:
                kill(house, rng, progress)
            require(time.monotonic() - begin < count * 2 + 8 * PATIENCE, "lives do not end")
        for person in people:
            progress.note(**person.done)
    except BaseException:
        print(house.log.read_text()[-3000:], flush=True)
        raise
    finally:
        for person in people:
            person.leave.set()
        for person in people:
            if person.ident:
                person.join(60)
        house.kill()
        shutil.rmtree(house.folder, ignore_errors=True)


def kill(house, rng, progress):
    """The server and starts it again, or a worker."""
    workers = house.workers()
    if rng.random() < 0.5:
        house.kill()
        house.restart()
        progress.step(server=1)
    elif workers:
        try:
            os.kill(rng.choice(workers), signal.SIGKILL)
            progress.step(worker=1)
        except ProcessLookupError:
            pass


KINDS = {"lives": Kind(lives, 8, 200)}
