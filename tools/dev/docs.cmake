# SPDX-License-Identifier: MIT
# The target `docs`: the API reference, where Doxygen is installed (Debian: doxygen). Not part of `all`, not installed.
find_program(MOECLIP_DOXYGEN doxygen)
find_package(Python3 COMPONENTS Interpreter QUIET)
mark_as_advanced(MOECLIP_DOXYGEN)
if(MOECLIP_DOXYGEN AND Python3_FOUND)
  add_custom_target(docs
    COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/dev/make_docs.py ${PROJECT_BINARY_DIR}/docs
    COMMENT "API reference: ${PROJECT_BINARY_DIR}/docs/html/index.html"
    VERBATIM)
endif()
