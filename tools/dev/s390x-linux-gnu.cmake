# SPDX-License-Identifier: MIT
# Debian's cross compiler for IBM Z, which stores numbers with the largest byte first: readers and writers must not care.
# The tests run under qemu-user. Packages: g++-s390x-linux-gnu qemu-user.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR s390x)
set(CMAKE_CXX_COMPILER s390x-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-s390x)
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)  # nothing of the target system needs to be installed
