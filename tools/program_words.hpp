// SPDX-License-Identifier: MIT
#pragma once
// What a program was called with, in UTF-8 on every system.

#include <string>
#include <vector>

#if defined(_WIN32)
#if !defined(WIN32_LEAN_AND_MEAN)
#define WIN32_LEAN_AND_MEAN
#endif
#if !defined(NOMINMAX)
#define NOMINMAX
#endif
#include <windows.h>
//
#include <shellapi.h>
#endif

#if defined(_WIN32)

/// The words behind the program's name. On Windows, what main is given is in the machine's code page, which lacks most
/// letters, so the system is asked; and the console is told that what is printed is UTF-8, too.
inline std::vector<std::string> words_of_program(int, char**) {
  std::vector<std::string> words;
  int count = 0;
  wchar_t** const wide = ::CommandLineToArgvW(::GetCommandLineW(), &count);
  for (int i = 1; wide != nullptr && i < count; ++i) {
    const int size = ::WideCharToMultiByte(CP_UTF8, 0, wide[i], -1, nullptr, 0, nullptr, nullptr);
    std::string& word = words.emplace_back(static_cast<std::size_t>(size), '\0');
    ::WideCharToMultiByte(CP_UTF8, 0, wide[i], -1, word.data(), size, nullptr, nullptr);
    word.resize(word.size() - 1);  // its zero
  }
  ::LocalFree(wide);
  ::SetConsoleOutputCP(CP_UTF8);
  return words;
}

#else

/// The words behind the program's name.
inline std::vector<std::string> words_of_program(int argc, char** argv) {
  return {argv + (argc > 0 ? 1 : 0), argv + argc};
}

#endif
