// SPDX-License-Identifier: MIT
// Lesson 7. CLIP's two towers and zero-shot. One transformer makes a vector of a picture, another one of a sentence,
// in the same space; they were trained so that a picture and its caption point the same way. With patches p_i and
// token ids t_s, both towers are blocks (BLK-1) between a norm in front and one behind:
//
//   x_0 = LN_pre((e, W p_1, ..., W p_L) + q),   picture  = normalise(LN_post(x_N)[0] W_v)         (VIS-1)
//   x_0 = E[t_s] + q_s,  blocks causal,         sentence = normalise(LN_final(x_N)[s*] W_t)       (TXT-0)
//
// where e is a learned token of the picture as a whole, q are learned vectors of the places, t_s numbers of pieces of
// words, causal is lesson 3's exercise 2, and s* is the end token, the only one that sees all others. Zero-shot: write
// a sentence for each class; the one with the largest cosine wins, and softmax(scale * cosines) says how sure that is.
// The model is the built-in one, trained on drawn pictures.
//   07_clip [FOLDER]      where tiny.safetensors is; tools/moeclip/data if it is run from the top of the sources
//
// Output:
// a picture's vector, by lesson and library: the same numbers
// a sentence's vector, by lesson and library: the same numbers
// wood            0.62 -0.09 -0.29 -0.21   own sentence: 100 %
// marble          0.03  0.61  0.08 -0.09   own sentence: 100 %
// circuit board  -0.24 -0.03  0.61  0.04   own sentence: 100 %
// screw          -0.27 -0.12  0.08  0.59   own sentence: 100 %
// right: 12 of 12 (chance: 3)
// "a photo of a gear." 0.63 0.65 0.58 0.57; with it as a fifth sentence right: 7

#include <moeclip/clip/load_clip.hpp>
#include <moeclip/synthetic/synthesize.hpp>
#include <string>
#include <vector>

#include "lesson.hpp"

using Clip = moeclip::Clip<float>;

/// The block's tokens (T, D) through all blocks of a tower.
template <class Tower>
static void run_blocks(Context& context, const Tower& tower, bool is_causal, Tensor<float>& x) {
  for (const auto& block : tower.transformer.blocks)
    moeclip::block_forward<float>(context, block, tower.activation, {1, x.extent(0), is_causal}, x.view<2>());
}

/// normalise(LN(x) P) of one token, for P (D, C).
static Tensor<float> project(Context& context, const moeclip::LayerNorm<float>& norm, const Tensor<float>& projection,
                             const float* token) {
  const index_t width = projection.extent(0), embed = projection.extent(1);
  Tensor<float> x({1, width}), out({embed});
  std::copy_n(token, width, x.data());
  moeclip::layer_norm_forward<float>(context, norm, x.view<2>(), x.view<2>());
  for (index_t d = 0; d < width; ++d)
    for (index_t c = 0; c < embed; ++c) out[c] += x[d] * projection[d * embed + c];
  const auto size = static_cast<float>(length(out.values()));
  for (float& value : out) value /= size;
  return out;
}

/// VIS-1
static Tensor<float> encode(Context& context, const moeclip::VisionTower<float>& tower, const moeclip::Image& image) {
  const index_t side = tower.config.image_size, p = tower.config.patch_size, grid = side / p,
                width = tower.config.width;
  Tensor<float> pixels({3, side, side}), patches({grid * grid, 3 * p * p}), x({1 + grid * grid, width});
  moeclip::preprocess_clip<float>(context, image.view(), side, pixels.data());
  for (index_t i = 0; i < patches.extent(0); ++i)
    for (index_t k = 0; k < patches.extent(1); ++k) {
      const index_t channel = k / (p * p), v = i / grid * p + k / p % p, u = i % grid * p + k % p;
      patches[i * patches.extent(1) + k] = pixels[(channel * side + v) * side + u];
    }
  std::copy_n(tower.class_embedding.data(), width, x.data());
  moeclip::linear_forward<float>(context, tower.patch_embed, patches.view<2>(), x.view<2>().rows(1, x.extent(0)));
  for (index_t i = 0; i < x.size(); ++i) x[i] += tower.positional_embedding[i];
  moeclip::layer_norm_forward<float>(context, tower.ln_pre, x.view<2>(), x.view<2>());
  run_blocks(context, tower, false, x);
  return project(context, tower.ln_post, tower.projection, x.data());
}

/// TXT-0
static Tensor<float> encode(Context& context, const moeclip::TextTower<float>& tower, const Tensor<std::int32_t>& ids) {
  const index_t width = tower.config.width, count = ids.size();
  const index_t end = std::max_element(ids.begin(), ids.end()) - ids.begin();  // the end token has the largest id
  Tensor<float> x({count, width});
  for (index_t s = 0; s < count; ++s)
    for (index_t c = 0; c < width; ++c)
      x[s * width + c] = tower.token_embedding[ids[s] * width + c] + tower.positional_embedding[s * width + c];
  run_blocks(context, tower, true, x);
  return project(context, tower.ln_final, tower.projection, &x[end * width]);
}

/// Which of the first `count` sentences is nearest to a picture.
static index_t nearest(const Tensor<float>& picture, const Tensor<float>& texts, index_t count) {
  index_t best = 0;
  for (index_t j = 1; j < count; ++j)
    if (dot(picture.values(), row(texts, j)) > dot(picture.values(), row(texts, best))) best = j;
  return best;
}

int main(int argc, char** argv) {
  const Clip clip = Clip::load(std::string(argc > 1 ? argv[1] : "tools/moeclip/data") + "/tiny.safetensors");
  Context context({.threads = 1});
  const std::vector<std::string> names = {"wood", "marble", "circuit board", "screw", "gear"};
  std::vector<std::string> sentences;
  for (const std::string& name : names) sentences.push_back("a photo of a " + name + ".");
  const Tensor<float> texts = clip.encode_text(context, sentences);  // (5, C), unit vectors
  std::vector<moeclip::Image> images;
  std::vector<Tensor<float>> pictures;  // three of each kind but gears
  for (index_t i = 0; i < 12; ++i) {
    images.push_back(moeclip::synthesize({names[static_cast<std::size_t>(i % 4)], "", 77, i, 128}).picture);
    pictures.push_back(clip.encode_image(context, images.back().view()));
  }
  compare("a picture's vector, by lesson and library", farthest(encode(context, clip.vision(), images[0]), pictures[0]),
          1e-5);
  compare(
      "a sentence's vector, by lesson and library",
      farthest(encode(context, clip.text(), clip.tokenize({sentences[0]})), clip.encode_text(context, {sentences[0]})),
      1e-5);

  // Zero-shot: nobody trained a classifier of these four kinds, the sentences are the classifier.
  index_t right = 0, right_of_five = 0;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    right += nearest(pictures[i], texts, 4) == static_cast<index_t>(i % 4);
    right_of_five += nearest(pictures[i], texts, 5) == static_cast<index_t>(i % 4);
  }
  for (std::size_t i = 0; i < 4; ++i) {
    std::printf("%-14s", names[i].c_str());
    double sum = 0, own = 0;
    for (index_t j = 0; j < 4; ++j) {
      const double cosine = dot(pictures[i].values(), row(texts, j)), e = std::exp(clip.logit_scale() * cosine);
      sum += e;
      own = j == static_cast<index_t>(i) ? e : own;
      std::printf(" %5.2f", cosine);
    }
    std::printf("   own sentence: %.0f %%\n", 100 * own / sum);
  }
  std::printf("right: %td of 12 (chance: 3)\n", right);

  // The surprise: "gear" is no word that this CLIP has learned, and no picture here shows one. Yet its sentence is as
  // near to every picture as the picture's own: training pushed apart only what it had seen.
  std::printf("\"a photo of a gear.\"");
  for (std::size_t i = 0; i < 4; ++i) std::printf(" %.2f", dot(pictures[i].values(), row(texts, 4)));
  std::printf("; with it as a fifth sentence right: %td\n", right_of_five);
}

// Exercise 1. Detection is zero-shot with two classes. Compare pictures of marble, whole and with a "crack", with "a
//   flawless marble." and "a damaged marble.": how often is the cracked one of a pair nearer to the second sentence,
//   less the first?
// Exercise 2. CLIP reads a sentence up to its end token only. Show that what stands behind it changes nothing.
