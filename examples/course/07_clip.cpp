// SPDX-License-Identifier: MIT
// Lesson 7. CLIP's two towers and zero-shot. One transformer makes a vector of a picture, another one of a sentence,
// in the same space; they were trained so that a picture and its caption point the same way. With patches p_i and
// token ids t_s, numbers of pieces of words, both towers are N blocks (BLK-1) and a norm behind:
//
//   x_0 = LN_pre((e, W p_1, ..., W p_L) + q),   picture  = normalise(LN_post(x_N)[0] W_v)         (VIS-1)
//   x_0 = E[t_s] + q_s,  blocks causal,         sentence = normalise(LN_final(x_N)[s*] W_t)       (TXT-0)
//
// e is a learned token of the picture as a whole, W makes a token of a patch's pixels, E has a row for each id, q are
// learned vectors of the places, and W_v and W_t project into the common space. Causal is lesson 3's exercise 2, and s*
// is the end token, the first that sees the whole sentence. Zero-shot: write a sentence for each class; the one with
// the largest cosine wins, and softmax(scale * cosines) says how sure that is. The model is the built-in one, trained
// on drawn pictures:
//   07_clip [FOLDER]      where tiny.safetensors is; tools/moeclip/data if it is run from the top of the sources
//
// Output:
// a picture's vector, by lesson and library: the same numbers
// a sentence's vector, by lesson and library: the same numbers
// wood            0.62 -0.09 -0.29 -0.21  0.63   own sentence of the first four: 100 %
// marble          0.03  0.61  0.08 -0.09  0.65   own sentence of the first four: 100 %
// circuit board  -0.24 -0.03  0.61  0.04  0.58   own sentence of the first four: 100 %
// screw          -0.27 -0.12  0.08  0.59  0.57   own sentence of the first four: 100 %
// right: 12 of 12 (chance: 3); with the sentence of a gear: 7
// of six kinds that this CLIP was never trained on, right: 5 of 36 (chance: 6)

#include <moeclip/clip/load_clip.hpp>
#include <moeclip/synthetic/synthesize.hpp>
#include <string>
#include <vector>

#include "lesson.hpp"

using Clip = moeclip::Clip<float>;
using Kinds = std::vector<std::string>;

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
  for (const auto& block : tower.transformer.blocks)
    moeclip::block_forward<float>(context, block, tower.activation, {1, x.extent(0), false}, x.view<2>());
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
  for (const auto& block : tower.transformer.blocks)
    moeclip::block_forward<float>(context, block, tower.activation, {1, x.extent(0), true}, x.view<2>());
  return project(context, tower.ln_final, tower.projection, &x[end * width]);
}

/// "a photo of a ..." for each kind, as rows of unit vectors.
static Tensor<float> sentences(Context& context, const Clip& clip, Kinds kinds) {
  for (std::string& kind : kinds) kind = "a photo of a " + kind + ".";
  return clip.encode_text(context, kinds);
}

/// Picture i of drawn pictures of these kinds in turn.
static moeclip::Image picture(const Kinds& kinds, index_t i) {
  return moeclip::synthesize({kinds[static_cast<std::size_t>(i) % kinds.size()], "", 77, i, 128}).picture;
}

/// Of the first `count` pictures of `kinds`, how many are nearest to their own kind's sentence of those of `asked`.
static index_t count_right(Context& context, const Clip& clip, const Kinds& kinds, const Kinds& asked, index_t count) {
  const Tensor<float> texts = sentences(context, clip, asked);
  index_t right = 0, best = 0;
  for (index_t i = 0; i < count; ++i, best = 0) {
    const Tensor<float> vector = clip.encode_image(context, picture(kinds, i).view());
    for (index_t j = 1; j < texts.extent(0); ++j)
      if (dot(vector.values(), row(texts, j)) > dot(vector.values(), row(texts, best))) best = j;
    right += best == i % static_cast<index_t>(kinds.size());
  }
  return right;
}

int main(int argc, char** argv) try {
  const Clip clip = Clip::load(std::string(argc > 1 ? argv[1] : "tools/moeclip/data") + "/tiny.safetensors");
  Context context({.threads = 1});
  const Kinds kinds = {"wood", "marble", "circuit board", "screw"},
              with_gear = {kinds[0], kinds[1], kinds[2], kinds[3], "gear"};
  const Tensor<float> texts = sentences(context, clip, with_gear);
  std::vector<Tensor<float>> vectors;  // of a picture of each kind
  for (index_t i = 0; i < 4; ++i) vectors.push_back(clip.encode_image(context, picture(kinds, i).view()));
  const Tensor<float> of_picture = encode(context, clip.vision(), picture(kinds, 0)),
                      of_sentence = encode(context, clip.text(), clip.tokenize({"a photo of a wood."}));
  compare("a picture's vector, by lesson and library", farthest(of_picture, vectors[0]), 1e-5);
  compare("a sentence's vector, by lesson and library", farthest(of_sentence, sentences(context, clip, {"wood"})),
          1e-5);

  // Zero-shot: the sentences are the classifier. The pictures are new, their kinds were in the captions of pretraining.
  for (std::size_t i = 0; i < 4; ++i) {
    const double own = dot(vectors[i].values(), row(texts, static_cast<index_t>(i)));
    double sum = 0;
    std::printf("%-14s", kinds[i].c_str());
    for (index_t j = 0; j < 5; ++j) {
      const double cosine = dot(vectors[i].values(), row(texts, j));
      sum += j < 4 ? std::exp(clip.logit_scale() * (cosine - own)) : 0;
      std::printf(" %5.2f", cosine);
    }
    std::printf("   own sentence of the first four: %.0f %%\n", 100 / sum);
  }

  // The surprise: "gear" (the last cosines) is no word that this CLIP has learned, and no picture here shows one. Yet
  // its sentence is as near to every picture as the picture's own: training pushed apart only what it had seen. Among
  // kinds that it never saw it is at chance; OpenAI's CLIP has seen nearly everything, in 400 million captions.
  std::printf("right: %td of 12 (chance: 3); with the sentence of a gear: %td\n",
              count_right(context, clip, kinds, kinds, 12), count_right(context, clip, kinds, with_gear, 12));
  const Kinds unseen(moeclip::unseen_categories().begin(), moeclip::unseen_categories().end());
  std::printf("of six kinds that this CLIP was never trained on, right: %td of 36 (chance: 6)\n",
              count_right(context, clip, unseen, unseen, 36));
} catch (const moeclip::Error& error) {
  return complain(error);
}

// Exercise 1. Detection is zero-shot with two classes. Compare pictures of marble, whole and with a "crack", with "a
//   flawless marble." and "a damaged marble.": how often has the cracked one of a pair the larger difference of
//   cosines, second sentence less first?
// Exercise 2. CLIP reads a sentence up to its end token only. Show that what stands behind it changes nothing.
