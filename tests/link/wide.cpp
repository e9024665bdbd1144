// SPDX-License-Identifier: MIT
// Built with more instructions allowed than plain.cpp.
#include "product.hpp"

std::vector<float> wide_product();
std::vector<float> wide_product() { return product(); }
