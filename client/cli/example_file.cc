#include "client/cli/example_file.h"

#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace traind::client {
namespace {

// More than any disk holds, and products of sides do not overflow.
constexpr int64_t kMostNumbers = int64_t{1} << 50;

// The text behind "'key':" in the header's dictionary, up to `end`.
absl::string_view HeaderValue(absl::string_view header, absl::string_view key, char end) {
  const size_t found = header.find(absl::StrCat("'", key, "':"));
  if (found == header.npos) return "";
  absl::string_view value = header.substr(found + key.size() + 3);
  return absl::StripAsciiWhitespace(value.substr(0, value.find(end)));
}

absl::Status WrongFile(const std::string& path, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", why));
}

template <typename Number>
void AddNumbers(const std::string& bytes, v1::Examples& examples) {
  const size_t count = bytes.size() / sizeof(Number);
  examples.mutable_values()->Reserve(static_cast<int>(count));
  for (size_t i = 0; i < count; ++i) {
    Number number;
    std::memcpy(&number, bytes.data() + i * sizeof(Number), sizeof(Number));
    examples.add_values(static_cast<float>(number));
  }
}

}  // namespace

absl::StatusOr<ExampleFile> ExampleFile::Open(const std::string& path) {
  // NumPy's formats 1.0 and 2.0: magic, version, length of the header in two or four bytes, the header.
  constexpr absl::string_view kMagic = "\x93NUMPY";
  constexpr size_t kLongestPreamble = 12;
  absl::StatusOr<File> file = File::Open(path, O_RDONLY);
  if (!file.ok()) return file.status();
  std::string preamble;
  if (absl::Status status = file->ReadAt(0, kLongestPreamble, &preamble); !status.ok()) return status;
  if (preamble.size() < kLongestPreamble || !absl::StartsWith(preamble, kMagic)) {
    return WrongFile(path, "this is no .npy file");
  }
  const bool old = preamble[6] == 1;
  size_t size = 0;
  for (size_t i = old ? 2 : 4; i > 0; --i) size = size << 8 | static_cast<unsigned char>(preamble[7 + i]);
  const int64_t begin = old ? 10 : 12;
  std::string header;
  if (absl::Status status = file->ReadAt(begin, std::min<size_t>(size, 1 << 16), &header); !status.ok()) return status;
  return Parse(path, *std::move(file), header, begin + static_cast<int64_t>(size));
}

absl::StatusOr<ExampleFile> ExampleFile::Parse(const std::string& path, File file, const std::string& header,
                                               int64_t offset) {
  const absl::string_view type = HeaderValue(header, "descr", ',');
  if (type != "'<f4'" && type != "'<f8'" && type != "'|u1'") {
    return WrongFile(path, absl::StrCat("its numbers must be float32, float64 or uint8, not ", type));
  }
  if (HeaderValue(header, "fortran_order", ',') != "False") return WrongFile(path, "its order must be C's");
  std::vector<int64_t> shape;
  absl::string_view sides = HeaderValue(header, "shape", ')');
  if (absl::StartsWith(sides, "(")) sides.remove_prefix(1);
  int64_t numbers = 1;
  for (const absl::string_view side : absl::StrSplit(sides, ',', absl::SkipWhitespace())) {
    int64_t length = 0;
    if (!absl::SimpleAtoi(side, &length) || length < 1 || length > kMostNumbers / numbers) {
      return WrongFile(path, absl::StrCat("its shape is (", sides, ")"));
    }
    numbers *= length;
    shape.push_back(length);
  }
  if (shape.size() != 2 && shape.size() != 4) {
    return WrongFile(
        path, absl::StrCat("its shape must be (N, features) or (N, channels, height, width), not (", sides, ")"));
  }
  ExampleFile result(std::move(file),
                     type == "'<f4'"   ? Type::kFloat32
                     : type == "'<f8'" ? Type::kFloat64
                                       : Type::kUint8,
                     std::move(shape), offset);
  const absl::StatusOr<int64_t> size = result.file_.Size();
  if (!size.ok()) return size.status();
  if (*size < offset + numbers * result.NumberSize()) return WrongFile(path, "it is shorter than it says");
  return result;
}

int64_t ExampleFile::NumberSize() const { return type_ == Type::kFloat32 ? 4 : type_ == Type::kFloat64 ? 8 : 1; }

int64_t ExampleFile::example_size() const {
  int64_t size = 1;
  for (size_t i = 1; i < shape_.size(); ++i) size *= shape_[i];
  return size;
}

absl::StatusOr<v1::Examples> ExampleFile::Read(int64_t first, int64_t count) const {
  const int64_t bytes = example_size() * NumberSize();
  std::string read;
  if (absl::Status status = file_.ReadAt(offset_ + first * bytes, static_cast<size_t>(count * bytes), &read);
      !status.ok()) {
    return status;
  }
  if (static_cast<int64_t>(read.size()) != count * bytes) return absl::AbortedError("the file became shorter");
  v1::Examples examples;
  examples.mutable_shape()->Add(shape_.begin(), shape_.end());
  examples.set_shape(0, count);
  if (type_ == Type::kFloat32) AddNumbers<float>(read, examples);
  if (type_ == Type::kFloat64) AddNumbers<double>(read, examples);
  if (type_ == Type::kUint8) AddNumbers<uint8_t>(read, examples);
  return examples;
}

}  // namespace traind::client
