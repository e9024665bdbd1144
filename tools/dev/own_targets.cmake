# SPDX-License-Identifier: MIT
# What our own programs are built with: warnings, sanitizers, assertions, and the library compiled once. Nothing here
# reaches a project that uses the library.

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo or MinSizeRel" FORCE)
endif()
set(CMAKE_CXX_EXTENSIONS OFF)

# moeclip_own_flags(TARGET SCOPE): warnings, assertions and sanitizers.
function(moeclip_own_flags target scope)
  target_compile_definitions(${target} ${scope} $<$<CONFIG:Debug>:MOECLIP_ENABLE_ASSERT>)
  target_compile_options(${target} ${scope}
    $<IF:$<CXX_COMPILER_ID:MSVC>,/W4;/permissive-;/utf-8,-Wall;-Wextra;-Wconversion;-Wshadow>)
  if(EMSCRIPTEN)  # pointers of 32 bits, where every element that is counted in 64 would be a warning
    target_compile_options(${target} ${scope} -Wno-shorten-64-to-32 -Wno-sign-conversion)
  endif()
  if(MOECLIP_SANITIZE)
    target_compile_options(${target} ${scope}
      -fsanitize=${MOECLIP_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(${target} ${scope} -fsanitize=${MOECLIP_SANITIZE})
  endif()
endfunction()
moeclip_own_flags(moeclip_compiled PRIVATE)

# moeclip_own: what all of our programs are built with, on top of the compiled library; where only a few are built for
# another machine, they compile what they use of it.
set(moeclip_mode moeclip::compiled)
if(CMAKE_CROSSCOMPILING AND NOT MOECLIP_BUILD_COMPILED)
  set(moeclip_mode moeclip::moeclip)
endif()
add_library(moeclip_own INTERFACE)
target_link_libraries(moeclip_own INTERFACE ${moeclip_mode})
moeclip_own_flags(moeclip_own INTERFACE)

# moeclip_program(NAME SOURCE...): an executable of ours.
function(moeclip_program name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE moeclip_own)
endfunction()
