# SPDX-License-Identifier: MIT
"""usage: run_built.py PROGRAM ARGUMENT...: runs it; 77 if it was not built."""
import os
import subprocess
import sys

if not os.path.exists(sys.argv[1]):
    print("not built:", sys.argv[1])
    sys.exit(77)
sys.exit(subprocess.run(sys.argv[1:]).returncode)
