// SPDX-License-Identifier: MIT
#pragma once
// The model that comes with the tool: a tiny CLIP, trained from nothing on synthetic pictures, and an adapter for it.

#include <moeclip/anomaly/detector.hpp>
#include <moeclip/data/source.hpp>
#include <moeclip/synthetic/pretrain.hpp>
#include <moeclip/train/trainer.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace cli {

inline constexpr std::string_view kTinyClip = "tiny.safetensors";
inline constexpr std::string_view kTinyAdapter = "tiny_adapter.safetensors";
inline constexpr std::string_view kTinyWords = "tiny_words.safetensors";  ///< how sure its names of defects are

/// Path of such a file: beside the program, in ../share/moeclip from there, in /usr/local/share/moeclip or
/// /usr/share/moeclip. Throws missing, listing the places.
std::string find_tiny(std::string_view name);

/// The adapter that goes with --clip and --adapter: that one; without either, the one of the built-in model; "": none.
std::string adapter_path(const std::string& clip, const std::string& adapter);

/// The detector of --clip and --adapter. Without --clip it is the built-in CLIP's.
moeclip::Detector load_detector(const std::string& clip, const std::string& adapter,
                                const moeclip::DetectorOptions& options);

/// Help of --dtype, for every command that has it.
inline constexpr const char* kDtypeHelp =
    "precision of the CLIP's matrices: bf16 halves their memory, int8 quarters it; auto: f32, or as the file was "
    "quantized";

/// A step of the training of a tiny CLIP, as --log-json has it.
moeclip::Json pretrain_json(const moeclip::PretrainReport& report);

/// The plan of a --dtype; unset for "auto".
std::optional<moeclip::PrecisionPlan> plan_of_dtype(std::string_view dtype);

/// What the verdicts of the built-in model are worth, for every command that judges a user's pictures with it.
inline constexpr const char* kTinyKnows =
    "the built-in model is a toy that knows drawn pictures, its verdicts on photographs are noise: give --clip FILE, "
    "or good pictures of the part (--good) to `detect` and `eval`, or to `detect` --features texture, which compares "
    "each picture with itself";

/// The same where good pictures are known by what it sees.
inline constexpr const char* kTinySees =
    "patches are known by the built-in model here, a toy that knows drawn pictures; on photographs textures tell more: "
    "learn without --features encoder";

/// Says so if the file of `moeclip export` holds the built-in model, which whoever was given it may not know.
void say_tiny_inside(const std::string& model);

// How its adapter is trained; seeds of pictures are apart from those of the CLIP's training, which are small.
inline constexpr moeclip::index_t kTinyBatch = 8;
inline constexpr double kTinyRate = 1e-3;
inline constexpr double kTinyTuneRate = 3e-4;  ///< of training that goes on from it: 1e-3 forgets what it had learned
inline constexpr std::uint64_t kTinySeed = 1'000'000;

/// Most pictures to train on have a defect: of a good one, the dice loss of the abnormal channel (1 - 1/(sum P + 1))
/// wants every P to be 0 with a slope of 1 per pixel, of a defective one it wants its P to be 1 with a slope of one by
/// the size of the defect; with as many good ones, a weak model learns to find nothing anywhere.
inline constexpr double kTinyDefective = 0.9;

/// `count` pictures of the categories and with the kinds of defects that adapters may be trained on, a share of them
/// defective.
moeclip::SampleSource adapter_pictures(moeclip::index_t count, moeclip::index_t size, std::uint64_t seed,
                                       double defective_share = kTinyDefective);

/// The adapter of a trainer for a detector of its own: a copy, packed.
moeclip::Adapter<float> packed_copy(moeclip::Context& context, const moeclip::Adapter<float>& adapter);

}  // namespace cli
