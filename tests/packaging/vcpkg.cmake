# SPDX-License-Identifier: MIT
# What the port calls of vcpkg, as far as it matters for one build in release: cmake -P this file runs the port.
# tools/packaging/test.py does the same with vcpkg's own scripts, where they are at hand.
#
# usage: cmake -DCURRENT_PORT_DIR=... -DCURRENT_PACKAGES_DIR=... -DWORK=... -DFEATURES=... -P vcpkg.cmake

cmake_minimum_required(VERSION 3.25)
set(PORT moeclip)

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

function(vcpkg_check_features out_word out)
  list(POP_FRONT ARGN)  # FEATURES
  while(ARGN)
    list(POP_FRONT ARGN feature option)
    list(FIND FEATURES ${feature} at)
    if(at LESS 0)
      list(APPEND options -D${option}=OFF)
    else()
      list(APPEND options -D${option}=ON)
    endif()
  endwhile()
  set(${out} ${options} PARENT_SCOPE)
endfunction()

function(vcpkg_cmake_configure)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" SOURCE_PATH "OPTIONS;OPTIONS_DEBUG")
  run(${CMAKE_COMMAND} -S ${arg_SOURCE_PATH} -B ${WORK} -DCMAKE_BUILD_TYPE=Release
    -DCMAKE_INSTALL_PREFIX=${CURRENT_PACKAGES_DIR} -DCMAKE_INSTALL_LIBDIR=lib ${arg_OPTIONS})
endfunction()

function(vcpkg_cmake_install)
  run(${CMAKE_COMMAND} --build ${WORK} --config Release --target install)
endfunction()

# vcpkg moves the package below share/PORT, and mends how far below the prefix it is.
function(vcpkg_cmake_config_fixup word path)
  file(GLOB files ${CURRENT_PACKAGES_DIR}/${path}/*)
  file(COPY ${files} DESTINATION ${CURRENT_PACKAGES_DIR}/share/${PORT})
  file(REMOVE_RECURSE ${CURRENT_PACKAGES_DIR}/lib/cmake)
  set(targets ${CURRENT_PACKAGES_DIR}/share/${PORT}/moeclipTargets.cmake)
  file(READ ${targets} text)
  string(REPLACE [[get_filename_component(_IMPORT_PREFIX "${_IMPORT_PREFIX}" PATH)
get_filename_component(_IMPORT_PREFIX "${_IMPORT_PREFIX}" PATH)
get_filename_component(_IMPORT_PREFIX "${_IMPORT_PREFIX}" PATH)]]
    [[get_filename_component(_IMPORT_PREFIX "${_IMPORT_PREFIX}" PATH)
get_filename_component(_IMPORT_PREFIX "${_IMPORT_PREFIX}" PATH)]] text "${text}")
  file(WRITE ${targets} "${text}")
endfunction()

function(vcpkg_fixup_pkgconfig)
endfunction()

function(vcpkg_copy_tools)
  file(COPY ${CURRENT_PACKAGES_DIR}/bin/moeclip DESTINATION ${CURRENT_PACKAGES_DIR}/tools/${PORT})
endfunction()

function(vcpkg_install_copyright)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "" FILE_LIST)
  foreach(path IN LISTS arg_FILE_LIST)
    file(READ ${path} text)
    file(APPEND ${CURRENT_PACKAGES_DIR}/share/${PORT}/copyright "${text}\n")
  endforeach()
endfunction()

include(${CURRENT_PORT_DIR}/portfile.cmake)
