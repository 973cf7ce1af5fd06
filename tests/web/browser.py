"""A real Chromium for the tests of the page and its screenshots: Debian's chromium, chromium-driver, python3-selenium."""
import json
import pathlib
import socket
import sys
import time

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service as Driver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "api"))
import service  # noqa: E402

PATIENCE = 120.0  # Seconds. Longer than anything here takes on a busy machine; a test that reaches it has failed.
STREAMING = {name for name, method in service.methods().items() if method.server_streaming}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class PageServer(service.Service):
    """A real traind with its page, on a port that stays the same over a restart."""

    def __init__(self, *flags):
        self.http_port = free_port()
        super().__init__("--http-listen", f"127.0.0.1:{self.http_port}", *flags)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http_port}/"


class Page:
    """A window of a headless browser, which remembers what it asked for and what it complained about."""

    def __init__(self, url, width=1280, height=900, dark=False):
        options = Options()
        for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "hide-scrollbars",
                     "force-device-scale-factor=1", "force-prefers-reduced-motion", f"window-size={width},{height}"):
            options.add_argument(f"--{flag}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.url = url
        self.driver = webdriver.Chrome(service=Driver("/usr/bin/chromedriver"), options=options)
        self.driver.set_script_timeout(PATIENCE)
        self.asked = []  # What the network did, as far as it was read.
        self.size(width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def size(self, width, height):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})

    def open(self, address):
        """A view, as if its address had been sent to somebody."""
        self.driver.get("about:blank")
        self.driver.get(self.url + address)

    def log_in(self, token):
        """As this user alone."""
        self.driver.delete_all_cookies()
        self.open("#/jobs")
        self.element("dialog input[type=password]").send_keys(token, Keys.ENTER)
        self.element(".account .name")

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector="body"):
        return self.driver.execute_script(
            "return [...document.querySelectorAll(arguments[0])].map((found) => found.innerText).join('\\n')", selector)

    def until(self, condition, what):
        """What the condition gives as soon as it is something."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                found = condition()
                if found:
                    return found
            except StaleElementReferenceException:
                pass
            time.sleep(0.1)
        raise AssertionError(f"the page says:\n{self.text()[:2000]}\nits console: {self.complaints()}\nwaited in vain for {what}")

    def see(self, text, selector="body"):
        self.until(lambda: text in self.text(selector), f'"{text}"')

    def element(self, selector):
        return self.until(lambda: next(iter(self.all(selector)), None), selector)

    def button(self, label):
        return self.until(lambda: next((b for b in self.all("button, a.button") if b.text == label and b.is_enabled()), None),
                          f"the button {label}")

    def overflow(self):
        """How many pixels the page is wider than its window."""
        return self.driver.execute_script("return document.documentElement.scrollWidth - window.innerWidth")

    def complaints(self):
        """Errors and warnings of the console, but for connections that a test has cut itself."""
        return [line["message"] for line in self.driver.get_log("browser")
                if line["level"] in ("SEVERE", "WARNING") and "net::ERR_" not in line["message"]]

    def network(self):
        """All that the network did since the page was opened, in order: (method, params)."""
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            self.asked.append((message["method"], message["params"]))
        return self.asked

    def strangers(self):
        """Requests to anywhere else."""
        urls = (params["request"]["url"] for method, params in self.network() if method == "Network.requestWillBeSent")
        return [url for url in urls if not url.startswith((self.url, "blob:", "about:"))]

    def streams(self):
        """(how many streaming calls there were, how many of them at a time at most)"""
        under_way, total, most = set(), 0, 0
        network = [(method, params) for method, params in self.network() if method.startswith("Network.") and "timestamp" in params]
        for method, params in sorted(network, key=lambda entry: entry[1]["timestamp"]):  # The ends come late in the log.
            if method == "Network.requestWillBeSent" and params["request"]["url"].rpartition("/")[2] in STREAMING:
                under_way.add(params["requestId"])
                total, most = total + 1, max(most, len(under_way))
            elif params.get("type") == "Document":
                under_way.clear()  # With a page all its calls end; of some nothing is told.
            elif method in ("Network.loadingFinished", "Network.loadingFailed"):
                under_way.discard(params["requestId"])
        return total, most

    def close(self):
        self.driver.quit()
