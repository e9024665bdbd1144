# SPDX-License-Identifier: MIT
# WebAssembly by Emscripten: em++ from the path, or from $EMSDK. Debian's (package emscripten, version 3.1.6) does; tests run
# under node. Exceptions are those of WebAssembly, which every browser has that has its SIMD.
find_program(MOECLIP_EMXX NAMES em++ HINTS $ENV{EMSDK}/upstream/emscripten REQUIRED)
file(REAL_PATH ${MOECLIP_EMXX} emscripten)
get_filename_component(emscripten ${emscripten} DIRECTORY)
foreach(root ${emscripten} /usr/share/emscripten)
  if(EXISTS ${root}/cmake/Modules/Platform/Emscripten.cmake)
    include(${root}/cmake/Modules/Platform/Emscripten.cmake)
    break()
  endif()
endforeach()

set(CMAKE_CXX_FLAGS_INIT "-fwasm-exceptions")
file(GLOB old_library ${root}/cache/sysroot/include/c++/v1/__config)
set(version 0)
if(old_library)
  file(STRINGS ${old_library} version REGEX "define _LIBCPP_VERSION")
  string(REGEX MATCH "[0-9]+$" version "${version}")
endif()
if(version LESS 14000)
  string(APPEND CMAKE_CXX_FLAGS_INIT " -include ${CMAKE_CURRENT_LIST_DIR}/old_libcxx.hpp")
endif()

# Its own fetch makes node look like a browser to such an Emscripten.
set(CMAKE_CROSSCOMPILING_EMULATOR "/usr/bin/env;node;--no-experimental-fetch")
# Debian's Emscripten looks for its JavaScript packages where Debian's node does, which may not be the node of the path.
if(EXISTS /usr/share/nodejs/acorn)
  set(ENV{NODE_PATH} /usr/share/nodejs)  # while CMake configures
  set(CMAKE_CXX_LINKER_LAUNCHER ${CMAKE_COMMAND} -E env NODE_PATH=/usr/share/nodejs)
endif()
