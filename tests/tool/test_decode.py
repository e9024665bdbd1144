# SPDX-License-Identifier: MIT
"""moeclip decode: the pixels that the model would see."""
import os
import unittest

from support import GOLDEN, ToolTest, png, read_ppm

WIDTH, HEIGHT = 3, 2
PIXELS = bytes(range(0, 180, 10))


def fnv1a(data):
    """FNV-1a, 64 bits, as 16 digits."""
    value = 0xcbf29ce484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001b3 % 2**64
    return f"{value:016x}"


class Decode(ToolTest):
    def setUp(self):
        super().setUp()
        self.image = self.write("in.png", png(WIDTH, HEIGHT, PIXELS, orientation=3))
        self.out = self.folder / "out.ppm"

    def test_ppm(self):
        self.assertEqual(self.output("decode", self.image, self.out), "")
        self.assertEqual(read_ppm(self.out), (WIDTH, HEIGHT, PIXELS))

    def test_png(self):
        self.output("decode", self.image, self.folder / "OUT.PNG")
        self.output("decode", self.folder / "OUT.PNG", self.out)
        self.assertEqual(read_ppm(self.out), (WIDTH, HEIGHT, PIXELS))

    def test_exif_is_applied_on_request(self):
        self.output("decode", "--exif", self.image, self.out)
        turned = b"".join(PIXELS[i:i + 3] for i in range(len(PIXELS) - 3, -1, -3))  # orientation 3: by 180 degrees
        self.assertEqual(read_ppm(self.out), (WIDTH, HEIGHT, turned))

    def test_nothing_is_overwritten_without_force(self):
        self.out.write_bytes(b"precious")
        self.assertIn("--force", self.message(3, "decode", self.image, self.out))
        self.assertEqual(self.out.read_bytes(), b"precious")
        self.output("decode", self.image, self.out, "--force")
        self.assertEqual(read_ppm(self.out)[2], PIXELS)

    def test_image_may_be_replaced_by_itself(self):
        self.output("decode", "--force", self.image, self.image)
        self.output("decode", self.image, self.out)
        self.assertEqual(read_ppm(self.out)[2], PIXELS)

    def test_bad_image_leaves_nothing_behind(self):
        broken = self.write("broken.png", self.image.read_bytes()[:60])
        self.assertIn("broken.png", self.message(1, "decode", broken, self.out))
        self.assertIn("no such file", self.message(1, "decode", self.folder / "none.png", self.out))
        self.assertIn("WebP", self.message(1, "decode", self.write("a", b"RIFF\0\0\0\0WEBPVP8 "), self.out))
        self.assertEqual(sorted(os.listdir(self.folder)), ["a", "broken.png", "in.png"])

    def test_bad_output(self):
        self.assertIn(".ppm or .png", self.message(2, "decode", self.image, self.folder / "out.jpg"))
        self.assertIn("none", self.message(3, "decode", self.image, self.folder / "none" / "out.ppm"))
        os.mkdir(self.folder / "folder.ppm")
        self.assertIn("directory", self.message(3, "decode", "--force", self.image, self.folder / "folder.ppm"))

    def test_path_is_not_ascii(self):
        image = self.write("Bl\u00e5b\u00e6r \u84dd\u8393.png", self.image.read_bytes())
        self.output("decode", image, self.folder / "ut \u00f8.ppm")
        self.assertEqual(read_ppm(self.folder / "ut \u00f8.ppm")[2], PIXELS)

    def test_recorded_images(self):
        """Each line of index.txt: file, width, height, FNV-1a of its RGB pixels and of gray."""
        lines = (GOLDEN / "image" / "index.txt").read_text().splitlines()
        for line in lines[::4]:
            name, width, height, rgb, _ = line.split()
            self.output("decode", "--force", "--pillow-gray", GOLDEN / "image" / name, self.out)
            width_out, height_out, pixels = read_ppm(self.out)
            self.assertEqual((width_out, height_out), (int(width), int(height)), name)
            self.assertEqual(fnv1a(pixels), rgb, name)


if __name__ == "__main__":
    unittest.main()
