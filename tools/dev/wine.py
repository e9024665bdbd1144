# SPDX-License-Identifier: MIT
"""Runs a program for Windows under wine, in a Windows of its own that begins and ends with it.

usage: wine.py PROGRAM [WORD...]

The first program that wine runs starts a server and half a dozen services. They inherit its stderr, and end some seconds
after the last program of the same prefix, if at all: who reads that stderr through a pipe waits for all of them. So the
first program is one that does nothing and whose output goes nowhere, and the prefix is nobody else's.
Debian: apt install wine64
"""
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile

PLACES = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/lib/wine"))  # Debian's wine64 is in no PATH
NOT_NEEDED = "mscoree=;mshtml=;winemenubuilder.exe="  # what .NET, HTML and menus of the desktop would ask and install


def program(*names):
    """The first of these that there is."""
    found = next(filter(None, (shutil.which(name, path=PLACES) for name in names)), None)
    return found or sys.exit(f"wine.py: none of {', '.join(names)} is installed")


@contextlib.contextmanager
def session():
    """(wine, the environment to run it in) while a Windows of our own is up."""
    wine, server = program("wine64", "wine64-stable", "wine"), program("wineserver64", "wineserver")
    with tempfile.TemporaryDirectory(prefix="moeclip-wine-", ignore_cleanup_errors=True) as prefix:
        environment = {"WINEDEBUG": "-all", **os.environ, "WINEPREFIX": prefix, "WINESERVER": server,
                       "WINEDLLOVERRIDES": NOT_NEEDED}
        idle = subprocess.Popen([wine, "cmd.exe"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL)
        try:
            if not idle.stdout.read(1):  # it greets once all is up, and waits for a command
                sys.exit(f"wine.py: {wine} does not start; WINEDEBUG=+err may say why")
            yield wine, environment
        finally:
            subprocess.run([server, "-k"], env=environment, check=False)
            idle.kill()
            idle.communicate()


def main():
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    with session() as (wine, environment):
        code = subprocess.call([wine, *sys.argv[1:]], env=environment)
    sys.exit(code)


if __name__ == "__main__":
    main()
