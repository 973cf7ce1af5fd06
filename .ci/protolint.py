#!/usr/bin/python3
"""Holds proto/ against the rules of its style: names, comments, documented errors, imports, the length of lines.

    .ci/protolint.py [ROOT]     prints each fault with its place; exit code 1 if there is one

Needs Debian's protobuf-compiler and python3-protobuf.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2

MAX_LINE = 120
CAMEL = r"([A-Z][a-z0-9]*)+"
SNAKE = r"[a-z][a-z0-9]*(_[a-z0-9]+)*"
CODES = {"CANCELLED", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
         "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL",
         "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"}
FIELD = descriptor_pb2.FieldDescriptorProto


def compiled(root):
    """The FileDescriptorSet of the .proto files below root/proto, with their comments."""
    proto = pathlib.Path(root) / "proto"
    with tempfile.NamedTemporaryFile() as out:
        command = ["protoc", f"-I{proto}", "--include_imports", "--include_source_info",
                   f"--descriptor_set_out={out.name}", *map(str, sorted(proto.rglob("*.proto")))]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(done.stderr)
        return descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(out.name).read_bytes())


def ours(files):
    return [file for file in files.file if not file.name.startswith("google/")]


def snake_upper(camel):
    """ConvolutionAlgorithm -> CONVOLUTION_ALGORITHM."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", camel).upper()


class File:
    """The faults of one file. Paths are those of SourceCodeInfo: numbers of fields and places in their lists."""

    def __init__(self, file, types):
        self.file, self.types, self.faults, self.used = file, types, [], set()
        self.places = {tuple(place.path): place for place in file.source_code_info.location}
        head = self.places.get((12,))  # The line `syntax`.
        self.head = "".join(head.leading_detached_comments) + head.leading_comments if head else ""

    def fault(self, path, text):
        line = self.places[path].span[0] + 1 if path in self.places else 1
        self.faults.append(f"{self.file.name}:{line}: {text}")

    def comment(self, path):
        place = self.places.get(path)
        return place.leading_comments + place.trailing_comments if place else ""

    def name(self, path, what, name, pattern):
        if not re.fullmatch(pattern, name):
            self.fault(path, f"{what} {name} does not have the form {pattern}")

    def commented(self, path, what):
        if not self.comment(path).strip():
            self.fault(path, f"{what} has no comment")

    def check(self):
        if not self.head.strip():
            self.fault((12,), "the file has no comment before `syntax`")
        if self.file.package.replace(".", "/") != str(pathlib.PurePath(self.file.name).parent):
            self.fault((2,), f"package {self.file.package} is not that of the folder")
        for i, message in enumerate(self.file.message_type):
            self.message((4, i), message)
        for i, enum in enumerate(self.file.enum_type):
            self.enum((5, i), enum)
        for i, service in enumerate(self.file.service):
            self.service((6, i), service)
        for i, imported in enumerate(self.file.dependency):
            if imported not in self.used:
                self.fault((3, i), f"imports {imported} and uses nothing of it")
        return self.faults

    def message(self, path, message):
        if message.options.map_entry:
            return
        self.name(path, "message", message.name, CAMEL)
        if not self.of_method(message):
            self.commented(path, f"message {message.name}")
        for i, field in enumerate(message.field):
            self.field(path + (2, i), message, field)
        for i, oneof in enumerate(message.oneof_decl):
            self.name(path + (8, i), "oneof", oneof.name.lstrip("_"), SNAKE)
        for i, nested in enumerate(message.nested_type):
            self.message(path + (3, i), nested)
        for i, enum in enumerate(message.enum_type):
            self.enum(path + (4, i), enum)

    def of_method(self, message):
        """CreateJobRequest: the comment of the method says what it is for."""
        methods = {method.name for service in self.file.service for method in service.method}
        return re.sub("(Request|Response)$", "", message.name) in methods

    def field(self, path, message, field):
        what = f"field {message.name}.{field.name}"
        self.name(path, "field", field.name, SNAKE)
        self.use(field.type_name)
        entry = next((nested for nested in message.nested_type
                      if nested.options.map_entry and field.type_name.endswith(f".{message.name}.{nested.name}")), None)
        if entry:
            self.use(entry.field[1].type_name)
        if not self.speaks_for_itself(field):
            self.commented(path, what)

    def speaks_for_itself(self, field):
        """Where the comment of the type says it: `Padding padding`, `JobState state`, `repeated Job jobs`, or one kind of
        a oneof."""
        if field.type_name not in self.types or field.type_name.startswith(".google."):
            return False
        repeated = field.label == FIELD.LABEL_REPEATED
        of_oneof = field.HasField("oneof_index") and not field.proto3_optional
        words = "_" + snake_upper(field.type_name.rsplit(".", 1)[1]).lower() + ("s" if repeated else "")
        return of_oneof or words.endswith("_" + field.name)

    def enum(self, path, enum):
        self.name(path, "enum", enum.name, CAMEL)
        prefix = snake_upper(enum.name) + "_"
        if enum.value[0].name != prefix + "UNSPECIFIED" or enum.value[0].number != 0:
            self.fault(path + (2, 0), f"the first value of {enum.name} is not {prefix}UNSPECIFIED = 0")
        for i, value in enumerate(enum.value):
            self.name(path + (2, i), "value", value.name, prefix + "[A-Z0-9]+(_[A-Z0-9]+)*")
            self.commented(path + (2, i), f"value {value.name}")

    def service(self, path, service):
        self.name(path, "service", service.name, CAMEL + "Service")
        self.commented(path, f"service {service.name}")
        if "Errors, for every method" not in self.head:
            self.fault(path, "the comment before `syntax` does not say which errors every method has")
        for i, method in enumerate(service.method):
            self.method(path + (2, i), method)

    def method(self, path, method):
        self.name(path, "method", method.name, CAMEL)
        self.commented(path, f"method {method.name}")
        self.use(method.input_type)
        self.use(method.output_type)
        said = CODES & set(re.findall(r"[A-Z_]+", self.comment(path)))
        for code in sorted(self.expected(method) - said):
            self.fault(path, f"the comment of {method.name} says nothing of {code}, which its request can cause")

    def expected(self, method):
        """The errors that follow from the fields of a request; the header of the file says what any request can cause."""
        fields = {field.name for field in self.types[method.input_type][1].field}
        codes = set()
        if fields & {"name", "parent", "update_mask", "operation"}:
            codes.add("NOT_FOUND")
        if fields & {"etag", "update_mask"}:
            codes.add("ABORTED")
        if fields & {"filter", "page_token", "order_by"}:
            codes.add("INVALID_ARGUMENT")
        if any(re.fullmatch(r"[a-z]+_id", field) and field != "request_id" for field in fields):
            codes.add("ALREADY_EXISTS")
        return codes

    def use(self, type_name):
        if type_name in self.types:
            self.used.add(self.types[type_name][0])


def types_of(files):
    """Every message and enum by its name with a leading dot: (file, descriptor)."""
    found = {}

    def add(file, scope, descriptor):
        found[f"{scope}.{descriptor.name}"] = (file.name, descriptor)
        for nested in [*getattr(descriptor, "nested_type", ()), *getattr(descriptor, "enum_type", ())]:
            add(file, f"{scope}.{descriptor.name}", nested)

    for file in files.file:
        for descriptor in [*file.message_type, *file.enum_type]:
            add(file, "." + file.package, descriptor)
    return found


def long_lines(root):
    for path in sorted((root / "proto").rglob("*.proto")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if len(line) > MAX_LINE:
                yield f"{path.relative_to(root / 'proto')}:{number}: {len(line)} characters, more than {MAX_LINE}"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1])
    files = compiled(root)
    types = types_of(files)
    faults = [fault for file in ours(files) for fault in File(file, types).check()] + list(long_lines(root))
    print("\n".join("proto/" + fault for fault in faults) or f"protolint: {len(ours(files))} files keep the rules")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
