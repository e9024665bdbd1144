// SPDX-License-Identifier: MIT
#include "method.hpp"

#include <algorithm>
#include <moeclip/anomaly/fingerprint.hpp>
#include <moeclip/clip/load_clip.hpp>
#include <moeclip/clip/save_quantized.hpp>
#include <moeclip/io/weights.hpp>

#include "commands.hpp"
#include "tiny_model.hpp"

namespace cli {

using moeclip::concat;

void declare_method(Options& options, std::string& method) {
  std::vector<std::string> names{"moeclip"};
  std::string about = "another method than this program's own, or what the file of --adapter is of";
  for (const moeclip::MethodKind& kind : moeclip::method_kinds()) {
    names.emplace_back(kind.name);
    about += concat("; ", kind.name, ": ", kind.about);
  }
  options.choice("method", method, std::move(names), about);
}

std::string weights_of(const std::string& adapter) {
  const std::string text = moeclip::join_path(adapter, "text_adapter.pth");
  return moeclip::is_directory(adapter) && moeclip::file_exists(text) ? text : adapter;
}

std::string method_of(const std::string& method, const std::string& adapter) {
  if (method == "moeclip") return "";
  if (!method.empty() || adapter.empty()) return method;
  const moeclip::WeightFile file = moeclip::WeightFile::open(adapter);
  if (moeclip::is_method_file(file)) return moeclip::read_method_record(file).method;
  const std::string_view official = moeclip::official_method(file);
  if (!official.empty())
    throw UsageError(concat(adapter, ": is of the official code of ", official, ", not a MoECLIP adapter; `detect`, ",
                            "`eval`, `calibrate` and `serve` judge with it if --method ", official, " is given"));
  return "";
}

void expect_fit(const Options& options, std::string_view method, std::initializer_list<std::string_view> unfit) {
  for (const std::string& name : options.given())
    if (std::ranges::find(unfit, name) != unfit.end())
      throw UsageError(concat("--", name, " has no meaning for the method ", method));
}

void expect_good_fits(const Options& options, std::string_view method) {
  expect_fit(options, method,
             {"features", "text-weight", "false-positives", "patches", "folds", "turned", "all-different", "seed"});
  if (!moeclip::method_kind(method).takes_good) expect_fit(options, method, {"good", "shots", "draws"});
}

void expect_pictures(const std::vector<std::string>& good, std::string_view method) {
  for (const std::string& path : good)
    if (is_memory_name(path))
      throw UsageError(concat(path, ": was made by `moeclip learn` for this program's own method; the method ", method,
                              " takes good pictures themselves"));
}

std::shared_ptr<const moeclip::Clip<float>> load_method_clip(const MethodWish& wish) {
  moeclip::ClipOptions options{wish.activation, wish.vocabulary, static_cast<int>(wish.threads)};
  if (!options.activation) options.activation = moeclip::method_kind(wish.method).activation;
  options.precision = plan_of_dtype(wish.dtype);
  return std::make_shared<const moeclip::Clip<float>>(
      moeclip::Clip<float>::load(wish.clip.empty() ? find_tiny(kTinyClip) : wish.clip, options));
}

namespace {

/// Throws mismatch if `file` says that it was trained on another CLIP. In another precision the same has another hash.
void expect_its_clip(const moeclip::WeightFile& file, const moeclip::Clip<float>& clip) {
  if (!moeclip::is_method_file(file)) return;
  if (moeclip::precision_of_blocks(clip.vision()) != moeclip::kernels::Precision::f32) return;
  if (moeclip::read_method_record(file).clip != moeclip::clip_fingerprint(clip.vision(), clip.text()))
    moeclip::fail(moeclip::ErrorCode::mismatch,
                  concat(file.path(),
                         ": was trained on another CLIP, or with another activation of its blocks; give "
                         "the CLIP that it was trained on"));
}

}  // namespace

std::shared_ptr<const moeclip::Method<float>> load_method(const MethodWish& wish) {
  const moeclip::MethodOptions options{wish.image_size, wish.seed, {}};
  auto clip = load_method_clip(wish);
  if (!wish.weights.empty()) {
    const moeclip::WeightFile file = moeclip::WeightFile::open(wish.weights);
    expect_its_clip(file, *clip);
    return moeclip::load_method<float>(file, wish.method, std::move(clip), options);
  }
  std::unique_ptr<moeclip::Method<float>> method = moeclip::make_method<float>(wish.method, std::move(clip), options);
  if (method->trained() != nullptr)
    throw UsageError(concat("the method ", wish.method,
                            " is trained: give its weights with --adapter FILE, made by "
                            "`moeclip train --method ",
                            wish.method, "` or its own code"));
  return method;
}

std::shared_ptr<const moeclip::Method<float>> show_good(moeclip::Context& context, const moeclip::Method<float>& method,
                                                        const GoodInputs& good, const moeclip::ImageOptions& images,
                                                        const moeclip::TileOptions& tiles) {
  using moeclip::index_t;
  struct Part {
    std::size_t picture;
    index_t tile;
  };
  std::vector<Part> parts;
  for (std::size_t i = 0; i < good.pictures.size(); ++i) {
    index_t count = 1;
    if (tiles.is_on()) {
      const moeclip::Image picture = read_input(good.pictures[i], images).image;
      count = moeclip::TileGrid(picture.width(), picture.height(), tiles).count();
    }
    for (index_t tile = 0; tile < count; ++tile) parts.push_back({i, tile});
  }
  Progress progress("learn", parts.size());
  const auto load = [&](index_t at) {
    const Part part = parts[static_cast<std::size_t>(at)];
    progress.step(good.pictures[part.picture].path);
    moeclip::Image picture = read_input(good.pictures[part.picture], images).image;
    if (!tiles.is_on()) return picture;
    return moeclip::copy_image(
        moeclip::TileGrid(picture.width(), picture.height(), tiles).view(picture.view(), part.tile));
  };
  return method.with_good(context, {std::ssize(parts), load});
}

}  // namespace cli
