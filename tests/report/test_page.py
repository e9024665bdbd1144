# SPDX-License-Identifier: MIT
"""The sample report as a file: markup, addresses, pictures and policy, with nothing but Python's own library.

usage: test_page.py WRITE_SAMPLE_REPORT
"""
import base64
import hashlib
import re
import subprocess
import sys
import tempfile
import unittest
import zlib
from html.parser import HTMLParser
from pathlib import Path

PROGRAM = sys.argv.pop(1)
VOID = {"meta", "link", "img", "input", "br", "wbr"}


class Page(HTMLParser):
    """Collects what the tests ask for, and fails on a tag that does not balance."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.texts = [], [], {"script": "", "style": ""}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        if len(names) != len(set(names)):
            raise ValueError(f"an attribute of <{tag}> comes twice: {names}")
        self.tags.append((tag, dict(attributes), self.open[-1] if self.open else None))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes), self.open[-1]))

    def handle_endtag(self, tag):
        if self.open.pop() != tag:
            raise ValueError(f"</{tag}> at {self.getpos()} closes something else")

    def handle_data(self, data):
        if self.open and self.open[-1] in self.texts:
            self.texts[self.open[-1]] += data

    def all(self, tag):
        return [attributes for name, attributes, _ in self.tags if name == tag]


def png_pixels(data):
    """Bytes of the filtered rows of a PNG, whose checksums must hold."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, packed = 8, b""
    while at < len(data):
        size = int.from_bytes(data[at:at + 4], "big")
        body, check = data[at + 4:at + 8 + size], data[at + 8 + size:at + 12 + size]
        assert zlib.crc32(body) == int.from_bytes(check, "big")
        packed += body[4:] if body.startswith(b"IDAT") else b""
        at += 12 + size
    return zlib.decompress(packed)


def jpeg_size(data):
    """Width and height of a JPEG file, whose segments must follow each other."""
    assert data.startswith(b"\xff\xd8") and data.endswith(b"\xff\xd9")
    at = 2
    while data[at + 1] != 0xC0:
        assert data[at] == 0xFF
        at += 2 + int.from_bytes(data[at + 2:at + 4], "big")
    return int.from_bytes(data[at + 7:at + 9], "big"), int.from_bytes(data[at + 5:at + 7], "big")


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory(prefix="moeclip-report-") as folder:
            path = Path(folder) / "report.html"
            subprocess.run([PROGRAM, path, "4"], check=True, timeout=100)
            cls.text = path.read_text(encoding="utf-8")  # fails if it is not UTF-8
        cls.page = Page(cls.text)

    def test_markup_is_whole(self):
        self.assertEqual(self.page.open, [])
        ids = [a["id"] for _, a, _ in self.page.tags if "id" in a]
        self.assertEqual(len(ids), len(set(ids)))

    def test_links_and_labels_lead_somewhere(self):
        ids = {a["id"] for _, a, _ in self.page.tags if "id" in a}
        for tag, attributes, _ in self.page.tags:
            if tag == "a":
                self.assertTrue(attributes["href"].startswith("#"), attributes)
                self.assertIn(attributes["href"][1:], ids)
            for name in ("aria-labelledby", "data-of", "data-view"):
                if name in attributes:
                    self.assertIn(attributes[name], ids)

    def test_pictures_are_whole_and_described(self):
        images = self.page.all("img")
        self.assertGreater(len(images), 50)
        kinds = set()
        for image in images:
            kind, _, data = image["src"].partition(",")
            kinds.add(kind)
            raw = base64.b64decode(data, validate=True)
            self.assertEqual(base64.b64encode(raw).decode(), data)
            width, height = int(image["width"]), int(image["height"])
            if kind == "data:image/jpeg;base64":
                self.assertEqual(jpeg_size(raw), (width, height))
            else:
                self.assertEqual(int.from_bytes(raw[16:20], "big"), width)
                self.assertEqual(int.from_bytes(raw[20:24], "big"), height)
                self.assertEqual(len(png_pixels(raw)) % height, 0)
            self.assertTrue(image["alt"].strip())
        self.assertEqual(kinds, {"data:image/png;base64", "data:image/jpeg;base64"})
        for svg in self.page.all("svg"):
            if svg.get("aria-hidden") == "true":  # a sample of a line, beside its name
                continue
            self.assertEqual(svg["role"], "img")
            self.assertGreater(len(svg["aria-label"]), 20)

    def test_policy_lets_nothing_else_pass(self):
        policy = next(a["content"] for a in self.page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
        rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
        self.assertEqual(rules["default-src"], "'none'")
        self.assertEqual(rules["img-src"], "data:")
        for tag, rule in (("script", "script-src"), ("style", "style-src")):
            self.assertEqual(len(self.page.all(tag)), 1)
            digest = base64.b64encode(hashlib.sha256(self.page.texts[tag].encode()).digest()).decode()
            self.assertEqual(rules[rule], f"'sha256-{digest}'")
        self.assertNotRegex(self.text, r"https?:")
        for tag, attributes, _ in self.page.tags:
            self.assertFalse([name for name in attributes if name.startswith("on") or name == "style"], tag)
        self.assertFalse({"iframe", "object", "embed", "audio", "video", "base"} & {tag for tag, _, _ in self.page.tags})

    def test_hostile_names_are_text(self):
        self.assertIn("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;.png", self.text)
        self.assertIn("Pr\u00fcfst\u00fcck-\ufffd\ufffd-kaputt.png", self.text)
        self.assertEqual(len(re.findall("<script", self.text)), 1)

    def test_tables_have_captions_and_headings(self):
        tags = [tag for tag, _, _ in self.page.tags]
        self.assertEqual(tags.count("caption"), tags.count("table"))
        self.assertEqual(tags.count("h1"), 1)
        for landmark in ("header", "nav", "main", "footer"):
            self.assertEqual(tags.count(landmark), 1)
        for heading in self.page.all("th"):
            self.assertIn("scope", heading)


unittest.main()
