// SPDX-License-Identifier: MIT
#pragma once
// Turns images into patch tokens by a convolution whose stride is its kernel size, so that each patch is one row of a
// matrix product (PAT-1 in this folder's README). Patches come in raster order.

#include <algorithm>

#include "linear.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Patch (i, j) of an image (3, S, S) as the row (channel, y, x) of 3 * p * p numbers; rows (g * g, 3 p p), g = S / p.
template <class T>
void unfold_patches(Context& context, View<const T, 3> image, index_t patch, View<T, 2> rows) {
  const index_t channels = image.extent(0), grid_h = image.extent(1) / patch, grid_w = image.extent(2) / patch;
  context.parallel_for(grid_h, [&](index_t row, int) {
    for (index_t column = 0; column < grid_w; ++column) {
      T* out = &rows(row * grid_w + column, 0);
      for (index_t c = 0; c < channels; ++c)
        for (index_t y = 0; y < patch; ++y, out += patch)
          std::copy_n(&image(c, row * patch + y, column * patch), patch, out);
    }
  });
}

/// tokens(b, 1 + i) = W patch_i of image b; row 0 of each image is left alone (class token).
/// kernel: a Linear (D, 3 p p) without bias; images (B, 3, S, S) contiguous in x; tokens (B, 1 + g g, D).
template <class T>
void patch_embed_forward(Context& context, const Linear<T>& kernel, index_t patch, View<const T, 4> images,
                         View<T, 3> tokens) {
  const index_t patches = (images.extent(2) / patch) * (images.extent(3) / patch);
  MOECLIP_EXPECT(images.extent(2) % patch == 0 && images.extent(3) % patch == 0, "images of ", images.extent(3), "x",
                 images.extent(2), " cannot be cut into patches of ", patch);
  MOECLIP_EXPECT(kernel.inputs() == images.extent(1) * patch * patch && tokens.extent(1) == patches + 1,
                 "patch embedding of ", kernel.inputs(), " inputs was given images with ", images.extent(1),
                 " channels and patches of ", patch);
  Arena::Scope scratch(context.arena());
  const View<T, 2> rows(scratch.take<T>(patches * kernel.inputs()), {patches, kernel.inputs()});
  for (index_t b = 0; b < images.extent(0); ++b) {
    unfold_patches<T>(context, images[b], patch, rows);
    linear_forward<T>(context, kernel, rows, tokens[b].rows(1, patches + 1));
  }
}

/// gradient->weight += sum over images and patches of d_token patch^T, for d_tokens (B, 1 + g g, D); row 0 of each
/// image is not read.  (PAT-1') Images have no gradient: nothing before them is trained.
template <class T>
void patch_embed_backward(Context& context, const Linear<T>& kernel, index_t patch, View<const T, 4> images,
                          View<const T, 3> d_tokens, Linear<T>* gradient) {
  if (gradient == nullptr) return;
  const index_t patches = (images.extent(2) / patch) * (images.extent(3) / patch);
  MOECLIP_EXPECT(d_tokens.extent(0) == images.extent(0) && d_tokens.extent(1) == patches + 1,
                 "patch embedding backward of ", images.extent(0), " images of ", patches,
                 " patches was given d_tokens (", d_tokens.extent(0), ",", d_tokens.extent(1), ",", d_tokens.extent(2),
                 ")");
  Arena::Scope scratch(context.arena());
  const View<T, 2> rows(scratch.take<T>(patches * kernel.inputs()), {patches, kernel.inputs()});
  for (index_t b = 0; b < images.extent(0); ++b) {
    unfold_patches<T>(context, images[b], patch, rows);
    linear_backward<T>(context, kernel, rows, d_tokens[b].rows(1, patches + 1), {}, gradient);
  }
}

}}  // namespace moeclip::abi_v0_1
