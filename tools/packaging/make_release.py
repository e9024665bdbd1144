# SPDX-License-Identifier: MIT
"""Makes what a release publishes, of the last commit: the source archive, the Meson wrap that names it, an archive for each
preset (of this working tree, which should be that commit), and SHA256SUMS of all of them.

usage: make_release.py OUT [--url URL] [PRESET...]
       make_release.py --notes

URL is the folder from which all of it will be downloaded; without PRESET, the source and the wrap alone. The same commit
gives the same bytes. --notes prints this version's part of the CHANGELOG.
"""
import argparse
import gzip
import hashlib
import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VERSION = re.search(r'MOECLIP_VERSION_STRING "(.+)"', (ROOT / "include/moeclip/base/version.hpp").read_text()).group(1)


def run(*command, **environment):
    subprocess.run([str(word) for word in command], cwd=ROOT, check=True, env={**os.environ, **environment})


def git(*words):
    return subprocess.run(["git", *words], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def source_archive(out, commit="HEAD"):
    """Writes the archive of a commit; it depends on nothing else."""
    path = out / f"moeclip-{VERSION}.tar.gz"
    tar = git("archive", "--format=tar", f"--prefix=moeclip-{VERSION}/", commit)
    path.write_bytes(gzip.compress(tar, 9, mtime=0))
    return path


def wrap(out, source, url):
    text = (ROOT / "tools/packaging/moeclip.wrap.in").read_text()
    for name, value in (("VERSION", VERSION), ("URL", url), ("SHA256", sha256(source))):
        text = text.replace(f"@{name}@", value)
    path = out / "moeclip.wrap"
    path.write_text(text)
    return path


def archive(out, preset):
    epoch = git("log", "-1", "--format=%ct").decode().strip()
    run("cmake", "--preset", preset, "-G", "Ninja")
    run("cmake", "--build", "--preset", preset)
    run("cpack", "--config", f"build/{preset}/CPackConfig.cmake", "-B", out, SOURCE_DATE_EPOCH=epoch)
    for rest in out.glob("_CPack_Packages"):
        run("rm", "-rf", rest)


def notes():
    """What the CHANGELOG says of this version."""
    text = (ROOT / "tools/packaging/CHANGELOG.md").read_text()
    return re.search(rf"^## {re.escape(VERSION)} .*\n\n((?:.*\n)*?)(?=## |\Z)", text, re.M).group(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("presets", nargs="*")
    parser.add_argument("--notes", action="store_true", help="print them, and make nothing")
    parser.add_argument("--url", default="https://example.org/moeclip", help="where the files will be")
    arguments = parser.parse_args()
    if arguments.notes:
        print(notes(), end="")
        return
    if arguments.out is None:
        parser.error("OUT is missing")
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    wrap(out, source_archive(out), arguments.url)
    for preset in arguments.presets:
        archive(out, preset)
    files = sorted(path for path in out.iterdir() if path.is_file() and path.name != "SHA256SUMS"
                   and path.suffix != ".sha256")
    (out / "SHA256SUMS").write_text("".join(f"{sha256(path)}  {path.name}\n" for path in files))
    for path in files:
        print(f"{path.stat().st_size:>12,}  {path.name}")


if __name__ == "__main__":
    main()
