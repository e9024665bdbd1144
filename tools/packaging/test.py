# SPDX-License-Identifier: MIT
"""Builds each package and uses it, and prints a line for each: how it was tried, what came of it, and how long it took.

usage: test.py [--work DIR] [--vcpkg DIR] [--conan DIR] [--cpm FILE] [ROUTE...]

ROUTE is the name of a function in ROUTES, by default all of them. DIR of --vcpkg and --conan are checkouts of their sources, FILE is
CPM.cmake; without them, these routes are tried as far as tests/packaging does. A route whose programs are not here is told
as skipped. Most need minutes, because they compile the library; ccache, where it is found, helps. Exits 1 if one fails.
"""
import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from make_release import ROOT, VERSION, sha256, source_archive, wrap

PACKAGING = ROOT / "tools" / "packaging"
CONSUME = ROOT / "tests" / "consume"
SENTENCE = "320 1125 539 320 2368 269"  # of the consumer's sentence, in CLIP's vocabulary
LAUNCHER = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []


class Skipped(Exception):
    pass


class Trial:
    """One route: its folder, and what was run in it."""

    def __init__(self, name, options, folder):
        self.name, self.options, self.folder = name, options, folder
        self.log = (folder / "log").open("w")

    def run(self, *command, cwd=None, **environment):
        """Runs a command and returns what it wrote to stdout."""
        words = [str(word) for word in command]
        self.log.write(f"$ {' '.join(words)}\n")
        self.log.flush()
        done = subprocess.run(words, cwd=cwd or self.folder, text=True, stdout=subprocess.PIPE, stderr=self.log,
                              stdin=subprocess.DEVNULL, env={**os.environ, **{k: str(v) for k, v in environment.items()}})
        self.log.write(done.stdout)
        self.log.flush()
        if done.returncode != 0:
            raise AssertionError(f"{words[0]} ended with {done.returncode}; {self.log.name} tells more")
        return done.stdout

    def need(self, *programs):
        missing = [program for program in programs if shutil.which(program) is None]
        if missing:
            raise Skipped(f"there is no {', '.join(missing)} here")

    def check_consumer(self, program, below, mode="header-only"):
        """Runs the smallest user of the library (tests/consume/main.cpp) and looks at what it says."""
        version, vocabulary, tokens, words = self.run(program, MOECLIP_VOCABULARY="").splitlines()
        assert version.startswith(f"moeclip {VERSION} {mode} "), version
        assert Path(vocabulary).resolve().is_relative_to(Path(below).resolve()), vocabulary
        assert tokens.strip() == SENTENCE and words == "macaroni", (tokens, words)

    def consumer(self, *, lines, target="moeclip::moeclip"):
        """Builds that user as a CMake project that gets the library by `lines`."""
        shutil.copy(CONSUME / "main.cpp", self.folder)
        (self.folder / "CMakeLists.txt").write_text(
            f"cmake_minimum_required(VERSION 3.25)\nproject(app LANGUAGES CXX)\n{lines}\nadd_executable(app main.cpp)\n"
            f"target_link_libraries(app PRIVATE {target})\n")
        self.run("cmake", "-S", ".", "-B", "build", *LAUNCHER)
        self.run("cmake", "--build", "build")
        return self.folder / "build" / "app"

    def snippet(self, word):
        """The lines of CMake in the README that have `word` in them."""
        text = (PACKAGING / "README.md").read_text()
        return next(part for part in re.findall(r"```cmake\n(.*?)```", text, re.S) if word in part)


def debian(trial):
    """dpkg-buildpackage, lintian, the tests for autopkgtest against what was unpacked"""
    trial.need("dpkg-buildpackage", "lintian", "dh")
    trial.run(PACKAGING / "build_deb.sh", trial.folder / "out", PATH=f"/usr/lib/ccache:{os.environ['PATH']}")
    root, out = trial.folder / "root", trial.folder / "out"
    packages = [path for path in out.glob("*.deb") if "dbgsym" not in path.name]
    for package in packages:
        trial.run("dpkg-deb", "-x", package, root)
    library = next(root.glob("usr/lib/*/pkgconfig"))
    for test in ("tool", "embed"):
        trial.run("sh", out / f"moeclip-{VERSION}" / "debian" / "tests" / test, cwd=ROOT,
                  PATH=f"{root / 'usr/bin'}:{os.environ['PATH']}", PKG_CONFIG_PATH=library, CMAKE_PREFIX_PATH=root / "usr")
    trial.run("man", "--warnings", "-E", "UTF-8", "-l", root / "usr/share/man/man1/moeclip.1.gz")
    return " ".join(f"{path.name.split('_')[0]} {size(path)}" for path in sorted(packages))


def vcpkg(trial):
    """the port by vcpkg's own scripts, then find_package"""
    if not trial.options.vcpkg:
        trial.run(sys.executable, ROOT / "tests/packaging/test_recipes.py", "-k", "vcpkg")
        return "against a stand-in; --vcpkg DIR builds with vcpkg's scripts"
    trial.need("ninja", "patchelf")
    source, installed = trial.options.vcpkg.resolve(), trial.folder / "installed"
    configs = []
    for port in ("vcpkg-cmake", "vcpkg-cmake-config"):
        place = installed / "x64-linux" / "share" / port
        shutil.copytree(source / "ports" / port, place, ignore=shutil.ignore_patterns("portfile.cmake", "vcpkg.json"))
        configs.append(str(place / "vcpkg-port-config.cmake"))
    settings = {
        "CMD": "BUILD", "PORT": "moeclip", "VERSION": VERSION, "CURRENT_PORT_DIR": PACKAGING / "vcpkg/moeclip",
        "FEATURES": "core", "ALL_FEATURES": "compiled;tool", "TARGET_TRIPLET": "x64-linux", "_HOST_TRIPLET": "x64-linux",
        "TARGET_TRIPLET_FILE": source / "triplets/x64-linux.cmake", "VCPKG_ROOT_DIR": source,
        "BUILDTREES_DIR": trial.folder / "buildtrees", "PACKAGES_DIR": trial.folder / "packages",
        "_VCPKG_INSTALLED_DIR": installed, "DOWNLOADS": trial.folder / "downloads", "VCPKG_CONCURRENCY": 1,
        "VCPKG_BASE_VERSION": "2099-01-01", "VCPKG_PORT_CONFIGS": ";".join(configs), "GIT": shutil.which("git"),
        "NINJA": shutil.which("ninja"), "PATCHELF": shutil.which("patchelf"),
    }
    trial.run("cmake", *(f"-D{name}={value}" for name, value in settings.items()), "-P", source / "scripts/ports.cmake")
    package = trial.folder / "packages" / "moeclip_x64-linux"
    app = trial.consumer(lines=f"set(CMAKE_PREFIX_PATH {package})\nfind_package(moeclip CONFIG REQUIRED)")
    trial.check_consumer(app, package)
    return "feature core"


def conan(trial):
    """conan create with its test package, headers alone"""
    source = trial.options.conan
    if not source and not shutil.which("conan"):
        trial.run(sys.executable, ROOT / "tests/packaging/test_recipes.py", "-k", "conan")
        return "against a stand-in; --conan DIR runs Conan from its source"
    main = "from conan.cli.cli import main; import sys; main(sys.argv[1:])"
    command = ["/usr/bin/python3", "-c", main] if source else ["conan"]
    environment = {"CONAN_HOME": trial.folder / "home", **({"PYTHONPATH": source.resolve()} if source else {})}
    trial.run(*command, "profile", "detect", **environment)
    trial.run(*command, "create", PACKAGING / "conan", "-s", "compiler.cppstd=20", "-o", "moeclip/*:compiled=False",
                     "-c", f"tools.cmake.cmake_layout:test_folder={trial.folder / 'test'}", **environment)
    assert SENTENCE in Path(trial.log.name).read_text(), "the test package did not run"  # Conan writes to stderr
    return "compiled=False, " + trial.run(*command, "--version", **environment).strip()


def meson(trial):
    """the wrap, with the source archive where Meson keeps what it has downloaded"""
    trial.need("meson", "ninja")
    cache = trial.folder / "subprojects" / "packagecache"
    cache.mkdir(parents=True)
    wrap(trial.folder / "subprojects", source_archive(cache), "https://example.org")
    shutil.copy(CONSUME / "main.cpp", trial.folder)
    (trial.folder / "meson.build").write_text("project('consumer', 'cpp', default_options: ['cpp_std=c++20'])\n"
                                              "executable('app', 'main.cpp', dependencies: dependency('moeclip'))\n")
    trial.run("meson", "setup", "build")
    trial.run("meson", "compile", "-C", "build")
    trial.check_consumer(trial.folder / "build" / "app", trial.folder)
    return "dependency('moeclip')"


def from_archive(trial, lines):
    """Lines of the README with the source archive of this commit."""
    archive = source_archive(trial.folder)
    lines = re.sub(r"https://\S+\.tar\.gz", archive.as_uri(), lines)
    return re.sub(r"SHA256=\w+", f"SHA256={sha256(archive)}", lines)


def fetchcontent(trial):
    """the README's lines with the source archive of this commit"""
    trial.check_consumer(trial.consumer(lines=from_archive(trial, trial.snippet("FetchContent_Declare"))), trial.folder)
    return "URL and its hash"


def cpm(trial):
    """the README's lines with the source archive of this commit"""
    if not trial.options.cpm:
        raise Skipped("there is no CPM.cmake; --cpm FILE names it")
    lines = from_archive(trial, trial.snippet("CPMAddPackage")).replace("cmake/CPM.cmake", str(trial.options.cpm.resolve()))
    trial.check_consumer(trial.consumer(lines=lines), trial.folder)
    return "CPMAddPackage"


def unpack_and_demo(trial, preset, *emulator):
    """Builds the archive of a preset, packs it twice, and shows the demo with what was unpacked."""
    digests = []
    for out in ("first", "second"):
        trial.run(sys.executable, PACKAGING / "make_release.py", trial.folder / out, preset, CMAKE_CXX_COMPILER_LAUNCHER=
                  "ccache" if LAUNCHER else "")
        digests.append((trial.folder / out / "SHA256SUMS").read_text())
    assert digests[0] == digests[1], "the same tree gave other bytes"
    trial.run("sha256sum", "--check", "SHA256SUMS", cwd=trial.folder / "first")
    archive = next(path for path in (trial.folder / "first").glob("moeclip-*-*") if path.suffix in (".xz", ".zip"))
    trial.run("sha256sum", "--check", archive.name + ".sha256", cwd=trial.folder / "first")
    trial.run("cmake", "-E", "tar", "xf", archive)
    programs = trial.folder / re.sub(r"\.(tar\.xz|zip)$", "", archive.name) / "bin"
    moeclip, infer = (next(path for path in programs.iterdir() if path.stem == name) for name in ("moeclip", "moeclip-infer"))
    check_alone(trial, moeclip)
    check_alone(trial, infer)
    trial.run(*emulator, moeclip, "demo", "--out", trial.folder / "demo")
    trial.run(*emulator, moeclip, "learn", ROOT / "tests/golden/model/good.png", "-o", trial.folder / "part.moeclip")
    trial.run(*emulator, infer, trial.folder / "part.moeclip", ROOT / "tests/golden/model/bad.png")
    return f"{size(archive)}, tool {size(moeclip)}, moeclip-infer {size(infer)}, twice the same bytes"


def check_alone(trial, program):
    """It needs no library but those that every Windows has, or none at all."""
    if program.suffix == ".exe":
        needed = re.findall(r"DLL Name: (\S+)", trial.run("x86_64-w64-mingw32-objdump", "-p", program))
        strangers = {name.lower() for name in needed} - {"kernel32.dll", "msvcrt.dll", "shell32.dll", "ws2_32.dll"}
        assert needed and not strangers, f"{program.name} needs {strangers}"
    else:
        said = trial.run("file", program)
        assert "ELF" in said and "dynamic" not in said, said


def archive(trial):
    """static programs for x86-64: packed twice, unpacked, demo, moeclip-infer"""
    trial.need("cpack", "ninja", "file")
    return unpack_and_demo(trial, "archive")


def archive_aarch64(trial):
    """the same for 64-bit ARM, under qemu-aarch64"""
    trial.need("cpack", "ninja", "file", "aarch64-linux-gnu-g++", "qemu-aarch64")
    return unpack_and_demo(trial, "archive-aarch64", "qemu-aarch64")


def archive_windows(trial):
    """the same for Windows, under wine"""
    trial.need("cpack", "ninja", "x86_64-w64-mingw32-g++-posix", "wine")
    return unpack_and_demo(trial, "archive-windows", sys.executable, ROOT / "tools" / "dev" / "wine.py")


def container(trial):
    """the image FROM scratch by buildah, run without an engine"""
    trial.need("buildah")
    built = ROOT / "build" / "archive" / "bin"
    if not (built / "moeclip-infer").is_file():
        raise Skipped("the route `archive` builds the programs, and comes first")
    shutil.copy(built / "moeclip-infer", trial.folder)
    shutil.copy(PACKAGING / "Containerfile", trial.folder)
    golden = ROOT / "tests" / "golden" / "model"
    trial.run(built / "moeclip", "learn", golden / "good.png", "-o", "part.moeclip")
    buildah = ["buildah", "--root", trial.folder / "images", "--runroot", trial.folder / "run", "--storage-driver", "vfs"]
    trial.run(*buildah, "build", "--isolation", "chroot", "--tag", "moeclip-infer", ".")
    name = trial.run(*buildah, "from", "moeclip-infer").strip()
    mounted = Path(trial.run(*buildah, "mount", name).strip())
    shutil.copy(golden / "bad.png", mounted)
    said = trial.run(*buildah, "run", "--isolation", "chroot", name, "--", "/moeclip-infer", "/part.moeclip", "/bad.png")
    trial.run(*buildah, "umount", name)
    trial.run(*buildah, "rm", name)
    assert said.replace("/bad.png", "bad.png") == trial.run(
        built / "moeclip-infer", "part.moeclip", "bad.png", cwd=shutil.copy(golden / "bad.png", trial.folder) and trial.folder)
    return f"program and model, {size(trial.folder / 'moeclip-infer')} and {size(trial.folder / 'part.moeclip')}"


def size(path):
    return f"{path.stat().st_size / 1e6:.1f} MB"


ROUTES = (debian, vcpkg, conan, meson, fetchcontent, cpm, archive, archive_aarch64, archive_windows, container)


def cpu_seconds():
    """Of all commands that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def attempt(route, options, work):
    folder = work / route.__name__
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    start, cpu = time.monotonic(), cpu_seconds()
    try:
        result, word = route(Trial(route.__name__, options, folder)), "ok"
    except Skipped as reason:
        result, word = str(reason), "skipped"
    except (AssertionError, OSError, StopIteration) as error:
        result, word = str(error), "FAILED"
    print(f"{route.__name__:16} {word:8} {time.monotonic() - start:6.0f} s {cpu_seconds() - cpu:6.0f} of CPU  {route.__doc__}: {result}", flush=True)
    return word != "FAILED"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("routes", nargs="*", metavar="ROUTE")
    parser.add_argument("--work", type=Path, help="a folder that stays; default: a temporary one")
    parser.add_argument("--vcpkg", type=Path)
    parser.add_argument("--conan", type=Path)
    parser.add_argument("--cpm", type=Path)
    options = parser.parse_args()
    unknown = set(options.routes) - {route.__name__ for route in ROUTES}
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(route.__name__ for route in ROUTES)}")
    chosen = [route for route in ROUTES if not options.routes or route.__name__ in options.routes]
    with tempfile.TemporaryDirectory(prefix="moeclip-routes-") as temporary:
        work = (options.work or Path(temporary)).resolve()
        passed = [attempt(route, options, work) for route in chosen]
    sys.exit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()
