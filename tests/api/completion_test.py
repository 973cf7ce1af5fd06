#!/usr/bin/python3
"""The completion script of trainctl in a real bash: commands, aliases, and what options can be."""
import subprocess
import unittest

from service import PATIENCE, PROGRAMS

SCRIPT = """
source /dev/stdin <<< "$(trainctl completion bash)"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _trainctl; printf '%s\\n' "${COMPREPLY[@]}"
"""


def complete(*words):
    """What bash would offer for the last of the words."""
    done = subprocess.run(["bash", "-c", SCRIPT, "bash", "trainctl", *words], capture_output=True, text=True,
                          env={"PATH": f"{PROGRAMS}:/usr/bin:/bin", "TRAIND_SERVER": "127.0.0.1:1"}, timeout=PATIENCE)
    assert not done.stderr, done.stderr
    return done.stdout.split()


class CompletionTest(unittest.TestCase):
    def test_commands_and_options(self):
        self.assertIn("logs", complete("lo"))
        self.assertEqual(complete("dataset", "imp"), ["import"])
        self.assertEqual(complete("ps", "--lab"), ["--label"])
        self.assertIn("log-level", complete("server", ""))

    def test_values_of_options(self):
        self.assertEqual(complete("list", "--state", "qu"), ["queued"])
        self.assertEqual(complete("list", "--state", "queued,runn"), ["queued,running"])
        self.assertEqual(complete("list", "--state", "=", "qu"), ["queued"])
        self.assertEqual(complete("dataset", "import", "--format", "cifar"), ["cifar10", "cifar100"])
        self.assertEqual(complete("server", "log-level", "war"), ["warning"])
        self.assertEqual(complete("get", "--output", "y"), ["yaml"])
        self.assertEqual(complete("dataset", "import", "--split", ""), [], "bash completes files then")


if __name__ == "__main__":
    unittest.main()
