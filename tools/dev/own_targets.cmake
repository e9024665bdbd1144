# SPDX-License-Identifier: MIT
# What our own programs are built with: warnings, sanitizers, assertions, and the kernels compiled once. Nothing here
# reaches a project that uses the library.

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo or MinSizeRel" FORCE)
endif()
set(CMAKE_CXX_EXTENSIONS OFF)

# The kernels of every ISA, once for all of our programs and not once in each source file.
add_library(moeclip_kernels OBJECT ${PROJECT_SOURCE_DIR}/tests/support/kernels.cpp)
target_link_libraries(moeclip_kernels PUBLIC moeclip::moeclip)
target_compile_definitions(moeclip_kernels PUBLIC MOECLIP_EXTERN_KERNELS $<$<CONFIG:Debug>:MOECLIP_ENABLE_ASSERT>)
target_compile_options(moeclip_kernels PUBLIC
  $<IF:$<CXX_COMPILER_ID:MSVC>,/W4;/permissive-;/utf-8,-Wall;-Wextra;-Wconversion;-Wshadow>)
if(MOECLIP_SANITIZE)
  target_compile_options(moeclip_kernels PUBLIC
    -fsanitize=${MOECLIP_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(moeclip_kernels PUBLIC -fsanitize=${MOECLIP_SANITIZE})
endif()

# moeclip_program(NAME SOURCE...): an executable of ours.
function(moeclip_program name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE moeclip_kernels)
endfunction()
