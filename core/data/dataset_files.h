// What import and opening of a stored dataset share: its file names and limits on names. For this folder only.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "core/tensor/tensor.h"
#include "traind/v1/dataset.pb.h"

namespace traind::core {

std::string DatasetJsonPath(const std::string& dir);
std::string ExamplesPath(const std::string& dir, absl::string_view split);
std::string LabelsPath(const std::string& dir, absl::string_view split);

// [a-z0-9_-]{1,32}: safe as part of a file name.
bool IsSplitName(absl::string_view name);

// The NPY type string of an element type, "|u1" or "<f4".
absl::string_view NpyType(v1::ElementType type);

// A version 1 NPY header whose length is a multiple of 64, so that the data that follows is aligned when mapped.
std::string NpyHeader(absl::string_view type, const Shape& shape);

}  // namespace traind::core
