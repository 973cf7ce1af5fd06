"""The JSON Schema that trainctl prints, held by a validator from PyPI (jsonschema) against every job file of examples/ in YAML
and against wrong ones, with PyYAML's idea of YAML.

    build/python/bin/python tests/pypi/schema_test.py       # .ci/run has made that Python
"""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import jsonschema
import yaml

ROOT = pathlib.Path(__file__).parents[2]
TRAINCTL = pathlib.Path(os.environ.get("TRAIND_BIN", ROOT / "build/release/bin")) / "trainctl"


class SchemaTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        schema = json.loads(subprocess.run([TRAINCTL, "schema"], check=True, capture_output=True).stdout)
        jsonschema.Draft7Validator.check_schema(schema)
        cls.validator = jsonschema.Draft7Validator(schema)

    def check(self, text):
        return [error.message for error in self.validator.iter_errors(yaml.safe_load(text))]

    def test_wrong_files(self):
        job = "network: {layers: [{name: a, dense: {units: 3}}]}\ndata: {dataset: d}\n"
        self.assertEqual(self.check(job), [])
        for right in ("precision: BF16", "precision: PRECISION_BF16", "seed: '18446744073709551615'", "max_duration: 1h30m",
                      "labels: {a: b}", "loss: {softmax_cross_entropy: {}}", "epochs: 3", "optimizer: {sgd: {}}"):
            self.assertEqual(self.check(job + right), [], right)
        for wrong in ("epochz: 3", "epochs: -1", "epochs: many", "epochs: 4294967296", "precision: F23", "display_name: no",
                      "display_name: 2026-11-27", "max_duration: 90", "labels: {a: 1}", "epochs: 3\nsteps: 4",
                      "optimizer: {sgd: {}, adam: {}}", "checkpoint: {keep_last: 0}", "checkpoint: {time_share: 0}",
                      "checkpoint: {time_share: 1.5}", "early_stopping: {restore_best: 1}", "data_initialization:"):
            self.assertNotEqual(self.check(job + wrong), [], wrong)
        self.assertNotEqual(self.check("data: {dataset: d}"), [], "a network is required")
        self.assertNotEqual(self.check("network: {layers: [{dense: {}}]}\ndata: {dataset: d}"), [], "units are required")

    def test_examples(self):
        """As trainctl prints them, in YAML and in JSON."""
        client_tests = TRAINCTL.parent / "client_tests"
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([client_tests, "--gtest_filter=PrintYaml.IsReadAgain"], check=True, capture_output=True,
                           env={**os.environ, "TRAIND_WRITE_YAML": folder})
            files = sorted(pathlib.Path(folder).iterdir())
            self.assertGreater(len(files), 80)
            for path in files:
                self.assertEqual(self.check(path.read_text()), [], path.read_text())


if __name__ == "__main__":
    unittest.main()
