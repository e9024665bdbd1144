# SPDX-License-Identifier: MIT
"""moeclip ablate: the table, what is kept of finished runs, and how it goes on."""
import json
import unittest

from support import ToolTest

QUICK = ["--seeds", 2, "--pictures", 8, "--epochs", 1, "--batch", 4, "--test-pictures", 12]
METRICS = ["image_auroc", "image_ap", "pixel_auroc", "pixel_ap", "aupro"]


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
        self.assertEqual(second["variants"][:2], first["variants"])  # same bits for one job and two
        self.assertEqual(len(runs.read_text().splitlines()), 6)
        table, said = self.run_tool(*words, *chosen)
        self.assertIn("4 of 4 runs are finished", said)
        self.assertIn("what moeclip gains over", table)
        self.assertEqual(table.count("uniform"), 2)

        runs.write_text("{broken\n")
        self.assertIn("runs.jsonl", self.message(3, *words, *chosen))

    def test_command_line(self):
        listed = self.output("ablate", "--list")
        for name in ["moeclip", "uniform", "no-experts", "no-fofs", "no-etf", "original-moe", "no-paa", "recipe-paper",
                     "recipe-released", "zero-shot", "median-pixels", "median-features"]:
            self.assertIn("\n" + name + " ", "\n" + listed)
        self.assertIn("did you mean 'uniform'", self.message(2, "ablate", "--variant", "unifrom", "--clip", "x"))
        self.assertIn("--seeds", self.message(2, "ablate", "--seeds", 0))
        self.assertIn("chosen must be", self.message(3, "ablate", "--list", "--option", "experts=1"))
        self.assertIn("moeclip", self.output("ablate", "--list", "--option", "experts=1", "--option", "chosen=1"))
        self.assertIn("no option", self.message(3, "ablate", "--list", "--option", "colour=1"))


if __name__ == "__main__":
    unittest.main()
