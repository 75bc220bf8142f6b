#!/usr/bin/env python3
"""test_page.py - the page of a running job in a real browser: TEST_BRAID is the program.

Screenshots are left in build/page/. Exit code 77: there is no Chromium, which is a failure where CI
is true.
"""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import browser  # noqa: E402
from http_job import ITEMS, Job, USERS  # noqa: E402

if not browser.PROGRAM:
    print("no chromium", file=sys.stderr)
    sys.exit(1 if os.environ.get("CI") == "true" else 77)

EVIL = "<img src=x onerror=alert(1)>"


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.job = Job(*cls.titles())
        cls.addClassCleanup(cls.job.close)
        cls.job.send_line(json.dumps({"user": EVIL, "item": "caf\u00e9 7", "time": 1700000000000}))
        cls.job.send_line(json.dumps({"user": EVIL, "item": "x" * 117, "time": 1700000001000}))
        cls.job.send(USERS * 12)
        cls.browser = browser.Browser()
        cls.addClassCleanup(cls.browser.close)

    @classmethod
    def titles(cls):
        """Every second item has one."""
        path = os.path.join(os.getcwd(), "build/page/titles.tsv")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write("item\ttitle\n")
            file.writelines(f"caf\u00e9 {item}\tThe Title of {item} <b>\n" for item in range(0, ITEMS, 2))
        return [f"--http.catalogue={path}"]

    def open(self, user, width=1200, height=900, scheme="light"):
        self.browser.show(width, height, scheme)
        self.browser.call("Page.navigate", url="about:blank")
        self.browser.call("Page.navigate", url=f"{self.job.url}#{user}")
        self.browser.wait(f"document.documentElement.dataset.shown === decodeURIComponent('{user}')")

    def texts(self, selector):
        return self.browser.value(
            f"[...document.querySelectorAll({json.dumps(selector)})].map(one => one.textContent)")

    def test_1_a_user_is_shown_as_the_job_answers(self):
        self.open("u3")
        interests = self.job.ask("/users/u3/interests")["interests"]
        self.assertEqual(len(self.texts(".card")), len(interests))
        history = self.job.ask("/users/u3/history?last=200")["history"]
        self.assertEqual(len(self.texts("#history tr")), len(history))
        self.assertEqual(len(self.texts("#line circle")), len(history))
        depths = self.browser.value("[...document.querySelectorAll('.card')].map(card => card.firstChild"
                                    ".getBoundingClientRect().top - card.getBoundingClientRect().top)")
        self.assertLess(max(depths) - min(depths), 2)  # titles of a row stand on one line
        items = self.job.ask("/users/u3/recommendations?n=12")["items"]
        shown = self.texts("#items .name")
        self.assertEqual(shown, [item.get("title", item["item"]) for item in items])
        self.assertTrue(any("The Title of" in one for one in shown))
        self.assertGreater(len(self.texts("#moves tr")), 2)
        self.browser.wait("document.getElementById('job').children.length > 10")
        self.assertEqual(self.texts("#health"), ["ready"])
        self.assertEqual(self.texts("#said"), [""])
        self.browser.picture("build/page/desktop.png")

    def test_2_an_interest_is_chosen_with_the_keyboard_alone(self):
        self.open("u5")
        self.browser.value("document.getElementById('another').focus()")
        self.browser.key("Tab")
        self.assertEqual(self.browser.value("document.activeElement.className"), "card")
        self.browser.key("Enter", "\r")
        self.browser.wait("document.querySelector('.card').getAttribute('aria-pressed') === 'true'")
        items = self.job.ask("/users/u5/recommendations?n=12&interest=1")["items"]
        self.browser.wait(f"document.querySelector('#items .name').textContent === "
                          f"{json.dumps(items[0].get('title', items[0]['item']))}")

    def test_3_another_user_is_typed_and_a_missing_one_is_said_to_be(self):
        self.open("u3")
        for user, said in (("u7", ""), ("nobody", "no such user")):
            self.browser.value(f"document.getElementById('user').focus(); "
                               f"document.getElementById('user').value = '{user}'")
            self.browser.key("Enter", "\r")
            self.browser.wait(f"document.getElementById('said').textContent === '{said}' && "
                              f"location.hash === '#{user}'")
            if not said:
                self.browser.wait(f"document.documentElement.dataset.shown === '{user}'")

    def test_4_it_fits_a_phone_in_the_dark(self):
        self.open("u3", 390, 844, "dark")
        self.assertLessEqual(self.browser.value("document.documentElement.scrollWidth"), 390)
        self.assertEqual(self.browser.value("getComputedStyle(document.body).backgroundColor"),
                         "rgb(21, 23, 26)")
        sizes = self.browser.value("[...document.querySelectorAll('#line text')]"
                                   ".map(one => one.getBoundingClientRect().height)")
        self.assertEqual(len(sizes), 2)
        self.assertGreater(min(sizes), 10)  # pixels: it can be read
        self.browser.picture("build/page/phone-dark.png")

    def test_5_what_comes_from_data_is_text(self):
        self.open("%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E")
        self.assertEqual(self.browser.value("document.images.length"), 0)
        self.assertIn(EVIL, self.texts("#who")[0])
        self.assertEqual(self.texts("#history .name"), ["a new item", "caf\u00e9 7"])

    def test_6_it_asks_nobody_else_and_complains_of_nothing(self):
        others = [url for url in self.browser.asked
                  if not url.startswith((self.job.url, "about:", "data:"))]
        self.assertEqual(others, [])
        faults = [fault for fault in self.browser.faults  # but for answers of 404 that were meant
                  if "/users/nobody/" not in fault.get("url", "")
                  and not fault.get("url", "").endswith("/curve")]
        self.assertEqual(faults, [])


if __name__ == "__main__":
    unittest.main()
