# SPDX-License-Identifier: MIT
"""bench/onnxruntime/export.py writes an ONNX model with the torch that is installed."""
import subprocess
import sys
import unittest
from pathlib import Path

from support import ToolTest
from training import micro_clip

try:
    import torch
except ImportError:
    torch = None

SCRIPT = Path(__file__).resolve().parents[2] / "bench" / "onnxruntime" / "export.py"


class ExportTest(ToolTest):
    @unittest.skipUnless(torch, "needs torch")
    def test_a_model_is_written(self):
        clip = self.write("clip.safetensors", micro_clip())
        for size in (28, 35):  # as it was trained, and with resized positions
            out = self.folder / f"{size}.onnx"
            done = subprocess.run([sys.executable, SCRIPT, clip, str(size), out], capture_output=True, timeout=100)
            self.assertEqual((done.returncode, done.stderr.decode()), (0, ""))
            self.assertGreater(out.stat().st_size, 3 * 4 * 7 * 7 * 64)


if __name__ == "__main__":
    unittest.main()
