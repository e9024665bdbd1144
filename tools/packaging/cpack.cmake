# SPDX-License-Identifier: MIT
# Archives of what is installed, with their SHA-256 beside them: .zip for Windows, .tar.xz elsewhere. With
# SOURCE_DATE_EPOCH set, the same tree gives the same bytes (make_release.py sees to it).
set(CPACK_GENERATOR TXZ)
if(CMAKE_SYSTEM_NAME STREQUAL "Windows")
  set(CPACK_GENERATOR ZIP)
endif()
string(TOLOWER "${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR}" machine)
string(REPLACE amd64 x86_64 machine "${machine}")
set(CPACK_PACKAGE_FILE_NAME moeclip-${PROJECT_VERSION}-${machine})
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CHECKSUM SHA256)
set(CPACK_SYSTEM_NAME ${machine})
set(CPACK_STRIP_FILES OFF)  # programs are linked without symbols already, and the library needs its own
set(CPACK_VERBATIM_VARIABLES ON)
include(CPack)
