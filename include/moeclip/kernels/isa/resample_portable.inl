// SPDX-License-Identifier: MIT
// The loops of image resizing in plain C++, for instruction sets without a version of their own.

inline void resample_row_rgb(const std::uint8_t* row, index_t, const ResampleColumns& columns,
                             std::uint8_t* line) noexcept {
  for (index_t column = 0; column < columns.columns; ++column)
    resample_column<3>(row, columns, column, line + 3 * column);
}

inline void add_weighted_row(const std::uint8_t* line, std::int32_t weight, index_t count,
                             std::int32_t* sums) noexcept {
  for (index_t i = 0; i < count; ++i) sums[i] += weight * line[i];
}
