#!/usr/bin/python3
"""Every method of every service, with names that are missing, malformed, foreign (well-formed, but nothing is there) and
stale (deleted; a wrong etag): the code, the field or the resource in the details, and that the code is documented.

What can be asked of a method follows from the fields of its request; TABLE says what is to be filled in. A method
without an entry fails, and so does an entry that misses a field with a name.
"""
import copy
import re
import sys
import unittest

import service
from service import details, error_of, messages, resource, violations
from traind.v1 import sweep_pb2

sys.path.insert(0, str(service.ROOT / ".ci"))
from protolint import CODES, compiled  # noqa: E402

UUID = "00000000-0000-4000-8000-000000000000"  # Of nothing.


class Kind:
    """The names of a collection: some that are malformed, and those of things that are not there, with the resource
    that the error names."""

    def __init__(self, collection, message, malformed=(), absent=()):
        self.malformed = [collection + "/", collection + "/Upper", collection + "/a b", collection + "/a/b/c", "nobody",
                          f"/{collection}/a", *malformed]
        self.absent = [(name, (f"traind.v1.{message}", name)) for name in (f"{collection}/nobody", f"{collection}/gone")]
        self.absent += absent


NO_CHECKPOINT = [(name, ("traind.v1.Checkpoint", name)) for name in (
    "jobs/done/checkpoints/2", "jobs/done/checkpoints/999", "jobs/nobody/checkpoints/latest", "jobs/gone/checkpoints/4")]
PARENTS = {"jobs/nobody/checkpoints/latest": "jobs/nobody", "jobs/gone/checkpoints/4": "jobs/gone"}  # Not there either.
BAD_CHECKPOINT = ["jobs/done/checkpoints/", "jobs/done/checkpoints/first", "jobs/done/checkpoints/-1",
                  "jobs/done/steps/4", "jobs//checkpoints/4"]
JOB = Kind("jobs", "Job", ["models/brought", "jobs/done/checkpoints/4"])
DATASET = Kind("datasets", "Dataset", ["uploads/whole"])
UPLOAD = Kind("uploads", "Upload", ["datasets/points"])
MODEL = Kind("models", "Model", ["jobs/done"])
OPERATION = Kind("operations", "Operation", ["jobs/done"])
SWEEP = Kind("sweeps", "Sweep", ["jobs/done", "sweeps/study/trials/1"])
NO_SWEEP = [(f"sweeps/{sweep}/trials/1", ("traind.v1.Sweep", f"sweeps/{sweep}")) for sweep in ("nobody", "gone")]
NO_TRIAL = [(name, ("traind.v1.Trial", name)) for name in ("sweeps/study/trials/999", "sweeps/study/trials/99999999999")]
TRIAL = Kind("sweeps", "Trial", ["sweeps/study", "sweeps/study/trials/", "sweeps/study/trials/first", "sweeps//trials/1",
                                 "sweeps/study/trials/-1", "sweeps/study/trials/0", "sweeps/study/trials/01",
                                 "sweeps/study/trials/ 1", "sweeps/study/trials/1/2", "sweeps/study/steps/1"])
TRIAL.absent = NO_TRIAL + NO_SWEEP
STEERED = copy.deepcopy(TRIAL)  # Those that something is done with are named by their number.
STEERED.malformed.append("sweeps/study/trials/best")
TOKEN = Kind("tokens", "Token", ["users/ada"])
USER = Kind("users", "User", ["tokens/tok-1"])
USER.malformed.remove("users/Upper")  # A good name of nobody.
# What DownloadCheckpoint and its kin take: a checkpoint or a model. What ForkJob takes: a checkpoint or a job.
WEIGHTS = Kind("models", "Model", BAD_CHECKPOINT + ["jobs/Upper"], NO_CHECKPOINT)
SOURCE = Kind("jobs", "Job", BAD_CHECKPOINT + ["models/brought"], NO_CHECKPOINT)
CHECKPOINTS = Kind("checkpoints", "Checkpoint", BAD_CHECKPOINT + ["models/brought", "jobs/done"])
CHECKPOINTS.absent = NO_CHECKPOINT
STEPS = copy.deepcopy(CHECKPOINTS)  # Those that are to be deleted are named by their step.
STEPS.malformed += ["jobs/done/checkpoints/latest", "jobs/done/checkpoints/best"]
STEPS.absent = [(name, info) for name, info in NO_CHECKPOINT if not name.endswith("latest")]


class Name:
    """A field that holds a name. `inside`: of what to train or evaluate, whose violations come together, the name of
    what is not there among them, as INVALID_ARGUMENT."""

    def __init__(self, path, kind, required=True, inside=False):
        self.path, self.kind, self.required, self.inside = path, kind, required, inside


class Entry:
    """How to ask a method for something good. `new_id`: the field of an id that is made, with the resource that has it."""

    def __init__(self, *names, new_id=None, optional_id=False, **fields):
        self.names, self.new_id, self.optional_id, self.fields = names, new_id, optional_id, fields


def named(kind, name, **fields):
    return Entry(Name("name", kind), name=name, **fields)


NEW_UPLOAD = service.header_of("upload_id", "whole", b"some bytes")  # Goes on with "uploads/whole", which is complete.
NEW_MODEL = service.header_of("model_id", "fresh", b"some bytes")
SPLITS = [{"name": "train", "examples": {"upload": "uploads/whole"}, "labels": {"path": "y.idx"}}]
NETWORK = service.dense_job().network
PROBED = copy.deepcopy(NETWORK)
PROBED.input_shape.extend([1, 8, 8])
MASK = {"paths": ["labels"]}
JOB_TAKEN = ("traind.v1.Job", "jobs/done")
DATASET_TAKEN = ("traind.v1.Dataset", "datasets/points")
SPACE = [{"name": "rate", "paths": ["optimizer.learning_rate"], "uniform": {"low": 0.1, "high": 1}}]
SWEPT = {"base": service.dense_job(), "space": SPACE, "random": {}, "budget": {"max_trials": 2}}
STUDY = {"trained_by_clients": True, "space": SPACE, "random": {}, "budget": {"max_trials": 100}}
TRIAL_1 = "sweeps/study/trials/1"
LATEST = "jobs/done/checkpoints/latest"
REF = {"model": LATEST}
REF_NAMES = (Name("model.model", WEIGHTS), Name("model.job", JOB, required=False))

TABLE = {
    "CreateJob": Entry(Name("spec.data.dataset", DATASET, inside=True),
                       Name("spec.initial_weights.model", WEIGHTS, required=False, inside=True),
                       new_id=("job_id", JOB_TAKEN), optional_id=True, spec=service.dense_job()),
    "GetJob": named(JOB, "jobs/done"),
    "ListJobs": Entry(),
    "WatchJob": named(JOB, "jobs/done"),
    "ListFindings": Entry(Name("parent", JOB), parent="jobs/done"),
    "GetSeries": named(JOB, "jobs/done", quantities=["QUANTITY_LOSS"]),
    "UpdateJob": Entry(Name("job.name", JOB), job={"name": "jobs/done"}, update_mask=MASK),
    "CancelJob": named(JOB, "jobs/done"),
    "PauseJob": named(JOB, "jobs/done"),
    "ResumeJob": named(JOB, "jobs/done"),
    "StopJob": named(JOB, "jobs/done"),
    "ExtendJob": named(JOB, "jobs/done", steps=8),
    "ForkJob": Entry(Name("name", SOURCE), new_id=("job_id", JOB_TAKEN), optional_id=True, name=LATEST,
                     spec=service.dense_job(steps=8)),
    "DeleteJob": named(JOB, "jobs/done"),
    "DescribeNetwork": Entry(network=PROBED),
    "ProbeNetwork": Entry(Name("data.dataset", DATASET, inside=True), network=NETWORK, data={"dataset": "points"}),
    "ListComponents": Entry(),
    "ImportDataset": Entry(Name("splits[0].examples.upload", UPLOAD, required=False),
                           new_id=("dataset_id", DATASET_TAKEN), dataset_id="fresh", splits=SPLITS),
    "UploadDataset": Entry(new_id=("header.upload_id", ("traind.v1.Upload", "uploads/whole")), header=NEW_UPLOAD),
    "GetUpload": named(UPLOAD, "uploads/whole"),
    "ListUploads": Entry(),
    "DeleteUpload": named(UPLOAD, "uploads/whole"),
    "GetDataset": named(DATASET, "datasets/points"),
    "ListDatasets": Entry(),
    "UpdateDataset": Entry(Name("dataset.name", DATASET), dataset={"name": "datasets/points"}, update_mask=MASK),
    "DeleteDataset": named(DATASET, "datasets/points"),
    "DescribeDataset": named(DATASET, "datasets/points"),
    "PreviewDataset": named(DATASET, "datasets/points"),
    "GetCheckpoint": named(CHECKPOINTS, LATEST),
    "ListCheckpoints": Entry(Name("parent", JOB), parent="jobs/done"),
    "DeleteCheckpoint": named(STEPS, "jobs/done/checkpoints/4"),
    "DownloadCheckpoint": named(WEIGHTS, LATEST),
    "ExportModel": Entry(*REF_NAMES, model=REF),
    "UploadModel": Entry(new_id=("header.model_id", ("traind.v1.Model", "models/brought")), header=NEW_MODEL),
    "GetModel": named(MODEL, "models/brought"),
    "ListModels": Entry(),
    "UpdateModel": Entry(Name("model.name", MODEL), model={"name": "models/brought"}, update_mask=MASK),
    "DeleteModel": named(MODEL, "models/brought"),
    "CreateEnsemble": Entry(Name("members[0].model", WEIGHTS), Name("members[0].job", JOB, required=False),
                            new_id=("model_id", ("traind.v1.Model", "models/brought")), model_id="fresh",
                            members=[REF, {"model": "jobs/done/checkpoints/0"}]),
    "Evaluate": Entry(*REF_NAMES, Name("data.dataset", DATASET, required=False, inside=True), model=REF),
    "Predict": Entry(*REF_NAMES, model=REF, examples={"shape": [1, 1, 8, 8], "values": [0] * 64}),
    "PredictSplit": Entry(*REF_NAMES, Name("range.dataset", DATASET, required=False, inside=True), model=REF,
                          range={}),
    "ReadPredictions": Entry(Name("operation", OPERATION), operation="operations/done"),
    "GetOperation": named(OPERATION, "operations/done"),
    "ListOperations": Entry(),
    "WaitOperation": named(OPERATION, "operations/done"),
    "CancelOperation": named(OPERATION, "operations/done"),
    "DeleteOperation": named(OPERATION, "operations/done"),
    "CreateSweep": Entry(Name("spec.base.data.dataset", DATASET, inside=True),
                         Name("spec.base.initial_weights.model", WEIGHTS, required=False, inside=True),
                         new_id=("sweep_id", ("traind.v1.Sweep", "sweeps/study")), optional_id=True, spec=SWEPT,
                         sweep_id="fresh"),
    "GetSweep": named(SWEEP, "sweeps/study"),
    "ListSweeps": Entry(),
    "UpdateSweep": Entry(Name("sweep.name", SWEEP), sweep={"name": "sweeps/study"}, update_mask=MASK),
    "PauseSweep": named(SWEEP, "sweeps/study"),
    "ResumeSweep": named(SWEEP, "sweeps/study"),
    "StopSweep": named(SWEEP, "sweeps/study"),
    "CancelSweep": named(SWEEP, "sweeps/study"),
    "DeleteSweep": named(SWEEP, "sweeps/study"),
    "GetTrial": named(TRIAL, TRIAL_1),
    "ListTrials": Entry(Name("parent", SWEEP), parent="sweeps/study"),
    "ListSweepEntries": Entry(Name("parent", SWEEP), parent="sweeps/study"),
    "RerunTrial": named(STEERED, TRIAL_1),
    "CreateTrial": Entry(Name("parent", SWEEP), parent="sweeps/study",
                         assignments=[{"parameter": "rate", "value": "0.5"}]),
    "SuggestTrials": Entry(Name("parent", SWEEP), parent="sweeps/study", client="here"),
    "AddMeasurement": named(STEERED, TRIAL_1, measurement={"step": 1, "value": 0.5}),
    "CompleteTrial": named(STEERED, TRIAL_1, final={"step": 1, "value": 0.5}),
    "ShouldTrialStop": named(STEERED, TRIAL_1),
    "WhoAmI": Entry(),
    "ListUsers": Entry(),
    "SetUser": Entry(user="ada", role="ROLE_ADMIN"),
    "GetQuota": Entry(Name("name", USER, required=False)),
    "IssueToken": Entry(user="ada"),
    "ListTokens": Entry(),
    "RevokeToken": named(TOKEN, "tokens/nobody"),
    "GetServerInfo": Entry(),
    "SetLogLevel": Entry(level="LOG_LEVEL_INFO"),
    "GetStorage": Entry(plan=True),
}


# What the fields of a list do not take.
UNKNOWN = {"page_token": ["no token", "AAAA"], "page_size": [-1],
           "filter": ["no_such_field = 1", "name =", "(", 'name = "a" AND'],
           "order_by": ["no_such_field", "name sideways", "name,,name"]}


def field(message, path):
    """The message that holds the last field of a path like "splits[0].examples.upload", and that field's name."""
    *parents, last = path.split(".")
    for part in parents:
        name, index = re.fullmatch(r"(\w+)(?:\[(\d+)\])?", part).groups()
        message = getattr(message, name) if index is None else getattr(message, name)[int(index)]
    return message, last


def changed(request, path, value):
    request = copy.deepcopy(request)
    holder, name = field(request, path)
    setattr(holder, name, value)
    return request


def entries(select=lambda entry: True):
    """(method, entry) of the methods whose entry is selected."""
    return [(method, TABLE[name]) for name, method in service.methods().items() if name in TABLE and select(TABLE[name])]


def names():
    return [(method, name) for method, entry in entries() for name in entry.names]


def fields_of(prefix, *paths):
    """(method, field) of the methods that begin with the prefix and whose request has the field."""
    return [(method, path) for method, _ in entries() for path in paths
            if method.name.startswith(prefix) and path in method.input_type.fields_by_name]


def documented():
    """{"GetJob": the codes that its comment or the header of training_service.proto has}."""
    found, common = {}, set()
    for file in compiled(service.ROOT).file:
        places = {tuple(place.path): place for place in file.source_code_info.location}
        for s, a_service in enumerate(file.service):
            head = "".join(places[(12,)].leading_detached_comments) + places[(12,)].leading_comments
            common |= CODES & set(re.findall(r"[A-Z_]+", head))
            for m, method in enumerate(a_service.method):
                found[method.name] = CODES & set(re.findall(r"[A-Z_]+", places[(6, s, 2, m)].leading_comments))
    return {method: codes | common for method, codes in found.items()}


class NamesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = server = service.Service()
        cls.documented = documented()
        server.import_points()
        server.import_points("gone")
        server.train("done")
        server.train("gone")
        server.upload_model("brought")
        server.upload_model("gone")
        server.upload_file("whole")
        server.upload_file("gone")
        server.call("DeleteCheckpoint", name="jobs/done/checkpoints/2")
        for method, collection in (("DeleteJob", "jobs"), ("DeleteDataset", "datasets"), ("DeleteModel", "models"),
                                   ("DeleteUpload", "uploads")):
            server.call(method, name=f"{collection}/gone")
        server.call("CreateSweep", sweep_id="study", spec=STUDY)
        server.call("SuggestTrials", parent="sweeps/study", client="here")
        server.call("CreateSweep", sweep_id="gone", spec=STUDY)
        server.call("CancelSweep", name="sweeps/gone")
        server.until(lambda: server.call("GetSweep", name="sweeps/gone").state == sweep_pb2.SWEEP_STATE_CANCELLED)
        server.call("DeleteSweep", name="sweeps/gone")
        cls.operation = server.wait(server.call("PredictSplit", model=REF)).name
        gone = server.wait(server.call("DescribeDataset", name="datasets/points")).name
        server.call("DeleteOperation", name=gone)
        OPERATION.absent.append((gone, ("traind.v1.Operation", gone)))

    def request(self, method):
        """A good request; of a stream its first message."""
        request = messages(method)[0](**TABLE[method.name].fields)
        for name in TABLE[method.name].names:
            holder, last = field(request, name.path)
            if getattr(holder, last) == "operations/done":
                setattr(holder, last, self.operation)
        return request

    def refused(self, method, request, code):
        """The error of a call, which must have the code, one that the method documents."""
        error = error_of(self.server.call, method.name, request)
        self.assertIsNotNone(error, "is not refused")
        self.assertEqual(error.code().name, code, error.details())
        self.assertIn(code, self.documented[method.name], "the code is not documented")
        return error

    def refused_field(self, method, request, path):
        error = self.refused(method, request, "INVALID_ARGUMENT")
        self.assertIn(path, violations(error), f"{error.details()} {details(error)}")

    def test_every_method_has_an_entry(self):
        self.assertEqual(set(service.methods()), set(TABLE))

    def test_every_entry_has_the_fields_with_names(self):
        for method, entry in entries():
            paths = {name.path for name in entry.names}
            for field_name in {"name", "parent", "operation"} & set(method.input_type.fields_by_name):
                self.assertIn(field_name, paths, method.name)

    def test_missing_names(self):
        for method, name in names():
            if name.required:
                with self.subTest(method=method.name, field=name.path):
                    self.refused_field(method, changed(self.request(method), name.path, ""), name.path)

    def test_malformed_names(self):
        for method, name in names():
            for value in name.kind.malformed:
                with self.subTest(method=method.name, field=name.path, value=value):
                    self.refused_field(method, changed(self.request(method), name.path, value), name.path)

    def test_foreign_and_stale_names(self):
        for method, name in names():
            for value, expected in name.kind.absent:
                with self.subTest(method=method.name, field=name.path, value=value):
                    request = changed(self.request(method), name.path, value)
                    if name.inside:
                        self.refused_field(method, request, name.path)
                    else:
                        parent = ("traind.v1.Job", PARENTS.get(value))
                        self.assertIn(resource(self.refused(method, request, "NOT_FOUND")), (expected, parent))

    def test_ids_that_are_made(self):
        for method, entry in entries(lambda entry: entry.new_id):
            path, taken = entry.new_id
            for value in ["Upper", "a b", "-a", "a-", "a/b", "a" * 64] + [""] * (not entry.optional_id):
                with self.subTest(method=method.name, field=path, value=value):
                    self.refused_field(method, changed(self.request(method), path, value), path)
            with self.subTest(method=method.name, taken=taken):
                request = changed(self.request(method), path, taken[1].split("/")[1])
                self.assertEqual(resource(self.refused(method, request, "ALREADY_EXISTS")), taken)

    def test_wrong_etags(self):
        for method, entry in entries():
            etag = "etag" if "etag" in method.input_type.fields_by_name else None
            if method.name.startswith("Update"):
                etag = entry.names[0].path.replace(".name", ".etag")
            if etag:
                with self.subTest(method=method.name):
                    self.refused(method, changed(self.request(method), etag, "stale"), "ABORTED")

    def test_etags_of_before_a_change(self):
        for kind, name in (("Job", "jobs/done"), ("Dataset", "datasets/points"), ("Model", "models/brought"),
                           ("Sweep", "sweeps/study")):
            with self.subTest(kind=kind):
                method = service.methods()[f"Update{kind}"]
                old = self.server.call(f"Get{kind}", name=name)
                request = messages(method)[0](update_mask=MASK, **{kind.lower(): {"name": name, "etag": old.etag}})
                getattr(request, kind.lower()).labels["changed"] = "once"
                new = self.server.call(method.name, request)
                self.assertNotEqual(new.etag, old.etag)
                self.assertEqual(new.uid, old.uid)
                self.refused(method, request, "ABORTED")

    def test_lists_refuse_what_they_do_not_know(self):
        for method, path in fields_of("List", "page_token", "page_size", "filter", "order_by"):
            for value in UNKNOWN[path]:
                with self.subTest(method=method.name, field=path, value=value):
                    self.refused_field(method, changed(self.request(method), path, value), path)

    def test_updates_refuse_masks_of_what_does_not_change(self):
        for method, path in fields_of("Update", "update_mask"):
            for paths in ([], ["no_such_field"], ["name"], ["labels", "uid"]):
                with self.subTest(method=method.name, mask=paths):
                    request = self.request(method)
                    del request.update_mask.paths[:]
                    request.update_mask.paths.extend(paths)
                    error = self.refused(method, request, "INVALID_ARGUMENT")
                    self.assertTrue(violations(error)[0].startswith(path), violations(error))

    def test_request_ids_are_short(self):
        for method, path in fields_of("", "request_id"):
            with self.subTest(method=method.name):
                self.refused_field(method, changed(self.request(method), path, "x" * 65), path)

    def test_watching_another_job_of_the_same_name(self):
        method = service.methods()["WatchJob"]
        error = self.refused(method, changed(self.request(method), "uid", UUID), "NOT_FOUND")
        self.assertEqual(resource(error), JOB_TAKEN)

    def test_offsets_past_the_end(self):
        for name, path in (("WatchJob", "after_sequence"), ("DownloadCheckpoint", "offset"), ("ReadPredictions", "first")):
            with self.subTest(method=name):
                method = service.methods()[name]
                self.refused(method, changed(self.request(method), path, 10**9), "OUT_OF_RANGE")
                error = error_of(self.server.call, name, changed(self.request(method), path, -1))
                self.assertIn(error and error.code().name, ("OUT_OF_RANGE", "INVALID_ARGUMENT"))

    def test_good_requests_are_good(self):
        """What the other tests change one thing of. Those that would change or end something are left out, and quotas, which
        take users."""
        harmless = "Get(?!Quota)|Should|List|Watch|Describe|Probe|Preview|Download|Export|Read|Predict|Evaluate|Wait"
        for method, _ in entries():
            if re.match(harmless, method.name):
                with self.subTest(method=method.name):
                    self.assertIsNone(error_of(self.server.call, method.name, self.request(method)))


if __name__ == "__main__":
    unittest.main()
