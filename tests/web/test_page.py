# SPDX-License-Identifier: MIT
"""The page of examples/web in a true browser, compared with the native tool: verdicts, maps, what is learned, model files;
damaged files, keyboard, camera, widths, contrast. Any message on the console and any request elsewhere is a failure.

usage: test_page.py SITE TOOL      SITE: build/web/site
"""
import base64
import functools
import http.server
import json
import sys
import threading
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "support"), str(HERE)]
from browser import CONTRAST, BrowserCase, need  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

import native  # noqa: E402

need(len(sys.argv) > 2 and Path(sys.argv[1]).is_dir(), "no site or no native tool (cmake --workflow --preset tool)")
TOOL, SITE = sys.argv.pop(2), sys.argv.pop(1)
MODELS = HERE.parent / "golden" / "model"
IDLE = ("return 'ready' in document.documentElement.dataset && "
        "!document.querySelector('main').hasAttribute('aria-busy')")

# Judges a picture by a worker of its own, as the page does, and calls back with what the page only shows.
DIRECTLY = """
const [model, name, picture, done] = arguments, worker = new Worker('worker.js', {type: 'module'});
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
worker.onmessage = ({data}) => {
  if (data.error || data.id === 2) { worker.terminate(); done(data.error || {...data.result, values: Array.from(data.result.map.values)}); }
};
worker.postMessage(model ? {id: 1, method: 'useFile', args: [bytes(model), name]} : {id: 1, method: 'useBuiltin', args: []});
worker.postMessage({id: 2, method: 'judge', args: [bytes(picture), 'picture']});
"""
DROP = """
const data = new DataTransfer();
data.items.add(new File([Uint8Array.from(atob(arguments[2]), (c) => c.charCodeAt(0))], arguments[1]));
arguments[0].dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}));
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def text_of(path):
    return base64.b64encode(Path(path).read_bytes()).decode()


class PageCase(BrowserCase):
    arguments = ("--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync")
    patience = 100

    @classmethod
    def setUpClass(cls):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=SITE))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        cls.url = f"http://127.0.0.1:{server.server_port}/"
        super().setUpClass()
        cls.driver.set_script_timeout(100)

    def open(self, *arguments, **options):
        super().open(*arguments, **options)
        self.wait_idle()

    def wait_idle(self):
        self.wait(lambda: self.script(IDLE))

    def text(self, name):
        return self.script("return document.getElementById(arguments[0]).textContent", name)

    def click(self, name):
        self.script("arguments[0].scrollIntoView({block: 'center'}); arguments[0].click()", self.find(f"#{name}"))
        self.wait_idle()

    def choose(self, name, *paths):
        self.find(f"#{name}").send_keys("\n".join(map(str, paths)))
        self.wait(lambda: self.script(f"return document.getElementById('{name}').value") == "")
        self.wait_idle()

    def type(self, field, text):
        """In place of what is there; leaving the field takes it over."""
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text, Keys.TAB)

    def problem(self):
        return self.text("problem") if self.find("#problem").is_displayed() else None

    def expect_verdict(self, found, picture, most=0):
        """What the page says is what the native tool says, to the digits that it shows."""
        self.assertIsNone(self.problem())
        word = {True: "DEFECT", False: "good", None: "no verdict"}[found["is_anomalous"]]
        count = len(found["regions"])
        said = self.text("said")
        self.assertTrue(said.startswith(f"{word}: score "), said)
        self.assertIn(f"{count} region{'' if count == 1 else 's'} in {picture}.", said)
        self.assertLessEqual(abs(float(self.text("score")) - found["score"]), 0.00051 + most)
        self.assertEqual(len(self.driver.find_elements(By.CSS_SELECTOR, "#regions tr")), count)
        self.assertEqual(len(self.driver.find_elements(By.CSS_SELECTOR, "#boxes .box")), count)


class PageTest(PageCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pictures = Path(cls.folder.name) / "wood"
        native.run(TOOL, "synthesize", "--out", cls.pictures, "--categories", "wood", "--defects", "hole", "--count", 8,
                   "--size", 160)
        cls.good = sorted((cls.pictures / "wood/train/good").iterdir())
        cls.defects = sorted((cls.pictures / "wood/test/hole").iterdir())
        cls.defect = cls.defects[0]
        cls.out = Path(cls.folder.name) / "out"

    def directly(self, picture, model=None):
        return self.driver.execute_async_script(DIRECTLY, model and text_of(model), model and model.name, text_of(picture))

    def expect_near(self, picture, model=None):
        """The worker's numbers are those of the native tool, within the bound."""
        expected, most = native.bound(TOOL, picture, self.out, *(("--model", model) if model else ()))
        found = self.directly(picture, model)
        apart = native.distance(expected, found)
        print(f"{model.name if model else 'built-in'}: {apart:.1e} from scalar, bound {most:.1e}")
        self.assertLessEqual(apart, most)
        self.assertEqual([[r[key] for key in ("x", "y", "width", "height")] for r in found["regions"]],
                         [[r[key] for key in ("x", "y", "width", "height")] for r in expected["regions"]])
        return expected

    def test_starts_and_is_honest(self):
        self.open()
        self.assertIn("kernels simd128", self.text("about"))
        self.assertFalse(self.find("#starting").is_displayed())
        self.assertIn("on photographs its verdicts are noise", self.text("model-says"))
        self.assertEqual(self.text("said"), "No picture yet.")
        self.assertIsNone(self.problem())

    def test_built_in_model(self):
        self.open()
        expected = self.expect_near(self.defect)
        self.choose("judge-file", self.defect)
        self.expect_verdict(expected, self.defect.name)
        self.assertIn("noise", self.text("said"))
        self.assertEqual(len(self.driver.find_elements(By.CSS_SELECTOR, "#figures img")), 6)
        self.assertTrue(self.script("return Array.from(document.images).every((i) => i.complete && i.naturalWidth > 0)"))
        self.assertEqual(self.text("sentence"), native.explain(TOOL, self.defect)["sentence"])

    def test_names_as_sure_as_the_tool(self):
        """A defect whose name is certain, and one whose kind the page leaves open, with the tool's figures."""
        self.open()
        for picture, fact in ((self.defects[1], "It is a case of \"hole\""), (self.defects[4], "is not certain")):
            self.choose("judge-file", picture)
            self.assertEqual(self.text("sentence"), native.explain(TOOL, picture)["sentence"])
            self.assertIn(fact, self.text("sentence"))

    def test_learns_as_the_tool_does(self):
        file = Path(self.folder.name) / "native.moeclip"
        expected = json.loads(native.run(TOOL, "learn", *self.good, "--out", file, "--json", "--force"))
        self.open()
        self.choose("good-file", *self.good)
        self.assertEqual(self.text("good-says"), "8 good pictures.")
        self.choose("judge-file", self.defect)
        self.click("learn")
        self.assertIn(f"Threshold {expected['threshold']:.3f}", self.text("model-says"))
        found, most = native.bound(TOOL, self.defect, self.out, "--model", file)
        self.expect_verdict(found, self.defect.name)  # it was judged anew
        self.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": self.folder.name})
        self.click("save")
        saved = Path(self.folder.name) / "learned.moeclip"
        self.wait(lambda: saved.exists() and saved.stat().st_size == file.stat().st_size)
        self.assertLessEqual(native.distance(native.judge(TOOL, self.defect, self.out, "--model", saved), found), most)
        said = self.text("said")
        self.click("builtin")
        self.assertNotEqual(self.text("said"), said)
        self.choose("model-file", saved)
        self.assertEqual(self.text("said"), said)

    def test_page_answers_while_it_learns(self):
        self.open()
        self.choose("good-file", *self.good[:3])
        self.script("document.getElementById('learn').click()")
        self.wait(lambda: self.find("#progress").is_displayed())
        self.assertEqual(self.script("return document.querySelector('main').getAttribute('aria-busy')"), "true")
        self.wait(lambda: "Learning: " in self.text("good-says") or self.script(IDLE))
        self.wait_idle()
        self.assertFalse(self.find("#progress").is_displayed())

    def test_model_files(self):
        self.open()
        for name in ("words.moeclip", "fused.moeclip", "textures.moeclip"):
            with self.subTest(name):
                self.expect_near(MODELS / "bad.png", MODELS / name)
                self.script(DROP, self.find("body"), name, text_of(MODELS / name))
                self.wait(lambda: self.text("model-says").startswith(name))
                self.wait_idle()
                for picture in ("good.png", "bad.png"):
                    self.choose("judge-file", MODELS / picture)
                    expected, most = native.bound(TOOL, MODELS / picture, self.out, "--model", MODELS / name)
                    self.expect_verdict(expected, picture, most)

    def test_own_threshold_and_class(self):
        self.open()
        self.choose("judge-file", self.defect)
        for value, word in (("0.99", "good"), ("0.01", "DEFECT")):
            field = self.find("#own-threshold")
            self.type(field, value)
            self.wait(lambda: self.text("said").startswith(word))
            self.wait_idle()
        self.type(field, "7")
        self.assertEqual(self.problem(), "A threshold lies between 0 and 1.")
        score = self.text("score")
        self.type(self.find("#class"), "wooden board")
        self.wait_idle()
        expected = native.judge(TOOL, self.defect, self.out, "--class", "wooden board")
        self.assertLessEqual(abs(float(self.text("score")) - expected["score"]), 0.00051)
        self.assertNotEqual(self.text("score"), score)

    def test_damaged_files_are_told_in_words(self):
        folder = Path(self.folder.name)
        whole = self.defect.read_bytes()
        model = bytearray((MODELS / "words.moeclip").read_bytes())
        model[-5] ^= 1
        files = {"cut.png": (whole[:1000], "cut off"), "letter.png": (b"Dear all,", "not a picture"), "empty.png": (b"", "empty"),
                 "flipped.moeclip": (bytes(model), "damaged"), "none.moeclip": (b"PK\3\4" + bytes(40), "none.moeclip"),
                 "picture.moeclip": (whole, "picture.moeclip")}
        self.open()
        for name, (data, fact) in files.items():
            with self.subTest(name):
                (folder / name).write_bytes(data)
                self.choose("model-file" if name.endswith("moeclip") else "judge-file", folder / name)
                self.assertIn(fact, self.problem())
                self.assertIn(name, self.problem())
        (folder / "cut.png").write_bytes(whole[:1000])
        self.choose("good-file", folder / "cut.png", self.good[0])  # the one that can be read is taken
        self.assertIn("cut.png", self.problem())
        self.assertEqual(self.text("good-says"), "1 good picture.")
        self.choose("judge-file", self.defect)  # and it goes on
        self.assertIsNone(self.problem())
        self.click("learn")
        self.assertIn("no threshold", self.text("model-says"))
        self.assertTrue(self.text("said").startswith("no verdict: "))

    def test_keyboard_alone(self):
        self.open()
        names, order = [], self.script(
            "return Array.from(document.querySelectorAll('a, button, input')).filter((e) => !e.disabled && e.checkVisibility())"
            ".map((e) => e.id || e.className)")
        for _ in order:
            self.press(Keys.TAB)
            names.append(self.script("return document.activeElement.id || document.activeElement.className"))
            self.assertNotEqual(self.script("const e = document.activeElement, z = e.closest('.drop') || e;"
                                            "return getComputedStyle(z).outlineStyle"), "none", names[-1])
        self.assertEqual(names, order)
        self.script("document.getElementById('judge-file').focus()")
        while self.script("return document.activeElement.id") != "draw-defect":
            self.press(Keys.TAB)
        self.press(Keys.ENTER)
        self.wait(lambda: self.find("#found").is_displayed())
        self.wait_idle()
        while self.script("return document.activeElement.id") != "strength":
            self.press(Keys.TAB)
        self.press(Keys.HOME)
        self.wait(lambda: self.script("return document.getElementById('cover').style.opacity") == "0")
        self.script("document.getElementById('own-threshold').value = 0.3;"
                    "document.getElementById('own-threshold').dispatchEvent(new Event('change'))")
        self.wait_idle()
        while self.script("return document.activeElement.getAttribute('aria-pressed')") != "false":
            self.press(Keys.TAB)
        self.press(Keys.SPACE)
        self.assertEqual(self.script("return document.activeElement.getAttribute('aria-pressed')"), "true")
        self.assertEqual(len(self.driver.find_elements(By.CSS_SELECTOR, ".box.chosen")), 1)

    def test_screen_reader_is_told(self):
        self.open()
        for element in self.driver.find_elements(By.CSS_SELECTOR, "button, input, progress, a, section, video"):
            if self.script("return arguments[0].checkVisibility()", element):
                self.assertTrue(element.accessible_name, element.get_attribute("outerHTML"))
        self.assertEqual(self.find("#said").get_attribute("aria-live"), "polite")
        self.assertEqual(self.find("#problem").get_attribute("role"), "alert")
        self.click("draw-defect")
        self.assertIn("score", self.find("#stage").get_attribute("aria-label"))
        self.assertTrue(all(image.get_attribute("alt")
                            for image in self.driver.find_elements(By.TAG_NAME, "img")))

    def test_widths_and_contrast(self):
        for scheme in ("light", "dark"):
            self.open(width=1400, scheme=scheme)
            self.script("document.getElementById('problem').hidden = false;"
                        "document.getElementById('problem').textContent = 'words'")
            for is_judged in (False, True):
                if is_judged:
                    self.click("draw-defect")
                ratio, text = self.script(CONTRAST)
                self.assertGreaterEqual(ratio, 4.5, text)
                for width in (320, 360, 800, 1400):
                    self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
                        "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600})
                    self.expect_no_overflow()

    def test_nothing_leaves_the_page(self):
        self.open()
        self.assertEqual(self.driver.execute_async_script(
            "const done = arguments[0]; fetch('http://127.0.0.1:9/').then(() => done('went'), () => done('refused'))"), "refused")
        messages = [entry["message"] for entry in self.driver.get_log("browser")]  # taken from the log that must be empty
        self.assertTrue(messages and all("Content Security Policy" in message for message in messages), messages)

    def test_without_a_camera(self):
        self.open()
        self.click("camera-open")
        self.wait(self.problem)
        self.assertIn("There is no picture from a camera: ", self.problem())
        self.assertFalse(self.find("#camera").is_displayed())


class CameraTest(PageCase):
    arguments = (*PageCase.arguments, "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")

    def test_camera(self):
        self.open()
        self.click("camera-open")
        self.wait(lambda: self.script("return document.getElementById('camera-view').videoWidth > 0"))
        self.script("document.getElementById('camera-judge').click()")
        self.wait(lambda: "camera 1.png" in self.text("said") and "score" in self.text("said"))
        self.script("document.getElementById('camera-good').click()")
        self.wait(lambda: self.text("good-says") == "1 good picture.")
        self.click("camera-close")
        self.assertFalse(self.find("#camera").is_displayed())
        self.assertIsNone(self.script("return document.getElementById('camera-view').srcObject"))


unittest.main()
