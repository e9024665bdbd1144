// SPDX-License-Identifier: MIT
#include <moeclip/base/context.hpp>
#include <moeclip/base/text.hpp>
#include <moeclip/base/version.hpp>
#include <moeclip/clip/tokenizer.hpp>
#include <moeclip/kernels/isa.hpp>

#include "commands.hpp"
#include "measure.hpp"

namespace cli {

namespace {

using moeclip::concat;
using moeclip::fixed;
using moeclip::Json;
namespace kernels = moeclip::kernels;

constexpr double kSecondsPerMeasurement = 0.12;  // of six to eight: about a second in all

std::string compiler() {
#if defined(__clang__)
  return __VERSION__;  // begins with the name
#elif defined(__GNUC__)
  return "GCC " __VERSION__;
#elif defined(_MSC_FULL_VER)
  return concat("MSVC ", _MSC_FULL_VER);
#else
  return "unknown";
#endif
}

/// "name     text", the text in a column of its own.
void print_entry(std::string name, const std::string& text) {
  name.resize(std::max<std::size_t>(name.size() + 1, 20), ' ');
  print(concat(name, text, "\n"));
}

/// Speed of matrix products, in GFLOP/s, for each instruction set that runs here.
void report_speed(JsonLine& json, bool is_json, int threads) {
  const kernels::Isa in_use = kernels::active_isa();
  json.begin_object("peak_gflops");
  for (const kernels::Isa isa : kernels::compiled()) {
    if (!kernels::supported(isa)) continue;
    kernels::select(isa);
    Json speeds = Json::object();
    std::string text;
    for (const int count : {1, threads}) {
      if (count == 1 && !text.empty()) break;  // a machine of one core
      moeclip::Context context({.threads = count});
      const double gflops = matrix_flops(context, kSecondsPerMeasurement) * 1e-9;
      speeds.set(concat(count), gflops);
      text += concat(text.empty() ? "" : ", ", fixed(gflops, 1), " GFLOP/s on ", count,
                     count == 1 ? " thread" : " threads");
    }
    json.member(to_string(isa), speeds);
    if (!is_json) print_entry(concat("peak ", to_string(isa)), text + (isa == in_use ? " (in use)" : ""));
  }
  json.end();
  kernels::select(in_use);
}

void report_memory(JsonLine& json, bool is_json) {
  moeclip::Context context;
  const double rate = read_bandwidth(context, kSecondsPerMeasurement) * 1e-9;
  json.member("memory_read_gb_per_s", rate);
  if (!is_json) print_entry("memory", concat(fixed(rate, 1), " GB/s read on all threads"));
}

void report_isas(JsonLine& json, bool is_json) {
  std::string compiled, supported;
  Json compiled_list = Json::array(), supported_list = Json::array();
  for (const kernels::Isa isa : kernels::compiled()) {
    compiled += concat(compiled.empty() ? "" : ", ", to_string(isa));
    compiled_list.push_back(to_string(isa));
    if (!kernels::supported(isa)) continue;
    supported += concat(supported.empty() ? "" : ", ", to_string(isa));
    supported_list.push_back(to_string(isa));
  }
  const char* const in_use = to_string(kernels::active_isa());
  json.member("isas_compiled", compiled_list);
  json.member("isas_supported", supported_list);
  json.member("isa", in_use);
  if (is_json) return;
  print_entry("instruction sets", concat(compiled, " are in this program"));
  print_entry("", concat(supported, " run on this machine"));
  print_entry("", concat(in_use, " is in use", std::getenv("MOECLIP_ISA") != nullptr ? " (MOECLIP_ISA)" : ""));
}

/// That none is found is a finding, not a failure: many commands need none.
void report_vocabulary(JsonLine& json, bool is_json) {
  std::string text;
  Json path, size;
  try {
    const auto tokenizer = moeclip::Tokenizer::open(moeclip::find_vocabulary());
    path = tokenizer.source();
    size = tokenizer.vocabulary_size();
    text = concat(tokenizer.source(), " (", moeclip::counted(tokenizer.vocabulary_size(), "token"), ")");
  } catch (const moeclip::Error& error) {
    text = concat("none: ", error.what());
    json.member("vocabulary_error", error.what());
  }
  json.member("vocabulary", path);
  json.member("vocabulary_size", size);
  if (!is_json) print_entry("vocabulary", printable(text));
}

}  // namespace

int run_doctor(Words words) {
  bool is_json = false;
  Options options("doctor", "Say what this machine and this installation can do. Takes about a second.");
  options.flag("json", is_json, "print one JSON object instead of text");
  options.note(
      "Peak is the best rate of float32 matrix products (up to 1024 x 512 x 512, weights packed) within a tenth of a "
      "second: what the large layers of a model can reach.");
  if (!options.parse(words)) return kOk;

  JsonLine json(is_json);
  const int threads = moeclip::Context().threads();
  json.member("version", MOECLIP_VERSION_STRING);
  json.member("compiler", compiler());
  json.member("threads", threads);
  if (!is_json) {
    print_entry("moeclip", MOECLIP_VERSION_STRING);
    print_entry("compiler", compiler());
    print_entry("threads", concat(threads));
  }
  report_isas(json, is_json);
  report_vocabulary(json, is_json);
  report_speed(json, is_json, threads);
  report_memory(json, is_json);
  json.finish();
  return kOk;
}

}  // namespace cli
