# SPDX-License-Identifier: MIT
"""moeclip ablate: the table and its intervals, what is kept of finished runs, how it goes on, shards, the page."""
import json
import shutil
import subprocess
import unittest

from support import TOOL, ToolTest

QUICK = ["--seeds", 2, "--pictures", 4, "--epochs", 1, "--batch", 4, "--test-pictures", 12, "--draws", 100]
METRICS = ["image_auroc", "image_ap", "pixel_auroc", "pixel_ap", "aupro"]


def metrics_of(found):
    """All but the times, which differ."""
    return [row["metrics"] for row in found["variants"]]


class AblateTest(ToolTest):
    def test_runs_once_and_goes_on(self):
        runs = self.folder / "runs.jsonl"
        words = ["ablate", *QUICK, "--out", runs]
        chosen = ["--variant", "moeclip", "--variant", "uniform"]
        (first,) = self.objects(*words, *chosen)
        self.assertEqual([row["name"] for row in first["variants"]], ["moeclip", "uniform"])
        for row in first["variants"]:
            for name in METRICS:
                metric = row["metrics"][name]
                self.assertEqual(len(metric["values"]), 2)
                self.assertAlmostEqual(metric["mean"], sum(metric["values"]) / 2)
        lines = runs.read_text().splitlines()
        self.assertEqual(len(lines), 4)
        self.assertEqual(len({json.loads(line)["key"] for line in lines}), 4)

        # a run is missing, and a variant is new: only those are made
        runs.write_text("\n".join(lines[:3]) + "\n")
        (second,) = self.objects(*words, *chosen, "--variant", "median-pixels", "--jobs", 1)
        self.assertEqual(metrics_of(second)[:2], metrics_of(first))  # same bits for one job and two
        self.assertEqual(len(runs.read_text().splitlines()), 6)
        table, said = self.run_tool(*words, *chosen, "--power")
        self.assertIn("4 of 4 runs are finished", said)
        self.assertIn("Variance components", table)
        self.assertIn("uniform, AUPRO", table)
        self.assertIn("what moeclip gains over", table)
        self.assertEqual(table.count("\nuniform "), 3)  # scores, what is gained over it, cost

        # the same runs from two shards, each with a file of its own
        for shard in (1, 2):
            self.assertIn("left to other shards", self.output(
                *words[:-1], self.folder / f"shard{shard}.jsonl", *chosen, "--shard", f"{shard}/2", "--quiet"))
        merged = ["--merge", self.folder / "shard1.jsonl", "--merge", self.folder / "shard2.jsonl"]
        both = self.folder / "both.jsonl"
        (third,) = self.objects(*words[:-1], both, *chosen, *merged)
        self.assertEqual(metrics_of(third), metrics_of(first))
        self.assertEqual(len(list((self.folder / "both.jsonl.pictures").glob("*.safetensors"))), 4)
        (unkept,) = self.objects("ablate", *QUICK, *chosen, *merged)  # nothing is made, nothing is written
        self.assertEqual(metrics_of(unkept), metrics_of(first))

        # a table that is lost, or damaged, is made again
        lost = next((self.folder / "both.jsonl.pictures").glob("*.safetensors"))
        before = lost.read_bytes()
        lost.unlink()
        self.run_tool(*words[:-1], both, *chosen, "--jobs", 1)
        self.assertEqual(lost.read_bytes(), before)
        lost.write_bytes(before[:-1])
        said = self.run_tool(*words[:-1], both, *chosen)[1]
        self.assertIn(lost.name, said)
        self.assertIn("made again", said)
        self.assertEqual(lost.read_bytes(), before)

        page = self.folder / "page.html"
        text = self.output(*words, *chosen, "--report", page, "--quiet")
        self.assertTrue(text.endswith("page.html\n"))
        html = page.read_text()
        for fact in ["What moeclip gains", "class=\"span", "trained parameters", "Variance components", "seeds, 4 x pictures"]:
            self.assertIn(fact, html)
        self.assertIn("--force", self.message(3, *words, *chosen, "--report", page))

        runs.write_text("{broken\n")  # it may be anything: it stays
        self.assertIn("runs.jsonl", self.message(3, *words, *chosen))
        self.assertEqual(runs.read_text(), "{broken\n")

    def test_shared_file(self):
        """Shards that keep their runs in one file lose none; what is damaged or contradicts itself is made again."""
        runs = self.folder / "runs.jsonl"
        words = ["ablate", *QUICK, "--jobs", 1, "--variant", "median-pixels", "--variant", "zero-shot", "--out"]
        shards = [subprocess.Popen([TOOL, *map(str, words), str(runs), "--shard", f"{i}/2", "--json"],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for i in (1, 2)]
        said = [json.loads(shard.communicate(timeout=100)[0]) for shard in shards]
        self.assertEqual([shard.returncode for shard in shards], [0, 0])
        for found in said:  # the one that is behind has all runs
            self.assertTrue("variants" in found or found["left"] + found["finished"] == 4)
        self.assertEqual(len(runs.read_text().splitlines()), 4)
        (first,) = self.objects(*words, runs)

        lines = runs.read_text().splitlines()
        wrong, beyond = json.loads(lines[0]), json.loads(lines[1])
        wrong["scores"]["pixel_auroc"] = abs(wrong["scores"]["pixel_auroc"] - 0.5)
        beyond["classes"][0]["aupro"] = 1.5
        copy = self.folder / "copy.jsonl"
        shutil.copytree(f"{runs}.pictures", f"{copy}.pictures")
        copy.write_text("\n".join([json.dumps(wrong), json.dumps(beyond), lines[2], lines[3][:-50]]))
        table, said = self.run_tool(*words, self.folder / "other.jsonl", "--merge", copy, "--json")
        for fact in ["line 1: pixel_auroc is", "line 2: aupro is 1.5", "line 4, column", "1 of 4 runs are finished"]:
            self.assertIn(fact, said)
        self.assertEqual(metrics_of(json.loads(table)), metrics_of(first))

        # one that was read before counts, and what cannot be used is told
        copy.write_text("\n".join([json.dumps(wrong), *lines[1:]]) + "\n")
        table, said = self.run_tool(*words, runs, "--merge", copy, "--json")
        self.assertIn("line 1: the same run was read before", said)
        self.assertEqual(metrics_of(json.loads(table)), metrics_of(first))
        said = self.run_tool(*words, self.folder / "third.jsonl", "--seeds", 1, "--merge", runs)[1]
        self.assertIn("2 of 4 runs have other variants, seeds or settings", said)
        shutil.rmtree(f"{copy}.pictures")
        self.assertIn("copy.jsonl.pictures", self.run_tool(*words, runs, "--merge", copy)[1])

    def test_intervals(self):
        enough = ["--test-pictures", 48]  # good and defective ones of each category
        (found,) = self.objects("ablate", *QUICK, *enough, "--variant", "moeclip", "--variant", "median-pixels")
        whole, other = found["variants"]
        self.assertEqual(other["baseline"], "moeclip")
        for name in METRICS:
            metric = other["metrics"][name]
            gains = [a - b for a, b in zip(whole["metrics"][name]["values"], metric["values"])]
            self.assertAlmostEqual(metric["gain_of_first"], sum(gains) / 2)
            low, high = metric["gain_interval"]
            self.assertLess(low, high)
            low, high = metric["gain_interval_by_t"]  # t of one degree of freedom, 0.975
            self.assertAlmostEqual((high - low) / 2, 12.7062047361747 * abs(gains[0] - gains[1]) / 2)
            self.assertEqual(set(metric["variances"]), {"seed", "category", "picture", "residual"})
            self.assertEqual(whole["metrics"][name]["gain_interval"], [0, 0])
        one = ["--seeds", 1, "--variant", "median-pixels", "--power"]  # nothing to compare with, no spread
        table = self.output("ablate", *QUICK, *one, "--quiet")
        self.assertNotIn("+-", table)
        self.assertIn("cannot be told", table)
        self.assertGreater(whole["trained_parameters"], 1000)
        self.assertEqual(other["trained_parameters"], 0)

    def test_worlds_and_lists(self):
        small = ["--seeds", 2, "--pictures", 4, "--batch", 4, "--test-pictures", 8, "--draws", 20]
        names = ["--variant", "moeclip", "--variant", "zero-shot"]
        (regions,) = self.objects("ablate", *small, *names, "--world", "regions")
        (same,) = self.objects("ablate", *small, *names, "--world", "homogeneous")
        self.assertNotEqual(regions["variants"][1]["metrics"], same["variants"][1]["metrics"])
        listed = self.output("ablate", "--preset", "worlds", "--list")
        self.assertIn("regions/uniform ", listed)
        self.assertIn("homogeneous/moeclip ", listed)
        self.assertIn("moeclip-400 ", self.output("ablate", "--preset", "power", "--list"))
        self.assertIn("recipe-paper ", self.output("ablate", "--preset", "paper-table", "--list"))

        self.run_tool("synthesize", "--out", self.folder / "set", "--world", "regions", "--categories", "lid,flap",
                      "--count", 2, "--size", 64)
        lists = ["--train", self.folder / "set/test.jsonl", "--test", self.folder / "set/test.jsonl"]
        words = ["ablate", *small[:2], "--batch", 8, *names, "--image-size", 64]
        self.assertIn("16 pictures of --test would be trained on", self.message(3, *words, *lists))
        (found,) = self.objects(*words, *lists, "--allow-training-pictures")
        zero_shot = found["variants"][1]["metrics"]["image_auroc"]["values"]
        self.assertEqual(zero_shot[0], zero_shot[1])  # the pictures are the same for all seeds

        # several lists are told apart, although their classes have the same names; nothing depends on the seed here
        self.run_tool("synthesize", "--out", self.folder / "more", "--world", "regions", "--categories", "lid,flap",
                      "--count", 2, "--size", 64, "--seed", 2)
        more = [*lists, "--test", self.folder / "more/test.jsonl", "--variant", "winclip"]
        words = ["ablate", *small[:2], "--draws", 20, "--variant", "zero-shot", "--image-size", 64, *more]
        (found,) = self.objects(*words)
        for row in found["variants"]:
            parts = [(part["set"], part["category"]) for part in row["categories"]]
            self.assertEqual(parts, [("set", "flap"), ("set", "lid"), ("more", "flap"), ("more", "lid")])
            self.assertEqual([part["set"] for part in row["sets"]], ["set", "more"])
            of = lambda kind: [part["metrics"]["pixel_auroc"]["mean"] for part in row[kind]]
            self.assertAlmostEqual(sum(of("sets")), sum(of("categories")) / 2)
            self.assertAlmostEqual(sum(of("sets")) / 2, row["metrics"]["pixel_auroc"]["mean"])
            self.assertEqual(row["metrics"]["pixel_auroc"]["gain_interval_by_t"], [None, None])
        page = self.folder / "page.html"
        table = self.output(*words, "--report", page, "--quiet")
        for fact in ["more/flap ", "set, mean ", "s/picture", "bootstrap's interval alone"]:
            self.assertIn(fact, table)
        for fact in [">more, mean</th>", "bootstrap&#39;s interval alone", "categories"]:
            self.assertIn(fact, page.read_text())
        self.assertIn("no variant 'memory'", self.message(2, "ablate", *lists, "--variant", "memory"))

    def test_command_line(self):
        listed = self.output("ablate", "--list")
        for name in ["moeclip", "uniform", "no-experts", "no-fofs", "no-etf", "original-moe", "no-paa", "recipe-paper",
                     "recipe-released", "zero-shot", "median-pixels", "median-features"]:
            self.assertIn("\n" + name + " ", "\n" + listed)
        self.assertIn("did you mean 'uniform'", self.message(2, "ablate", "--variant", "unifrom", "--clip", "x"))
        self.assertIn("--seeds", self.message(2, "ablate", "--seeds", 0))
        self.assertIn("--shard", self.message(2, "ablate", "--shard", "3/2", "--out", self.folder / "x.jsonl"))
        self.assertIn("--out", self.message(2, "ablate", "--shard", "1/2"))
        self.assertIn("--test", self.message(2, "ablate", "--train", "x"))
        self.assertIn("no variant 'moeclip'; did you mean 'moeclip-", self.message(2, "ablate", "--preset", "power", "--variant", "moeclip"))
        pair = ["--preset", "worlds", "--list", "--variant", "regions/uniform"]
        self.assertIn("name that, too", self.message(2, "ablate", *pair))
        self.assertNotIn("homogeneous", self.output("ablate", *pair, "--variant", "regions/moeclip"))
        self.assertIn("x.jsonl", self.message(3, "ablate", "--train", "x.jsonl", "--test", "x.jsonl"))
        self.assertIn("chosen must be", self.message(2, "ablate", "--list", "--option", "experts=1"))
        self.assertIn("moeclip", self.output("ablate", "--list", "--option", "experts=1", "--option", "chosen=1"))
        self.assertIn("no option", self.message(2, "ablate", "--list", "--option", "colour=1"))
        self.assertIn("NAME=VALUE", self.message(2, "ablate", "--list", "--option", "rank"))
        self.assertIn("--variant aa-clip", self.message(2, "ablate", "--method", "aa-clip"))
        kept = self.folder / "kept.jsonl"
        self.assertIn("another name", self.message(2, "ablate", "--out", kept, "--report", f"{self.folder}/./kept.jsonl"))


if __name__ == "__main__":
    unittest.main()
