"""Bad input: kinds of chaos.py. Damaged files, calls that are none, callers who are nobody, paths that lead out."""
import concurrent.futures
import os
import re
import shutil
import socket
import struct
import subprocess
import threading
import time

import service
from faults import Kind, Town
from house import PATIENCE, PROGRAMS, SPEC, Damaged, House, Ledger, Person, require

import grpc

_CALLERS = 12


def _flipped(data, rng):
    at, bit = rng.randrange(len(data)), rng.randrange(8)
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1:]


def checkpoints(count, rng, progress):
    """One bit of a checkpoint's files is another: nobody gets it for a sound one, and the others are served."""
    with Town(rng, progress, people=0) as town:
        house = town.house
        folders = sorted((house.data / "jobs/reference/checkpoints").glob("step-*"))
        wanted = {folder: house.download(f"jobs/reference/checkpoints/{int(folder.name[5:])}") for folder in folders}
        files = [(folder, name) for folder in folders for name in ("weights.safetensors", "manifest.json", "manifest.crc32")]
        for _ in range(count):
            folder, name = rng.choice(files)
            path = folder / name
            sound = path.read_bytes()
            path.write_bytes(_flipped(sound, rng))
            require(_notices(house, f"jobs/reference/checkpoints/{int(folder.name[5:])}"), f"{path} was served")
            other = rng.choice([one for one in folders if one != folder])
            require(house.download(f"jobs/reference/checkpoints/{int(other.name[5:])}") == wanted[other], "another suffers")
            path.write_bytes(sound)
            progress.step(**{name.replace(".", "_"): 1})


def _notices(house, name):
    """That the checkpoint is damaged: by its checksum, which goes with the bytes, or by its manifest."""
    try:
        house.download(name)
    except Damaged:
        return True
    except grpc.RpcError as error:
        return error.code() in (grpc.StatusCode.DATA_LOSS, grpc.StatusCode.NOT_FOUND)
    return False


def store(count, rng, progress):
    """One bit of the store is another when the server starts: it refuses to start and says why, or names what is damaged,
    and serves the rest."""
    house = House(rng.randrange(1 << 32))
    ledger = Ledger(lambda: 0)
    person = Person(house, ledger, "p0", rng)
    with Town(rng, progress, people=0, house=house):
        person.ask("SetUser", user="p0", role="ROLE_USER")
        for act in [person.create_job, person.create_job, person.import_dataset, person.issue_token, person.upload_model] * 2:
            act()
        house.settle()
        for name, seen in person.jobs.items():
            while not person.look_at(name, seen, 60):
                pass
        house.stop()
        file = house.data / "traind.db"
        sound = file.read_bytes()
        for _ in range(count):
            file.write_bytes(_flipped(sound, rng))
            log_begin = house.log.stat().st_size
            try:
                house.restart()
            except RuntimeError:
                require(re.search(r"critical cannot start: .*(malformed|database|damaged|corrupt|schema)",
                                  _said(house, log_begin)), "no start, and no reason")
                progress.step(no_start=1)
            else:
                progress.step(**_look_at_store(house, ledger, log_begin))
                house.kill()
            for beside in ("traind.db-wal", "traind.db-shm"):
                (house.data / beside).unlink(missing_ok=True)
            shutil.copyfile(os.devnull, house.log)
        file.write_bytes(sound)
        house.restart()
        ledger.check(house)


def _said(house, begin):
    return house.log.read_text()[begin:]


def _look_at_store(house, ledger, log_begin):
    """What does not hold any more was named: by the answer, or in the log."""
    lost = 0
    for promise in ledger.promises:
        try:
            promise.check(house, 0)
        except grpc.RpcError as error:
            lost += 1
            named = error.code() == grpc.StatusCode.DATA_LOSS or "damaged" in error.details() or "damaged" in _said(house, log_begin)
            require(named or "malformed" in error.details(), f"{promise.what}: {error.code().name} {error.details()}, unnamed")
        except Exception as fault:
            lost += 1
            require("damaged" in _said(house, log_begin) or "damaged" in str(fault), f"{promise.what}: {fault}")
    require(house.alive(), "the server ended")
    return {"damage_named" if lost else "of_no_effect": 1}


def rpcs(count, rng, progress):
    """Calls whose bytes are no requests, methods that are none, and connections that do not speak HTTP/2."""
    house = House(rng.randrange(1 << 32))
    with Town(rng, progress, people=0, house=house):
        valid = [SPEC.SerializeToString(), b"\n\x0ejobs/reference", b"\n\x0fdatasets/points"]
        paths_of = [f"/{method.containing_service.full_name}/{name}" for name, method in service.methods().items()]
        lock, before = threading.Lock(), house.memory()

        def caller(own):
            while True:
                with lock:
                    if progress.done >= count:
                        return
                    progress.step()
                    nonsense = progress.done % 100 == 0
                if nonsense:
                    _speak_nonsense(house, own)
                    require(house.alive(), "the server ended")
                code = _bad_call(house, own, paths_of, valid)
                with lock:
                    progress.note(**{code.lower(): 1})
        with concurrent.futures.ThreadPoolExecutor(_CALLERS) as pool:
            for future in [pool.submit(caller, rng.__class__(rng.random())) for _ in range(_CALLERS)]:
                future.result()
        require(house.alive(), "the server ended")
        progress.most(grown_MiB=int(house.memory() - before))
        require(house.memory() - before < 256, "memory grew")
        require(house.download("jobs/reference/checkpoints/latest") == house.weights, "other weights")


def _bad_call(house, rng, known, valid):
    """The name of the code with which it ended."""
    path = rng.choice(known)
    if rng.random() < 0.02:
        path = "/" + "".join(chr(rng.randrange(33, 127)) for _ in range(rng.randrange(40)))
    call = house.channel.stream_stream(path)(iter([_bytes(rng, valid) for _ in range(rng.choice((1, 1, 1, 0, 2)))]),
                                             timeout=PATIENCE, metadata=house.metadata if rng.random() < 0.8 else ())
    if rng.random() < 0.05:
        call.cancel()
    try:
        for _ in call:
            pass
    except grpc.RpcError:
        pass
    require(call.code() != grpc.StatusCode.DEADLINE_EXCEEDED, f"{path} does not end")
    return call.code().name


def _bytes(rng, valid):
    kind = rng.randrange(4)
    if kind == 0:
        return rng.randbytes(rng.randrange(200))
    if kind == 1:
        return _flipped(rng.choice(valid), rng)
    if kind == 2:  # Ends early, or says that much is to come.
        return rng.choice(valid)[:-1] + b"\xff\xff\xff\xff\x7f"
    return b"".join(struct.pack("B", rng.randrange(1, 128)) + rng.randbytes(rng.randrange(6)) for _ in range(rng.randrange(30)))


def _speak_nonsense(house, rng):
    host, port = house.address.split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as peer:
        try:
            peer.sendall(rng.choice((b"", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n")) +
                         rng.randbytes(rng.randrange(500)))
        except OSError:
            pass


def identities(count, rng, progress):
    """Every method, with 15 kinds of bad identity: of the token, of the certificate, of the connection."""
    folder = service.temporary_folder()
    certs = folder / "certs"
    subprocess.run([PROGRAMS / "traind", "dev-cert", certs], check=True, capture_output=True)
    house = TlsHouse(rng.randrange(1 << 32), certs)
    with Town(rng, progress, people=0, house=house):
        kinds = _identities(house, certs, folder)
        require(len(kinds) == 15, f"{len(kinds)} kinds")
        methods = sorted(service.methods())[:count]
        progress.count = len(methods) * len(kinds)
        for kind, (address, credentials, metadata, refusals) in kinds.items():
            with grpc.secure_channel(address, credentials) if credentials else grpc.insecure_channel(address) as channel:
                for name in methods:
                    code = _code(channel, name, metadata)
                    require(code in refusals, f"{name} with {kind}: {code}")
                    progress.step()
        require(house.code("WhoAmI") == "OK", "the right one is let in")


class TlsHouse(House):
    def __init__(self, seed, certs):
        self.certs = certs
        super().__init__(seed, "--tls-cert", certs / "server.pem", "--tls-key", certs / "server-key.pem")

    def start(self):
        super().start()
        self.address = self.address.replace("127.0.0.1", "localhost")
        self.channel = grpc.secure_channel(self.address, _trust(self.certs))


def _trust(certs, *more):
    return grpc.ssl_channel_credentials((certs / "ca.pem").read_bytes(), *more)


def _code(channel, name, metadata):
    method = service.methods()[name]
    request, _ = service.messages(method)
    first = request()
    if "header" in method.input_type.fields_by_name:
        first.header.SetInParent()  # An upload is looked at when it says what it is.
    call = channel.stream_stream(f"/{method.containing_service.full_name}/{name}")(
        iter([first.SerializeToString()]), timeout=PATIENCE, metadata=metadata)
    try:
        list(call)
    except grpc.RpcError:
        pass
    return call.code().name


def _identities(house, certs, folder):
    """{kind: (address, credentials, metadata, the codes that refuse it)}"""
    def issue(**more):
        return house.call("IssueToken", user="u", **more)
    house.call("SetUser", user="u", role="ROLE_USER")
    house.call("SetUser", user="out", role="ROLE_USER")
    locked, revoked, good = house.call("IssueToken", user="out").secret, issue(), issue().secret
    house.call("SetUser", user="out", role="ROLE_NONE")
    house.call("RevokeToken", name=revoked.token.name)
    expired = issue(expire_time={"seconds": int(time.time()) + 2}).secret
    foreign = subprocess.run([PROGRAMS / "traind", "token", "create", "root", "--role", "admin", "--data-dir",
                              folder / "foreign"], check=True, capture_output=True, text=True).stdout.strip()
    time.sleep(2.5)
    trusted = _trust(certs)
    tokens = {
        "no token": (), "an empty token": ("Bearer ",), "nonsense": ("Bearer nonsense",),
        "no scheme": (good,), "another scheme": (f"Basic {good}",), "half a token": (f"Bearer {good[:40]}",),
        "a token with a turned digit": (f"Bearer {good[:20]}{'0' if good[20] != '0' else '1'}{good[21:]}",),
        "a token of another server": (f"Bearer {foreign}",), "a revoked token": (f"Bearer {revoked.secret}",),
        "an expired token": (f"Bearer {expired}",), "a token of who is locked out": (f"Bearer {locked}",),
        "two tokens": (f"Bearer {good}", f"Bearer {house.secret}"),
    }
    kinds = {kind: (house.address, trusted, tuple(("authorization", token) for token in given), ("UNAUTHENTICATED",))
             for kind, given in tokens.items()}
    right = house.metadata
    kinds["no TLS"] = (house.address, None, right, ("UNAVAILABLE",))
    # A second server that wants certificates: somebody else's, and none.
    other = folder / "other"
    subprocess.run([PROGRAMS / "traind", "dev-cert", other], check=True, capture_output=True)
    strict = StrictHouse(house, certs)
    pair = [(other / name).read_bytes() for name in ("client-key.pem", "client.pem")]
    kinds["no certificate"] = (strict.address, trusted, right, ("UNAVAILABLE",))
    kinds["a certificate of another authority"] = (strict.address, _trust(certs, *pair), right, ("UNAVAILABLE",))
    return kinds


class StrictHouse(service.Service):
    """A server that wants certificates of clients."""

    def __init__(self, house, certs):
        super().__init__("--tls-cert", certs / "server.pem", "--tls-key", certs / "server-key.pem", "--tls-client-ca",
                         certs / "ca.pem", environment=house.environment and {**os.environ})
        self.address = self.address.replace("127.0.0.1", "localhost")


_NAMES = ("..", ".", "", "...", "a/../b", "../a", "%2e%2e", "..%2f", "\\..\\", "/", "//", "~", "$HOME", "a\0b", "ä", "A", "-a",
          "a-", "a" * 64, "a" * 5000, "\u202e", "con", ".hidden", "a b", "a\nb", "*", "{a}", "latest", "jobs", "lock",
          "../traind.db", "../../etc/passwd", "..\u2215", "．．", "new-0", "trash", "a/b/c", "a/", "/a", "a//b")


def paths(count, rng, progress):
    """Names and paths that lead out of where they belong: none is found, nothing is made or gone outside."""
    house = House(rng.randrange(1 << 32))
    with Town(rng, progress, people=0, house=house):
        _plant(house)
        before = _all_files(house)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            tricks = [_trick(house, rng) for _ in range(count)]
            for (method, fields), code in zip(tricks, pool.map(lambda trick: _try(house, *trick), tricks)):
                require(code not in ("OK", "UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED"), f"{method} {fields}: {code}")
                progress.step(**{code.lower(): 1})
        require(house.alive(), "the server ended")
        require(_all_files(house) == before, f"other files: {sorted(_all_files(house) ^ before)[:5]}")


def _plant(house):
    """What could be read by mistake: good data beside the root, and ways to it."""
    for name in ("x.idx", "y.idx"):
        shutil.copy(house.root / name, house.folder / f"out-{name}")
        (house.root / f"link-{name}").symlink_to(house.folder / f"out-{name}")
    (house.root / "up").symlink_to("..")
    (house.root / "whole").symlink_to("/")
    os.mkfifo(house.root / "fifo")


def _all_files(house):
    ours = {house.log.name, "control", "port"}
    return {str(path) for path in house.folder.rglob("*")
            if path.name not in ours and "operations" not in path.parts and not path.name.startswith("traind.db")}


def _trick(house, rng):
    nouns = {"jobs": "Job", "datasets": "Dataset", "models": "Model", "uploads": "Upload", "operations": "Operation"}
    name = "".join(rng.choice(_NAMES) for _ in range(rng.randint(1, 2)))
    outside = rng.choice(("link-x.idx", "up/out-x.idx", f"whole{house.folder}/out-x.idx", "../out-x.idx", "./../out-x.idx",
                          f"{house.folder}/out-x.idx", "up/root/../out-x.idx", "/etc/passwd", "whole/etc/passwd", "fifo",
                          "/proc/self/environ", "/dev/zero", "../data/traind.db", "up/data/traind.db", name))
    collection = rng.choice(list(nouns))
    kind = rng.randrange(5)
    if kind == 0:
        return rng.choice(("Get", "Delete")) + nouns[collection], {"name": f"{collection}/{name}"}
    if kind == 1:
        split = {"name": "train", "examples": {"path": outside}, "labels": {"path": rng.choice(("y.idx", outside))}}
        return "ImportDataset", {"dataset_id": "stolen", "splits": [split]}
    if kind == 2:
        return "ImportDataset", {"dataset_id": name, "splits": [
            {"name": rng.choice(("train", name)), "examples": {"path": outside}, "labels": {"path": outside}}]}
    if kind == 3:
        return "DownloadCheckpoint", {"name": rng.choice((f"jobs/{name}/checkpoints/latest", f"jobs/reference/checkpoints/{name}",
                                                          f"models/{name}", f"jobs/reference/{name}"))}
    return "UploadDataset", {"upload_id": name + rng.choice(("/", "..", "\0", "A"))}


def _try(house, method, fields):
    if method == "UploadDataset":
        try:
            house.send(method, "upload_id", fields["upload_id"], b"bytes")
        except grpc.RpcError as error:
            return error.code().name
        return "OK"
    try:
        done = house.call(method, **fields)
        if method == "ImportDataset":
            done = house.call("WaitOperation", name=done.name)
            return grpc_code(done.error.code) if done.HasField("error") else "OK"
    except (grpc.RpcError, UnicodeError, ValueError) as error:
        return error.code().name if isinstance(error, grpc.RpcError) else "CLIENT"
    # "latest" is one that there is.
    return "NOT_A_TRICK" if fields == {"name": "jobs/reference/checkpoints/latest"} else "OK"


def grpc_code(number):
    return next(code.name for code in grpc.StatusCode if code.value[0] == number)


def fuzz(count, rng, progress):
    """`count` inputs for the targets of tests/fuzz. What they were over their life, docs/reliability.md counts."""
    corpus = service.ROOT / "tests/fuzz/corpus"
    targets = sorted(folder.name for folder in corpus.iterdir())
    for target in targets:
        each = max(count // len(targets), 1)
        done = subprocess.run([PROGRAMS / "traind-fuzz", "--inputs", str(each), "--seed", str(rng.randrange(1 << 31)),
                               "--target", target, corpus], capture_output=True, text=True, cwd=service.temporary_folder())
        require(done.returncode == 0, f"{target}: {done.stdout} {done.stderr}")
        progress.step(int(done.stdout.split()[1]), **{target: int(done.stdout.split()[1])})


KINDS = {
    "checkpoints": Kind(checkpoints, 60, 100_000),
    "store": Kind(store, 6, 10_000),
    "rpcs": Kind(rpcs, 1000, 1_000_000),
    "identities": Kind(identities, 1000, 1000),
    "paths": Kind(paths, 150, 10_000),
    "fuzz": Kind(fuzz, 90, 1_000_000),
}
