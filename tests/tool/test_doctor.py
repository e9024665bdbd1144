# SPDX-License-Identifier: MIT
"""moeclip doctor: what the machine and the installation can do."""
import unittest

from support import ToolTest


class Doctor(ToolTest):
    def test_text(self):
        text = self.output("doctor")
        for word in ("moeclip", "compiler", "threads", "instruction sets", "in use", "peak scalar", "GFLOP/s", "GB/s",
                     "vocabulary", "49408 tokens"):
            self.assertIn(word, text)

    def test_json(self):
        found, = self.objects("doctor")
        self.assertGreaterEqual(found["threads"], 1)
        self.assertIn("scalar", found["isas_compiled"])
        self.assertLessEqual(set(found["isas_supported"]), set(found["isas_compiled"]))
        self.assertIn(found["isa"], found["isas_supported"])
        self.assertEqual(set(found["peak_gflops"]), set(found["isas_supported"]))
        for speeds in found["peak_gflops"].values():
            self.assertEqual(set(speeds), {"1", str(found["threads"])})
            self.assertTrue(all(speed > 0 for speed in speeds.values()))
        self.assertGreater(found["memory_read_gb_per_s"], 0)
        self.assertEqual(found["vocabulary_size"], 49408)

    def test_environment(self):
        found, = self.objects("doctor", MOECLIP_ISA="scalar", MOECLIP_VOCABULARY="/nowhere")
        self.assertEqual(found["isa"], "scalar")
        self.assertIsNone(found["vocabulary"])
        self.assertIn("/nowhere", found["vocabulary_error"])

    def test_instruction_set_does_not_exist(self):
        self.assertIn("MOECLIP_ISA", self.run_tool("doctor", code=3, MOECLIP_ISA="mmx")[1])


if __name__ == "__main__":
    unittest.main()
