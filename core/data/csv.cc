#include "core/data/csv.h"

#include <algorithm>
#include <array>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/data/split_reader.h"

namespace traind::core {
namespace {

constexpr size_t kLongestField = 1 << 16;
constexpr size_t kMaxColumns = 1 << 20;
constexpr absl::string_view kByteOrderMark = "\xef\xbb\xbf";

}  // namespace

absl::Status CsvReader::Bad(int64_t line, absl::string_view what) const {
  return absl::InvalidArgumentError(absl::StrCat(source_->name(), ", line ", line, ": ", what));
}

absl::StatusOr<CsvReader> CsvReader::Open(const InputFile& file, std::optional<char> delimiter) {
  auto source = OpenUnpacked(file);
  if (!source.ok()) return source.status();
  return Read(*std::move(source), delimiter);
}

absl::StatusOr<CsvReader> CsvReader::OpenText(const std::string& name, absl::string_view text,
                                              std::optional<char> delimiter) {
  return Read(BytesInMemory(name, text), delimiter);
}

absl::StatusOr<CsvReader> CsvReader::Read(std::unique_ptr<ByteSource> source, std::optional<char> delimiter) {
  CsvReader reader(std::move(source));
  absl::Status status;
  if (delimiter.has_value()) {
    reader.delimiter_ = *delimiter;
  } else {
    status = reader.GuessDelimiter();
  }
  if (status.ok()) status = reader.ReadHeader();
  if (!status.ok()) return status;
  return reader;
}

// By as much of the header line as lies in the buffer.
absl::Status CsvReader::GuessDelimiter() {
  if (auto byte = Peek(); !byte.ok()) return byte.status();
  constexpr absl::string_view kCandidates = ",;\t";
  std::array<int64_t, kCandidates.size()> counts = {};
  bool quoted = false;
  for (const char c : absl::string_view(buffer_.data(), size_)) {
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    if (c == '\n' || c == '\r') break;
    if (const size_t k = kCandidates.find(c); k != kCandidates.npos) ++counts[k];
  }
  delimiter_ = kCandidates[static_cast<size_t>(std::max_element(counts.begin(), counts.end()) - counts.begin())];
  return absl::OkStatus();
}

absl::Status CsvReader::EndLine(int byte) {
  ++line_;
  if (byte != '\r') return absl::OkStatus();
  auto after = Peek();
  if (after.ok() && *after == '\n') ++next_;
  return after.status();
}

absl::StatusOr<int> CsvReader::Peek() {
  if (next_ == size_) {
    auto size = source_->Read(buffer_.data(), buffer_.size());
    if (!size.ok()) return size.status();
    next_ = 0;
    size_ = *size;
    if (size_ == 0) return -1;
  }
  return static_cast<unsigned char>(buffer_[next_]);
}

absl::Status CsvReader::Add(std::string* field, int byte) const {
  if (byte == 0) return Bad(line_, "a NUL byte: this is no text");
  if (field->size() >= kLongestField) return Bad(line_, absl::StrCat("a field of more than ", kLongestField, " bytes"));
  field->push_back(static_cast<char>(byte));
  return absl::OkStatus();
}

absl::Status CsvReader::ReadQuoted(std::string* field) {
  const int64_t opened = line_;
  for (;;) {
    auto byte = Peek();
    if (!byte.ok()) return byte.status();
    if (*byte < 0) return Bad(opened, "the quote that opens here is not closed");
    ++next_;
    if (*byte == '\n' && (field->empty() || field->back() != '\r')) ++line_;
    if (*byte == '\r') ++line_;
    if (*byte == '"') {
      auto after = Peek();
      if (!after.ok()) return after.status();
      if (*after != '"') return absl::OkStatus();
      ++next_;
    }
    if (absl::Status status = Add(field, *byte); !status.ok()) return status;
  }
}

absl::StatusOr<bool> CsvReader::ReadField() {
  // Strings of the row before are used again.
  if (fields_ == row_.size()) {
    row_.emplace_back();
    quoted_.push_back(false);
  }
  std::string* field = &row_[fields_];
  field->clear();
  bool quoted = false;
  const auto end = [&](bool more) {
    if (!quoted) absl::StripTrailingAsciiWhitespace(field);
    quoted_[fields_++] = quoted;
    return more;
  };
  for (;;) {
    auto byte = Peek();
    if (!byte.ok()) return byte.status();
    if (*byte < 0) return end(false);
    ++next_;
    if (*byte == '"') {
      if (quoted || !field->empty()) return Bad(line_, "a quote in the middle of a field");
      quoted = true;
      if (absl::Status status = ReadQuoted(field); !status.ok()) return status;
      continue;
    }
    if (*byte == static_cast<unsigned char>(delimiter_)) return end(true);
    if (*byte == '\r' || *byte == '\n') {
      if (absl::Status status = EndLine(*byte); !status.ok()) return status;
      return end(false);
    }
    if ((*byte == ' ' || *byte == '\t') && (quoted || field->empty())) continue;
    if (quoted) return Bad(line_, "a quoted field that goes on after its quote");
    if (absl::Status status = Add(field, *byte); !status.ok()) return status;
  }
}

absl::StatusOr<bool> CsvReader::ReadRow() {
  for (;;) {
    auto byte = Peek();
    if (!byte.ok()) return byte.status();
    if (*byte < 0) return false;
    row_line_ = line_;
    fields_ = 0;
    for (;;) {
      auto more = ReadField();
      if (!more.ok()) return more.status();
      if (!*more) break;
      if (fields_ >= kMaxColumns || (!columns_.empty() && fields_ >= columns_.size())) {
        return Bad(row_line_, absl::StrCat("more fields than the ", columns_.empty() ? kMaxColumns : columns_.size(),
                                           columns_.empty() ? " that are read" : " of the header"));
      }
    }
    if (fields_ > 1 || !row_[0].empty()) return true;
  }
}

absl::Status CsvReader::ReadHeader() {
  if (auto byte = Peek(); !byte.ok()) return byte.status();
  if (absl::StartsWith(absl::string_view(buffer_.data(), size_), kByteOrderMark)) next_ = kByteOrderMark.size();
  auto read = ReadRow();
  if (!read.ok()) return read.status();
  if (!*read) return Bad(line_, "the file is empty; a header line is required");
  row_.resize(fields_);
  std::set<std::string> names;
  for (size_t i = 0; i < row_.size(); ++i) {
    if (row_[i].empty()) return Bad(row_line_, absl::StrCat("column ", i + 1, " of the header has no name"));
    if (!names.insert(row_[i]).second) {
      return Bad(row_line_, absl::StrCat("the header has the column '", absl::CHexEscape(row_[i]), "' twice"));
    }
  }
  columns_ = row_;
  return absl::OkStatus();
}

absl::StatusOr<bool> CsvReader::Next() {
  auto read = ReadRow();
  if (!read.ok() || !*read) return read;
  if (fields_ == columns_.size()) return true;
  return Bad(row_line_, absl::StrCat(fields_, " fields, but the header has ", columns_.size()));
}

}  // namespace traind::core
