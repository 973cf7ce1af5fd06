// Image files in class folders: of a folder, or of a tar archive. Thread-compatible.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace traind::core {

// The class and the name of an image: "cat" and "1.png" of "photos/cat/1.png".
struct ImageName {
  std::string class_name;
  std::string file;  // All of it, as messages say it.
};

class ImageSource {
 public:
  virtual ~ImageSource() = default;
  // All images, in the order of Visit. Names that begin with a dot are left out. Refuses what is no image in a class
  // folder, folders without images, links, and files that are too large.
  virtual absl::StatusOr<std::vector<ImageName>> List() = 0;
  // Gives the bytes of each image to `use`, in the same order each time; ends with its first error.
  virtual absl::Status Visit(absl::FunctionRef<absl::Status(int64_t index, absl::string_view bytes)> use) = 0;
};

// By what the path is.
absl::StatusOr<std::unique_ptr<ImageSource>> OpenImageSource(const std::string& path);

}  // namespace traind::core
