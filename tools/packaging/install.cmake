# SPDX-License-Identifier: MIT
# Installed: headers, the data that the library reads (vocabulary and class words), the CMake package, the pkg-config
# file, the licence, the compiled library and that for C where they are built and, with the tool, the built-in model, man
# pages, completions and the service too. None of it knows where it lies.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/moeclip)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/moeclip DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(data_dir ${CMAKE_INSTALL_DATADIR}/moeclip)
set(data ${PROJECT_SOURCE_DIR}/tools/moeclip/data)
install(FILES ${data}/bpe_simple_vocab_16e6.txt.gz ${data}/bpe_simple_vocab_LICENSE.txt ${data}/class_words.json
  DESTINATION ${data_dir})
# Programs that use the installed package know where that is, wherever the tree is moved before they are compiled.
cmake_path(IS_ABSOLUTE data_dir is_data_dir_absolute)
if(is_data_dir_absolute)
  set(data_place ${data_dir})
else()
  set(data_place $<INSTALL_PREFIX>/${data_dir})
endif()
target_compile_definitions(moeclip INTERFACE "$<INSTALL_INTERFACE:MOECLIP_DATA_DIRECTORY=\"${data_place}\">")

install(TARGETS moeclip EXPORT moeclipTargets)
set(any_architecture ARCH_INDEPENDENT)
if(MOECLIP_BUILD_COMPILED)
  install(TARGETS moeclip_compiled EXPORT moeclipTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  set(any_architecture "")
  set(moeclip_pc_switches "-DMOECLIP_COMPILED")
  if(CMAKE_BUILD_TYPE STREQUAL "Debug")  # ours has assertions, which whoever links it must know (base/version.hpp)
    target_compile_definitions(moeclip_compiled INTERFACE $<INSTALL_INTERFACE:MOECLIP_ENABLE_ASSERT>)
    string(APPEND moeclip_pc_switches " -DMOECLIP_ENABLE_ASSERT")
  endif()
endif()
if(MOECLIP_BUILD_CAPI)
  install(TARGETS moeclip_c moeclip_c_static EXPORT moeclipTargets
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(FILES ${PROJECT_SOURCE_DIR}/tools/capi/moeclip.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(FILES ${PROJECT_SOURCE_DIR}/tools/capi/moeclip.py DESTINATION ${data_dir})
  set(any_architecture "")
endif()
install(EXPORT moeclipTargets NAMESPACE moeclip:: DESTINATION ${package_dir})

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/moeclipConfig.cmake.in moeclipConfig.cmake
  INSTALL_DESTINATION ${package_dir})
# While the major version is 0, a minor version may change the interface.
write_basic_package_version_file(moeclipConfigVersion.cmake COMPATIBILITY SameMinorVersion ${any_architecture})
install(FILES
  ${CMAKE_CURRENT_BINARY_DIR}/moeclipConfig.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/moeclipConfigVersion.cmake
  DESTINATION ${package_dir})

# The pkg-config file finds its prefix from its own place, so an installed tree can be moved.
cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_INCLUDEDIR BASE_DIRECTORY ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig
  OUTPUT_VARIABLE moeclip_pc_includedir)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_DATADIR BASE_DIRECTORY ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig
  OUTPUT_VARIABLE moeclip_pc_datadir)
set(pc_files moeclip.pc)
if(MOECLIP_BUILD_COMPILED)
  list(APPEND pc_files moeclip-compiled.pc)
endif()
if(MOECLIP_BUILD_CAPI)
  list(APPEND pc_files moeclip-c.pc)
endif()
foreach(name IN LISTS pc_files)
  configure_file(${CMAKE_CURRENT_LIST_DIR}/${name}.in ${name} @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${name} DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

if(MOECLIP_BUILD_TOOLS)
  install(TARGETS moeclip_tool RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  if(TARGET moeclip_mpi)
    install(TARGETS moeclip_mpi RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
  install(FILES ${MOECLIP_DATA_FILES} DESTINATION ${data_dir})
  if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    install(FILES ${CMAKE_CURRENT_LIST_DIR}/moeclip.service DESTINATION lib/systemd/system)
  endif()
  if(MOECLIP_PAGES)
    install(DIRECTORY ${MOECLIP_PAGES}/man/man1 DESTINATION ${CMAKE_INSTALL_MANDIR})
    install(DIRECTORY ${MOECLIP_PAGES}/bash-completion ${MOECLIP_PAGES}/zsh ${MOECLIP_PAGES}/fish
      DESTINATION ${CMAKE_INSTALL_DATADIR})
  endif()
endif()
if(MOECLIP_BUILD_INFER)
  install(TARGETS moeclip_infer RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(FILES ${PROJECT_SOURCE_DIR}/tools/infer/moeclip-infer.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()
