# SPDX-License-Identifier: MIT
"""usage: compare.py PROGRAM PROGRAM

Two programs must print the same. They run the scalar kernels, whose bits do not depend on how they were optimised.
"""
import os
import subprocess
import sys

outputs = [subprocess.run([program], env={**os.environ, "MOECLIP_ISA": "scalar"}, stdout=subprocess.PIPE, text=True,
                          check=True).stdout for program in sys.argv[1:]]
if outputs[0] != outputs[1]:
    sys.exit("BITS DIFFER:\n" + "\n".join(outputs))
print(outputs[0])
