"""Makes the generated parts of the package when the wheel is built: tools/generate.py."""

import pathlib
import sys
import tempfile

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(pathlib.Path(__file__).parent / "tools"))
import generate  # noqa: E402


class CustomBuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
        if self.target_name != "wheel":
            return
        if version == "editable":
            raise RuntimeError(
                "the package is partly generated and cannot be installed in place: put build/release/python of a "
                "CMake build on PYTHONPATH instead"
            )
        self.folder = tempfile.TemporaryDirectory()
        generate.generate(self.folder.name)
        build_data["force_include"][f"{self.folder.name}/traind"] = "traind"

    def finalize(self, version, build_data, artifact_path):
        if hasattr(self, "folder"):
            self.folder.cleanup()
