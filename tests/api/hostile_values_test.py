"""No value of a flag or an argument ends a program by a signal: every command of trainctl, every flag of traind, and
traind-worker, with what people do not mean. A program that refuses a value says so, and exits with less than 128.
"""
import concurrent.futures
import os
import re
import signal
import subprocess
import time
import unittest

from service import PATIENCE, PROGRAMS, Service, temporary_folder

FOLDER = temporary_folder()
(FOLDER / "junk").write_bytes(bytes(range(256)) * 64)
(FOLDER / "large").write_bytes(b"layers { " * (8 << 20 >> 3))
(FOLDER / "secret").write_text("epochs: 1\n")
(FOLDER / "secret").chmod(0)
VALUES = [str(FOLDER), "/dev/null", "/dev/full", "/dev/zero", str(FOLDER / "secret"), str(FOLDER / "large"),
          str(FOLDER / "junk"), str(FOLDER / "none"), "", "99999999999999999999999", "-1", "1e999", "nan", b"\xff\xfe\x80",
          "a=b=c", "%s%n", "../../etc/passwd", "x" * 100000]


def run(*words, **more):
    try:
        return subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=FOLDER,
                              timeout=PATIENCE, **more)
    except subprocess.TimeoutExpired as late:
        return subprocess.CompletedProcess(words, -signal.SIGKILL, late.stdout or b"", b"it took too long")


def commands():
    """Of trainctl, from its own help: (["dataset", "import"], number of arguments, ["--split", ...])."""
    found = []

    def look(path):
        text = run(PROGRAMS / "trainctl", *path, "--help").stdout.decode()
        below = re.search(r"^Subcommands:\n((?:  .*\n)+)", text, re.M)
        names = re.findall(r"^  ([^\s,]+)", below.group(1), re.M) if below else []
        # Descriptions that go on have more blanks in front.
        names = [name for name in names if not name.startswith("-")]
        arguments = re.search(r"^Positionals:\n((?:  .*\n)+)", text, re.M)
        count = len(re.findall(r"^  (\S+)", arguments.group(1), re.M)) if arguments else 0
        flags = sorted(set(re.findall(r"^  (?:-\w,)?(--[a-z-]+)", text, re.M)) - {"--help", "--version"})
        found.append((path, count, flags))
        for name in names:
            look([*path, name])

    look([])
    return found


class HostileValues(unittest.TestCase):
    def check(self, words, result):
        """What a finished run may look like."""
        said = result.stdout + result.stderr
        self.assertTrue(0 <= result.returncode < 128, (words, result.returncode, said[-2000:]))
        self.assertNotIn(b"terminate called", said)
        if result.returncode != 0:
            self.assertTrue(result.stderr.strip(), (words, result.returncode))

    def each(self, cases, one):
        with concurrent.futures.ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
            for case, result in zip(cases, pool.map(one, cases)):
                with self.subTest(case=[str(word)[:80] for word in case]):
                    self.check(case, result)

    def test_trainctl(self):
        server = Service()
        environment = {**os.environ, "TRAIND_SERVER": server.address, "XDG_CONFIG_HOME": str(FOLDER / "config")}
        known = commands()
        self.assertGreater(len(known), 30)
        cases = []
        for path, count, flags in known:
            for i, value in enumerate(VALUES):
                if count:
                    cases.append([*path, "--timeout", "5", *[value] * count])
                # Of the values each flag gets every third one, its neighbours the others.
                for k, flag in enumerate(flags):
                    if (i + k) % 3 == 0 and flag not in ("--server", "--timeout"):
                        cases.append([*path, "--timeout", "5", *["a"] * count, flag, value])
        for value in VALUES:
            cases.append(["list", "--timeout", value])
            cases.append(["list", "--timeout", "0.2", "--server", value])
        cases = [[word for word in case if len(word) < 100000] if len(case) > 40 else case for case in cases]
        self.each(cases, lambda words: run(PROGRAMS / "trainctl", *words, env=environment))
        self.assertIsNone(server.process.poll(), "the server lives")

    def test_output_that_cannot_be_written(self):
        server = Service()
        server.import_points()
        server.train("a")
        environment = {**os.environ, "TRAIND_SERVER": server.address}
        for words in (["list"], ["list", "--json"], ["get", "a"], ["watch", "a"], ["--help"], ["components"],
                      ["dataset", "list"], ["-q", "list"], ["wait", "a"], ["completion", "bash"]):
            with self.subTest(words=words), open("/dev/full", "wb") as full:
                done = subprocess.run([PROGRAMS / "trainctl", *words], stdout=full, stderr=subprocess.PIPE, env=environment,
                                      timeout=PATIENCE)
                self.assertEqual(done.returncode, 1)
                self.assertIn(b"could not be written", done.stderr)
        with open("/dev/full", "wb") as full:
            done = subprocess.run([PROGRAMS / "traind", "--help"], stdout=full, stderr=subprocess.PIPE, timeout=PATIENCE)
            self.assertEqual(done.returncode, 1)
            self.assertTrue(done.stderr)

    def test_a_pipe_gets_every_column(self):
        server = Service()
        server.import_points()
        description = "a description that is longer than any window " * 2
        server.train("a", display_name=description.strip())
        done = run(PROGRAMS / "trainctl", "list", env={**os.environ, "COLUMNS": "40", "TRAIND_SERVER": server.address})
        header, row = done.stdout.decode().splitlines()
        for column in ("job", "state", "step", "loss", "accuracy", "created", "took", "description"):
            self.assertIn(column, header.split())
        self.assertIn(description.strip(), row)

    def test_a_proxy_is_not_for_this_machine(self):
        server = Service()
        proxy = {name: "http://127.0.0.1:1" for name in ("http_proxy", "https_proxy", "grpc_proxy")}
        done = run(PROGRAMS / "trainctl", "--timeout", "5", "list", env={**os.environ, **proxy, "TRAIND_SERVER": server.address})
        self.assertEqual(done.returncode, 0, done.stderr)

    def serve(self, flags, variables=None):
        """traind until it ends or serves; then it is told to end."""
        folder = temporary_folder()
        port = folder / "port"
        words = [PROGRAMS / "traind"]
        given = " ".join(str(flag) for flag in flags)
        for flag, value in (("--listen", "127.0.0.1:0"), ("--port-file", port), ("--data-dir", folder / "data")):
            if flag not in given:
                words += [flag, value]
        with open(folder / "said", "wb") as said:  # A pipe that nobody reads yet would hold it up.
            process = subprocess.Popen([*words, *flags], stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=folder,
                                       env={**os.environ, **(variables or {})})
        end = time.monotonic() + 5
        while process.poll() is None and not port.exists() and time.monotonic() < end:
            time.sleep(0.01)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return subprocess.CompletedProcess(words + list(flags), process.returncode, b"", (folder / "said").read_bytes())

    def test_traind(self):
        text = run(PROGRAMS / "traind", "--help").stdout.decode()
        flags = sorted(set(re.findall(r"^  (--[a-z-]+)", text, re.M)) - {"--help", "--version"})
        self.assertIn("--threads", flags)
        self.each([[flag, value] for flag in flags for value in VALUES if len(value) < 100000], self.serve)
        self.each([[value] for value in VALUES], self.serve)

    def test_the_environment_of_traind(self):
        for value in ("1.5", "nan", "-1", "99999999999999999999", "x"):
            with self.subTest(value=value):
                result = self.serve([], {"TRAIND_THREADS": value})
                self.assertEqual(result.returncode, 2)
                self.assertIn(b"TRAIND_THREADS: wants a whole number", result.stderr)

    def test_traind_worker(self):
        for value in [None, *VALUES]:
            words = [PROGRAMS / "traind-worker", *([] if value is None else [value])]
            with self.subTest(value=str(value)[:80]):
                self.check(words, run(*words))
        for path in ("/dev/null", "/dev/full", "/dev/zero", str(FOLDER / "junk")):
            with self.subTest(socket=path):
                self.check([path], run("sh", "-c", 'exec "$0" 3<>"$1"', PROGRAMS / "traind-worker", path))


if __name__ == "__main__":
    unittest.main()
