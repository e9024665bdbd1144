// SPDX-License-Identifier: MIT
// An umbrella for Windows, alone and after <windows.h>, whose macros must not change what our headers mean. Only read
// by a compiler (.ci/run: MinGW, -fsyntax-only); MOECLIP_UMBRELLA names the header in angle brackets.
#if defined(MOECLIP_AFTER_WINDOWS)
#include <bits/stdc++.h>  // before the macros: libstdc++ does not stand min and max, as Microsoft's library does

#include <windows.h>
// What Microsoft's <windows.h> defines without NOMINMAX and WIN32_LEAN_AND_MEAN, as far as MinGW's does not in C++.
#include <immintrin.h>
#include <io.h>
#include <process.h>
#undef min
#undef max
#undef small
#define min(a, b) (((a) < (b)) ? (a) : (b))
#define max(a, b) (((a) > (b)) ? (a) : (b))
#define small char
#if !defined(near) || !defined(far) || !defined(IN) || !defined(OUT) || !defined(ERROR) || !defined(interface)
#error "this <windows.h> lacks macros that the headers are tried with"
#endif
#endif

#include MOECLIP_UMBRELLA
#include MOECLIP_UMBRELLA

int main() { return 0; }
