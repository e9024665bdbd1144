# SPDX-License-Identifier: MIT
"""Checks that everything that states a version states the one of include/moeclip/base/version.hpp.

usage: check_versions.py
"""
import re
import sys

from cpp_source import INCLUDE, ROOT


def main():
    header = (INCLUDE / "base" / "version.hpp").read_text(encoding="utf-8")
    numbers = [re.search(rf"MOECLIP_VERSION_{part} (\d+)", header).group(1) for part in ("MAJOR", "MINOR", "PATCH")]
    version, minor = ".".join(numbers), ".".join(numbers[:2])

    # (file, pattern with the version as its group, what it must be, whether it must be there)
    places = [
        ("include/moeclip/base/version.hpp", r'MOECLIP_VERSION_STRING "([^"]*)"', version, True),
        ("meson.build", r"^\s*version: '([^']*)'", version, True),
        ("CMakeLists.txt", r"project\(moeclip VERSION ([^ )]+)", "${moeclip_version}", True),
        ("tests/consume/find_package/CMakeLists.txt", r"find_package\(moeclip ([0-9.]+)", minor, True),
        ("README.md", r"find_package\(moeclip ([0-9.]+)", minor, False),
        ("README.md", r"moeclip[ -]v?(\d+\.\d+\.\d+)", version, False),
        ("README.md", r"GIT_TAG\s+v?([0-9.]+)", version, False),
    ]
    wrong = []
    for name, pattern, wanted, needed in places:
        path = ROOT / name
        found = re.findall(pattern, path.read_text(encoding="utf-8"), re.M) if path.exists() else []
        wrong += [f"{name}: says {text}, version.hpp says {version}" for text in found if text != wanted]
        if needed and not found:
            wrong.append(f"{name}: states no version")

    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(f"check_versions: {version}, {len(wrong)} places disagree")
    sys.exit(1 if wrong else 0)


main()
