# SPDX-License-Identifier: MIT
"""The page of `moeclip serve` in a true browser: pictures that are dropped on it, what cannot be judged, light and dark,
narrow and wide. Any request to another place is a failure. Without a browser the test is skipped (77).

usage: test_serve_page.py TOOL
"""
import base64
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from browser import CONTRAST, BrowserCase  # noqa: E402
from support import TOOL, png  # noqa: E402

DROP = """
const data = new DataTransfer();
for (const [name, type, text] of arguments[0])
  data.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name, {type}));
for (const kind of ['dragenter', 'dragover', 'drop'])
  document.querySelector(arguments[1]).dispatchEvent(
      new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: data}));
"""
PICTURE = ("a long name of a picture of the night shift 0001234567890.png", "image/png",
           base64.b64encode(png(64, 48, bytes((x * y) % 251 for y in range(48) for x in range(3 * 64)))).decode())
OTHER = ("<img src=x onerror=alert(1)>.txt", "text/plain", base64.b64encode(b"no picture").decode())


class ServePage(BrowserCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        process = subprocess.Popen([TOOL, "serve", "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE)
        cls.addClassCleanup(lambda: (process.kill(), process.wait(), process.stderr.close()))
        while b"listening at" not in (line := process.stderr.readline()):
            assert line, "the server has ended"
        cls.url = line.split()[-1].decode() + "/"

    def rows(self):
        return self.script("return [...document.querySelectorAll('#last tr')].map((r) => r.cells[1].textContent)")

    def drop(self, files, place="#drop"):
        before = len(self.rows())
        self.script(DROP, files, place)
        self.wait(lambda: len(self.rows()) > before and "looking" not in self.find("#said").text)

    def test_pictures_are_dropped(self):
        self.open()
        self.drop([PICTURE])
        self.drop([PICTURE, PICTURE], "h1")  # beside the box, where a browser would leave the page
        self.assertEqual(self.find("#said").text, f"{PICTURE[0]}\n{PICTURE[0]}")
        self.assertTrue(all(row == "64 x 48" for row in self.rows()))
        self.assertGreater(self.script("return document.querySelector('#shown img').naturalWidth"), 64)

    def test_what_cannot_be_judged_is_told(self):
        self.open()
        self.drop([OTHER, PICTURE])
        self.assertIn(f"{OTHER[0]}: body: not a picture", self.find("#said").text)
        self.assertFalse(self.script("return document.querySelector('#said img')"))
        noted, = self.driver.get_log("browser")
        self.assertIn("422", noted["message"])

    def test_light_and_dark_narrow_and_wide(self):
        for scheme in ("light", "dark"):
            for width in (320, 1400):
                self.open(width=width, scheme=scheme)
                self.drop([PICTURE])
                self.expect_no_overflow()
                ratio, text = self.script(CONTRAST)
                self.assertGreater(ratio, 4.5, f"{scheme}, {width}: {text}")
        ground = self.script("return getComputedStyle(document.body).backgroundColor")
        self.assertEqual(ground, "rgb(22, 22, 22)")


unittest.main()
