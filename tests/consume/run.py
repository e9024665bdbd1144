# SPDX-License-Identifier: MIT
"""Builds and runs one consumer project in a temporary folder.

usage: run.py KIND SOURCE_DIR BUILD_DIR CXX
KIND is one of the functions below. BUILD_DIR is a configured build of moeclip, for the kinds that need it installed.
Exits 77 where a program that the kind needs is missing.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SKIPPED = 77
SENTENCE = "320 1125 539 320 2368 269"  # of main.cpp, in CLIP's vocabulary
INSTALLED = ("find_package", "pkg_config")  # the others use the source tree
COMPILED = "_compiled"  # behind the kind: with the compiled library, which BUILD_DIR has
LIBRARY = "libmoeclip_compiled.a"
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("MOECLIP_VOCABULARY")}


def run(*command, cwd=None, **environment):
    """Runs a command and returns what it printed; its failure ends the test with its output."""
    print("$", *command, flush=True)
    done = subprocess.run([str(word) for word in command], cwd=cwd, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env={**ENVIRONMENT, **{k: str(v) for k, v in environment.items()}})
    print(done.stdout, flush=True)
    if done.returncode != 0:
        sys.exit(f"exit code {done.returncode}")
    return done.stdout


def need(program):
    if shutil.which(program) is None:
        print(f"skipped: there is no {program} here")
        sys.exit(SKIPPED)


def cmake(project, cxx, *settings):
    """Configures and builds the CMake project and returns the program."""
    run("cmake", "-S", project, "-B", project / "build", f"-DCMAKE_CXX_COMPILER={cxx}", *settings)
    run("cmake", "--build", project / "build", "--config", "Release")
    return project / "build" / "consumer"


def install(build, where):
    """Installs, then moves the tree, so that a path to where it was built or first put would show."""
    run("cmake", "--install", build, "--prefix", where / "first")
    (where / "first").rename(where / "installed")
    return where / "installed"


def add_subdirectory(project, source, build, cxx):
    return cmake(project, cxx, f"-DMOECLIP_SOURCE={source}", "-DMOECLIP_TARGET=moeclip")


def add_subdirectory_compiled(project, source, build, cxx):
    """The library is not compiled again: make's `fast` targets ask nothing of what they link but to be there."""
    need("make")
    run("cmake", "-S", project, "-B", project / "build", "-G", "Unix Makefiles", f"-DCMAKE_CXX_COMPILER={cxx}",
        f"-DMOECLIP_SOURCE={source}", "-DMOECLIP_TARGET=compiled")
    shutil.copy(build / LIBRARY, project / "build" / "moeclip")
    run("make", "-C", project / "build", "consumer/fast")
    return project / "build" / "consumer"


def find_package(project, source, build, cxx):
    """The library alone, without tool, tests and the rest, in a place that has its data elsewhere."""
    alone = project / "alone"
    parts = [f"-DMOECLIP_BUILD_{part}=OFF" for part in ("TESTS", "BENCH", "EXAMPLES", "TOOLS", "COMPILED")]
    run("cmake", "-S", source, "-B", alone, f"-DCMAKE_CXX_COMPILER={cxx}", "-DCMAKE_INSTALL_DATADIR=data files", *parts)
    run("cmake", "--build", alone, "--config", "Release")
    prefix = install(alone, project)
    assert not list(prefix.rglob("tiny*.safetensors")), "the tool's model belongs to the tool"
    assert not list(prefix.rglob("*.a")), "there is a library though nobody wanted one"
    return cmake(project, cxx, f"-DCMAKE_PREFIX_PATH={prefix}", "-DMOECLIP_TARGET=moeclip")


def find_package_compiled(project, source, build, cxx):
    prefix = install(build, project)
    return cmake(project, cxx, f"-DCMAKE_PREFIX_PATH={prefix}", "-DMOECLIP_TARGET=compiled",
                 "-DMOECLIP_COMPONENTS=compiled")


def pkg_config(project, source, build, cxx, package="moeclip"):
    need("pkg-config")
    found = next(install(build, project).rglob("moeclip.pc"))
    flags = run("pkg-config", "--cflags", "--libs", package, PKG_CONFIG_PATH=found.parent).split()
    data = Path(run("pkg-config", "--variable=datadir", "moeclip", PKG_CONFIG_PATH=found.parent).strip())
    assert (data / "bpe_simple_vocab_16e6.txt.gz").is_file(), data
    run(cxx, "-std=c++20", project / "main.cpp", *flags, "-o", project / "consumer")
    return project / "consumer"


def pkg_config_compiled(project, source, build, cxx):
    return pkg_config(project, source, build, cxx, "moeclip-compiled")


def meson_setup(project, source, cxx):
    need("meson")
    need("ninja")
    (project / "subprojects").mkdir()
    (project / "subprojects" / "moeclip").symlink_to(source)
    run("meson", "setup", project / "build", cwd=project, CXX=cxx)


def meson(project, source, build, cxx):
    meson_setup(project, source, cxx)
    run("meson", "compile", "-C", project / "build")
    return project / "build" / "consumer"


def meson_compiled(project, source, build, cxx):
    """The library is not compiled again: the command that links it is taken from ninja."""
    meson_setup(project, source, cxx)
    place = project / "build" / "subprojects" / "moeclip"
    place.mkdir(exist_ok=True)
    run("ninja", "-C", project / "build", "consumer.p/main.cpp.o")
    shutil.copy(build / LIBRARY, place)
    link = run("ninja", "-C", project / "build", "-t", "commands", "-s", "consumer").splitlines()[-1]
    run("sh", "-c", link, cwd=project / "build")
    return project / "build" / "consumer"


def plain(project, source, build, cxx):
    """Two files, of which one is told of another place for the data: they link, and the program knows both."""
    flags = ["-std=c++20", "-Wall", "-Wextra", "-Werror", f"-I{source / 'include'}", "-pthread"]
    run(cxx, *flags, '-DMOECLIP_DATA_DIRECTORY="/no/such/folder"', "-c", project / "other.cpp", "-o", project / "o.o")
    run(cxx, *flags, project / "main.cpp", project / "o.o", "-o", project / "consumer")
    return project / "consumer"


def readme(project, source, build, cxx):
    """The program in the README, with its command less -O2, with which `bench/compile/run.py --check` compiles
    it. It needs weights to run, and says so without them."""
    text = (source / "README.md").read_text(encoding="utf-8")
    (project / "readme.cpp").write_text(text.split("```cpp\n")[1].split("```")[0], encoding="utf-8")
    run(cxx, "-std=c++20", "-Wall", "-Wextra", "-Werror", project / "readme.cpp", f"-I{source / 'include'}",
        "-pthread", "-o", project / "readme")
    done = subprocess.run([project / "readme"], cwd=project, text=True, capture_output=True)
    assert done.returncode == 1 and done.stderr.endswith(": no such file\n"), done


SNIPPETS = (  # a folder's README, and what its snippets in C++ are given
    ("train", "const moeclip::Clip<float>& clip, const std::vector<std::string>& names, const moeclip::TrainingBatch<float>& batch"),
    ("memory", "const std::vector<std::string>& good, const std::vector<std::string>& paths"))


def snippets(project, source, build, cxx):
    """What folders' READMEs show of C++ compiles, and what the README of the library for C shows is its example."""
    lines = ["#include <cstdio>", "#include <moeclip/moeclip.hpp>"]
    for folder, given in SNIPPETS:
        text = (source / "include" / "moeclip" / folder / "README.md").read_text(encoding="utf-8")
        found = re.findall(r"^```cpp\n(.*?)^```", text, re.M | re.S)
        assert found, folder
        lines += [f"void {folder}_{i}({given}) {{\n{snippet}}}" for i, snippet in enumerate(found)]
    (project / "snippets.cpp").write_text("\n".join(lines) + "\n", encoding="utf-8")
    run(cxx, "-std=c++20", "-fsyntax-only", "-DMOECLIP_COMPILED", "-Wall", "-Werror", "-Wno-unused",
        f"-I{source / 'include'}", project / "snippets.cpp")
    (project / "back.cpp").write_text("#include <moeclip/kernels/rows.hpp>\nvoid back(moeclip::Context& c, float* x) "
                                      "{ moeclip::kernels::softmax_rows_backward<float>(c, 1, 1, x, x, x); }\n")
    for switch, is_there in (("-DMOECLIP_FORWARD_ONLY", False), ("-DNOTHING", True)):
        done = subprocess.run([cxx, "-std=c++20", "-fsyntax-only", switch, f"-I{source / 'include'}", project / "back.cpp"],
                              capture_output=True, text=True)
        assert (done.returncode == 0) == is_there and ("leaves the kernels" in done.stderr) != is_there, done
    shown = (source / "tools/capi/README.md").read_text(encoding="utf-8").split("```c\n")[1].split("```")[0]
    example = (source / "tests/capi/example.c").read_text(encoding="utf-8")
    assert all(line.strip() in example for line in shown.splitlines()), "tools/capi/README.md is not as example.c"


def tool(project, source, build, cxx):
    """The tool where all of it was moved to: vocabulary and model are found, and what came with it is there."""
    prefix = install(build, project)
    moeclip = prefix / "bin" / "moeclip"
    assert run(moeclip, "tokenize", "a photo of a cat.", cwd=project).strip() == SENTENCE, "another vocabulary"
    assert "score" in run(moeclip, "detect", cwd=project), "the built-in model was not found"
    share = prefix / "share"
    assert (share / "doc" / "moeclip" / "LICENSE").is_file(), "no licence"
    if os.name == "posix":
        check_pages(moeclip, share)
    if sys.platform == "linux":
        unit = (prefix / "lib" / "systemd" / "system" / "moeclip.service").read_text()
        assert "ExecStart=moeclip serve" in unit, unit  # found on the path, wherever it was installed


def check_pages(moeclip, share):
    """There is a man page of each command, and what shells complete."""
    commands = re.findall(r"^  (\w+) ", run(moeclip, "help"), re.M)
    pages = {page.name for page in (share / "man" / "man1").iterdir()}
    assert "moeclip.1" in pages, "no overview"
    for command in commands:
        assert any(page.startswith(f"moeclip-{command}") for page in pages), f"no page of {command}"
    for script in ("bash-completion/completions/moeclip", "zsh/site-functions/_moeclip",
                   "fish/vendor_completions.d/moeclip.fish"):
        assert "quantize" in (share / script).read_text(), script


def main():
    kind, source, build, cxx = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    consume = Path(__file__).parent
    with tempfile.TemporaryDirectory(prefix="moeclip-consume-") as folder:
        project = Path(folder)
        uses = kind.removesuffix(COMPILED)
        if (example := next((consume / name for name in (kind, uses) if (consume / name).is_dir()), None)):
            shutil.copytree(example, project, dirs_exist_ok=True)
        shutil.copy(consume / "main.cpp", project)
        program = globals()[kind](project, source, build, cxx)
        if program is None:
            return
        version, vocabulary, tokens, words = run(program, cwd=folder).splitlines()
        mode = "compiled" if kind.endswith(COMPILED) else "header-only"
        assert re.fullmatch(rf"moeclip \S+ {mode} \w+", version), f"not a version, {mode} and an instruction set: {version}"
        place = Path(folder) if uses in INSTALLED else source
        assert Path(vocabulary).resolve().is_relative_to(place.resolve()), f"another vocabulary was found: {vocabulary}"
        assert tokens.strip() == SENTENCE, "the sentence has other tokens"
        assert words == "macaroni", "the class words were not found"


main()
