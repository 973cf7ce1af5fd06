"""The catalogue: what a job is made of, as objects made of the .proto files. No server."""

import inspect
import os
import pathlib
import pydoc
import subprocess
import sys

import pytest

import traind
from traind import _catalog, _pool

EXAMPLES = [
    path
    for path in sorted((pathlib.Path(__file__).parents[2] / "examples").rglob("*.textproto"))
    if "normal {" not in path.read_text()
]  # The others are probes.


def kinds():
    return [cls for members in _catalog.SPACES.values() for cls in members.values()]


def made(cls):
    """An object with something in every required field."""
    some = {"int": 3, "float": 0.5, "str": "x", "bool": True}
    words = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        if parameter.default is parameter.empty:
            kind = parameter.annotation.replace("Sequence[", "").rstrip("]")
            words[name] = some.get(kind, "relu" if "Layer" in kind else {})
    return cls(**words)


@pytest.mark.parametrize("cls", kinds(), ids=lambda cls: cls.__name__)
class TestEveryKind:
    def test_teaches(self, cls):
        assert cls.__doc__.strip(), "what it is"
        for name in inspect.signature(cls).parameters:
            assert f"\n{name} : " in cls.__doc__
        assert cls.__name__ in pydoc.render_doc(cls)

    def test_is_what_it_prints(self, cls):
        one = made(cls)
        assert type(one).from_text(one.to_text()) == one
        assert type(one).from_dict(one.to_dict()) == one
        names = {**_catalog.CLASSES, **_catalog.SPACES["presets"]}
        assert eval(repr(one), dict(names)) == one

    def test_says_what_is_wrong(self, cls):
        with pytest.raises(TypeError, match="there is no field"):
            cls(nonsense=1)
        with pytest.raises(AttributeError, match="there is no field"):
            made(cls).nonsense
        with pytest.raises(AttributeError, match="replace"):
            made(cls).units = 3


def test_every_kind_of_the_protos_is_there():
    wanted = {field.type for message in _catalog.reachable() for field in message.choices()}
    assert len(wanted) > 70
    assert wanted == {f"traind.v1.{cls.__doc__ and place}" for cls in kinds() for place in [_message_of(cls)]}


def _message_of(cls):
    place = _pool.MESSAGES[cls._full]
    for step in cls._path:
        place = _pool.MESSAGES[place.fields[step].type]
    return place.name


def test_signatures():
    parameters = inspect.signature(traind.Conv2d).parameters
    assert list(parameters)[:3] == ["out_channels", "kernel", "stride"]
    assert parameters["kernel"].default is inspect.Parameter.empty
    assert (parameters["stride"].default, parameters["bias"].default, parameters["weight_init"].default) == (
        1,
        True,
        "kaiming",
    )
    assert parameters["activation"].kind is inspect.Parameter.KEYWORD_ONLY
    assert inspect.signature(traind.Dropout).parameters["rate"].default == 0.5
    assert inspect.signature(traind.Dropout).parameters["form"].default == "inverted"
    assert inspect.signature(traind.Adam).parameters["epsilon"].default == 1e-8
    assert inspect.signature(traind.Scale).parameters["factor"].default == 1 / 255
    assert inspect.signature(traind.EarlyStopping).parameters["patience"].default is inspect.Parameter.empty
    assert inspect.signature(traind.Adam).parameters["learning_rate"].default is None, "it depends on the kind"


def test_help_names_values_of_enums():
    assert "classic: Training only drops" in traind.Dropout.__doc__


def test_what_stands_for_a_message():
    one = traind.Conv2d(32, 3, activation="relu", padding="same", weight_init=traind.Xavier(gain=2))
    assert one.proto.conv2d.padding.mode == 2
    assert one.proto.activation.HasField("relu")
    assert one.weight_init.gain == 2
    assert one == traind.Conv2d(
        32, [3], activation={"relu": {}}, padding={"mode": "same"}, weight_init="xavier { gain: 2 }"
    )
    assert traind.Conv2d(8, (3, 5), padding=1).proto.conv2d.padding.amount == [1]
    assert traind.JobSpec(network=["relu"], data={"dataset": "x"}, max_duration=1.5).max_duration == 1.5
    assert traind.LotteryTicket(2, global_=True).global_ is True


def test_values_that_are_none():
    for wrong, words in (
        (lambda: traind.Conv2d(3, 3, activation="rulu"), "did you mean relu"),
        (lambda: traind.Dropout(form="clasic"), "did you mean classic"),
        (lambda: traind.Dense(units="many"), "Dense.units"),
        (lambda: traind.Dense(2.5), "Dense.units"),
        (lambda: traind.Dense(10, bias="yes"), "neither True nor False"),
        (lambda: traind.Conv2d(3), "missing a required argument: 'kernel'"),
        (lambda: traind.Dense(10, activation=traind.Adam()), "Optimizer does not stand where a Activation"),
        (lambda: traind.Dense.from_text("dense { unit: 3 }"), "unit"),
        (lambda: traind.Dense.from_text("flatten {}"), "not a Dense"),
    ):
        with pytest.raises((TypeError, ValueError), match=words):
            wrong()


def test_layers_get_names():
    network = traind.Sequential(
        [
            traind.Dense(4, name="dense1"),
            traind.Dense(3),
            "relu",
            traind.Residual(layers=[traind.Dense(3)]),
            traind.Branches([traind.Branch(["relu"]), traind.Branch(["relu", traind.Tanh()])]),
        ]
    )
    assert [layer.name for layer in network.layers] == ["dense1", "dense2", "relu1", "residual1", "branches1"]
    inside = network.proto.layers[4].block.branches.branches
    assert [layer.name for branch in inside for layer in branch.layers] == ["relu1", "relu2", "tanh1"]
    assert traind.Network.from_text(network.to_text()) == network


def test_presets_are_networks():
    preset = traind.presets.resnet(classes=10, depth=20)
    assert isinstance(preset, traind.Network)
    assert "resnet" in str(preset)
    assert preset.replace(depth=32).depth == 32


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_reads_every_job_file_of_the_examples(path):
    spec = traind.JobSpec.from_file(path)
    assert traind.JobSpec.from_text(str(spec)) == spec
    assert eval(repr(spec), {**_catalog.CLASSES, **_catalog.SPACES["presets"]}) == spec


def test_tab():
    assert {"Conv2d", "presets", "Client", "testing"} <= set(dir(traind))
    assert "units" in dir(traind.Dense(3))
    assert dir(traind.presets.mlp)
    with pytest.raises(AttributeError, match="did you mean Conv2d"):
        traind.Conv2D


def test_lives_beside_generated_stubs(tmp_path):
    """Of the same messages: in one program, whichever is imported first."""
    protos = pathlib.Path(__file__).parents[2] / "proto"
    files = [str(path) for folder in ("traind/rpc", "traind/v1") for path in (protos / folder).glob("*.proto")]
    subprocess.run(["protoc", f"-I{protos}", f"--python_out={tmp_path}", *files], check=True)
    path = os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(tmp_path)])
    ours, theirs = "import traind; traind.Conv2d(1, 1)", "from traind.v1 import job_pb2"
    for first, second in ((ours, theirs), (theirs, ours)):
        program = f"{first}\n{second}\nimport traind.v1\nassert traind.v1.Job is not job_pb2.Job and job_pb2.Job(name='a').name"
        subprocess.run([sys.executable, "-B", "-c", program], check=True, env={**os.environ, "PYTHONPATH": path})


def test_has_a_pool_of_its_own():
    from google.protobuf import descriptor_pool

    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("traind.v1.Job")
    import traind.v1

    assert traind.v1.Job(name="jobs/a").name == "jobs/a"
    assert traind.v1.JOB_STATE_QUEUED == 1


def test_what_may_be_said_in_two_ways_is_required_in_neither():
    assert traind.StepSchedule(every_epochs=2).to_text() == traind.StepSchedule(0, every_epochs=2).to_text()
    assert inspect.signature(traind.StepSchedule).parameters["every_steps"].default == 0
    assert traind.StepSchedule(30).every_steps == 30
