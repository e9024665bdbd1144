# SPDX-License-Identifier: MIT
# The port builds the tree that it lies in: vcpkg install moeclip --overlay-ports=tools/packaging/vcpkg. In a registry
# vcpkg_from_github gets SOURCE_PATH instead.
cmake_path(SET SOURCE_PATH NORMALIZE "${CURRENT_PORT_DIR}/../../../..")

vcpkg_check_features(OUT_FEATURE_OPTIONS features
  FEATURES
    compiled MOECLIP_BUILD_COMPILED
    tool MOECLIP_BUILD_TOOLS)
if(NOT "compiled" IN_LIST FEATURES)
  set(VCPKG_BUILD_TYPE release)  # headers are the same
endif()

vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS
    ${features}
    -DMOECLIP_BUILD_TESTS=OFF
    -DMOECLIP_BUILD_BENCH=OFF
    -DMOECLIP_BUILD_EXAMPLES=OFF
    -DMOECLIP_MPI=OFF
  OPTIONS_DEBUG
    -DMOECLIP_BUILD_TOOLS=OFF)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH lib/cmake/moeclip)
vcpkg_fixup_pkgconfig()
if("tool" IN_LIST FEATURES)
  vcpkg_copy_tools(TOOL_NAMES moeclip AUTO_CLEAN)
endif()

file(REMOVE_RECURSE
  "${CURRENT_PACKAGES_DIR}/debug/include"
  "${CURRENT_PACKAGES_DIR}/debug/share"
  "${CURRENT_PACKAGES_DIR}/lib/systemd"
  "${CURRENT_PACKAGES_DIR}/share/doc")
file(INSTALL "${CURRENT_PORT_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
vcpkg_install_copyright(FILE_LIST
  "${SOURCE_PATH}/LICENSE"
  "${SOURCE_PATH}/tools/moeclip/data/bpe_simple_vocab_LICENSE.txt")
