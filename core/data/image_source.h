// Image files in class folders: of a folder, or of an archive. Thread-compatible.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/data/byte_source.h"

namespace traind::core {

// The class and the name of an image: "cat" and "1.png" of "photos/cat/1.png".
struct ImageName {
  std::string class_name;
  std::string file;  // All of it, as messages say it.
};

// A file that is no image in a class folder.
struct BadFile {
  std::string file;
  std::string reason;
  bool may_skip = true;  // False where leaving it out would leave out a whole folder.
};

struct ImageList {
  std::vector<ImageName> images = {};    // In the order of Visit.
  std::vector<BadFile> bad = {};         // Links, files that are too large, and what lies at another depth.
  int64_t num_hidden = 0;                // Files and folders that were passed over: see IsHidden.
  std::vector<std::string> hidden = {};  // The first few of them.
};

// Whether a path is hidden, or lies in what is: a name that begins with a dot, or that an operating system or a
// program leaves in people's folders (__MACOSX, Thumbs.db, desktop.ini and others).
bool IsHidden(absl::string_view path);

class ImageSource {
 public:
  virtual ~ImageSource() = default;
  // INVALID_ARGUMENT: a damaged archive, no images, or a class folder without any.
  virtual absl::StatusOr<ImageList> List() = 0;
  // Gives the bytes of each image to `use`, in the same order each time; ends with its first error. A file that cannot
  // be read gives its error to `use` in their place.
  using Use = absl::FunctionRef<absl::Status(int64_t index, const absl::StatusOr<std::string>& bytes)>;
  virtual absl::Status Visit(Use use) = 0;
};

// By what the path is.
absl::StatusOr<std::unique_ptr<ImageSource>> OpenImageSource(const InputFile& file);

}  // namespace traind::core
