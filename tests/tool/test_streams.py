# SPDX-License-Identifier: MIT
"""`moeclip detect` on streams of pictures and on folders in which they arrive."""
import json
import os
import random
import signal
import subprocess
import sys
import time
import unittest

import support
from support import TOOL, ToolTest, png


def texture(seed, width=64, height=64):
    """Pixels of a plate with grain; odd seeds have a bright square on it."""
    rng = random.Random(seed)
    rows = []
    for y in range(height):
        row = bytearray()
        for x in range(width):
            value = 110 + 40 * (x // 8 % 2) + rng.randrange(-9, 10)
            if seed % 2 == 1 and 20 <= x < 40 and 20 <= y < 36:
                value = 250
            row += bytes((value, value, value))
        rows.append(bytes(row))
    return b"".join(rows)


def ppm(seed, width=64, height=64):
    return b"P6\n%d %d\n255\n" % (width, height) + texture(seed, width, height)


def bmp(seed, width=64, height=64):
    pixels = texture(seed, width, height)
    rows = b"".join(pixels[3 * width * y:3 * width * (y + 1)] for y in reversed(range(height)))
    head = (54).to_bytes(4, "little") + (40).to_bytes(4, "little") + width.to_bytes(4, "little") + height.to_bytes(
        4, "little") + b"\1\0\x18\0" + bytes(24)
    return b"BM" + (54 + len(rows)).to_bytes(4, "little") + bytes(4) + head + rows


class StreamTest(ToolTest):
    @classmethod
    def setUpClass(cls):
        cls.shared = support.tempfile.TemporaryDirectory(prefix="moeclip-streams-")
        cls.memory = os.path.join(cls.shared.name, "part.moeclip")
        good = os.path.join(cls.shared.name, "good")
        os.mkdir(good)
        for i in range(4):
            with open(os.path.join(good, f"{i}.png"), "wb") as file:
                file.write(png(64, 64, texture(2 * i)))
        subprocess.run([TOOL, "learn", good, "-o", cls.memory, "--patches", "200"], check=True, capture_output=True)

    @classmethod
    def tearDownClass(cls):
        cls.shared.cleanup()

    def judge(self, data, *options, code=0):
        out, err = self.run_tool("detect", "-", "--good", self.memory, "--json", *options, stdin=data, code=code)
        return [json.loads(line) for line in out.splitlines()], err

    @staticmethod
    def facts(verdict):
        return {k: v for k, v in verdict.items() if k not in ("image", "frame", "milliseconds", "dropped", "files")}

    def start(self, *arguments, **options):
        process = subprocess.Popen([TOOL, "detect", *map(str, arguments), "--good", self.memory, "--json"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        self.addCleanup(lambda: (process.kill(), process.stdout.close(), process.stderr.close(), process.wait()))
        return process

    @staticmethod
    def heeds_signals(pid):
        try:
            with open(f"/proc/{pid}/status") as status:
                caught = next(line.split()[1] for line in status if line.startswith("SigCgt:"))
            return int(caught, 16) >> (signal.SIGTERM - 1) & 1 == 1
        except FileNotFoundError:  # no Linux
            time.sleep(2)
            return True

    def stop(self, process, code=0):
        """Ends it within a second; returns the lines that nobody has read yet."""
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
        self.assertLess(time.monotonic() - begun, 2)  # a second, and what a busy machine takes
        self.assertEqual(process.returncode, code, err)
        self.assertTrue(out == b"" or out.endswith(b"\n"))
        return [json.loads(line) for line in out.splitlines()], err.decode()


class Pipe(StreamTest):
    def test_every_picture_of_a_stream_is_judged_as_if_it_were_alone(self):
        pictures = [png(64, 64, texture(0)), ppm(1), bmp(2), (support.GOLDEN / "jpeg/s2x2.jpg").read_bytes(), ppm(3)]
        lines, _ = self.judge(b"".join(pictures))
        self.assertEqual([line["frame"] for line in lines], [1, 2, 3, 4, 5])
        self.assertEqual({line["image"] for line in lines}, {"-"})
        for i, (picture, line) in enumerate(zip(pictures, lines)):
            alone, _ = self.judge(picture)
            self.assertEqual(self.facts(line), self.facts(alone[0]))
            file, = self.objects("detect", self.write(f"alone{i}", picture), "--good", self.memory)
            self.assertEqual(self.facts(line), self.facts(file))
        self.assertGreater(lines[1]["score"], lines[2]["score"])

    def test_raw_frames(self):
        gray = texture(0)[::3]
        as_file, _ = self.judge(b"P5 64 64 255\n" + gray)
        lines, _ = self.judge(3 * gray, "--raw", "64x64x1")
        self.assertEqual([self.facts(line) for line in lines], 3 * [self.facts(as_file[0])])
        padded = b"".join(texture(1)[i:i + 3] + b"\x07" for i in range(0, 3 * 64 * 64, 3))
        self.assertEqual(self.facts(self.judge(padded, "--raw", "64x64x4")[0][0]),
                         self.facts(self.judge(texture(1), "--raw", "64x64x3")[0][0]))
        lines, err = self.judge(texture(0) + b"half", "--raw", "64x64x3", code=1)
        self.assertIn("picture 2: truncated: a raw frame has 12288 bytes, 4 are there", err)
        self.assertEqual(lines[1]["frame"], 2)
        for wrong in ("64x64", "64x64x2", "0x4x3", "x", "64x64x3x", "99999999x99999999x3", "-4x4x3"):
            self.assertIn("--raw wants WxHxC", self.message(2, "detect", "-", "--raw=" + wrong))

    def test_every(self):
        lines, _ = self.judge(b"".join(ppm(i) for i in range(7)), "--every", "3")
        self.assertEqual([line["frame"] for line in lines], [1, 4, 7])
        for cut, more in ((ppm(0) + ppm(1)[:-9], ()), (png(64, 64, texture(0)) + png(64, 64, texture(2))[:-30], ()),
                          (bytes(64 * 64 * 3 + 5), ("--raw", "64x64x3"))):
            lines, _ = self.judge(cut, "--every", "5", *more, code=1)
            self.assertEqual(["error" in line for line in lines], [False, True])
        self.assertIn("--every is 1 or more", self.message(2, "detect", "-", "--every", "0"))
        self.assertIn("give -", self.message(2, "detect", "a.png", "--every", "2"))

    def test_damaged_picture_is_told_and_passed_over(self):
        broken = bytearray(png(64, 64, texture(0)))
        broken[60] ^= 1
        lines, err = self.judge(ppm(0) + bytes(broken) + ppm(1), code=1)
        self.assertEqual([line["frame"] for line in lines], [1, 2, 3])
        self.assertIn("standard input, picture 2: damaged PNG", err)
        self.assertEqual(lines[1]["error"]["code"], "format")

    def test_lost_structure_is_told_once(self):
        lines, err = self.judge(ppm(0) + b"and now for something else" + ppm(1), code=1)
        self.assertEqual(len(lines), 2)
        self.assertIn("standard input, picture 2: not a picture", err)
        lines, err = self.judge(ppm(0) + ppm(1)[:-5], code=1)
        self.assertIn("picture 2: truncated", err)
        _, err = self.judge(b"", code=1)
        self.assertIn("standard input: the file is empty", err)

    def test_results_have_names_of_their_own(self):
        lines, _ = self.judge(ppm(0) + ppm(1), "--out", self.folder / "out")
        self.assertEqual([os.path.basename(line["files"]["map_png"]) for line in lines],
                         ["stdin.map.png", "stdin-2.map.png"])
        self.assertEqual(len(list((self.folder / "out").iterdir())), 6)

    def test_a_line_comes_before_the_next_picture_is_sent(self):
        process = self.start("-", stdin=subprocess.PIPE)
        for i in range(3):
            process.stdin.write(ppm(i))
            process.stdin.flush()
            self.assertEqual(json.loads(process.stdout.readline())["frame"], i + 1)  # would hang
        process.stdin.write(ppm(4)[:1000])
        process.stdin.flush()
        rest, err = self.stop(process)
        self.assertEqual(rest, [])
        self.assertIn("after 3 pictures", err)
        process.stdin.close()

    def test_latest_drops_and_counts(self):
        process = self.start("-", "--latest", stdin=subprocess.PIPE)
        process.stdin.write(b"".join(ppm(i % 4) for i in range(60)))
        process.stdin.close()
        process.stdin = None
        out, err = process.communicate(timeout=60)
        lines = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(process.returncode, 0)
        frames = [line["frame"] for line in lines]
        self.assertEqual(frames, sorted(set(frames)))
        self.assertEqual(frames[-1], 60)  # the newest is always judged
        self.assertEqual(len(lines) + lines[-1]["dropped"], 60)
        self.assertIn(f"{len(lines)} pictures were judged, {lines[-1]['dropped']} dropped", err.decode())

    def test_a_long_look_is_left_within_a_second(self):
        slow = subprocess.Popen([TOOL, "detect", "-", "--image-size", "2048", "--json"], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(lambda: (slow.kill(), slow.wait()))
        slow.stdin.write(ppm(0))
        slow.stdin.flush()
        while not self.heeds_signals(slow.pid):
            time.sleep(0.01)
        time.sleep(0.5)  # it is loading or looking now
        begun = time.monotonic()
        slow.send_signal(signal.SIGTERM)
        out, _ = slow.communicate(timeout=20)
        self.assertLess(time.monotonic() - begun, 2)  # a second, and what a busy machine takes
        self.assertTrue(out == b"" or out.endswith(b"\n"))
        self.assertEqual(slow.returncode, 0)


class Watch(StreamTest):
    def setUp(self):
        super().setUp()
        self.inbox = self.folder / "inbox"
        self.inbox.mkdir()

    def watch(self, *options):
        process = self.start("--watch", self.inbox, *options)
        line = process.stderr.readline()
        while b"watching" not in line:
            self.assertNotEqual(line, b"", process.poll())
            line = process.stderr.readline()
        return process

    def arrive(self, process, name, data):
        """Puts a picture there under another name first, and waits for what is said about it."""
        (self.inbox / "coming.part").write_bytes(data)
        (self.inbox / name).parent.mkdir(exist_ok=True)
        (self.inbox / "coming.part").rename(self.inbox / name)
        return json.loads(process.stdout.readline())

    def test_each_once_also_across_restarts(self):
        (self.inbox / "before.png").write_bytes(png(64, 64, texture(0)))
        (self.inbox / "._before.png").write_bytes(b"what a Mac leaves")
        (self.inbox / "notes.txt").write_text("no picture")
        process = self.watch()
        self.assertEqual(json.loads(process.stdout.readline())["image"], str(self.inbox / "before.png"))
        line = self.arrive(process, "bad.ppm", ppm(1))
        alone, = self.objects("detect", self.inbox / "bad.ppm", "--good", self.memory)
        self.assertEqual(self.facts(line), self.facts(alone))
        self.assertTrue(self.arrive(process, "deeper/c.bmp", bmp(2))["image"].endswith("deeper/c.bmp"))
        (self.inbox / "bad.ppm").rename(self.inbox / "renamed.ppm")  # the same picture
        self.assertEqual(self.stop(process)[0], [])
        process = self.watch()
        self.assertTrue(self.arrive(process, "new.ppm", ppm(3))["image"].endswith("new.ppm"))
        self.assertEqual(self.stop(process)[0], [])
        done = (self.inbox / ".moeclip-done").read_text().splitlines()
        self.assertEqual([line.split("\t")[0] for line in done], ["before.png", "bad.ppm", "deeper/c.bmp", "new.ppm"])

    def test_a_file_that_is_still_written_is_not_judged_half(self):
        for options in ([], ["--poll", "0.1"]):
            process = self.watch(*options)
            data = bmp(1)
            with open(self.inbox / "slow.bmp", "wb") as file:
                file.write(data[:5000])
                file.flush()
                time.sleep(1.3)
                file.write(data[5000:9000])
            with open(self.inbox / "slow.bmp", "ab") as file:  # closed half, and opened again
                time.sleep(0.3)
                file.write(data[9000:])
            self.assertGreater(json.loads(process.stdout.readline())["score"], 0)
            (self.inbox / "slow.bmp").write_bytes(bmp(2))  # another one of the same name
            self.assertGreater(json.loads(process.stdout.readline())["score"], 0)
            self.assertEqual(self.stop(process)[0], [])
            (self.inbox / "slow.bmp").unlink()

    def test_a_picture_that_stays_incomplete_is_told_in_the_end(self):
        process = self.watch("--done", self.folder / "list")
        (self.inbox / "cut.ppm").write_bytes(ppm(0)[:500])
        begun = time.monotonic()
        line = json.loads(process.stdout.readline())
        self.assertGreater(time.monotonic() - begun, 4)
        self.assertIn("truncated", line["error"]["message"])
        self.assertEqual(self.stop(process, code=1)[0], [])
        process = self.watch("--done", self.folder / "list")
        (self.inbox / "cut.ppm").write_bytes(ppm(0))
        self.assertIn("score", json.loads(process.stdout.readline()))
        self.stop(process)

    def test_judged_pictures_move_and_replace_nothing(self):
        away = self.inbox / "done"  # inside: not watched
        away.mkdir()
        (away / "a.ppm").write_bytes(b"older")
        process = self.watch("--move-to", away, "--out", self.inbox / "maps")
        self.arrive(process, "a.ppm", ppm(0))
        self.arrive(process, "sub/b.ppm", ppm(2))
        self.arrive(process, "a.ppm", ppm(4))
        self.assertEqual(self.stop(process)[0], [])
        names = sorted(str(path.relative_to(away)) for path in away.rglob("*.ppm"))
        self.assertEqual(names, ["a-2.ppm", "a-3.ppm", "a.ppm", "sub/b.ppm"])
        self.assertEqual((away / "a.ppm").read_bytes(), b"older")
        self.assertEqual((away / "a-3.ppm").read_bytes(), ppm(4))
        self.assertFalse((self.inbox / ".moeclip-done").exists())
        self.assertEqual(len(list((self.inbox / "maps").rglob("*.npy"))), 3)
        self.assertEqual(list(self.inbox.glob("*.ppm")), [])

    def test_a_list_may_hold_names_alone(self):
        (self.inbox / "known.ppm").write_bytes(ppm(0))
        (self.folder / "list").write_text("known.ppm")
        process = self.watch("--done", self.folder / "list")
        self.assertTrue(self.arrive(process, "b.ppm", ppm(2))["image"].endswith("b.ppm"))
        self.stop(process)
        self.assertEqual((self.folder / "list").read_text().splitlines()[0], "known.ppm")
        (self.folder / "list").write_text("a\t1\tx\n")
        self.assertIn("line 1", self.message(3, "detect", "--watch", self.inbox, "--good", self.memory, "--done",
                                             self.folder / "list"))

    def test_what_is_there_stays_known_however_much_is_gone(self):
        inbox_list = self.folder / "list"
        process = self.watch("--done", inbox_list)
        self.arrive(process, "old.ppm", ppm(0))
        self.stop(process)
        with open(inbox_list, "a") as file:  # more than is remembered of what is no longer there
            for i in range(300000):
                file.write(f"gone{i}.ppm\t7000\t{i + 1}\t{i + 1000000}\n")
        process = self.watch("--done", inbox_list)
        with open(f"/proc/{process.pid}/status") as status:
            resident = next(int(line.split()[1]) for line in status if line.startswith("RssAnon:"))
        self.assertLess(resident, 14000)  # KiB: as with a short list
        self.assertTrue(self.arrive(process, "new.ppm", ppm(3))["image"].endswith("new.ppm"))
        self.assertEqual(self.stop(process)[0], [])
        inbox_list.write_bytes(b"a" * 100000)
        self.assertIn("has more than", self.message(3, "detect", "--watch", self.inbox, "--good", self.memory, "--done",
                                                    inbox_list))

    def test_misuse(self):
        for said, words in (("it goes with no others", ["a.png", "--watch", self.inbox]),
                            ("belong to --watch", ["a.png", "--move-to", "x"]),
                            ("--poll is between", ["--watch", self.inbox, "--poll", "0"])):
            self.assertIn(said, self.message(2, "detect", *words))
        for option in ("--out", "--move-to"):
            said = self.message(2, "detect", "--watch", self.inbox, "--good", self.memory, option, self.inbox)
            self.assertIn("inbox: is watched, and cannot take results", said)
        said = self.message(3, "detect", "--watch", self.inbox, "--good", self.memory, "--move-to", "/proc/none")
        self.assertIn("/proc/none", said)
        for more in ((), ("--move-to", self.folder / "x")):
            said = self.message(3, "detect", "--watch", self.folder / "none", "--good", self.memory, *more)
            self.assertIn("none: there is no such folder", said)

    def test_a_folder_that_goes_away_ends_it(self):
        process = self.watch("--move-to", self.folder / "x")
        self.inbox.rmdir()
        _, err = process.communicate(timeout=10)
        self.assertEqual(process.returncode, 3)
        self.assertIn(b"no such folder", err)


class Folder(StreamTest):
    def test_one_walk_for_all(self):
        folder = self.folder / "set"
        (folder / "sub").mkdir(parents=True)
        for name in ("a.png", "sub/b.png", "._a.png", ".hidden.png", "a.overlay.png", "a.map.png"):
            (folder / name).write_bytes(png(64, 64, texture(len(name))))
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "c.png").write_bytes(png(64, 64, texture(15)))  # unlike what the memory learned
        (folder / "linked").symlink_to(elsewhere)
        (folder / "again").symlink_to(elsewhere)
        (folder / "loop").symlink_to(folder)
        (folder / "dead.png").symlink_to("nowhere.png")
        wanted = ["a.png", "again/c.png", "linked/c.png", "sub/b.png"]
        out, err = self.run_tool("detect", folder, "--good", self.memory, "--json", code=1)
        found = [os.path.relpath(json.loads(line)["image"], folder) for line in out.splitlines()]
        self.assertEqual(len(found), 3)
        self.assertLessEqual(set(found), set(wanted))
        self.assertIn("dead.png: is a link to nothing", err)
        self.assertIn("loop: is a link to a folder that is met elsewhere", err)
        _, err = self.run_tool("learn", folder, "-o", self.folder / "x.moeclip", "--patches", "50", code=1)
        self.assertIn("dead.png: is a link to nothing", err)
        self.assertEqual(json.loads(self.run_tool("learn", folder, "-o", self.folder / "y.moeclip", "--patches", "50",
                                                  "--json", code=1)[0])["pictures"], 3)
        out, err = self.run_tool("calibrate", folder, "--model", self.memory, "--out", self.folder / "c.json", "--json",
                                 "--all-different", code=1)
        self.assertEqual(json.loads(out)["good"], 3)
        self.assertIn("dead.png: is a link to nothing", err)

    def test_an_interrupted_list_says_so(self):
        folder = self.folder / "many"
        folder.mkdir()
        for i in range(400):
            (folder / f"{i:03}.ppm").write_bytes(ppm(0, 8, 8))
        process = self.start(folder)
        process.stdout.readline()
        lines, err = self.stop(process, code=3)
        self.assertLess(len(lines), 399)
        self.assertIn("stopped by a signal", err)


if __name__ == "__main__":
    unittest.main()
