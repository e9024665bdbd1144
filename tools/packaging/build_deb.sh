#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds Debian packages of the last commit and has lintian look at them: errors and warnings end it.
#
# usage: build_deb.sh OUT
#
# OUT gets the source package and the binary ones, and the tree that they were built in. Needs debhelper, lintian, cmake,
# ninja-build, pkg-config, and python3 for the tests, unless DEB_BUILD_OPTIONS=nocheck. Nothing is signed.
set -euo pipefail
out=$(mkdir -p "${1:?usage: build_deb.sh OUT}" && cd "$1" && pwd)
cd "$(dirname "$0")/../.."

version=$(sed -n 's/.*MOECLIP_VERSION_STRING "\(.*\)".*/\1/p' include/moeclip/base/version.hpp)
tree=$out/moeclip-$version
rm -rf "$tree"
git archive --prefix="moeclip-$version/" -o "$out/moeclip_$version.orig.tar.gz" HEAD
tar -C "$out" -xf "$out/moeclip_$version.orig.tar.gz"
cp -r "$tree/tools/packaging/debian" "$tree/debian"
(cd "$tree" && dpkg-buildpackage -us -uc)
lintian --fail-on error,warning --tag-display-limit 0 --info --display-info "$out"/moeclip_"$version"*.changes
ls -l "$out"
