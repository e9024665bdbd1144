// SPDX-License-Identifier: MIT
#pragma once
// What --method says: pictures are judged, or a training is made, as another method than MoECLIP does it.

#include <memory>
#include <moeclip/methods/make_method.hpp>
#include <optional>
#include <string>
#include <vector>

#include "good.hpp"
#include "options.hpp"

namespace cli {

/// Declares --method, whose value "" or "moeclip" is the method of this program.
void declare_method(Options& options, std::string& method);

/// A method and what its CLIP and its weights are.
struct MethodWish {
  std::string method;                                           ///< its name; "": as the file says
  std::string clip, weights;                                    ///< paths; "": the built-in CLIP; none
  std::string vocabulary;                                       ///< tokenizer; "": beside the CLIP
  std::string dtype = "auto";                                   ///< precision of the CLIP
  std::int64_t image_size = 0;                                  ///< 0: the method's own
  std::int64_t threads = 0;                                     ///< for loading
  std::optional<moeclip::kernels::Activation> activation = {};  ///< of the CLIP's blocks; unset: the method's own
  std::uint64_t seed = 111;                                     ///< of first values
};

/// The file of weights that --adapter names: of a folder of the official AA-CLIP, which saves two, the one that the
/// other is found beside.
std::string weights_of(const std::string& adapter);

/// The method that these options of a command name, "" for MoECLIP: --method, or what the file of --adapter is of.
/// Throws UsageError for a file of another method's official code that --method does not name.
std::string method_of(const std::string& method, const std::string& adapter);

/// Throws UsageError if one of `unfit`, options that have no meaning for `method`, was given.
void expect_fit(const Options& options, std::string_view method, std::initializer_list<std::string_view> unfit);

/// The same for what is said of good pictures: how MoECLIP learns them never has a meaning for another method, and that
/// there are some (--good, --shots, --draws) has one only if it takes them.
void expect_good_fits(const Options& options, std::string_view method);

/// The CLIP for a method. Throws as Clip::load.
std::shared_ptr<const moeclip::Clip<float>> load_method_clip(const MethodWish& wish);

/// A method that can judge pictures. Throws mismatch if its weights were trained on another CLIP, UsageError if it
/// needs weights and has none, and as load_method.
std::shared_ptr<const moeclip::Method<float>> load_method(const MethodWish& wish);

/// The method for a part of which these pictures are known to be good. With tiles, it is shown every tile of them.
std::shared_ptr<const moeclip::Method<float>> show_good(moeclip::Context& context, const moeclip::Method<float>& method,
                                                        const GoodInputs& good, const moeclip::ImageOptions& images,
                                                        const moeclip::TileOptions& tiles);

/// Throws UsageError if `good` names a file of `moeclip learn`, which is MoECLIP's.
void expect_pictures(const std::vector<std::string>& good, std::string_view method);

}  // namespace cli
