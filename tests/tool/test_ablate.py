# SPDX-License-Identifier: MIT
"""moeclip ablate: the table and its intervals, what is kept of finished runs, how it goes on, shards, the page."""
import json
import unittest

from support import ToolTest

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
        self.assertEqual(table.count("\nuniform "), 2)

        # the same runs from two shards, each with a file of its own
        for shard in (1, 2):
            self.assertIn("left to other shards", self.run_tool(
                *words[:-1], self.folder / f"shard{shard}.jsonl", *chosen, "--shard", f"{shard}/2")[1])
        merged = ["--merge", self.folder / "shard1.jsonl", "--merge", self.folder / "shard2.jsonl"]
        both = self.folder / "both.jsonl"
        (third,) = self.objects(*words[:-1], both, *chosen, *merged)
        self.assertEqual(metrics_of(third), metrics_of(first))
        self.assertEqual(len(list((self.folder / "both.jsonl.pictures").iterdir())), 4)
        (unkept,) = self.objects("ablate", *QUICK, *chosen, *merged)  # nothing is made, nothing is written
        self.assertEqual(metrics_of(unkept), metrics_of(first))

        # a table that is lost is made again
        lost = next((self.folder / "both.jsonl.pictures").iterdir())
        before = lost.read_bytes()
        lost.unlink()
        self.run_tool(*words[:-1], both, *chosen, "--jobs", 1)
        self.assertEqual(lost.read_bytes(), before)
        lost.write_bytes(before[:-1])
        self.assertIn(lost.name, self.message(3, *words[:-1], both, *chosen))

        page = self.folder / "page.html"
        text = self.output(*words, *chosen, "--report", page, "--quiet")
        self.assertTrue(text.endswith("page.html\n"))
        html = page.read_text()
        for fact in ["What moeclip gains", "class=\"span", "trained parameters", "Variance components", "seeds, 4 x pictures"]:
            self.assertIn(fact, html)
        self.assertIn("--force", self.message(3, *words, *chosen, "--report", page))

        runs.write_text("{broken\n")
        self.assertIn("runs.jsonl", self.message(3, *words, *chosen))

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
        (found,) = self.objects("ablate", *small[:2], "--batch", 8, *names, *lists, "--image-size", 64)
        zero_shot = found["variants"][1]["metrics"]["image_auroc"]["values"]
        self.assertEqual(zero_shot[0], zero_shot[1])  # the pictures are the same for all seeds
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
        self.assertIn("chosen must be", self.message(3, "ablate", "--list", "--option", "experts=1"))
        self.assertIn("moeclip", self.output("ablate", "--list", "--option", "experts=1", "--option", "chosen=1"))
        self.assertIn("no option", self.message(3, "ablate", "--list", "--option", "colour=1"))


if __name__ == "__main__":
    unittest.main()
