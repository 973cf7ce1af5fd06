#!/usr/bin/python3
"""The page of a real server in a real browser.

    tests/web/page_test.py
"""
import csv
import subprocess
import unittest
import xml.etree.ElementTree

import browser
from browser import Page, PageServer
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

HOSTILE = "<script>document.title='x'</script><b>&amp; \u202egnp.exe\u2066" + "\U0001F600" * 70
JOB = """
network {{ layers {{ name: "flat" flatten {{}} }} layers {{ name: "fc" dense {{ units: 4 }} }} }}
data {{ dataset: "points" preprocessing {{ scale {{}} }} }}
steps: {steps} batch_size: 16 threads: 1 statistics {{ every_steps: 2 }}
"""
VIEWS = ["#/jobs", "#/jobs/first", "#/jobs/first?tab=layers&layer=fc", "#/jobs/first?tab=events", "#/jobs/first?tab=configuration",
         "#/jobs/first?tab=checkpoints", "#/jobs/first?tab=evaluation", "#/compare?jobs=first,second", "#/new", "#/datasets",
         "#/datasets/points", "#/models", "#/models/brought", "#/lecture?units=6", "#/users", "#/jobs/first/sharing",
         "#/datasets/points/sharing", "#/server"]


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = PageServer()
        cls.server.import_points()
        cls.server.train("first", steps=40, display_name=HOSTILE)
        cls.server.train("second", steps=20)
        cls.server.upload_model("brought")
        cls.page = Page(cls.server.url)

    @classmethod
    def tearDownClass(cls):
        cls.page.close()

    def tearDown(self):
        self.page.size(1280, 900)
        self.assertEqual(self.page.complaints(), [])
        self.assertEqual(self.page.strangers(), [])

    def write(self, text):
        """Puts a job file into the editor, as pasting does."""
        area = self.page.element("textarea.code")
        self.page.until(lambda: area.get_attribute("value"), "the editor's first text")
        self.page.driver.execute_script(
            "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))", area, text)
        return area

    def test_a_job_is_submitted_from_the_editor(self):
        self.page.open("#/new")
        self.write(JOB.format(steps=30).replace("units: 4", "units: 0"))
        self.page.see("units", ".problems .faults")
        self.assertFalse(next(b for b in self.page.all("button") if b.text == "Train").is_enabled())
        self.write(JOB.format(steps=30))
        self.page.see("Good. 30 steps", ".problems")
        self.page.see("fc", ".beside")
        self.page.element("input[aria-label='Name of the job']").send_keys("edited")
        self.page.see("Good. 30 steps", ".problems")
        self.page.button("Train").click()
        self.page.until(lambda: "#/jobs/edited" in self.page.driver.current_url, "the job's own page")
        self.page.see("succeeded", ".job-head")
        self.page.until(lambda: "Loss. train" in (self.page.element(".plot").get_attribute("aria-label") or ""), "the loss curve")

    def test_the_editor_completes(self):
        self.page.open("#/new")
        area = self.write("network { lay")
        area.send_keys(Keys.END, Keys.CONTROL, " ")
        self.page.see("layers", ".completion")
        area.send_keys(Keys.CONTROL, Keys.NULL, Keys.ENTER)
        self.page.until(lambda: "network { layers {  }" in area.get_attribute("value"), "the completed field")

    def test_watching_goes_on_when_the_server_comes_back(self):
        self.server.call("CreateJob", spec=browser.service.dense_job(steps=10 ** 7, metrics_every_steps=10), job_id="long")
        self.page.open("#/jobs/long")
        step = lambda: int(self.page.text(".progress-line").split("/")[0].replace(",", "").strip() or 0)  # noqa: E731
        self.page.until(lambda: step() > 0, "the first step")
        self.server.kill()
        self.page.see("No connection to the server", "[role=status]")
        before = step()
        self.server.start()
        self.page.until(lambda: step() > before, "more steps")
        self.page.until(lambda: "No connection" not in self.page.text("main"), "the end of the warning")
        self.page.see("running", ".job-head .state")
        self.page.button("Cancel").click()
        self.page.button("Cancel it").click()
        self.page.see("cancelled", ".job-head .state")
        self.page.driver.get_log("browser")

    def test_a_button_stays_while_it_is_held_down(self):
        self.server.call("CreateJob", spec=browser.service.dense_job(steps=10 ** 7), job_id="held")
        self.page.open("#/jobs/held")
        self.page.see("running", ".job-head .state")
        hold = ActionChains(self.page.driver).click_and_hold(self.page.button("Pause"))
        hold.perform()
        self.server.call("CancelJob", name="jobs/held")
        self.page.until(lambda: self.server.call("GetJob", name="jobs/held").state == browser.service.job_pb2.JOB_STATE_CANCELLED, "the end")
        asked = len(self.page.driver.execute_script("return performance.getEntriesByType('resource')"))
        self.page.until(lambda: len(self.page.driver.execute_script("return performance.getEntriesByType('resource')")) > asked + 1, "two calls")
        self.assertEqual(self.page.text(".job-head .state"), "running")
        ActionChains(self.page.driver).release().perform()
        self.page.see("cancelled", ".job-head .state")

    def test_a_job_is_paused_resumed_and_forked(self):
        self.server.call("CreateJob", spec=browser.service.dense_job(steps=10 ** 7, checkpoint={"every_steps": 100}), job_id="steered")
        self.page.open("#/jobs/steered")
        self.page.see("running", ".job-head .state")
        self.page.until(lambda: self.server.call("GetJob", name="jobs/steered").progress.step > 200, "a checkpoint")
        self.page.button("Pause").click()
        self.page.see("paused", ".job-head .state")
        self.page.button("Resume").click()
        self.page.see("running", ".job-head .state")
        self.page.button("Fork").click()
        self.page.see("Fork of", "h1")
        area = self.page.element("textarea.code")
        self.page.until(lambda: "steps: 10000000" in (area.get_attribute("value") or ""), "the job's spec")
        step = self.server.call("GetJob", name="jobs/steered").progress.checkpoint_step
        self.write(area.get_attribute("value").replace("steps: 10000000", f"steps: {step + 100000}"))
        self.page.element("input[aria-label='Name of the job']").send_keys("forked")
        self.page.until(lambda: next(b for b in self.page.all("button") if b.text == "Train").is_enabled(), "the server's check")
        self.page.button("Train").click()
        self.page.until(lambda: "#/jobs/forked" in self.page.driver.current_url, "the job's own page")
        self.page.see("forked from", ".job-head")
        for name in ("steered", "forked"):
            self.server.call("CancelJob", name=f"jobs/{name}")

    def test_a_hostile_name_is_text(self):
        for address in VIEWS[:3] + ["#/compare?jobs=first,second"]:
            self.page.open(address)
            self.page.see("<script>document.title='x'</script><b>&amp;")
            self.assertEqual(len(self.page.all("body script, main b.hostile")), 0, address)
            self.assertNotEqual(self.page.driver.title, "x")

    def test_every_chart_comes_as_svg_and_csv(self):
        self.page.open("#/jobs/first?tab=layers&layer=fc")
        self.page.see("fc.weight", ".layer-panel")
        self.page.driver.execute_script("""
            window.files = [];
            URL.createObjectURL = (blob) => { blob.text().then((text) => window.files.push([blob.type, text])); return 'about:blank'; };
            HTMLAnchorElement.prototype.click = () => {};
            document.querySelectorAll('.chart:not([hidden]) .tools button').forEach((button) => button.click());""")
        charts = self.page.driver.execute_script("return document.querySelectorAll('.chart:not([hidden])').length")
        files = self.page.until(lambda: (found := self.page.driver.execute_script("return window.files")) and len(found) == 2 * charts and found,
                                f"{2 * charts} files")
        for kind, text in files:
            if kind == "image/svg+xml":
                root = xml.etree.ElementTree.fromstring(text)
                self.assertGreater(len(list(root.iter())), 3)
            else:
                self.assertEqual(kind, "text/csv")
                self.assertGreater(len(list(csv.reader(text.splitlines()))), 1, text)

    def test_jobs_are_compared(self):
        self.page.open("#/compare?jobs=first,second")
        self.page.see("steps", "table[class=''], table")
        row = self.page.until(lambda: next((r for r in self.page.all("tr") if r.text.startswith("steps ")), None), "the row of steps")
        self.assertEqual(row.text.split(), ["steps", "40", "20"])
        self.page.until(lambda: "first:" in (self.page.element(".plot").get_attribute("aria-label") or ""), "a curve of each")

    def test_a_filter_is_the_servers(self):
        self.page.open("#/jobs")
        self.page.see("second", "table.jobs")
        search = self.page.element("input[type=search]")
        search.send_keys("name:second")
        self.page.until(lambda: len(self.page.all("table.jobs tbody tr")) == 1, "one row")
        self.assertIn("q=name", self.page.driver.current_url)
        search.send_keys(" AND (")
        self.page.element("[role=alert]")

    def test_the_heat_strip_opens_a_layer_by_keyboard(self):
        self.page.open("#/jobs/first?tab=layers")
        plot = self.page.element(".plot")
        self.page.until(lambda: "1 rows" in (plot.get_attribute("aria-label") or ""), "the strip")
        plot.send_keys(Keys.ARROW_DOWN, Keys.ENTER)
        self.page.see("fc.weight", ".layer-panel")
        self.assertIn("layer=fc", self.page.driver.current_url)

    def test_a_finding_is_marked_on_the_strip_and_listed(self):
        job = browser.service.dense_job(steps=40, statistics={"every_steps": 4})
        hidden = job.network.layers.add(name="hidden")
        hidden.dense.units = 8
        hidden.dense.weight_init.zeros.SetInParent()
        hidden.activation.relu.SetInParent()
        job.network.layers.add(name="out").dense.units = 4
        self.server.call("WatchJob", name=self.server.call("CreateJob", spec=job, job_id="collapsed").name)
        found = [one.id for one in self.server.call("ListFindings", parent="jobs/collapsed", with_resolved=True).findings]
        self.assertIn("no_symmetry_breaking/hidden", found)
        self.page.open("#/jobs/collapsed?tab=layers")
        self.page.see("no_symmetry_breaking/hidden", ".findings")
        mark = self.page.element(".finding-marks button[aria-label*='no_symmetry_breaking/hidden']")
        self.assertEqual(mark.get_attribute("title"), mark.get_attribute("aria-label"))
        mark.click()
        line = "return document.activeElement.dataset.finding"
        self.page.until(lambda: self.page.driver.execute_script(line) == "no_symmetry_breaking/hidden", "the line of the mark")
        self.page.element("[data-finding='no_symmetry_breaking/hidden'] button").click()
        self.page.see("hidden.weight", ".layer-panel")
        self.assertIn("layer=hidden", self.page.driver.current_url)

    def test_one_stream_is_open_at_a_time(self):
        self.server.call("CreateJob", spec=browser.service.dense_job(
            steps=10 ** 7, metrics_every_steps=10, statistics={"every_steps": 100}), job_id="streamed")
        self.page.open("#/jobs/streamed?tab=layers&layer=fc")
        step = lambda: int((self.page.text(".layer-panel .figures").split("at step") + ["0"])[1].replace(",", ""))  # noqa: E731
        first = self.page.until(step, "the newest numbers of the layer")
        self.page.until(lambda: step() > first, "newer ones")
        self.page.driver.execute_script("location.hash = '#/jobs/streamed?tab=evaluation'")
        self.page.button("Evaluate").click()
        self.page.see("Confusion matrix")
        before = int(self.page.text(".progress-line").split("/")[0].replace(",", ""))
        self.page.until(lambda: int(self.page.text(".progress-line").split("/")[0].replace(",", "")) > before, "more steps")
        self.page.open("#/compare?jobs=streamed,first")
        self.page.see("running", "table")
        self.server.call("CancelJob", name="jobs/streamed")
        self.page.see("cancelled", "table")
        total, at_once = self.page.streams()
        self.assertGreater(total, 4)
        self.assertEqual(at_once, 1)

    def test_a_job_is_changed_and_deleted(self):
        self.server.train("spare", display_name="Of no use")
        self.page.open("#/jobs/spare")
        self.page.button("Change").click()
        name, labels, priority, _ = self.page.all("dialog input")
        name.clear()
        name.send_keys("Of some use")
        labels.send_keys("team=vision, urgent")
        priority.clear()
        priority.send_keys("3", Keys.ENTER)
        self.page.see("Of some use", "h1")
        self.page.see("team=vision", ".job-head")
        job = self.server.call("GetJob", name="jobs/spare")
        self.assertEqual((job.display_name, dict(job.labels), job.priority, job.pinned),
                         ("Of some use", {"team": "vision", "urgent": ""}, 3, False))
        self.page.open("#/jobs?q=spare")
        self.page.element("input[aria-label='Choose spare']").click()
        self.page.button("Delete").click()
        self.page.button("Delete them").click()
        self.page.see("No job is like this.")
        self.assertIsNotNone(browser.service.error_of(self.server.call, "GetJob", name="jobs/spare"))

    def files(self):
        """What the page gives from now on: called again, [name, type, size] of each."""
        self.page.driver.execute_script("""
            window.files = []; const blobs = new Map();
            URL.createObjectURL = (blob) => { const url = `about:blank#${blobs.size}`; blobs.set(url, blob); return url; };
            HTMLAnchorElement.prototype.click = function() { const blob = blobs.get(this.href); files.push([this.download, blob.type, blob.size]); };""")
        return lambda: self.page.driver.execute_script("return window.files")

    def test_a_configuration_says_what_differs_from_its_default(self):
        self.server.call("CreateJob", job_id="said", spec=browser.service.dense_job(
            optimizer={"adam": {"beta1": 0.8, "beta2": 0.999}, "learning_rate": 0.01}))
        self.page.open("#/jobs/said?tab=configuration&show=differences")
        cells = lambda field: next(([cell.text for cell in row.find_elements("css selector", "td")]  # noqa: E731
                                    for row in self.page.all("tbody tr") if row.text.startswith(field)), None)
        self.page.until(lambda: cells("optimizer.adam.beta1") == ["optimizer.adam.beta1", "0.8", "0.9", "the same"], "a default and another value")
        self.assertEqual(cells("optimizer.adam.beta2")[2], "as said")
        self.assertEqual(self.page.text("bdi.differs").split()[0], "0.8")

    def test_charts_are_zoomed_without_a_mouse(self):
        self.page.open("#/jobs/first")
        self.page.until(lambda: "Loss. train" in (self.page.element(".plot").get_attribute("aria-label") or ""), "the loss curve")
        self.page.element("button[aria-label='Zoom in']").click()
        self.page.see("steps 10 to 30", ".zoom-hint")
        self.assertIn("from=10", self.page.driver.current_url)
        self.page.button("Show all").click()
        self.page.see("Drag over a chart", ".zoom-hint")

    def test_models_are_listed_taken_and_deleted(self):
        self.server.upload_model("spare")
        self.page.open("#/models")
        self.page.see("first", "table")
        self.page.until(lambda: next((link for link in self.page.all("td a") if link.text == "spare"), None), "the model").click()
        self.page.see("fc.weight", "table")
        files = self.files()
        self.page.button("Weights").click()
        name, _, size = self.page.until(files, "the file")[0]
        self.assertEqual((name, size), ("spare.safetensors", self.server.call("GetModel", name="models/spare").size_bytes))
        self.page.button("ONNX").click()
        self.page.element("dialog input").send_keys("first", Keys.ENTER)
        self.page.see("fc.bias", ".notice.bad")  # The job's network has one, this file does not.
        self.page.button("Change").click()
        self.page.element("dialog input").send_keys("team=vision", Keys.ENTER)
        self.page.see("team=vision", ".chip")
        self.page.button("Delete").click()
        self.page.button("Delete it").click()
        self.page.until(lambda: self.page.driver.current_url.endswith("#/models"), "the list")
        self.assertIsNotNone(browser.service.error_of(self.server.call, "GetModel", name="models/spare"))

    def test_a_checkpoint_is_taken_as_onnx(self):
        self.page.open("#/jobs/first?tab=checkpoints")
        self.page.button("ONNX")
        files = self.files()
        self.page.button("ONNX").click()
        name, _, size = self.page.until(files, "the file")[0]
        self.assertEqual(name, "first-40.onnx")
        self.assertGreater(size, 4 * 4 * 64)

    def test_a_server_without_users_says_so(self):
        for address in ("#/users", "#/jobs/first/sharing", "#/datasets/points/sharing", "#/models/brought/sharing"):
            self.page.open(address)
            self.page.see("This server has no users")
        self.page.open("#/jobs/first")
        self.page.see("succeeded", ".job-head")
        self.assertNotIn("Sharing", self.page.text(".job-head"))

    def test_the_server_says_what_it_has(self):
        self.page.open("#/server")
        self.page.see("threads", ".figures")
        self.page.see("datasets", "table")
        self.page.button("What would retention remove?").click()
        self.page.see("Now they would remove nothing.")

    def test_an_evaluation_shows_what_is_mistaken(self):
        self.page.open("#/jobs/first?tab=evaluation")
        self.page.button("Evaluate").click()
        self.page.see("Confusion matrix")
        self.page.see("64", ".figures")

    def test_every_view_fits_a_telephone_and_has_its_address(self):
        self.page.size(360, 740)
        for address in VIEWS:
            self.page.open(address)
            self.page.until(lambda: self.page.all("main h1"), f"the title of {address}")
            self.page.until(lambda: not self.page.all("main > .loading"), f"the end of loading of {address}")
            self.assertLessEqual(self.page.overflow(), 0, address)
            unnamed = self.page.driver.execute_script(
                "return [...document.querySelectorAll('main button, main input, main select, main textarea, main a')].filter(e => "
                "!(e.innerText || e.getAttribute('aria-label') || e.labels?.length || e.querySelector('svg')) && e.offsetParent).map(e => e.outerHTML)")
            self.assertEqual(unnamed, [], address)


class UsersTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = PageServer()
        cls.tokens = {user: subprocess.run(
            [browser.service.PROGRAMS / "traind", "token", "create", user, "--role", role, "--data-dir", cls.server.data], check=True,
            capture_output=True, text=True).stdout.split()[-1] for user, role in (("root", "admin"), ("ada", "user"), ("bob", "user"))}
        cls.be("ada")
        cls.server.import_points()
        cls.server.train("mine")
        cls.page = Page(cls.server.url)

    @classmethod
    def tearDownClass(cls):
        cls.page.close()

    @classmethod
    def be(cls, user):
        cls.server.metadata = (("authorization", f"Bearer {cls.tokens[user]}"),)

    def tearDown(self):
        self.assertEqual([line for line in self.page.complaints() if "401" not in line], [])
        self.assertEqual(self.page.strangers(), [])

    def test_an_owner_says_who_reads_a_job(self):
        self.page.log_in(self.tokens["bob"])
        self.page.open("#/jobs/mine")
        self.page.see("Not found")
        self.page.log_in(self.tokens["ada"])
        self.page.open("#/jobs/mine")
        self.page.button("Sharing").click()
        self.page.element("textarea").send_keys("bob")
        self.assertTrue(self.page.element("input[value=readers]").is_selected())
        self.page.button("Save").send_keys(Keys.ENTER)
        self.page.see("bob read it", ".notice")
        self.be("ada")
        self.assertEqual(list(self.server.call("GetJob", name="jobs/mine").sharing.readers), ["bob"])

        self.page.log_in(self.tokens["bob"])
        self.page.open("#/jobs/mine")
        self.page.button("Fork")
        self.assertNotIn("Delete", self.page.text(".job-head"))
        self.page.open("#/jobs/mine/sharing")
        self.page.see("Only its owner and administrators change this.")
        self.page.open("#/datasets/points/sharing")
        self.page.see("Not found")
        self.page.log_in(self.tokens["ada"])
        self.page.open("#/datasets/points/sharing")
        self.page.element("input[value=public]").click()
        self.page.button("Save").click()
        self.page.see("everybody reads it", ".notice")
        self.be("bob")
        self.assertTrue(self.server.call("GetDataset", name="datasets/points").sharing.public)

    def test_an_administrator_makes_a_user_and_a_token(self):
        self.page.log_in(self.tokens["root"])
        self.page.open("#/users")
        self.page.see("ada", "table")
        self.page.button("Add a user").click()
        self.page.element("dialog input").send_keys("eve")
        self.page.element("dialog summary").click()
        threads = next(label for label in self.page.all("dialog .limits label") if label.text == "threads")
        threads.find_element("css selector", "input").send_keys("3")
        self.page.button("Add").click()
        self.page.see("0 of 3", ".gauge")
        self.page.button("New token").click()
        self.page.element("dialog input").send_keys("laptop")
        self.page.button("Make it").click()
        secret = self.page.element("dialog .secret").get_attribute("value")
        self.page.button("I have it").click()
        self.page.see("laptop", "table")
        self.assertNotIn(secret, self.page.driver.page_source)

        self.page.log_in(secret)
        self.page.open("#/users")
        self.page.see("(you)", "h1")
        self.page.see("laptop", "table")
        self.assertNotIn("All users", self.page.text())
        self.page.button("Revoke").click()
        self.page.button("Revoke it").click()
        self.page.element("dialog input[type=password]")


class LoginTest(unittest.TestCase):
    def test_a_token_lets_in_and_nothing_else_does(self):
        server = PageServer()
        data = server.folder / "data"
        token = subprocess.run([browser.service.PROGRAMS / "traind", "token", "create", "ada", "--role", "admin", "--data-dir", data],
                               check=True, capture_output=True, text=True).stdout.split()[-1]
        page = Page(server.url)
        self.addCleanup(page.close)
        page.open("#/jobs")
        field = page.element("dialog input[type=password]")
        field.send_keys("not-a-token", Keys.ENTER)
        page.see("lets nobody in", "dialog")
        field.clear()
        field.send_keys(token, Keys.ENTER)
        page.see("There is no job yet")
        page.see("ada", ".account")
        self.assertEqual(page.driver.execute_script("return document.cookie"), "")
        self.assertNotIn(token, page.driver.page_source)
        page.button("Log out").click()
        page.element("dialog input[type=password]")
        self.assertEqual([line for line in page.complaints() if "401" not in line], [])
        self.assertEqual(page.strangers(), [])


if __name__ == "__main__":
    unittest.main()
