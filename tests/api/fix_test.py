#!/usr/bin/python3
"""`trainctl fix --verify` and `run --auto-fix` on real jobs. What they say is compared with the jobs' own events."""
import json
import math
import signal
import subprocess
import time
import unittest

from service import PATIENCE, PROGRAMS, Service, dense_job, job_pb2, temporary_folder, text_format

ZEROS = "no_symmetry_breaking/hidden"


def collapsed(**changes):
    """The spec of a job that learns nothing: both of its layers start at zero, so that no gradient gets through."""
    job = dense_job(metrics_every_steps=10, **changes)
    del job.network.layers[1:]
    for name, units in (("hidden", 16), ("out", 4)):
        layer = job.network.layers.add(name=name)
        layer.dense.units = units
        layer.dense.weight_init.zeros.SetInParent()
    job.network.layers[1].activation.tanh.SetInParent()
    job.ClearField("checkpoint")
    return job


class FixTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Service()
        cls.server.import_points()

    def trainctl(self, *words):
        return subprocess.run([PROGRAMS / "trainctl", "--server", self.server.address, *words], capture_output=True,
                              text=True, timeout=PATIENCE)

    def end(self, spec, job_id):
        self.server.call("CreateJob", spec=spec, job_id=job_id)
        self.server.call("WatchJob", name=f"jobs/{job_id}")

    def events(self, name):
        answers = self.server.call("WatchJob", name=name, until_now=True)
        return [event for answer in answers for event in answer.events]

    def losses(self, name):
        """By step."""
        return {event.step: event.train.loss for event in self.events(name) if event.HasField("train")}

    def job(self, job_id):
        return self.server.call("GetJob", name=f"jobs/{job_id}", view="JOB_VIEW_SPEC")

    def test_a_network_that_cannot_learn_is_mended_and_that_is_proven(self):
        self.end(collapsed(steps=1000), "zeros")
        shown = self.trainctl("fix", "zeros", ZEROS)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertRegex(shown.stdout, r"network\.layers\[hidden\]\.dense\.weight_init: zeros { } -> (xavier|kaiming)")
        file = temporary_folder() / "fixed.textproto"
        self.assertEqual(self.trainctl("fix", "zeros", ZEROS, "-o", file).returncode, 0)
        checked = self.trainctl("submit", file, "--validate-only")
        self.assertEqual(checked.returncode, 0, checked.stderr)

        done = self.trainctl("fix", "zeros", ZEROS, "--verify", "--steps", "200", "--json")
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        told = json.loads(done.stdout)
        self.assertTrue(told["helps"])
        self.assertEqual(told["from"], "the beginning")
        self.assertIn("network is read only at the start", told["why"])
        # What it says is what the jobs have said.
        patched, control = self.losses("jobs/zeros-fix-1"), self.losses("jobs/zeros-control-1")
        for losses, said in ((patched, told["patched"]), (control, told["control"])):
            tail = [loss for step, loss in losses.items() if 150 < step <= 200]
            self.assertAlmostEqual(said["train_loss"], sum(tail) / len(tail), places=6)
        self.assertLess(told["patched"]["train_loss"], 0.5 * told["control"]["train_loss"])
        self.assertAlmostEqual(told["control"]["train_loss"], math.log(4), delta=0.1)
        self.assertTrue(told["control"]["finding_again"])
        self.assertFalse(told["patched"]["finding_again"])
        for said, job_id in ((told["patched"], "zeros-fix-1"), (told["control"], "zeros-control-1")):
            evaluated = [event.evaluation for event in self.events(f"jobs/{job_id}")
                         if event.HasField("evaluation") and event.step == 200]
            self.assertEqual(len(evaluated), 1, "one evaluation at the step of the comparison")
            self.assertAlmostEqual(said["evaluation_loss"], evaluated[0].loss, places=6)
        # The control is the job itself, bit for bit.
        original = self.losses("jobs/zeros")
        same = [step for step in original if step in control]
        self.assertGreater(len(same), 15)
        self.assertEqual([original[step] for step in same], [control[step] for step in same])
        for job_id, role in (("zeros-fix-1", "patched"), ("zeros-control-1", "control")):
            labels = self.job(job_id).labels
            self.assertEqual(dict(labels), {"fix-of": "zeros", "fix-rule": "no_symmetry_breaking", "fix-finding": ZEROS,
                                            "fix-role": role, "fix-verdict": "helps"})

    def test_a_change_that_does_not_help_is_not_called_a_fix(self):
        # The first layer is not what keeps this one from learning: its rate is zero for all practical purposes.
        spec = collapsed(steps=600)
        spec.optimizer.learning_rate = 1e-12
        self.end(spec, "idle")
        done = self.trainctl("fix", "idle", ZEROS, "--verify", "--steps", "100", "--delete")
        self.assertEqual(done.returncode, 1, done.stderr + done.stdout)
        self.assertIn("the fix does not help: training loss", done.stdout)
        self.assertNotIn("jobs/idle-fix-1", [job.name for job in self.server.call("ListJobs").jobs])

    def test_a_rate_is_tried_from_a_checkpoint(self):
        spec = dense_job(steps=2000, metrics_every_steps=10)
        spec.ClearField("checkpoint")
        spec.checkpoint.every_steps = 20
        spec.checkpoint.keep_last = 200
        spec.optimizer.sgd.momentum = 0.9
        spec.optimizer.learning_rate = 1e-9
        self.end(spec, "slow")
        findings = self.server.call("ListFindings", parent="jobs/slow").findings
        rates = [one for one in findings if list(one.fix.mask.paths) == ["optimizer.learning_rate"] and one.first_step > 20]
        if not rates:
            self.fail(f"no finding of the rate: {[(one.id, one.first_step, list(one.fix.mask.paths)) for one in findings]}")
        done = self.trainctl("fix", "slow", rates[0].id, "--verify", "--json")
        told = json.loads(done.stdout)
        step = int(told["from"].rsplit("/", 1)[1])
        self.assertLess(step, rates[0].first_step)
        self.assertGreaterEqual(step, rates[0].first_step - 20)
        self.assertEqual(self.job("slow-control-1").forked_from, told["from"])
        self.assertEqual(self.job("slow-fix-1").spec.optimizer.learning_rate,
                         rates[0].fix.patch.optimizer.learning_rate)
        self.assertGreater(min(self.losses("jobs/slow-control-1")), step)
        self.assertEqual(done.returncode, 0 if told["helps"] else 1)

    def test_ctrl_c_cancels_both(self):
        self.server.call("CreateJob", spec=collapsed(steps=10 ** 7), job_id="long")
        while not self.server.call("ListFindings", parent="jobs/long").findings:
            time.sleep(0.05)
        self.server.call("CancelJob", name="jobs/long")
        trial = subprocess.Popen([PROGRAMS / "trainctl", "--server", self.server.address, "fix", "long", ZEROS, "--verify",
                                  "--steps", "9000000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        names = ("jobs/long-fix-1", "jobs/long-control-1")
        while not all(name in [job.name for job in self.server.call("ListJobs").jobs] for name in names):
            self.assertIsNone(trial.poll(), "it waits for both")
            time.sleep(0.05)
        trial.send_signal(signal.SIGINT)
        _, said = trial.communicate(timeout=PATIENCE)
        self.assertEqual(trial.returncode, 7, said)
        self.assertIn("long-fix-1 and long-control-1 are cancelled", said)
        for name in names:
            self.server.call("WatchJob", name=name)  # To its end.
            self.assertEqual(self.server.call("GetJob", name=name).state, job_pb2.JOB_STATE_CANCELLED)

    def test_a_run_mends_itself_once_it_is_proven(self):
        file = temporary_folder() / "job.textproto"
        file.write_text(text_format.MessageToString(collapsed(steps=10000)))
        done = self.trainctl("run", file, "--job-id", "self", "--auto-fix", "2")
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        self.assertRegex(done.stdout, f"fixes tried: [12]\n  {ZEROS}: the fix helps: training loss ")
        self.assertIn("jobs/self-fix-1", done.stdout)
        before, after = self.job("self"), self.job("self-fix-1")
        self.assertEqual(before.labels["fixed-by"], "self-fix-1")
        self.assertNotEqual(before.state, job_pb2.JOB_STATE_PAUSED)
        self.assertEqual(after.state, job_pb2.JOB_STATE_SUCCEEDED)
        self.assertEqual(after.progress.step, 10000)
        self.assertGreater(after.progress.evaluation_accuracy, 0.9)


if __name__ == "__main__":
    unittest.main()
