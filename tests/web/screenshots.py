#!/usr/bin/python3
"""The pictures of the README, of a server that has trained two jobs or more on images. Look at them, and at those of other
widths: 360 is a telephone, 3840 a large screen.

    tests/web/screenshots.py http://127.0.0.1:8080/ JOB,JOB FOLDER [WIDTH [dark]]
"""
import pathlib
import sys
import time

from browser import Page

url, jobs, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
width = int(sys.argv[4]) if len(sys.argv) > 4 else 1280
first = jobs.split(",")[0]
views = {"jobs": "#/jobs", "job": f"#/jobs/{first}", "layers": f"#/jobs/{first}?tab=layers&layer=conv3", "compare": f"#/compare?jobs={jobs}",
         "mistakes": f"#/jobs/{first}?tab=evaluation", "editor": "#/new?beside=graph", "lecture": "#/lecture", "models": "#/models",
         "users": "#/users"}


def evaluate(page):
    page.button("Evaluate").click()
    page.element(".mistakes canvas")


def scroll_to(selector):
    return lambda page: page.driver.execute_script("arguments[0].scrollIntoView()", page.element(selector))


before = {"layers": scroll_to(".chart"), "mistakes": lambda page: (evaluate(page), scroll_to(".result")(page))}

folder.mkdir(parents=True, exist_ok=True)
page = Page(url, width, width * 9 // 16 if width > 1280 else 800, dark="dark" in sys.argv)
for name, address in views.items():
    page.open(address)
    page.element("main h1")
    time.sleep(5)  # Until the last number is there: nothing in the page says so.
    if name in before:
        before[name](page)
        time.sleep(1)
    page.driver.save_screenshot(str(folder / f"{name}.png"))
    print(name, "is wider than its window" if page.overflow() > 0 else "", *page.complaints(), *page.strangers())
page.close()
