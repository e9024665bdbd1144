# SPDX-License-Identifier: MIT
"""What tests in a true browser share: headless Chromium, whose every message on the console and every request to a network
is a failure. Debian: chromium chromium-driver python3-selenium; without them a test is skipped (77).
"""
import importlib.util
import json
import os
import shutil
import sys
import tempfile
import unittest

SKIPPED = 77
DRIVER = shutil.which("chromedriver")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def need(condition, message):
    if not condition:
        print(f"skipped: {message}")
        sys.exit(SKIPPED)


need(DRIVER and BROWSER, "no chromium and chromedriver (Debian: chromium chromium-driver)")
if importlib.util.find_spec("selenium") is None:  # Debian's package belongs to Debian's python
    system = "/usr/bin/python3"
    need(os.path.realpath(sys.executable) != os.path.realpath(system) and os.path.exists(system),
         "no selenium (Debian: python3-selenium)")
    os.execv(system, [system, *sys.argv])

from selenium import webdriver  # noqa: E402
from selenium.webdriver.chrome.options import Options  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

# The lowest contrast of any text with what is behind it (WCAG 2), and which text that is.
CONTRAST = """
const channel = (v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const ground = (e) => {
  for (; e; e = e.parentElement) {
    const color = rgb(getComputedStyle(e).backgroundColor);
    if (color.length < 4 || color[3] === 1) return color;
  }
  return [255, 255, 255];
};
let worst = [99, ''];
document.querySelectorAll('body *').forEach((e) => {
  if (!e.checkVisibility() || !Array.from(e.childNodes).some((n) => n.nodeType === 3 && n.data.trim())) return;
  if (e.closest('script')) return;
  const style = getComputedStyle(e);
  const a = light(rgb(e instanceof SVGElement ? style.fill : style.color)), b = light(ground(e));
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < worst[0]) worst = [ratio, e.outerHTML.slice(0, 120)];
});
return worst;
"""


class BrowserCase(unittest.TestCase):
    """A browser for all tests of a class. `url` is the page, set by who inherits."""
    url = ""
    arguments = ()  # of the browser, besides those that all need
    patience = 10   # seconds

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="moeclip-browser-")
        cls.addClassCleanup(cls.folder.cleanup)
        options = Options()
        options.binary_location = BROWSER
        for argument in ("--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                         f"--user-data-dir={cls.folder.name}/profile", *cls.arguments):
            options.add_argument(argument)
        if hasattr(os, "geteuid") and os.geteuid() == 0:  # its sandbox refuses to run as root
            options.add_argument("--no-sandbox")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        cls.driver = webdriver.Chrome(service=Service(DRIVER), options=options)
        cls.addClassCleanup(cls.driver.quit)
        cls.driver.get("about:blank")
        cls.driver.get_log("performance")  # what the browser did for itself at its start

    def open(self, fragment="", width=1400, scheme="light"):
        """Opens the page anew."""
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                    {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                    {"features": [{"name": "prefers-color-scheme", "value": scheme},
                                                  {"name": "prefers-reduced-motion", "value": "reduce"}]})
        self.driver.get("about:blank")
        self.driver.get(self.url + fragment)

    def tearDown(self):
        self.assertEqual([entry["message"] for entry in self.driver.get_log("browser")], [])
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                url = message["params"]["request"]["url"]
                self.assertTrue(url.startswith((self.url, f"blob:{self.url}", "data:")), url[:200])

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def script(self, text, *arguments):
        return self.driver.execute_script(text, *arguments)

    def wait(self, condition):
        WebDriverWait(self.driver, self.patience).until(lambda _: condition())

    def press(self, key):
        ActionChains(self.driver).send_keys(key).perform()

    def expect_no_overflow(self):
        wide = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        scroll, client = self.script(wide)
        self.assertLessEqual(scroll, client)
