// Comma-separated values (RFC 4180: fields may be quoted, a quote in a quoted field is doubled) with a header line,
// read row by row. Another delimiter than the comma is possible; lines end with LF, CRLF or CR; blanks around a field
// do not count, those in quotes do. Strict: every row has as many fields as the header. Empty lines are left out.
// Thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/data/byte_source.h"

namespace traind::core {

class CsvReader {
 public:
  // Reads the header. The file may be gzipped. Without a delimiter the most frequent of comma, semicolon and tab in the
  // header line is one.
  static absl::StatusOr<CsvReader> Open(const InputFile& file, std::optional<char> delimiter = std::nullopt);
  // The same of a text, which outlives it, and is not gzipped.
  static absl::StatusOr<CsvReader> OpenText(const std::string& name, absl::string_view text,
                                            std::optional<char> delimiter = std::nullopt);

  const std::string& name() const { return source_->name(); }
  char delimiter() const { return delimiter_; }
  const std::vector<std::string>& columns() const { return columns_; }
  // The next row; false after the last.
  absl::StatusOr<bool> Next();
  const std::vector<std::string>& row() const { return row_; }
  bool quoted(size_t field) const { return quoted_[field]; }
  int64_t line() const { return row_line_; }  // Where the row begins, from 1.
  // The next line is this one, in messages: of a file of which the text is a part.
  void CountFrom(int64_t line) { line_ = line; }

  // INVALID_ARGUMENT "<file>, line <line>: <what>".
  absl::Status Bad(int64_t line, absl::string_view what) const;

 private:
  explicit CsvReader(std::unique_ptr<ByteSource> source) : source_(std::move(source)), buffer_(1 << 16) {}

  static absl::StatusOr<CsvReader> Read(std::unique_ptr<ByteSource> source, std::optional<char> delimiter);
  // The next byte, or -1 at the end.
  absl::StatusOr<int> Peek();
  absl::Status GuessDelimiter();
  absl::Status ReadHeader();
  // One line with at least one byte; false at the end.
  absl::StatusOr<bool> ReadRow();
  absl::StatusOr<bool> ReadField();  // Whether another follows.
  absl::Status ReadQuoted(std::string* field);
  // After a line's last byte, when that was a CR: takes the LF that may follow.
  absl::Status EndLine(int byte);
  absl::Status Add(std::string* field, int byte) const;

  std::unique_ptr<ByteSource> source_;
  std::vector<char> buffer_;
  size_t next_ = 0;
  size_t size_ = 0;
  char delimiter_ = ',';
  int64_t line_ = 1;
  int64_t row_line_ = 1;
  std::vector<std::string> columns_;
  std::vector<std::string> row_;
  std::vector<bool> quoted_;  // Of row_.
  size_t fields_ = 0;         // Of the row that is being read.
};

}  // namespace traind::core
