# SPDX-License-Identifier: MIT
"""usage: compare.py PROGRAM PROGRAM

Two programs must print the same. They run the scalar kernels, whose bits do not depend on how they were optimised.
One that was not built is as good as skipped.
"""
import os
import subprocess
import sys

if not all(os.path.exists(program) for program in sys.argv[1:]):
    print("not built:", *sys.argv[1:])
    sys.exit(77)
outputs = [subprocess.run([program], env={**os.environ, "MOECLIP_ISA": "scalar"}, stdout=subprocess.PIPE, text=True,
                          check=True).stdout for program in sys.argv[1:]]
if outputs[0] != outputs[1]:
    sys.exit("BITS DIFFER:\n" + "\n".join(outputs))
print(outputs[0])
