# SPDX-License-Identifier: MIT
# Installed: headers, the CMake package, the pkg-config file, the licence and, with the tool, its data files.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/moeclip)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/moeclip DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(TARGETS moeclip EXPORT moeclipTargets)
install(EXPORT moeclipTargets NAMESPACE moeclip:: DESTINATION ${package_dir})

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/moeclipConfig.cmake.in moeclipConfig.cmake
  INSTALL_DESTINATION ${package_dir})
# While the major version is 0, a minor version may change the interface.
write_basic_package_version_file(moeclipConfigVersion.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES
  ${CMAKE_CURRENT_BINARY_DIR}/moeclipConfig.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/moeclipConfigVersion.cmake
  DESTINATION ${package_dir})

# The pkg-config file finds its prefix from its own place, so an installed tree can be moved.
cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_INCLUDEDIR BASE_DIRECTORY ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig
  OUTPUT_VARIABLE moeclip_pc_includedir)
configure_file(${CMAKE_CURRENT_LIST_DIR}/moeclip.pc.in moeclip.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/moeclip.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

if(MOECLIP_BUILD_TOOLS)
  install(TARGETS moeclip_tool RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(FILES ${MOECLIP_DATA_FILES} DESTINATION ${CMAKE_INSTALL_DATADIR}/moeclip)
endif()
