# SPDX-License-Identifier: MIT
"""The tool as a whole: help, misspellings, exit codes, broken outputs."""
import contextlib
import os
import re
import subprocess
import unittest

from support import TOOL, ToolTest


class Tool(ToolTest):
    def commands(self):
        return re.findall(r"^  (\w+) ", self.output("help"), re.MULTILINE)

    def test_help_lists_commands_and_exit_codes(self):
        text = self.output("help")
        self.assertLessEqual({"detect", "inspect", "decode", "tokenize", "trace", "doctor", "version"},
                             set(self.commands()))
        self.assertRegex(text, r"Exit codes: 0 .* 1 .* 2 (.|\n)* 3 ")
        self.assertEqual(text, self.output("--help"))
        self.assertEqual(text, self.output("-h"))

    def test_help_of_each_command(self):
        for command in self.commands():
            text = self.output("help", command)
            self.assertTrue(text.startswith(f"usage: moeclip {command}"), text)
            self.assertIn("--help", text)
            self.assertLessEqual(max(map(len, text.splitlines())), 120)
            self.assertEqual(text, self.output(command, "--help"))

    def test_version(self):
        self.assertRegex(self.output("version"), r"^moeclip \d+\.\d+\.\d+\n$")
        self.assertEqual(self.output("--version"), self.output("version"))

    def test_command_is_missing_or_unknown(self):
        self.assertIn("moeclip help", self.message(2))
        self.assertIn("did you mean 'inspect'?", self.message(2, "isnpect"))
        self.assertIn("did you mean 'version'?", self.message(2, "--vers"))
        self.assertNotIn("did you mean", self.message(2, "x"))
        self.assertNotIn("did you mean", self.message(2, "frobnicate" * 1000))
        self.assertIn("did you mean 'decode'?", self.message(2, "help", "deocde"))

    def test_option_is_unknown(self):
        error = self.message(2, "inspect", "--jsn", "file")
        self.assertIn("inspect: unknown option --jsn; did you mean --json?", error)
        self.assertIn("`moeclip inspect --help`", error)
        self.assertNotIn("did you mean", self.message(2, "inspect", "--frobnicate", "file"))
        self.assertIn("two dashes", self.message(2, "inspect", "-j", "file"))

    def test_option_has_wrong_value(self):
        self.assertIn("takes no value", self.message(2, "inspect", "--hash=yes", "file"))
        self.assertIn("--vocab wants a value", self.message(2, "tokenize", "--vocab"))
        self.assertIn("--padded wants a value", self.message(2, "tokenize", "--padded", "--truncate"))
        self.assertIn("--vocab wants a value", self.message(2, "tokenize", "--vocab", "", "text"))
        self.assertIn("--adapter wants a value", self.message(2, "detect", "--adapter=", "a.png"))
        self.assertIn("a whole number", self.message(2, "tokenize", "--padded", "7.5", "text"))
        self.assertIn("one of f32", self.message(2, "inspect", "--hash", "--as", "f16", "file"))

    def test_number_of_arguments(self):
        self.assertIn("FILE is missing", self.message(2, "inspect"))
        self.assertIn("OUT is missing", self.message(2, "decode", "a.png"))
        self.assertIn("one argument too many: 'c'", self.message(2, "decode", "a", "b", "c"))
        self.assertIn("one argument too many", self.message(2, "version", "now"))

    def test_help_wins_over_what_follows(self):
        self.assertTrue(self.output("inspect", "--help", "--frobnicate").startswith("usage"))

    def test_missing_file_keeps_its_dashes(self):
        self.assertIn("--file: no such file", self.message(1, "inspect", "--", "--file"))

    def test_control_characters_do_not_reach_the_terminal(self):
        self.assertIn("a?[31mb: no such file", self.message(1, "inspect", "a\x1b[31mb"))

    @unittest.skipUnless(os.path.exists("/dev/full"), "needs /dev/full")
    def test_disk_is_full(self):
        for command in (["help"], ["version"], ["inspect", "--help"], ["tokenize", "a"]):
            with open("/dev/full", "wb") as full:
                _, error = self.run_tool(*command, code=3, stdout=full)
            self.assertIn("standard output cannot be written", error)

    @unittest.skipUnless(os.name == "posix", "needs pipes of POSIX")
    def test_nobody_reads(self):
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "wb", buffering=0) as pipe:
            done = subprocess.run([TOOL, "help"], stdout=pipe, stderr=subprocess.PIPE, timeout=100)
        self.assertEqual((done.returncode, done.stderr), (3, b""))  # as `| head` does it: nothing to say

    def test_reader_leaves_early(self):
        tool = subprocess.Popen([TOOL, "tokenize", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)
        tool.stdout.close()
        try:
            tool.stdin.write(b"a photo of a cat\n" * 20000)
        except BrokenPipeError:
            pass
        with contextlib.suppress(BrokenPipeError):
            tool.stdin.close()
        error = tool.stderr.read()
        tool.stderr.close()
        self.assertEqual(tool.wait(60), 3)
        self.assertEqual(error, b"")


if __name__ == "__main__":
    unittest.main()
