# SPDX-License-Identifier: MIT
"""The sample report in a true browser: sorting, filtering, views by mouse, keyboard and address, light and dark, widths
from phone to desktop, contrast. Any message on the console and any request to a network is a failure. Debian:
chromium chromium-driver python3-selenium; without them the test is skipped (77).

usage: test_browser.py WRITE_SAMPLE_REPORT
"""
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from browser import CONTRAST, BrowserCase  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select  # noqa: E402

PROGRAM = sys.argv.pop(1)
PER_CLASS = 5
WIDTHS = (320, 360, 800, 1400)


class BrowserTest(BrowserCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        path = Path(cls.folder.name) / "report.html"
        subprocess.run([PROGRAM, path, str(PER_CLASS)], check=True, timeout=100)
        cls.url = path.as_uri()

    def column(self, index):
        """Sort keys of the rows that can be seen, from top to bottom."""
        return self.script("return Array.from(document.querySelectorAll('.pictures tbody tr'))"
                           ".filter((r) => r.getClientRects().length).map((r) => r.cells[arguments[0]].dataset.value)",
                           index)

    def title(self):
        """Heading of the open view, None if none is open."""
        return self.script("const h = document.querySelector('dialog[open] h3'); return h && h.textContent")

    def test_sorting(self):
        self.open()
        heads = self.driver.find_elements(By.CSS_SELECTOR, ".pictures thead th")
        self.assertEqual([head.text for head in heads], ["Picture", "Class", "Truth", "Outcome", "Score", "Seconds"])
        before = self.column(0)
        for index, head in enumerate(heads):
            button = head.find_element(By.TAG_NAME, "button")
            directions = set()
            for _ in range(2):
                self.script("arguments[0].scrollIntoView({block: 'center'})", button)
                button.click()
                direction = head.get_attribute("aria-sort")
                directions.add(direction)
                values = self.column(index)
                self.assertEqual(sorted(values), sorted(self.column(index)))
                if index >= 4:
                    numbers = [float(value) for value in values]
                    self.assertEqual(numbers, sorted(numbers, reverse=direction == "descending"))
                elif index >= 1:
                    self.assertEqual(values, sorted(values, reverse=direction == "descending"))
            self.assertEqual(directions, {"ascending", "descending"})
            self.assertEqual(len(self.driver.find_elements(By.CSS_SELECTOR, "[aria-sort]")), 1)
        self.assertEqual(sorted(before), sorted(self.column(0)))  # nothing was lost

    def test_filtering(self):
        self.open()
        total = len(self.column(0))
        self.assertEqual(total, 7 * PER_CLASS + 1)
        status = self.find("form output")
        self.assertEqual(status.text, f"All {total} pictures")
        Select(self.find("[name=class]")).select_by_visible_text("wood")
        self.assertEqual(self.column(1), ["wood"] * PER_CLASS)
        self.assertEqual(status.text, f"{PER_CLASS} of {total} pictures")
        self.find("[name=text]").send_keys("GOOD")
        self.assertTrue(all("good" in path for path in self.column(0)))
        self.assertGreater(len(self.column(0)), 0)
        self.find("button[type=reset]").click()
        self.wait(lambda: len(self.column(0)) == total)
        Select(self.find("[name=outcome]")).select_by_value("wrong")
        self.assertEqual(set(self.column(3)), {"missed", "false alarm"})
        self.find("[name=text]").send_keys("nothing has this name")
        self.assertEqual(self.column(0), [])
        self.assertEqual(status.text, f"0 of {total} pictures")

    def test_a_number_of_the_summary_shows_its_pictures(self):
        self.open()
        link = self.find("[data-show=missed]")
        count = int(link.text.split()[0])
        link.click()
        self.assertEqual(self.column(3), ["missed"] * count)

    def test_view_by_mouse_and_keyboard(self):
        self.open()
        links = self.driver.find_elements(By.CSS_SELECTOR, ".pictures tbody a")
        self.script("arguments[0].scrollIntoView({block: 'center'})", links[0])
        links[0].click()
        self.wait(self.title)
        first = self.title()
        self.assertEqual(first, self.column(0)[0])
        self.assertTrue(self.driver.current_url.endswith("#picture-0"))
        self.assertTrue(self.script("return Array.from(document.querySelectorAll('dialog img'))"
                                    ".every((i) => i.complete && i.naturalWidth > 0)"))
        self.press(Keys.ARROW_RIGHT)
        self.wait(lambda: self.title() == self.column(0)[1])  # a hostile name, as text
        self.assertIn("<script>", self.title())
        self.find("dialog [data-do=next]").click()
        self.wait(lambda: self.title() == self.column(0)[2])
        self.press(Keys.ARROW_LEFT)
        self.press(Keys.ARROW_LEFT)
        self.wait(lambda: self.title() == first)
        self.press(Keys.ARROW_LEFT)  # from the first to the last that has a view
        self.wait(lambda: self.title() == self.column(0)[-2])
        self.press(Keys.ESCAPE)
        self.wait(lambda: self.title() is None)
        self.wait(lambda: "picture" not in self.driver.current_url)  # going back in history takes its time
        self.wait(lambda: self.script("return document.activeElement.getAttribute('href')") == "#picture-0")
        self.assertEqual(self.script("return document.querySelectorAll('.views .view').length"), 7 * PER_CLASS)

    def test_next_follows_the_table(self):
        self.open()
        Select(self.find("[name=class]")).select_by_visible_text("marble")
        self.script("document.querySelectorAll('.pictures thead button')[4].click()")
        order = self.column(0)
        self.script("document.querySelector('.pictures tbody tr:not([hidden]) a').click()")
        self.wait(self.title)
        seen = []
        for _ in order:
            seen.append(self.title())
            self.press(Keys.ARROW_RIGHT)
            self.wait(lambda: self.title() != seen[-1])
        self.assertEqual(seen, order)
        self.assertEqual(self.title(), order[0])  # round
        self.assertEqual(self.find("dialog .bar p").text, f"1 of {PER_CLASS}")

    def test_address_and_history(self):
        self.open("#picture-3")
        self.wait(self.title)
        self.assertEqual(self.title(), self.column(0)[3])
        self.find("dialog [data-do=close]").click()
        self.wait(lambda: self.title() is None)
        self.script("location.hash = '#picture-2'")
        self.wait(self.title)
        self.driver.back()
        self.wait(lambda: self.title() is None)
        self.driver.forward()
        self.wait(self.title)
        self.open("#class-3")
        self.assertTrue(self.script("return document.getElementById('class-3').open"))

    def test_keyboard_reaches_everything(self):
        self.open()
        self.press(Keys.TAB)
        self.assertEqual(self.script("return document.activeElement.className"), "skip")
        self.press(Keys.ENTER)
        self.press(Keys.TAB)  # into the main part
        self.assertTrue(self.script("return document.activeElement.closest('main') !== null"))
        self.assertNotEqual(self.script("return getComputedStyle(document.activeElement).outlineStyle"), "none")

    def test_widths(self):
        for width in WIDTHS:
            for fragment in ("", "#picture-4"):
                with self.subTest(width=width, fragment=fragment):
                    self.open(fragment, width)
                    self.expect_no_overflow()
                    if fragment:
                        scroll, client = self.script("const d = document.querySelector('dialog');"
                                                     "return [d.scrollWidth, d.clientWidth]")
                        self.assertLessEqual(scroll, client)

    def test_light_and_dark(self):
        for scheme, is_dark in (("light", False), ("dark", True)):
            for fragment in ("", "#picture-4"):
                with self.subTest(scheme=scheme, fragment=fragment):
                    self.open(fragment, scheme=scheme)
                    self.script("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
                    page = self.script("return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
                    self.assertEqual(sum(page) < 3 * 128, is_dark)
                    ratio, text = self.script(CONTRAST)
                    self.assertGreaterEqual(ratio, 4.5, text)

    def test_readable_without_script(self):
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        self.addCleanup(self.driver.execute_cdp_cmd, "Emulation.setScriptExecutionDisabled", {"value": False})
        self.open()
        views = self.driver.find_elements(By.CSS_SELECTOR, ".views .view")
        self.assertEqual(len(views), 7 * PER_CLASS)
        self.assertTrue(views[0].is_displayed())
        self.assertFalse(self.find("form").is_displayed())
        self.assertFalse(self.find("dialog").is_displayed())


unittest.main()
