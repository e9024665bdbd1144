// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <string>

#include <moeclip/io/deflate.hpp>
#include <moeclip/io/deflate/compress.hpp>
#include <moeclip/io/torch/legacy.hpp>
#include <moeclip/io/torch/zip.hpp>
#include "weight_samples.hpp"

namespace {

using namespace moeclip;
using namespace samples;

std::vector<float> values(std::string_view bytes, std::string_view name) {
  const auto tensor = samples::open(bytes).read<float>(name);
  return {tensor.begin(), tensor.end()};
}

using Floats = std::vector<float>;

/// `levels` tuples, each of which holds the one before twice: 2^levels leaves in a few bytes per level.
std::string bomb(int levels, const std::string& leaf) {
  std::string value = "(" + leaf;
  for (int i = 0; i < levels; ++i)
    value += "r" + little(static_cast<std::uint64_t>(i), 4) + "j" + little(static_cast<std::uint64_t>(i), 4) + "\x86";
  return value + "t";
}

}  // namespace

TEST_CASE("torch: views of one storage") {
  const std::string bytes = make_torch(
      "}(" + text("w") + tensor() + text("t") +
      tensor({.shape = tuple(number(3) + number(2)), .strides = tuple(number(1) + number(3))}) + text("tail") +
      tensor({.offset = number(4), .shape = tuple(number(2)), .strides = tuple(number(1))}) + text("wide") +
      tensor({.shape = tuple(number(2) + number(2)), .strides = tuple(number(0) + number(5))}) + text("scalar") +
      tensor({.offset = number(5), .shape = ")", .strides = ")"}) + text("empty") +
      tensor({.shape = tuple(number(0) + number(7)), .strides = tuple(number(7) + number(1))}) + text("bare") +
      storage("0", 6) + "u");
  CHECK(values(bytes, "w") == Floats{1, 2, 3, 4, 5, 6});
  CHECK(values(bytes, "t") == Floats{1, 4, 2, 5, 3, 6});
  CHECK(values(bytes, "tail") == Floats{5, 6});
  CHECK(values(bytes, "wide") == Floats{1, 6, 1, 6});
  CHECK(values(bytes, "scalar") == Floats{6});
  CHECK(values(bytes, "empty").empty());
  CHECK(values(bytes, "bare") == Floats{1, 2, 3, 4, 5, 6});
  const WeightFile file = samples::open(bytes);
  CHECK(file.kind() == WeightKind::torch_zip);
  CHECK(file.entry("empty").shape == Shape{0, 7});
  CHECK(file.entry("scalar").shape.rank() == 0);
}

TEST_CASE("torch: parameters, attributes and typed storages") {
  const std::string parameter = global("torch._utils", "_rebuild_parameter") + tuple(tensor() + "\x88N") + "R";
  CHECK(values(make_torch(item("w", parameter)), "w").size() == 6);
  TensorParts parts;
  const std::string arguments = tuple(parts.store + parts.offset + parts.shape + parts.strides + parts.rest);
  const std::string with_attributes =
      global("torch._tensor", "_rebuild_from_type_v2") +
      tuple(global("torch._utils", "_rebuild_tensor_v2") + global("torch", "Tensor") + arguments + "}") + "R";
  CHECK(values(make_torch(item("w", with_attributes)), "w").size() == 6);
  const std::string typed = tensor({.store = storage("0", 24, "UntypedStorage"),
                                    .rest = "\x89N" + global("torch", "float32"),
                                    .function = "_rebuild_tensor_v3"});
  CHECK(values(make_torch(item("w", typed)), "w") == Floats{1, 2, 3, 4, 5, 6});
}

TEST_CASE("torch: nested names and values") {
  const std::string list = "](" + tensor() + "K\x05" + text("x") + "N\x88G\x3f\xe0" + std::string(6, '\0') + "e";
  const WeightFile file = samples::open(make_torch(item("a", item("b", list))));
  CHECK(file.find("a/b/0") != nullptr);
  std::string all;
  for (const WeightValue& value : file.values()) all += value.name + "=" + value.text + " ";
  CHECK(all == "a/b/1=5 a/b/2=x a/b/3=null a/b/4=true a/b/5=0.5 ");
  CHECK(samples::open(make_torch(tensor())).entries()[0].name.empty());
}

TEST_CASE("torch: archives that lie about storages") {
  const auto broken = [](const TensorParts& parts) { return failure(make_torch(item("w", tensor(parts)))); };
  CHECK(broken({}) == "");
  CHECK(broken({.store = storage("0", 7)}).find("24 bytes, but 28 are declared") != std::string::npos);
  CHECK(broken({.store = storage("0", 5)}) != "");
  CHECK(broken({.store = storage("0", 6, "DoubleStorage")}) != "");
  CHECK(broken({.store = storage("1", 6)}).find("lacks") != std::string::npos);
  CHECK(broken({.store = storage("../data.pkl", 6)}).find("lacks") != std::string::npos);
  CHECK(broken({.offset = number(1)}).find("storage of 24 bytes") != std::string::npos);
  CHECK(broken({.offset = number(0x4000000000000000)}) != "");
  CHECK(broken({.strides = tuple(number(4) + number(1))}) != "");
  CHECK(broken({.strides = tuple(number(0x7fffffffffffffff) + number(1))}) != "");
  CHECK(broken({.shape = tuple(number(0x7fffffffffffffff) + number(3))}) != "");
  CHECK(broken({.shape = tuple(number(0) + number(0x7fffffffffffffff)), .strides = tuple(number(1) + number(1))}) !=
        "");
  CHECK(broken({.shape = tuple(number(1 << 30) + number(1 << 30)), .strides = tuple(number(0) + number(0))})
            .starts_with("limit"));
  CHECK(broken({.shape = tuple(number(0) + number(1 << 20)), .strides = tuple(number(1) + number(1))}) == "");
  std::string nine;
  for (int i = 0; i < 9; ++i) nine += number(1);
  CHECK(broken({.shape = tuple(nine), .strides = tuple(nine)}).find("9 axes") != std::string::npos);
}

TEST_CASE("torch: archives that are not what they seem") {
  CHECK(failure(make_zip({})) != "");
  CHECK(failure(make_zip({{"x/other", "data"}})).find("without data.pkl") != std::string::npos);
  CHECK(failure(make_zip({{"a.npy", "data"}})).find("NumPy") != std::string::npos);
  CHECK(failure(make_torch(item("w", tensor()), {{"n/data.pkl", "x"}})).find("two checkpoints") != std::string::npos);
  CHECK(failure(make_torch(item("w", tensor()), {{"m/byteorder", "little"}})) == "");
  CHECK(failure(make_torch(item("w", tensor()), {{"m/byteorder", "big"}})).starts_with("unsupported"));
  CHECK(failure(make_torch(item("w", tensor()), {{"m/byteorder", "middle"}})).starts_with("format"));
  CHECK(failure(make_torch("}(" + text("w") + tensor() + text("w") + tensor() + "u")).find("two tensors") !=
        std::string::npos);
  CHECK(
      failure(make_torch("}(" + text("a") + item("b", tensor()) + text("a/b") + tensor() + "u")).find("two tensors") !=
      std::string::npos);
  CHECK(failure(make_torch("}" + tuple(number(1)) + tensor() + "s")).starts_with("unsupported"));
  std::string damaged = make_torch(item("w", tensor()));
  damaged[damaged.find(kSixFloats)] = 1;
  CHECK(failure(damaged).find("checksum") != std::string::npos);
  CHECK_NOTHROW(static_cast<void>(samples::open(damaged)));  // opening reads the structure only
}

TEST_CASE("torch: deflated storages, honest and bombs") {
  const auto deflated = [](const std::string& data, std::uint64_t promised) {
    const auto zlib = deflate_zlib(as_bytes(data));
    Entry entry{"m/data/1", std::string(as_text(Bytes(zlib).subspan(2, zlib.size() - 6))), 8};
    entry.size = promised;
    entry.crc = crc32(as_bytes(data));
    return entry;
  };
  const std::string view = tensor({.store = storage("1", 6)});
  CHECK(values(make_torch(item("w", view), {deflated(std::string(kSixFloats), 24)}), "w") == Floats{1, 2, 3, 4, 5, 6});
  CHECK(failure(make_torch(item("w", view), {deflated(std::string(kSixFloats) + "more", 24)})) != "");
  CHECK(failure(make_torch(item("w", view), {deflated("less", 24)})) != "");
  // One element of a gigabyte of zeros, and the gigabyte itself.
  const Entry zeros = deflated(std::string(1 << 20, '\0'), 1u << 30);
  const std::string one =
      tensor({.store = storage("1", 1 << 28), .shape = tuple(number(1)), .strides = tuple(number(1))});
  CHECK(failure(make_torch(item("w", one), {zeros})).starts_with("limit"));
  // A structure that inflates without end.
  Entry structure = deflated(std::string(1 << 20, 'N'), 1u << 30);
  structure.name = "m/data.pkl";
  CHECK(failure(make_zip({structure})).starts_with("limit"));
  // A small deflated storage that a thousand tensors view.
  std::string many = "}(" + text("a") + storage("1", 1 << 20) + "q\x01";
  for (int i = 0; i < 1000; ++i)
    many += text(concat("w", i)) + tensor({.store = "h\x01", .shape = tuple(number(1)), .strides = tuple(number(1))});
  CHECK(failure(make_torch(many + "u", {deflated(std::string(1 << 22, '\0'), 1 << 22)})).starts_with("limit"));
}

TEST_CASE("torch: nesting cannot explode") {
  CHECK(failure(make_torch(bomb(10, tensor()))) == "");
  CHECK(failure(make_torch(bomb(40, tensor()))).starts_with("limit"));
  CHECK(failure(make_torch(bomb(40, "N"))).starts_with("limit"));
  CHECK(failure(make_torch(bomb(40, ")"))).starts_with("limit"));
  CHECK(failure(make_torch(bomb(12, text(std::string(100'000, 'x'))))).starts_with("limit"));
  CHECK(failure(make_torch("]q\x01h\x01"
                           "a"))
            .find("levels") != std::string::npos);  // a list that holds itself
  CHECK(failure(make_torch("}q\x01" + text("a") + "h\x01s")).find("levels") != std::string::npos);
  std::string deep;
  for (int i = 0; i < 4000; ++i) deep += "(";
  for (int i = 0; i < 4000; ++i) deep += "t";
  CHECK(failure(make_torch(deep)).find("levels") != std::string::npos);
}

TEST_CASE("torch: TorchScript archives are attribute trees") {
  const std::string inner = global("__torch__.m.___torch_mangle_3", "Linear") + ")\x81}(" + text("weight") + tensor() +
                            text("training") +
                            "\x88u"
                            "b";
  const std::string outer = global("__torch__.m", "Net") + ")\x81}(" + text("fc") + inner + text("list") + "]" +
                            tensor() + "a" + text("steps") +
                            "K\x07u"
                            "b";
  const std::string bytes =
      make_torch(outer, {{"m/constants.pkl", "\x80\x02)."}, {"m/code/__torch__/m.py", "import os"}});
  const WeightFile file = samples::open(bytes);
  CHECK(file.kind() == WeightKind::torch_script);
  CHECK(file.find("fc.weight") != nullptr);
  CHECK(file.find("list/0") != nullptr);
  CHECK(file.values().size() == 2);
  CHECK(file.values()[0].name == "fc.training");
  CHECK(failure(make_torch(outer)).starts_with("unsupported"));  // without code it is not TorchScript
  const std::string cyclic = global("__torch__.m", "Net") + ")\x81q\x01}" + text("me") + "h\x01sb";
  CHECK(failure(make_torch(cyclic, {{"m/constants.pkl", "x"}})).find("levels") != std::string::npos);
}

TEST_CASE("torch: every truncation of an archive is an error") {
  const std::string whole = make_torch(item("w", tensor()), {{"m/byteorder", "little"}});
  CHECK(failure(whole) == "");
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK(failure(whole.substr(0, size)) != "");
}

TEST_CASE("torch: the old format") {
  CHECK(values(make_legacy(item("w", tensor())), "w") == Floats{1, 2, 3, 4, 5, 6});
  CHECK(samples::open(make_legacy(item("w", tensor()))).kind() == WeightKind::torch_legacy);
  const std::string view = tuple(text("storage") + global("torch", "FloatStorage") + text("0") + text("cpu") +
                                 number(6) + tuple(text("v") + number(2) + number(3))) +
                           "Q";
  const TensorParts parts{.store = view, .offset = number(1), .shape = tuple(number(2)), .strides = tuple(number(1))};
  CHECK(values(make_legacy(item("w", tensor(parts))), "w") == Floats{4, 5});
  const TensorParts outside{.store = view, .offset = number(2), .shape = tuple(number(2)), .strides = tuple(number(1))};
  CHECK(failure(make_legacy(item("w", tensor(outside)))) != "");
  const std::string whole = make_legacy(item("w", tensor()));
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK(failure(whole.substr(0, size)) != "");
}

TEST_CASE("torch: old files that lie") {
  const std::string value = item("w", tensor());
  CHECK(failure(make_legacy(value, little(7, 8) + std::string(kSixFloats) + "1234")).find("6 are declared") !=
        std::string::npos);
  CHECK(failure(make_legacy(value, little(~0ull, 8))) != "");
  CHECK(failure(make_legacy(item("w", tensor({.store = storage("1", 6)})))) != "");
  CHECK(failure(make_legacy("}(" + text("a") + tensor() + text("b") +
                            tensor({.store = storage("0", 3, "DoubleStorage")}) + "u"))
            .find("declared twice") != std::string::npos);
  CHECK(failure(make_legacy(global("os", "system") + ")R")).starts_with("unsupported"));
  const std::string big = make_legacy(value);
  std::string other = big;
  other.replace(other.find("\x88s."), 1, "\x89");
  CHECK(failure(other).find("big-endian") != std::string::npos);
  CHECK(failure(pickle(value)).find("did not write") != std::string::npos);
}
