"""A server under the hand of chaos, and people who use it and remember what it has promised them."""
import hashlib
import math
import pathlib
import resource
import signal
import subprocess
import sys
import threading
import time
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "api"))
import service  # noqa: E402
from service import PATIENCE, PROGRAMS  # noqa: E402

import grpc  # noqa: E402
from traind.v1 import event_pb2, job_pb2  # noqa: E402

from control import Control  # noqa: E402

LIBRARY = PROGRAMS / "libtraind-chaos.so"
STEPS = 120
SPEC = service.text_format.Parse(f"""
    network {{
      layers {{ name: "flat" flatten {{}} }}
      layers {{ name: "hidden" dense {{ units: 16 }} activation {{ relu {{}} }} }}
      layers {{ name: "dropout" dropout {{ rate: 0.2 }} }}
      layers {{ name: "fc" dense {{ units: 4 }} }}
    }}
    data {{ dataset: "points" preprocessing {{ scale {{}} }} }}
    optimizer {{ sgd {{ momentum: 0.9 }} learning_rate: 0.01 }}
    steps: {STEPS} batch_size: 16 threads: 1 metrics_every_steps: 10 checkpoint {{ every_steps: 10 }}
    statistics {{ every_steps: 0 }}
    """, job_pb2.JobSpec())
_AGAIN = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
# While the disk fails, these too say that nothing was done.
_FAILED = _AGAIN | {grpc.StatusCode.INTERNAL, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.ABORTED,
                    grpc.StatusCode.DATA_LOSS, grpc.StatusCode.UNKNOWN}


class Broken(Exception):
    """A promise was broken."""


class Damaged(Broken):
    """Bytes that do not have the checksum that came with them."""


class Over(Exception):
    """A person has to leave."""


def require(condition, what):
    if not condition:
        raise Broken(what)


class House(service.Service):
    """A server with users, a dataset "points", and the weights that a job of SPEC has when nobody disturbs it."""

    def __init__(self, seed, *flags, shim=True):
        self.control = None
        self.shim, self.seed = shim, seed
        self.secret = None
        super().__init__("--log-level", "info", *flags)
        self.import_points()
        self.train("reference")
        self.weights = self.download("jobs/reference/checkpoints/latest")

    def start(self):
        if self.shim and self.control is None:
            self.control = Control(self.folder / "control", self.data, LIBRARY, self.seed)
            self.environment = self.control.environment
        if self.secret is None:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            self.secret = subprocess.run(
                [PROGRAMS / "traind", "token", "create", "root", "--role", "admin", "--expires", "never", "--data-dir",
                 self.data],
                check=True, capture_output=True, text=True, env=self.environment).stdout.strip()
        super().start()
        self.metadata = (("authorization", f"Bearer {self.secret}"),)

    def restart(self):
        self.channel.close()
        self.start()

    def alive(self):
        return self.process.poll() is None

    def stop(self, patience=30):
        """SIGTERM; how long it took."""
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=patience)
        require(code == 0, f"the server ended with {code} after SIGTERM")
        return time.monotonic() - begin

    def workers(self):
        found = []
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
                if name == "traind-worker" and int(rest.split()[1]) == self.process.pid:
                    found.append(int(stat.parent.name))
            except (OSError, ValueError, IndexError):
                pass
        return found

    def memory(self):
        """Resident MiB of the server."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        return 0.0

    def train(self, job_id, **changes):
        job = self.call("CreateJob", spec=SPEC, job_id=job_id)
        self.call("WatchJob", name=job.name)
        job = self.call("GetJob", name=job.name)
        require(job.state == job_pb2.JOB_STATE_SUCCEEDED, f"{job.name} is {job.state}: {job.error}")
        return job

    def download(self, name):
        """The bytes, looked at as clients do."""
        parts = self.call("DownloadCheckpoint", name=name)
        data = b"".join(part.chunk for part in parts)
        if f"{zlib.crc32(data):08x}" != parts[0].crc32:
            raise Damaged(f"{name} does not have its checksum")
        return data

    def code(self, method, /, **fields):
        error = service.error_of(self.call, method, **fields)
        return error.code().name if error else "OK"

    def tree(self, collection, name):
        """What is in the folder of a dataset or a model."""
        digest = hashlib.sha256()
        for file in sorted((self.data / collection / name.split("/")[-1]).rglob("*")):
            if file.is_file():
                digest.update(file.name.encode() + b"\0" + file.read_bytes())
        return digest.hexdigest()

    def settle(self, resume=False):
        """Every job goes on to its end, with the weights of one that nobody disturbed. Those that somebody cancelled are
        resumed, and where the disk fails those that it has failed."""
        end = time.monotonic() + 4 * PATIENCE
        while True:
            open_jobs = []
            for job in self.call("ListJobs", page_size=500).jobs:
                failed = job.state == job_pb2.JOB_STATE_FAILED
                require(resume or not failed, f"{job.name} has failed: {job.error.message}")
                if failed or job.state == job_pb2.JOB_STATE_CANCELLED:
                    self.call("ResumeJob", name=job.name)
                if job.state != job_pb2.JOB_STATE_SUCCEEDED:
                    open_jobs.append(f"{job.name} {job_pb2.JobState.Name(job.state)} {job.state_reason}")
                    continue
                require(self.download(f"{job.name}/checkpoints/latest") == self.weights, f"{job.name}: other weights")
            if not open_jobs:
                return
            require(time.monotonic() < end, f"jobs do not end: {open_jobs[:3]}")
            time.sleep(0.05)


class Promise:
    def __init__(self, what, check, since):
        self.what, self.check, self.since, self.until = what, check, since, math.inf


class Ledger:
    """What the server has acknowledged. `now` gives a number that grows: the moment."""

    def __init__(self, now):
        self.now = now
        self.promises = []
        self.counts = {}
        self.left_out = ()  # Kinds of promises that do not hold under these circumstances.

    def promise(self, what, check):
        made = Promise(what, check, self.now())
        kind = what.split(" ")[0]
        if kind in self.left_out:
            return made
        self.promises.append(made)
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return made

    def check(self, house, at=None, random=None, most=None):
        """Raises Broken where a promise does not hold that was made before the moment `at`; how many hold."""
        live, at = at is None, self.now() if at is None else at
        active = [promise for promise in list(self.promises) if promise.since <= at < promise.until]
        if most is not None and len(active) > most:
            active = random.sample(active, most)
        held = 0
        for promise in active:
            try:
                promise.check(house, at)
                held += 1
            except (Broken, OSError, grpc.RpcError) as fault:
                if live and promise.until != math.inf:
                    continue  # Somebody wants it to end, just now.
                text = f"{fault.code().name}: {fault.details()}" if isinstance(fault, grpc.RpcError) else fault
                raise Broken(f"{promise.what}: {text}") from fault
        return held

    def forget(self):
        """Those that hold no longer."""
        self.promises = [promise for promise in self.promises if promise.until == math.inf]


class Person(threading.Thread):
    """Makes, uses and deletes things until it is told to leave."""

    def __init__(self, house, ledger, name, random, careful=False):
        super().__init__(daemon=True)
        self.house, self.ledger, self.user, self.random = house, ledger, name, random
        self.again = _FAILED if careful else _AGAIN  # Careful: the disk fails now and then.
        self.leave = threading.Event()
        self.fault = None
        self.number = 0
        self.jobs, self.things, self.tokens = {}, {}, {}

    def run(self):
        try:
            self.ask("SetUser", user=self.user, role="ROLE_USER")
            while True:
                self.act()
                self.leave.wait(self.random.uniform(0, 0.02))
        except Over:
            pass
        except Exception as fault:  # Whatever it is, it is told.
            self.fault = fault

    def act(self):
        acts = [self.create_job, self.watch_job, self.upload, self.import_dataset, self.upload_model, self.issue_token]
        if len(self.jobs) > 2:
            acts += [self.watch_job, self.delete_job]
        if len(self.things) > 4:
            acts += [self.delete_thing] * 3
        if len(self.tokens) > 4:
            acts += [self.revoke_token] * 2
        self.random.choice(acts)()

    def new_id(self, what):
        self.number += 1
        return f"{self.user}-{what}-{self.number}"

    def ask(self, method, /, *requests, **fields):
        """The answer, however often it takes; a refusal is a grpc.RpcError."""
        end = time.monotonic() + 2 * PATIENCE
        while True:
            if self.leave.is_set():
                raise Over
            try:
                return self.house.call(method, *requests, **fields)
            except ValueError:  # The channel of a server that is gone.
                time.sleep(0.02)
            except grpc.RpcError as error:
                if error.code() not in self.again or time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def create_job(self):
        job = self.new_id("job")
        if len(self.jobs) > 4:
            return
        self.ask("CreateJob", spec=SPEC, job_id=job, request_id=job)
        name = f"jobs/{job}"
        there = self.ledger.promise(f"job {name} is there", lambda house, at: house.call("GetJob", name=name))
        self.jobs[name] = Events(name, self.ledger, there)

    def watch_job(self):
        if not self.jobs:
            return
        name = self.random.choice(sorted(self.jobs))
        self.look_at(name, self.jobs[name], self.random.choice([0.05, 0.3, 2]))

    def look_at(self, name, seen, patience):
        """Takes the events that come within `patience` seconds; whether the job has ended."""
        try:
            watching = self.house.begin("WatchJob", name=name, after_sequence=seen.last)
            timer = threading.Timer(patience, watching.cancel)
            timer.start()
            for part in watching:
                seen.add(part.events)
            timer.cancel()
            return True
        except ValueError:
            return False
        except grpc.RpcError as error:
            if error.code() not in self.again:
                raise
            return False

    def delete_job(self):
        name = self.random.choice(sorted(self.jobs))
        seen = self.jobs.pop(name)
        try:
            self.ask("CancelJob", name=name)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.FAILED_PRECONDITION:  # It has ended.
                raise
        while not self.look_at(name, seen, 1):
            if self.leave.is_set():
                raise Over
        self.delete("DeleteJob", "GetJob", name, seen.promises)

    def delete(self, method, get, name, promises):
        for promise in promises:
            promise.until = self.ledger.now()
        try:
            self.ask(method, name=name)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.NOT_FOUND:  # The answer of the first try was lost.
                raise
        self.ledger.promise(f"deletion of {name}",
                            lambda house, at: require(house.code(get, name=name) == "NOT_FOUND", "it came back"))

    def keep(self, kind, name, check):
        self.things[name] = (kind, [self.ledger.promise(f"{kind.lower()} {name}", check)])

    def delete_thing(self):
        name = self.random.choice(sorted(self.things))
        kind, promises = self.things.pop(name)
        self.delete(f"Delete{kind}", f"Get{kind}", name, promises)

    def send(self, method, id_field, new_id, data):
        request = service.messages(service.methods()[method])[0]
        middle = len(data) // 2
        parts = [request(header=service.header_of(id_field, new_id, data)), request(chunk=data[:middle]),
                 request(chunk=data[middle:])]
        try:
            self.ask(method, *parts)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.ALREADY_EXISTS:  # The answer of the first try was lost.
                raise

    def upload(self):
        upload = self.new_id("upload")
        data = self.random.randbytes(self.random.randrange(1, 20000))
        self.send("UploadDataset", "upload_id", upload, data)

        def check(house, at):
            found = house.call("GetUpload", name=f"uploads/{upload}")
            require(found.complete and found.size_bytes == len(data), f"{found}")
            require((house.data / "uploads" / upload / "data").read_bytes() == data, "other bytes")
        self.keep("Upload", f"uploads/{upload}", check)

    def import_dataset(self):
        dataset = self.new_id("dataset")
        split = {"name": "train", "examples": {"path": "x.idx"}, "labels": {"path": "y.idx"}}
        operation = self.ask("ImportDataset", dataset_id=dataset, splits=[split], request_id=dataset)
        told = self.ledger.promise(f"operation {operation.name}",
                                   lambda house, at: house.call("GetOperation", name=operation.name))
        done = self.ask("WaitOperation", name=operation.name)
        if done.HasField("error"):
            if self.again is _FAILED:
                return
            raise Broken(f"import of {dataset}: {done.error}")
        if not done.done:
            return
        tree = self.house.tree("datasets", dataset)

        def check(house, at):
            house.call("GetDataset", name=f"datasets/{dataset}")
            require(house.tree("datasets", dataset) == tree, "other bytes")
        self.keep("Dataset", f"datasets/{dataset}", check)
        self.things[f"datasets/{dataset}"][1].append(told)

    def upload_model(self):
        model = self.new_id("model")
        data = service.safetensors({"fc.weight": [4, self.random.randrange(1, 2000)]})
        self.send("UploadModel", "model_id", model, data)
        self.keep("Model", f"models/{model}",
                  lambda house, at: require(house.download(f"models/{model}") == data, "other bytes"))

    def issue_token(self):
        if len(self.tokens) > 8:
            return
        made = self.ask("IssueToken", user=self.user)
        secret = made.secret
        self.tokens[made.token.name] = secret, self.ledger.promise(
            f"token of {self.user}", lambda house, at: require(house_says(house, secret) == self.user, "is not valid"))

    def revoke_token(self):
        name = self.random.choice(sorted(self.tokens))
        secret, promise = self.tokens.pop(name)
        promise.until = self.ledger.now()
        self.ask("RevokeToken", name=name)
        self.ledger.promise(f"revocation of a token of {self.user}",
                            lambda house, at: require(house_says(house, secret) is None, "is valid again"))


def house_says(house, secret):
    """Whom the server takes the bearer of a token for."""
    method = service.methods()["WhoAmI"]
    request, response = service.messages(method)
    stub = house.channel.unary_unary(f"/{method.containing_service.full_name}/WhoAmI", request.SerializeToString,
                                     response.FromString)
    try:
        return stub(request(), timeout=PATIENCE, metadata=(("authorization", f"Bearer {secret}"),)).user.name.split("/")[-1]
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.UNAUTHENTICATED:
            raise
        return None


class Events:
    """Those of a job that were seen. They stay, without gaps and as they were."""

    def __init__(self, name, ledger, there):
        self.name, self.ledger = name, ledger
        self.last = 0
        self.seen = []  # (moment, sequence, bytes)
        self.promises = [there, ledger.promise(f"events of {name}", self.check)]

    def add(self, events):
        for event in events:
            require(event.sequence == self.last + 1, f"{self.name}: event {event.sequence} follows {self.last}")
            require(event.log.level != event_pb2.LogLine.LEVEL_ERROR, f"{self.name}: {event.log.text}")
            self.last = event.sequence
            self.seen.append((self.ledger.now(), event.sequence, event.SerializeToString(deterministic=True)))

    def check(self, house, at):
        wanted = {sequence: kept for moment, sequence, kept in list(self.seen) if moment <= at}
        if not wanted:
            return
        watching = house.begin("WatchJob", name=self.name)
        for part in watching:
            for event in part.events:
                kept = wanted.pop(event.sequence, None)
                require(kept is None or kept == event.SerializeToString(deterministic=True),
                        f"event {event.sequence} is another one: {event.log.text or event}")
            if not wanted:
                watching.cancel()
                return
        raise Broken(f"events {sorted(wanted)[:5]} are lost")
