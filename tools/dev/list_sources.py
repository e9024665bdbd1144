# SPDX-License-Identifier: MIT
"""Prints the files of a folder that match a pattern, one a line, for Meson, which has no such thing.

usage: list_sources.py FOLDER PATTERN
"""
import sys
from pathlib import Path

print(*sorted(path.as_posix() for path in Path(sys.argv[1]).glob(sys.argv[2]) if path.is_file()), sep="\n")
