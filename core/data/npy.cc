// The NPY format (numpy.lib.format): the magic string, a version, the length of the header, and the header itself, a
// Python dictionary literal such as {'descr': '<f4', 'fortran_order': False, 'shape': (60000, 784), }.
#include <array>
#include <cstdint>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "core/data/array_reader.h"

namespace traind::core {
namespace {

// Reads the literal from front to back. After a failure error() says what was wrong at position().
class DictionaryParser {
 public:
  explicit DictionaryParser(absl::string_view text) : text_(text) {}

  bool Parse(ArrayHeader* header) {
    if (!Expect('{')) return false;
    while (!Accept('}')) {
      absl::string_view key;
      if (!String(&key) || !Expect(':')) return false;
      if (key == "descr" && !has_descr_) {
        has_descr_ = true;
        if (!Descr(header)) return false;
      } else if (key == "fortran_order" && !has_order_) {
        has_order_ = true;
        if (!Order(header)) return false;
      } else if (key == "shape" && !has_shape_) {
        has_shape_ = true;
        if (!Dimensions(header)) return false;
      } else {
        return Fail(absl::StrCat("unexpected key '", key, "'"));
      }
      if (!Accept(',') && !Peek('}')) return Fail("expected ',' or '}'");
    }
    SkipSpace();
    if (at_ != text_.size()) return Fail("unexpected text after the dictionary");
    if (!has_descr_ || !has_order_ || !has_shape_) return Fail("needs the keys descr, fortran_order and shape");
    return true;
  }

  const std::string& error() const { return error_; }
  size_t position() const { return at_; }

 private:
  bool Fail(std::string error) {
    error_ = std::move(error);
    return false;
  }
  void SkipSpace() {
    while (at_ < text_.size() && absl::ascii_isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool Peek(char c) {
    SkipSpace();
    return at_ < text_.size() && text_[at_] == c;
  }
  bool Accept(char c) {
    if (!Peek(c)) return false;
    ++at_;
    return true;
  }
  bool Expect(char c) { return Accept(c) || Fail(absl::StrCat("expected '", absl::string_view(&c, 1), "'")); }

  bool String(absl::string_view* value) {
    SkipSpace();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') return Fail("expected a string");
    const size_t end = text_.find(quote, at_ + 1);
    if (end == absl::string_view::npos) return Fail("the string does not end");
    *value = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return true;
  }

  bool Descr(ArrayHeader* header) {
    SkipSpace();
    const size_t start = at_;
    if (Peek('[')) return Fail("structured arrays are not read; save each field as an array of its own");
    absl::string_view descr;
    if (!String(&descr)) return false;
    static constexpr std::array<std::pair<absl::string_view, NumberType>, 12> kDescr = {{{"u1", NumberType::kUint8},
                                                                                         {"i1", NumberType::kInt8},
                                                                                         {"u2", NumberType::kUint16},
                                                                                         {"i2", NumberType::kInt16},
                                                                                         {"u4", NumberType::kUint32},
                                                                                         {"i4", NumberType::kInt32},
                                                                                         {"u8", NumberType::kUint64},
                                                                                         {"i8", NumberType::kInt64},
                                                                                         {"f4", NumberType::kFloat32},
                                                                                         {"f8", NumberType::kFloat64},
                                                                                         {"f2", NumberType::kFloat16},
                                                                                         {"b1", NumberType::kBool}}};
    if (!descr.empty() && (descr[0] == '<' || descr[0] == '>' || descr[0] == '|' || descr[0] == '=')) {
      for (const auto& [name, type] : kDescr) {
        if (descr.substr(1) == name && (descr[0] != '|' || SizeOf(type) == 1)) {
          header->type = type;
          header->big_endian = descr[0] == '>';
          return true;
        }
      }
    }
    at_ = start;
    return Fail(absl::StrCat("the type '", descr, "' is not read; ", Instead(descr)));
  }

  // What to save in place of an array of this type.
  static absl::string_view Instead(absl::string_view descr) {
    const char kind = descr.size() > 1 ? descr[1] : ' ';
    if (kind == 'O') {
      return "it holds Python objects (a pickle), which are never loaded: save numbers, for example "
             "numpy.stack(list(x)), or x.astype(numpy.float32)";
    }
    if (kind == 'U' || kind == 'S') {
      return "it holds text: save integers, for example numpy.unique(y, return_inverse=True)[1], and give the names by "
             "--class-names";
    }
    return "save bool, an integer type, float16, float32 or float64, for example x.astype(numpy.float32)";
  }

  bool Order(ArrayHeader* header) {
    SkipSpace();
    header->fortran_order = absl::StartsWith(text_.substr(at_), "True");
    const absl::string_view word = header->fortran_order ? "True" : "False";
    if (!absl::StartsWith(text_.substr(at_), word)) return Fail("expected True or False");
    at_ += word.size();
    return true;
  }

  bool Dimensions(ArrayHeader* header) {
    if (!Expect('(')) return false;
    while (!Accept(')')) {
      SkipSpace();
      const size_t start = at_;
      while (at_ < text_.size() && absl::ascii_isdigit(static_cast<unsigned char>(text_[at_]))) ++at_;
      int64_t dimension;
      if (!absl::SimpleAtoi(text_.substr(start, at_ - start), &dimension)) {
        at_ = start;
        return Fail("expected a dimension that fits 63 bits");
      }
      header->shape.push_back(dimension);
      constexpr size_t kMaxDimensions = 4;
      if (header->shape.size() > kMaxDimensions) return Fail("more than 4 dimensions are not supported");
      if (!Accept(',') && !Peek(')')) return Fail("expected ',' or ')'");
    }
    return true;
  }

  const absl::string_view text_;
  size_t at_ = 0;
  bool has_descr_ = false;
  bool has_order_ = false;
  bool has_shape_ = false;
  std::string error_;
};

}  // namespace

absl::StatusOr<ArrayHeader> ReadNpyHeader(ByteSource& source) {
  std::array<unsigned char, 8> start;  // "\x93NUMPY", major and minor version.
  if (absl::Status status = ReadExactly(source, reinterpret_cast<char*>(start.data()), start.size(), 0); !status.ok()) {
    return status;
  }
  const int major = start[6];
  if (major < 1 || major > 3) {
    return BadBytes(source.name(), 6, absl::StrCat("version ", major, " of the NPY format is not known"));
  }
  std::array<unsigned char, 4> length_bytes = {};
  const size_t width = major == 1 ? 2 : 4;
  if (absl::Status status = ReadExactly(source, reinterpret_cast<char*>(length_bytes.data()), width, 8); !status.ok()) {
    return status;
  }
  const uint32_t length = length_bytes[0] | uint32_t{length_bytes[1]} << 8 | uint32_t{length_bytes[2]} << 16 |
                          uint32_t{length_bytes[3]} << 24;
  constexpr uint32_t kMaxLength = 1 << 16;  // That of a plain array is below 200.
  if (length > kMaxLength) {
    return BadBytes(source.name(), 8, absl::StrCat("a header of ", length, " bytes; at most ", kMaxLength));
  }
  const int64_t offset = static_cast<int64_t>(8 + width);
  std::string text(length, '\0');
  if (absl::Status status = ReadExactly(source, text.data(), text.size(), offset); !status.ok()) return status;

  ArrayHeader header;
  header.data_offset = offset + length;
  DictionaryParser parser(text);
  if (!parser.Parse(&header)) {
    return BadBytes(source.name(), offset + static_cast<int64_t>(parser.position()), parser.error());
  }
  return header;
}

}  // namespace traind::core
