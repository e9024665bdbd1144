#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Fails, and says where, if a source file is not formatted as .clang-format wants (clang-format 14, Debian 12's).
# usage: check_format.sh [--fix]
set -euo pipefail
cd "$(dirname "$0")/../.."
mode=(--dry-run -Werror)
if [ "${1:-}" = --fix ]; then mode=(-i); fi
git ls-files -co --exclude-standard -z -- '*.hpp' '*.cpp' '*.inl' | xargs -0 -r clang-format "${mode[@]}"
echo "check_format: done"
