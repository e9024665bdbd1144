# SPDX-License-Identifier: MIT
"""`moeclip eval`, `merge` and `calibrate` with the built-in model on a small data set that `moeclip synthesize` draws."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from support import TOOL, ToolTest, png
from training import SIZE, VOCABULARY, micro_clip, train_words, write_data

SHARE = Path(TOOL).resolve().parent.parent / "share" / "moeclip"
MODEL = ("--clip", SHARE / "tiny.safetensors", "--adapter", SHARE / "tiny_adapter.safetensors")
FILES = ("state.safetensors", "pictures.jsonl", "results.json")


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


class DataTest(ToolTest):
    """Tests of the drawn data set, which is judged once for all of them."""
    shared = None

    @classmethod
    def setUpClass(cls):
        if DataTest.shared is None:
            DataTest.shared = tempfile.TemporaryDirectory(prefix="moeclip-eval-")
            unittest.addModuleCleanup(DataTest.shared.cleanup)
            folder = Path(DataTest.shared.name)
            DataTest.data, DataTest.whole = folder / "set", folder / "whole"
            for words in (["synthesize", "--out", DataTest.data, "--size", "72", "--count", "4", "--categories",
                           "tile,gear", "--defects", "stain,hole,scratch", "--lowest-severity", "0.8"],
                          ["eval", DataTest.data, "--out", DataTest.whole]):
                subprocess.run([TOOL, *words], check=True, stdout=subprocess.DEVNULL, timeout=100)


class EvalTest(DataTest):
    def evaluate(self, out, *more, code=0, **environment):
        return self.run_tool("eval", self.data, "--out", self.folder / out, *more, code=code, **environment)

    def assert_whole(self, folder):
        for name in FILES:
            self.assertEqual((folder / name).read_bytes(), (self.whole / name).read_bytes(), name)

    def test_table_and_files(self):
        out, _ = self.run_tool("eval", self.data, "--threshold", "0.4")
        self.assertIn("Default protocol", out)
        self.assertIn("Released protocol (industrial)", out)
        self.assertIn("px AUPRO", out)
        for name in ("gear", "tile", "mean"):
            self.assertEqual(sum(line.startswith(name + " ") for line in out.splitlines()), 2, out)
        self.assertIn("At the threshold 0.4: ", out)
        results = json.loads((self.whole / "results.json").read_text())
        pictures = read_lines(self.whole / "pictures.jsonl")
        self.assertEqual(results["pictures"], len(pictures))
        self.assertEqual([p["path"] for p in pictures], sorted(p["path"] for p in pictures))
        self.assertTrue(all(p["path"].split("/")[1] == "test" for p in pictures))
        rows = [row["default"]["pixel"]["auroc"]["value"] for row in results["rows"]]
        self.assertAlmostEqual(results["mean"]["default"]["pixel"]["auroc"]["value"], sum(rows) / len(rows), 12)
        self.assertLess(results["rows"][0]["default"]["pixel"]["ap"]["error"], 1e-4)
        for row in results["rows"]:
            mine = [p for p in pictures if p["class"] == row["name"]]
            self.assertEqual(row["pictures"], len(mine))
            pairs = [(a["score"] > b["score"]) + (a["score"] == b["score"]) / 2
                     for a in mine if a["label"] for b in mine if not b["label"]]
            self.assertAlmostEqual(row["default"]["image"]["auroc"]["value"], sum(pairs) / len(pairs), 12)

    def test_one_protocol_exact_and_threads(self):
        default, = self.objects("eval", self.data, "--protocol", "default", "--exact", "--threads", 1)
        both = json.loads((self.whole / "results.json").read_text())
        self.assertNotIn("released", default["mean"])
        for mine, binned in zip(default["rows"], both["rows"]):
            for level in ("image", "pixel"):
                for name, metric in mine["default"][level].items():
                    if name == "f1_threshold" or metric["value"] is None:
                        continue
                    self.assertEqual(metric["error"], 0)
                    other = binned["default"][level][name]
                    self.assertLessEqual(abs(metric["value"] - other["value"]), other["error"] + 1e-12)
        released, = self.objects("eval", self.data, "--protocol", "released", "--report", self.folder / "r.html")
        self.assertEqual(released["rows"][0]["released"], both["rows"][0]["released"])
        for value in released["rows"][0]["released"]["percent_as_released"].values():
            self.assertEqual(value["value"], round(value["value"], 2))
        page = (self.folder / "r.html").read_text()
        self.assertIn("stretched over all pictures of a class", page)
        self.assertIn('class="chart', page)
        self.assertNotIn("verdicts", released)

    def test_undefined_figures_have_a_reason(self):
        good = self.data / "gear" / "test" / "good"
        listing = self.write("good.jsonl", "".join(
            json.dumps({"image_path": str(path), "label": 0, "class_name": "gear"}) + "\n"
            for path in sorted(good.iterdir())).encode())
        out = self.output("eval", listing)
        self.assertIn("- nothing is anomalous: gear", out)
        result, = self.objects("eval", listing)
        self.assertEqual(result["rows"][0]["default"]["image"]["auroc"],
                         {"value": None, "reason": "nothing is anomalous"})

    def test_woven_is_five_classes(self):
        lines = []
        for i, path in enumerate(sorted((self.data / "tile" / "test" / "good").iterdir())):
            target = self.folder / f"Woven_{('001', '068')[i % 2]}" / "test" / "good" / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
            lines.append({"image_path": str(target.relative_to(self.folder)), "label": i // 2 % 2, "class_name": "Woven"})
        listing = self.write("dtd.jsonl", "".join(json.dumps(line) + "\n" for line in lines).encode())
        result, = self.objects("eval", listing)
        self.assertEqual([row["name"] for row in result["rows"]], ["Woven_001", "Woven_068"])

    def test_medical_sets_are_scored_as_such(self):
        def listing(name):
            paths = [*sorted((self.data / "tile" / "test" / "good").iterdir()),
                     *sorted((self.data / "tile" / "test" / "hole").iterdir())]
            return self.write(name + ".jsonl", "".join(
                json.dumps({"image_path": str(path), "label": int("hole" in str(path)), "class_name": name}) + "\n"
                for path in paths).encode())
        medical, industrial = listing("headct"), listing("RSDD")
        result, = self.objects("eval", medical)
        self.assertEqual((result["settings"]["domain"], result["rows"][0]["set"]), ("medical", "headct"))
        self.assertEqual(result["rows"][0]["default"]["pixel"]["ap"]["reason"], "no anomalous picture has a mask")
        self.assertIn("- no anomalous picture has a mask: headct", self.output("eval", medical))
        self.assertIn("judge them one by one", self.message(3, "eval", medical, industrial))
        result, = self.objects("eval", medical, industrial, "--domain", "industrial", "--protocol", "default")
        self.assertEqual((result["settings"]["domain"], len(result["means"])), ("industrial", 2))

    def test_two_data_sets(self):
        result, = self.objects("eval", self.data / "gear", self.data / "tile", "--protocol", "default")
        self.assertEqual([row["set"] for row in result["means"]], ["gear", "tile"])
        values = [row["default"]["image"]["ap"]["value"] for row in result["means"]]
        self.assertAlmostEqual(result["mean"]["default"]["image"]["ap"]["value"], sum(values) / 2, 12)
        self.assertIn("mean of the sets", self.output("eval", self.data / "gear", self.data / "tile"))

    def test_shards_merge_to_the_bytes_of_the_whole(self):
        for count in (1, 2, 7):
            shards = self.folder / f"shards{count}"
            for number in range(1, count + 1):
                words = ["eval", self.data, "--out", shards, "--threads", 1 + number % 2]
                if number % 3 == 0:  # as an array of Slurm that starts at 5
                    self.run_tool(*words, "--shard", "auto", SLURM_ARRAY_TASK_ID=str(number + 4),
                                  SLURM_ARRAY_TASK_MIN="5", SLURM_ARRAY_TASK_COUNT=str(count))
                elif number % 3 == 1:
                    self.run_tool(*words, "--shard", f"auto/{count}", JOB_COMPLETION_INDEX=str(number - 1))
                else:
                    self.run_tool(*words, "--shard", f"{number}/{count}")
            merged = self.folder / f"merged{count}"
            states = [shards] if count > 1 else [shards / "state.safetensors"]
            self.assertIn("Default protocol", self.output("merge", *states, "--out", merged))
            self.assert_whole(merged)
        os.remove(shards / "shard-3-of-7.safetensors")
        self.assertIn("one is missing: 3", self.message(3, "merge", shards))
        self.run_tool("eval", self.data, "--out", shards, "--shard", "3/7", "--image-size", 32)
        self.assertIn("image_size (found ", self.message(3, "merge", shards))
        self.assertIn("no state", self.message(3, "merge", SHARE / "tiny.safetensors"))
        self.assertIn("there are no shards", self.message(3, "merge", self.whole))
        self.assertIn("exists already", self.message(3, "merge", shards, "--out", merged))

    def test_resume_after_a_kill_ends_in_the_same_bytes(self):
        out = self.folder / "killed"
        state = out / "state.safetensors"
        words = [TOOL, "eval", str(self.data), "--out", str(out), "--checkpoint-seconds", "0", "--threads", "1"]
        for end in (signal.SIGKILL, getattr(signal, "SIGINT")):
            before = state.stat().st_mtime_ns if state.exists() else 0
            process = subprocess.Popen(words + (["--resume"] if before else []), stdout=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE)
            deadline = time.monotonic() + 60
            while process.poll() is None and time.monotonic() < deadline:
                if state.exists() and state.stat().st_mtime_ns != before:
                    process.send_signal(end)
                    break
                time.sleep(0.002)
            message = process.communicate(timeout=60)[1].decode()
            if end == signal.SIGINT and process.returncode == 3:
                self.assertIn("--resume goes on", message)
        _, message = self.evaluate("killed", "--resume")
        self.assertIn("going on behind", message)
        self.assert_whole(out)
        again, message = self.evaluate("killed", "--resume")  # nothing is left to do
        self.assert_whole(out)
        self.assertIn("an evaluation is there already", self.message(3, "eval", self.data, "--out", out))
        message = self.message(3, "eval", self.data, "--out", out, "--resume", "--protocol", "default", "--exact")
        self.assertIn("protocol (found both, wanted default), exact (found false, wanted true)", message)
        self.evaluate("killed", "--force")
        self.assert_whole(out)
        data = shutil.copytree(self.data, self.folder / "copy")
        self.run_tool("eval", data, "--out", self.folder / "own")
        replaced = sorted((data / "tile" / "test" / "good").iterdir())[:2]
        replaced[0].write_bytes(replaced[1].read_bytes())
        message = self.message(3, "eval", data, "--out", self.folder / "own", "--resume")
        self.assertIn(f"{replaced[0]}: is another picture than the one that was judged", message)

    def test_a_broken_picture_is_told_and_left_out(self):
        data = self.folder / "data"
        shutil.copytree(self.data / "gear", data / "gear")
        broken = sorted((data / "gear" / "test" / "good").iterdir())[0]
        broken.write_bytes(b"no picture")
        out, err = self.run_tool("eval", data, "--out", self.folder / "out", code=1)
        self.assertIn(str(broken), err)
        self.assertIn("1 picture could not be read", out)
        self.assertEqual([p["error"] for p in read_lines(self.folder / "out" / "pictures.jsonl") if "error" in p],
                         ["format"])

    def test_nothing_counts_twice(self):
        for again in (self.data, self.data / "gear", self.data / "gear" / ".."):
            self.assertIn("would count twice", self.message(3, "eval", self.data, again))
        picture = next((self.data / "gear" / "test" / "good").iterdir())
        self.assertIn("a single picture", self.message(3, "eval", picture))

    def test_what_masks_mean_can_be_said(self):
        folder = self.folder / "own"
        for kind in ("images", "masks"):
            (folder / kind).mkdir(parents=True)
        side, white = 12, b"\xff\xff\xff"
        gray = lambda level: bytes([level]) * 3 * (side * side // 4) + bytes(3 * side * side * 3 // 4)
        masks = {"a": gray(255), "b": gray(100), "c": bytes(3 * side * side), "d": white * (side * side - 9) + gray(0)[:27]}
        for name, mask in masks.items():
            (folder / "images" / f"{name}.png").write_bytes(png(side, side, bytes(range(36)) * side))
            (folder / "masks" / f"{name}.png").write_bytes(png(side, side, mask))
        (folder / "images" / "e.png").write_bytes(png(side, side, white * side * side))
        words = ["eval", folder, "--protocol", "default", "--json"]
        counts = lambda *more: (lambda row: (row["pictures"], row["anomalous"]))(
            json.loads(self.run_tool(*words, *more)[0])["rows"][0])
        self.assertEqual(counts(), (4, 3))
        self.assertEqual(counts("--unmasked-good"), (5, 3))
        self.assertEqual(counts("--mask-from", 128), (4, 2))
        out, error = self.run_tool(*words, "--layout", "image_mask")
        self.assertIn("1 picture has no mask", error)
        self.assertIn("masks that mark more than they leave, as inverted ones do: 1, such as", str(json.loads(out)["notes"]))
        self.assertIn("in no layout", self.message(3, *words, "--layout", "visa"))
        self.assertIn("did you mean 'mvtec'", self.message(2, *words, "--layout", "mvtek"))
        self.assertIn("1 to 255", self.message(2, *words, "--mask-from", 0))
        self.assertIn("unlabelled", self.output("dataset", "scan", folder))

    def test_a_class_called_mean_is_not_the_mean(self):
        shutil.copytree(self.data / "gear", self.folder / "set" / "mean")
        out = self.output("eval", self.folder / "set", "--protocol", "default")
        self.assertEqual(sum(line.startswith("mean (a class) ") for line in out.splitlines()), 1)

    def test_a_class_that_is_too_long_for_sentences_is_told_once_and_first(self):
        name = "gear of a machine that nobody can name in one breath, " * 3
        shutil.copytree(self.data / "gear", self.folder / "set" / name)
        model = ("--clip", SHARE / "tiny.safetensors", "--force")
        for words in (["eval", self.folder / "set"], ["eval", self.folder / "set", "--method", "winclip"],
                      ["calibrate", self.folder / "set", "-o", self.folder / "c.json"],
                      ["train", self.folder / "set", *model, "--out", self.folder / "run", "--steps", 1],
                      ["train", self.folder / "set", *model, "--out", self.folder / "run", "--method", "aa-clip"]):
            message = self.message(3, *words)
            self.assertEqual(message.count(f'class "{name}"'), 1, message)
            self.assertIn("--words FILE", message)

    def test_usage(self):
        for message, words in (("a data set is missing", []), ("need --out", [self.data, "--shard", "1/2"]),
                               ("from 1 to 2", [self.data, "--out", "x", "--shard", "3/2"]),
                               ("neither is set", [self.data, "--out", "x", "--shard", "auto"]),
                               ("choose one", [self.data, "--out", "x", "--resume", "--force"])):
            self.assertIn(message, self.message(2, "eval", *words, SLURM_ARRAY_TASK_ID="", JOB_COMPLETION_INDEX="")
                          if message != "neither is set" else self.message(2, "eval", *words))
        self.assertIn("no such file", self.message(3, "eval", self.folder / "nothing"))


class LeakageTest(ToolTest):
    """An adapter is not measured on what it was trained on."""

    def setUp(self):
        super().setUp()
        self.clip = self.write("clip.safetensors", micro_clip())
        self.data = write_data(self.folder)
        self.run_tool(*train_words(self.clip, self.data, self.folder / "run", "--epochs", 1))
        self.adapter = self.folder / "run" / "moe_last.safetensors"

    def evaluate(self, data, *more, adapter=None, code=0):
        return self.run_tool("eval", data, "--clip", self.clip, "--adapter", adapter or self.adapter, "--vocab",
                             VOCABULARY, *more, code=code)

    def renamed(self, count, change=b""):
        """The first `count` pictures in another folder, under other names, with `change` behind them."""
        folder = self.folder / f"renamed{count}{len(change)}"
        for kind in ("good", "bad"):
            (folder / "test" / kind).mkdir(parents=True)
        for i in range(count):
            target = folder / "test" / ("bad" if i % 2 else "good") / f"x{i}.png"
            target.write_bytes((self.folder / f"{i}.png").read_bytes() + change)
        return folder

    def test_refused(self):
        _, message = self.evaluate(self.data, code=3)
        self.assertIn("was trained on this picture and 5 more", message)
        _, message = self.evaluate(self.renamed(2), code=3)
        self.assertIn("trained on this picture and 1 more", message)
        out, _ = self.evaluate(self.data, "--allow-training-pictures")
        self.assertIn("Note: the adapter was trained on 6 of these pictures", out)
        self.assertIn("classes of the same name: cap, nut", out)

    def test_others_are_judged(self):
        out, _ = self.evaluate(self.renamed(4, b"\n"))  # bytes behind the end of a PNG make another file of it
        self.assertNotIn("Note", out)

    def test_what_a_run_started_from_counts_too(self):
        other = self.folder / "other"
        other.mkdir()
        data = write_data(other, count=4)
        for picture in other.glob("?.png"):
            picture.write_bytes(picture.read_bytes() + b"\n")
        self.run_tool(*train_words(self.clip, data, self.folder / "second", "--epochs", 1, "--start", self.adapter))
        second = self.folder / "second" / "moe_last.safetensors"
        self.evaluate(self.renamed(2), adapter=second, code=3)
        self.evaluate(data, adapter=second, code=3)
        self.evaluate(data)

    def test_official_files_do_not_say(self):
        official = self.folder / "official.pth"
        self.run_tool("convert", self.adapter, official)
        self.evaluate(self.data, adapter=official, code=3)  # what lies beside it does
        (self.folder / "official.pth.json").unlink()
        out, _ = self.evaluate(self.data, adapter=official)
        self.assertIn("does not say what it was trained on", out)


class CalibrateTest(DataTest):
    def calibrate(self, *words, code=0):
        return self.run_tool("calibrate", *words, "--out", self.folder / "c.json", "--force", code=code)

    def read(self):
        return json.loads((self.folder / "c.json").read_text())

    def test_from_a_run_and_from_pictures(self):
        out, _ = self.calibrate("--from", self.whole, "--false-positives", "0.25")
        from_run = self.read()
        self.assertIn("false alarms at most 25.00 %", out)
        scores = sorted(p["score"] for p in read_lines(self.whole / "pictures.jsonl") if not p["label"])
        self.assertEqual(from_run["good"], len(scores))
        # CAL-1: floor(0.25 * 9) - 1 = 1 of 8 may be above
        self.assertEqual(from_run["false_positives"], 1)
        self.assertTrue(scores[-2] < from_run["threshold"] <= scores[-1])
        self.calibrate("--from", self.whole / "pictures.jsonl", "--quantile", "0.75")
        self.assertEqual(self.read()["threshold"], from_run["threshold"])
        self.assertEqual(self.read()["clip"], "")
        self.calibrate(self.data, "--false-positives", "0.25")
        self.assertEqual({k: v for k, v in self.read().items() if k != "words"},
                         {k: v for k, v in from_run.items() if k != "words"})

    def test_a_plain_folder_is_one_of_good_pictures(self):
        good = next(self.data.glob("*/test/good"))
        self.calibrate(good, "--class", good.parts[-3], "--false-positives", "0.25")
        plain = self.read()
        self.calibrate(self.data, "--class", good.parts[-3], "--false-positives", "0.25")
        self.assertEqual(plain, self.read())
        self.calibrate(good)
        self.assertEqual(self.read()["classes"], ["object"])
        self.assertIn("no layout", self.calibrate(good, "--best-f1", code=3)[1])

    def test_too_few_pictures_are_told(self):
        out, _ = self.calibrate("--from", self.whole)
        self.assertIn("8 good pictures cannot show a rate of 1.00 %: 99 are needed", out)
        self.assertFalse(self.read()["is_target_reached"])
        self.assertAlmostEqual(self.read()["false_positive_rate"]["high"], 1 - 0.025 ** (1 / 8), 9)

    def test_best_f1(self):
        self.calibrate("--from", self.whole, "--best-f1", "--class", "tile")
        results = json.loads((self.whole / "results.json").read_text())
        tile = next(row for row in results["rows"] if row["name"] == "tile")["default"]
        self.assertAlmostEqual(self.read()["threshold"], tile["image"]["f1_threshold"], 6)
        self.assertAlmostEqual(self.read()["pixel_threshold"], tile["pixel"]["f1_threshold"], 6)

    def test_detect_reads_it(self):
        self.calibrate("--from", self.whole, "--best-f1", "--class", "gear")
        found = self.read()
        self.assertEqual(found["classes"], ["gear"])
        pictures = sorted((self.data / "gear" / "test").rglob("*.png"))[:4]
        lines = self.objects("detect", *pictures, *MODEL, "--class", "gear", "--calibration", self.folder / "c.json")
        scores = {self.data / p["path"]: p["score"] for p in read_lines(self.whole / "pictures.jsonl")}
        for line in lines:
            self.assertEqual(line["threshold_source"], "calibration")
            self.assertAlmostEqual(line["threshold"], found["threshold"], 6)
            self.assertAlmostEqual(line["map"]["pixel_threshold"], found["pixel_threshold"], 6)
            self.assertEqual(line["is_anomalous"], line["score"] >= line["threshold"])
            self.assertAlmostEqual(line["score"], scores[Path(line["image"])], 5)
        words = ["detect", pictures[0], "--calibration", self.folder / "c.json"]
        self.assertIn("made from pictures of gear", self.run_tool(*words, *MODEL)[1])
        plain = self.message(3, *words, *MODEL[:2])
        self.assertIn("another adapter", plain)
        self.assertIn("pixels, not 32", self.message(3, *words, *MODEL, "--image-size", 32))
        self.assertIn("of the domain industrial", self.message(3, *words, *MODEL, "--domain", "medical"))
        self.run_tool(*words, *MODEL[:2], "--trust-calibration")
        self.calibrate("--from", self.whole / "pictures.jsonl")
        self.assertIn("do not say which weights", self.message(3, *words, *MODEL))
        self.assertIn("choose one", self.message(2, *words, *MODEL, "--threshold", "0.3"))
        self.assertIn("is no calibration", self.message(3, "detect", pictures[0], *MODEL, "--calibration",
                                                        self.whole / "results.json"))

    def test_what_makes_no_sense(self):
        for message, words in (("give data sets, or --from", []), ("not both", [self.data, "--from", self.whole]),
                               ("lie between", ["--from", self.whole, "--false-positives", "0"]),
                               ("say the same", ["--from", self.whole, "--false-positives", "0.1", "--quantile", "0.9"]),
                               ("takes no rate", ["--from", self.whole, "--best-f1", "--quantile", "0.9"])):
            self.assertIn(message, self.message(2, "calibrate", *words))
        self.assertIn("no good picture", self.calibrate("--from", self.whole, "--class", "nothing", code=3)[1])
        self.calibrate("--from", self.whole)
        self.assertIn("exists already", self.message(3, "calibrate", "--from", self.whole, "--out",
                                                     self.folder / "c.json"))


if __name__ == "__main__":
    unittest.main()
