# SPDX-License-Identifier: MIT
"""test_infer.py PROGRAM [EMULATOR]: moeclip-infer, static and small, says of recorded models what was recorded."""
import json
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROGRAM, EMULATOR = Path(sys.argv[1]), sys.argv[2:]
GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "model"
MOST_BYTES = 1_500_000


def run(*arguments):
    done = subprocess.run([*EMULATOR, PROGRAM, *map(str, arguments)], capture_output=True, timeout=100)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


class InferTest(unittest.TestCase):
    def test_recorded_models(self):
        recorded = json.loads((GOLDEN / "verdicts.json").read_text())
        self.assertGreaterEqual(len(recorded), 2)
        for model, verdicts in recorded.items():
            pictures = [GOLDEN / name for name in verdicts]
            code, out, err = run(GOLDEN / model, *pictures)
            self.assertEqual((code, err), (0, ""))
            for line, (name, verdict) in zip(map(json.loads, out.splitlines()), verdicts.items(), strict=True):
                self.assertEqual((line["image"], line["is_anomalous"]), (str(GOLDEN / name), verdict["is_anomalous"]))
                self.assertAlmostEqual(line["score"], verdict["score"], delta=1e-2)  # int8, by other instructions
                self.assertEqual(bool(line["regions"]), bool(verdict["regions"]))

    def test_what_cannot_be_judged(self):
        model, picture = GOLDEN / "textures.moeclip", GOLDEN / "good.png"
        self.assertEqual(run()[0], 2)
        self.assertEqual(run(model)[0], 2)
        code, out, _ = run(model, "none.png", picture)
        bad, good = map(json.loads, out.splitlines())
        self.assertEqual((code, "no such file" in bad["error"], "score" in good), (1, True, True))
        code, out, err = run(picture, picture)
        self.assertEqual((code, out), (3, ""))
        self.assertIn("is no model file", err)
        data = bytearray(model.read_bytes())
        data[len(data) // 2] ^= 4
        with tempfile.NamedTemporaryFile(suffix=".moeclip") as file:
            file.write(data)
            file.flush()
            code, out, err = run(file.name, picture)
        self.assertEqual((code, out), (3, ""))
        self.assertIn("damaged", err)
        code, out, err = run("--class", "nut", GOLDEN / "words.moeclip", picture)
        self.assertEqual((code, out), (3, ""))
        self.assertIn('knows no class "nut"', err)

    def test_names_of_any_letters(self):
        name = "\u5de5\u5382 Stra\u00dfe \U0001f529"
        with tempfile.TemporaryDirectory(suffix=name) as folder:
            model, picture = Path(folder, f"{name}.moeclip"), Path(folder, f"bad {name}.png")
            shutil.copy(GOLDEN / "textures.moeclip", model)
            shutil.copy(GOLDEN / "bad.png", picture)
            code, out, err = run(model, picture)
            self.assertEqual((code, err), (0, ""))
            self.assertEqual(json.loads(out)["image"], str(picture))
            code, _, err = run("--class", name, GOLDEN / "words.moeclip", picture)
            self.assertEqual((code, f'knows no class "{name}"' in err), (3, True), err)

    def test_that_it_is_small_and_alone(self):
        data = PROGRAM.read_bytes()
        if not data.startswith(b"\x7fELF") or b".interp\0" in data:
            self.skipTest("it is not linked statically here")
        self.assertLessEqual(len(data), MOST_BYTES)


if __name__ == "__main__":
    if not PROGRAM.exists():
        print(f"{PROGRAM} was not built")
        sys.exit(77)
    del sys.argv[1:]
    unittest.main()
