// SPDX-License-Identifier: MIT
// The definitions of io/ where the library is compiled. Made by tools/dev/generate_umbrella.py.
#define MOECLIP_SOURCE
#define MOECLIP_SOURCE_PART MOECLIP_IO
#include <moeclip/io/checksum.hpp>
#include <moeclip/io/data_directories.hpp>
#include <moeclip/io/deflate.hpp>
#include <moeclip/io/file.hpp>
#include <moeclip/io/folder_tree.hpp>
#include <moeclip/io/foreign_files.hpp>
#include <moeclip/io/format_version.hpp>
#include <moeclip/io/json.hpp>
#include <moeclip/io/json_options.hpp>
#include <moeclip/io/json_value.hpp>
#include <moeclip/io/json_writer.hpp>
#include <moeclip/io/naming.hpp>
#include <moeclip/io/record.hpp>
#include <moeclip/io/safetensors_writer.hpp>
#include <moeclip/io/sha256.hpp>
#include <moeclip/io/sidecar.hpp>
#include <moeclip/io/text_file.hpp>
#include <moeclip/io/utf8.hpp>
#include <moeclip/io/weight_file.hpp>
#include <moeclip/io/weight_use.hpp>
#include <moeclip/io/weights.hpp>
#include <moeclip/io/zip.hpp>
