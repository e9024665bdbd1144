# SPDX-License-Identifier: MIT
"""Man pages and completions: all that --help tells of is in them, and shells complete what they should."""
import os
import re
import select
import shutil
import subprocess
import time
import unittest

from support import TOOL, ToolTest

VALUES = {"--dtype": "auto f32 bf16 int8"}  # of detect


def plain(page):
    """What a man page says, less its marks."""
    page = re.sub(r"\\f[BIR]|\\&", "", re.sub(r'^\.(BR|B) (\S+).*', r"\2", page, flags=re.M))
    for mark, letter in (("\\-", "-"), ("\\(aq", "'"), ("\\(ga", "`"), ("\\(ha", "^"), ("\\(ti", "~"), ("\\e", "\\")):
        page = page.replace(mark, letter)
    return page


class Pages(ToolTest):
    def helps(self):
        """{command line: help} of all that can be typed."""
        helps = {}
        for command in re.findall(r"^  (\w+) ", self.output("help"), re.M):
            text = self.output(command, "--help")
            verbs = re.findall(r"^  (\w+) [A-Z]", text, re.M) if "VERB" in text else [None]
            for verb in verbs:
                words = [command] + ([verb] if verb else [])
                helps[" ".join(words)] = self.output(*words, "--help")
        return helps

    def test_pages_say_what_help_says(self):
        helps = self.helps()
        self.assertIn("dataset scan", helps)
        self.output("help", "--man", "--out", self.folder / "man1")
        names = {path.name: path.read_text() for path in (self.folder / "man1").iterdir()}
        self.assertEqual(set(names), {f"moeclip-{line.replace(' ', '-')}.1" for line in helps} | {"moeclip.1"})
        overview = names["moeclip.1"]
        for line, text in helps.items():
            name = f"moeclip-{line.replace(' ', '-')}"
            self.assertIn(name, plain(overview))
            page = names[name + ".1"]
            self.assertEqual(page, self.output("help", "--man", *line.split()))
            words = " ".join(plain(page).split())
            entries = re.sub(r"^usage: .*", "", text).replace("`", "")
            for word in entries.split():
                self.assertIn(word, words.replace("`", ""), line)
        self.assertEqual(overview, self.output("help", "--man"))
        for name in ("MOECLIP_ISA", "MOECLIP_VOCABULARY", "NO_COLOR", "seconds_left"):
            self.assertIn(name, overview)

    def test_readers_of_pages_have_no_complaints(self):
        self.output("help", "--man", "--out", self.folder / "man1")
        pages = sorted((self.folder / "man1").iterdir())
        if not shutil.which("mandoc"):
            self.skipTest("there is no mandoc here")
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *pages], stdout=subprocess.PIPE, text=True)
        self.assertEqual(done.stdout, "")

    def test_pages_are_not_replaced_unasked(self):
        self.output("help", "--man", "--out", self.folder)
        self.assertIn("--force", self.message(3, "help", "--man", "--out", self.folder))
        self.output("help", "--man", "--out", self.folder, "--force")
        self.assertIn("--man", self.message(2, "help", "--out", self.folder))
        self.assertIn("all commands", self.message(2, "help", "--man", "--out", self.folder, "detect"))
        self.assertIn("did you mean 'detect'", self.message(2, "help", "--man", "detct"))

    def test_shell_is_unknown(self):
        self.assertIn("SHELL is one of bash, zsh, fish, not 'csh'", self.message(2, "completion", "csh"))


class Shell:
    """A shell on a terminal, whose line is written to a file with control-t."""

    def __init__(self, test, command, setup, dump):
        self.test, self.folder = test, test.folder
        self.process, self.terminal = self.start(command)
        test.addCleanup(self.end)
        self.dump = self.folder / "line"
        (self.folder / "setup").write_text(setup + dump.replace("FILE", str(self.dump)) + "\n")
        self.type(f" . {self.folder / 'setup'}; touch {self.folder / 'ready'}\n")
        self.wait_for(self.folder / "ready")

    def start(self, command):
        master, slave = os.openpty()
        environment = {**os.environ, "TERM": "dumb", "HOME": str(self.folder), "PS1": "", "INPUTRC": "/dev/null"}
        process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, cwd=self.folder, env=environment,
                                   start_new_session=True)
        os.close(slave)
        return process, master

    def end(self):
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)

    def read(self):
        while select.select([self.terminal], [], [], 0)[0]:
            try:
                os.read(self.terminal, 65536)
            except OSError:
                return

    def type(self, text):
        os.write(self.terminal, text.encode())

    def wait_for(self, path):
        end = time.monotonic() + 60
        while not path.exists():
            self.read()
            self.test.assertLess(time.monotonic(), end, f"{path} was not made")
            time.sleep(0.01)

    def complete(self, line):
        """The line after a tab."""
        self.type(f"{line}\t\x14")
        self.wait_for(self.dump)
        text = self.dump.read_text()
        self.dump.unlink()
        self.type("\x15")  # an empty line again
        return text


class Completion(ToolTest):
    def script(self, shell):
        path = self.folder / f"_moeclip.{shell}"
        path.write_text(self.output("completion", shell))
        return path

    def check_lines(self, shell):
        """What a tab makes of lines, the same in each shell that is asked on a terminal."""
        (self.folder / "pictures of nuts").mkdir()
        (self.folder / "nut.png").write_bytes(b"")
        for typed, wanted in (("moeclip quant", "moeclip quantize "), ("moeclip quantize --max-s", "moeclip quantize --max-score-change"),
                              ("moeclip quantize --dtype b", "moeclip quantize --dtype bf16 "),
                              ("moeclip quantize --dtype=b", "moeclip quantize --dtype=bf16 "),
                              ("moeclip dataset sc", "moeclip dataset scan "),
                              ("moeclip dataset check --layout RS", "moeclip dataset check --layout RSDD "),
                              ("moeclip detect nu", "moeclip detect nut.png "),
                              ("moeclip detect --out pic", "moeclip detect --out pictures\\ of\\ nuts/"),
                              ("moeclip detect -o pic", "moeclip detect -o pictures\\ of\\ nuts/"),
                              ("moeclip detect --threads nu", "moeclip detect --threads nu"),
                              ("moeclip version nu", "moeclip version nu"),
                              ("moeclip completion fi", "moeclip completion fish "),
                              ("moeclip help ser", "moeclip help serve ")):
            done = shell.complete(typed)
            self.assertEqual(done.rstrip(" ="), wanted.rstrip(" "), typed)

    def test_bash(self):
        if not shutil.which("bash"):
            self.skipTest("there is no bash here")
        script = self.script("bash")
        self.check_lines(Shell(self, ["bash", "--norc", "--noprofile", "-i"], f". {script}\n",
                               "bind -x '\"\\C-t\": printf %s \"$READLINE_LINE\" >FILE.new; mv FILE.new FILE'"))

    def test_bash_offers_each_option_of_each_command(self):
        """The function alone, as bash calls it."""
        if not shutil.which("bash"):
            self.skipTest("there is no bash here")
        lines = [f"detect {option}" for option in VALUES]
        asks = "".join(f"COMP_WORDS=(moeclip {line} '') COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _moeclip; "
                       "echo \"${COMPREPLY[*]}\"\n" for line in lines)
        commands = ["detect", "dataset check", "version"]
        asks += "".join(f"COMP_WORDS=(moeclip {line} '-') COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _moeclip; "
                        "echo \"${COMPREPLY[*]}\"\n" for line in commands)
        done = subprocess.run(["bash", "-c", f". {self.script('bash')}\n{asks}"], stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.PIPE)
        self.assertEqual(done.stderr, "")
        answers = done.stdout.splitlines()
        self.assertEqual(answers[:len(lines)], list(VALUES.values()))
        for command, answer in zip(commands, answers[len(lines):], strict=True):
            wanted = re.findall(r"^  (--[\w-]+)", self.output(*command.split(), "--help"), re.M)
            self.assertEqual(answer.split(), wanted)

    def test_zsh(self):
        if not shutil.which("zsh"):
            self.skipTest("there is no zsh here")
        script = self.script("zsh")
        setup = f"autoload -U compinit; compinit -u -D; zstyle ':completion:*' list-prompt ''; . {script}\n"
        dump = "moeclip-dump() { print -rn -- $BUFFER >FILE.new; mv FILE.new FILE }; zle -N moeclip-dump; bindkey '^T' moeclip-dump"
        self.check_lines(Shell(self, ["zsh", "-f", "-i"], setup, dump))

    def test_fish(self):
        if not shutil.which("fish"):
            self.skipTest("there is no fish here")
        (self.folder / "pictures").mkdir()
        (self.folder / "nut.png").write_bytes(b"")
        asked = {"moeclip quant": ["quantize"], "moeclip quantize --dtype ": ["bf16", "int8"],
                 "moeclip quantize --dtype=b": ["--dtype=bf16"], "moeclip dataset ": ["check", "scan"],
                 "moeclip dataset check --layout RS": ["RSDD"], "moeclip detect n": ["nut.png"],
                 "moeclip detect --out ": ["pictures/"], "moeclip detect --threads n": [], "moeclip version n": [],
                 "moeclip detect --clas": ["--class"], "moeclip completion fi": ["fish"], "moeclip help ser": ["serve"]}
        text = "".join(f"complete -C '{line}' | string replace -r '\\t.*' ''; echo ---\n" for line in asked)
        done = subprocess.run(["fish", "--no-config", "-c", f"source {self.script('fish')}\n{text}"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.folder,
                              env={**os.environ, "HOME": str(self.folder)})
        self.assertEqual(done.stderr, "")
        answers = [sorted(answer.split()) for answer in done.stdout.split("---\n")[:-1]]
        for line, answer in zip(asked, answers, strict=True):
            self.assertEqual(answer, asked[line], line)


if __name__ == "__main__":
    unittest.main()
