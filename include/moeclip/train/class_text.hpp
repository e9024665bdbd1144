// SPDX-License-Identifier: MIT
#pragma once
// Sentences of a class through the frozen text tower: once, whatever number of steps or judgements needs them.

#include "../anomaly/prompts.hpp"
#include "../clip/clip.hpp"
#include "adapter_step_types.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Encodes the sentences about a class. Throws as Clip::tokenize does.
template <class T>
ClassText<T> encode_class_text(Context& context, const Clip<T>& clip, const std::string& name, const Prompts& prompts);

/// The anchors of a class under `adapter`, from its encoded sentences.
template <class T>
TextAnchors<T> anchors_of_class(Context& context, const Adapter<T>& adapter, const ClassText<T>& text);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_TRAIN)

namespace moeclip { inline namespace abi_v0_1 {

template <class T>
ClassText<T> encode_class_text(Context& context, const Clip<T>& clip, const std::string& name, const Prompts& prompts) {
  std::vector<std::string> sentences = prompts.normal;
  sentences.insert(sentences.end(), prompts.abnormal.begin(), prompts.abnormal.end());
  const Tensor<std::int32_t> tokens = clip.tokenize(sentences);
  ClassText<T> text{name, Tensor<T>::uninitialised({std::ssize(sentences), clip.config().text.width}),
                    std::ssize(prompts.normal)};
  text_forward<T>(context, clip.text(), tokens.view<2>(), text.encodings.template view<2>());
  return text;
}

template <class T>
TextAnchors<T> anchors_of_class(Context& context, const Adapter<T>& adapter, const ClassText<T>& text) {
  const index_t embed = adapter.text.outputs();
  TextAnchors<T> anchors{text.name, Tensor<T>({2, embed}), static_cast<T>(adapter.config.similarity_scale)};
  Tensor<T> z({text.encodings.extent(0), embed});
  anchors_of_sentences<T>(context, adapter, text.encodings.template view<2>(), text.normal_count, z.template view<2>(),
                          anchors.vectors.template view<2>());
  return anchors;
}

MOECLIP_INSTANTIATE(encode_class_text)
MOECLIP_INSTANTIATE(anchors_of_class)

}}  // namespace moeclip::abi_v0_1

#endif
