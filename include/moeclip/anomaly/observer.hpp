// SPDX-License-Identifier: MIT
#pragma once
// The observers show a probe the intermediate results of the added parts, and name them. There is one method per stage
// of features.hpp and anchors.hpp, and each does nothing without a probe.

#include <string>

#include "../moe/router.hpp"
#include "../tensor/probe.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Of the adapted image pass, for a batch of B images. Rows are tokens (B * T, .) or patches (B * L, .).
template <class T>
struct FeatureObserver {
  const Probe<T>* probe = nullptr;  ///< null: nobody watches
  index_t batch = 1;                ///< B, images in a batch

  /// Mixture j: its input x, what the router decided, and m, before norm matching.
  void mixture(std::size_t j, View<const T, 2> x, const Routing<T>& routing, View<const T, 2> m) const {
    if (probe == nullptr) return;
    const std::string folder = concat("moe_", j, "/");
    show(folder + "input", x);
    show(folder + "router_logits", routing.logits);
    show(folder + "router_probs", routing.probabilities);
    probe->on_indices(folder + "topk", {batch, routing.chosen.extent(0) / batch, routing.chosen.extent(1)},
                      routing.chosen.data());
    show(folder + "weights", routing.weights);
    show(folder + "output", m);
  }
  /// x after mixture j.
  void mixed(std::size_t j, View<const T, 2> x) const {
    if (probe != nullptr) show(concat("mixed/", j), x);
  }
  /// Patches (B * L, D) of a map after aggregation.
  void aggregated(index_t map, View<const T, 2> patches) const { of_map("paa/", map, patches); }
  /// Patches (B * L, D) of a map after LN_post.
  void normed(index_t map, View<const T, 2> patches) const { of_map("ln_post/", map, patches); }
  /// Patches (B * L, C) of a map after its projection.
  void projected(index_t map, View<const T, 2> patches) const { of_map("seg_proj/", map, patches); }
  /// Patches (B * L, C) of a map at unit length.
  void features(index_t map, View<const T, 2> patches) const { of_map("seg_tokens/", map, patches); }
  /// The steps of the detection head (heads.hpp), and its embeddings (B, C).
  void detection(View<const T, 2> normed, View<const T, 2> convolved, View<const T, 2> projected,
                 View<const T, 2> embedding) const {
    if (probe == nullptr) return;
    show("det/ln", normed);
    show("det/depthwise", convolved);
    show("det/proj", projected);
    probe->on_values("det_token", {batch, embedding.extent(1)}, embedding.data());
  }

 private:
  void show(const std::string& name, View<const T, 2> x) const { show_rows<T>(*probe, name, batch, x); }
  void of_map(const char* folder, index_t map, View<const T, 2> patches) const {
    if (probe != nullptr) show(folder + two_digits(map), patches);
  }
};

/// Of the sentences of a class. The name of the class is put in front by whoever watches.
template <class T>
struct AnchorObserver {
  const Probe<T>* probe = nullptr;  ///< null: nobody watches

  /// u (N, Dt) from the text tower and z (N, C) after the adapter.
  void sentences(View<const T, 2> u, View<const T, 2> z) const {
    if (probe == nullptr) return;
    probe->on_values("eot", {u.extent(0), u.extent(1)}, u.data());
    probe->on_values("adapted", {z.extent(0), z.extent(1)}, z.data());
  }
};

}}  // namespace moeclip::abi_v0_1
