# SPDX-License-Identifier: MIT
# The target single_header writes single/moeclip.hpp and single/moeclip_infer.hpp into the build folder.
find_package(Python3 COMPONENTS Interpreter QUIET)
if(NOT Python3_FOUND)
  return()
endif()

set(moeclip_single_folder ${PROJECT_BINARY_DIR}/single)
file(GLOB_RECURSE single_parts CONFIGURE_DEPENDS
  ${PROJECT_SOURCE_DIR}/include/moeclip/*.hpp ${PROJECT_SOURCE_DIR}/include/moeclip/*.inl)
add_custom_command(
  OUTPUT ${moeclip_single_folder}/moeclip.hpp ${moeclip_single_folder}/moeclip_infer.hpp
  COMMAND Python3::Interpreter ${CMAKE_CURRENT_LIST_DIR}/amalgamate.py ${moeclip_single_folder}
  DEPENDS ${single_parts} ${CMAKE_CURRENT_LIST_DIR}/amalgamate.py ${CMAKE_CURRENT_LIST_DIR}/cpp_source.py
  VERBATIM)
add_custom_target(single_header DEPENDS ${moeclip_single_folder}/moeclip.hpp ${moeclip_single_folder}/moeclip_infer.hpp)
