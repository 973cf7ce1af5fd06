#include "client/cli/own_examples.h"

#include <fcntl.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/example_file.h"
#include "client/cli/text.h"
#include "client/file.h"

namespace traind::client {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostImages = 1000;              // Of a call,
constexpr int64_t kImageBytes = int64_t{7} << 20;  // and what their files may have.
constexpr size_t kMostFiles = 100'000;
constexpr int64_t kTableBytes = int64_t{3} << 20;  // Of the lines of a call, which may have 4 MiB.
constexpr int64_t kMostLines = 1000;               // Of a call: their words become many numbers.
constexpr size_t kLargestTable = size_t{256} << 20;

class Numbers final : public OwnExamples {
 public:
  explicit Numbers(ExampleFile file) : file_(std::move(file)) {}
  int64_t count() const override { return file_.examples(); }
  int64_t example_size() const override { return file_.example_size(); }
  absl::StatusOr<int64_t> Fill(int64_t first, int64_t most, v1::PredictRequest& request) const override {
    auto examples = file_.Read(first, most);
    if (!examples.ok()) return examples.status();
    *request.mutable_examples() = *std::move(examples);
    return most;
  }

 private:
  ExampleFile file_;
};

class ImageFiles final : public OwnExamples {
 public:
  explicit ImageFiles(std::vector<std::string> paths) : paths_(std::move(paths)) {}
  int64_t count() const override { return static_cast<int64_t>(paths_.size()); }
  std::string file(int64_t index) const override { return paths_[static_cast<size_t>(index)]; }
  absl::StatusOr<int64_t> Fill(int64_t first, int64_t most, v1::PredictRequest& request) const override {
    request.clear_images();
    int64_t bytes = 0;
    for (int64_t i = 0; i < std::min(most, kMostImages); ++i) {
      const std::string& path = paths_[static_cast<size_t>(first + i)];
      auto file = File::Open(path, O_RDONLY);
      if (!file.ok()) return file.status();
      const absl::StatusOr<int64_t> size = file->Size();
      if (!size.ok()) return size.status();
      if (*size > kImageBytes) {
        return absl::InvalidArgumentError(absl::StrCat(path, " has ", FormatBytes(*size), "; a call takes ",
                                                       FormatBytes(kImageBytes), ": save the image smaller"));
      }
      if (bytes + *size > kImageBytes) break;  // Not the first one.
      bytes += *size;
      v1::ImageFile& image = *request.add_images();
      image.set_name(path);
      const absl::Status read = file->ReadAt(0, static_cast<size_t>(*size), image.mutable_content());
      if (!read.ok()) return read;
    }
    return request.images_size();
  }

 private:
  const std::vector<std::string> paths_;
};

// The lines of a text. Quotes may hold line ends.
class TableFile final : public OwnExamples {
 public:
  TableFile(std::string path, std::string text, TableOptions options)
      : path_(std::move(path)), text_(std::move(text)), options_(std::move(options)) {
    const char delimiter = options_.delimiter.empty() ? GuessDelimiter() : options_.delimiter[0];
    FindRows(delimiter);
  }
  int64_t count() const override { return static_cast<int64_t>(rows_.size()); }
  absl::StatusOr<int64_t> Fill(int64_t first, int64_t most, v1::PredictRequest& request) const override {
    v1::ExampleTable& table = *request.mutable_table();
    table.set_name(path_);
    table.set_delimiter(options_.delimiter);
    table.set_label_column(options_.label_column);
    table.mutable_target_columns()->Assign(options_.target_columns.begin(), options_.target_columns.end());
    table.mutable_drop_columns()->Assign(options_.drop_columns.begin(), options_.drop_columns.end());
    table.set_first_line(rows_[static_cast<size_t>(first)].line);
    const size_t begin = rows_[static_cast<size_t>(first)].begin;
    int64_t done = 0;
    while (done < std::min(most, kMostLines)) {
      const size_t end = EndOf(first + done);
      if (done > 0 && static_cast<int64_t>(header_ + end - begin) > kTableBytes) break;
      ++done;
    }
    table.set_content(absl::StrCat(absl::string_view(text_).substr(0, header_),
                                   absl::string_view(text_).substr(begin, EndOf(first + done - 1) - begin)));
    return done;
  }

 private:
  struct Row {
    size_t begin = 0;
    int64_t line = 0;  // From 1.
  };

  size_t EndOf(int64_t row) const {
    const auto next = static_cast<size_t>(row + 1);
    return next < rows_.size() ? rows_[next].begin : text_.size();
  }
  // As the server does: by the first line, as far as it lies in 64 KiB.
  char GuessDelimiter() const {
    const absl::string_view start = absl::string_view(text_).substr(0, 1 << 16);
    char best = ',';
    int64_t most = 0;
    for (const char candidate : absl::string_view(",;\t")) {
      int64_t count = 0;
      bool quoted = false;
      for (const char c : start) {
        if (c == '"') quoted = !quoted;
        if (!quoted && (c == '\n' || c == '\r')) break;
        if (!quoted && c == candidate) ++count;
      }
      if (count > most) best = candidate;
      most = std::max(most, count);
    }
    return best;
  }
  // Whether the server's reader leaves out the line: it is one field, and that is empty.
  static bool IsBlank(absl::string_view line, char delimiter) {
    if (absl::StrContains(line, delimiter)) return false;
    line = absl::StripAsciiWhitespace(line);
    return line.empty() || line == "\"\"";
  }
  // Empty lines between two rows go with the first of them.
  void FindRows(char delimiter) {
    int64_t line = 1;
    bool quoted = false, header = true;
    Row row{.begin = 0, .line = 1};
    const auto end_row = [&](size_t end) {
      const bool blank = IsBlank(absl::string_view(text_).substr(row.begin, end - row.begin), delimiter);
      if (!blank && header) header_ = end;
      if (!blank && !header) rows_.push_back(row);
      header = header && blank;
      row = {.begin = end, .line = line};
    };
    for (size_t i = 0; i < text_.size(); ++i) {
      const char c = text_[i];
      if (c == '"') quoted = !quoted;
      if (c == '\r' && i + 1 < text_.size() && text_[i + 1] == '\n') continue;
      if (c != '\n' && c != '\r') continue;
      ++line;
      if (!quoted) end_row(i + 1);
    }
    if (row.begin < text_.size()) end_row(text_.size());
  }

  const std::string path_;
  const std::string text_;
  const TableOptions options_;
  size_t header_ = 0;  // Its bytes.
  std::vector<Row> rows_;
};

bool IsImageName(const std::string& name) {
  return absl::EndsWithIgnoreCase(name, ".jpg") || absl::EndsWithIgnoreCase(name, ".jpeg") ||
         absl::EndsWithIgnoreCase(name, ".png");
}

// The images in a folder, by name.
absl::Status AddFolder(const std::string& folder, std::vector<std::string>& paths, std::vector<std::string>& notes) {
  std::vector<std::string> found;
  int64_t others = 0;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::error_code ignored;
    const bool taken = !absl::StartsWith(name, ".") && IsImageName(name) && it->is_regular_file(ignored);
    if (taken) found.push_back(it->path().string());
    if (!taken) ++others;
    if (found.size() > kMostFiles) {
      return absl::InvalidArgumentError(absl::StrCat(folder, ": more than ", kMostFiles, " images"));
    }
  }
  if (error) return absl::InvalidArgumentError(absl::StrCat("cannot read ", folder, ": ", error.message()));
  if (found.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(folder,
                                                   " has no images (*.jpg, *.jpeg, *.png) in it; folders in it "
                                                   "are not looked into"));
  }
  std::sort(found.begin(), found.end());
  paths.insert(paths.end(), found.begin(), found.end());
  if (others > 0) {
    notes.push_back(absl::StrCat(folder, ": ", others, others == 1 ? " entry is" : " entries are",
                                 " no image file (*.jpg, *.jpeg, *.png) and left out"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<OwnExamples>> OpenNumbers(const std::string& path) {
  auto file = ExampleFile::Open(path);
  if (!file.ok()) return file.status();
  return std::make_unique<Numbers>(*std::move(file));
}

absl::StatusOr<std::unique_ptr<OwnExamples>> OpenImages(const std::vector<std::string>& paths,
                                                        std::vector<std::string>& notes) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (!fs::is_directory(path, error)) {
      files.push_back(path);
    } else if (absl::Status status = AddFolder(path, files, notes); !status.ok()) {
      return status;
    }
  }
  if (files.size() > kMostFiles) {
    return absl::InvalidArgumentError(absl::StrCat(files.size(), " images; at most ", kMostFiles));
  }
  return std::make_unique<ImageFiles>(std::move(files));
}

absl::StatusOr<std::unique_ptr<OwnExamples>> OpenTable(const std::string& path, const TableOptions& options) {
  auto text = ReadText(path, kLargestTable);
  if (!text.ok()) return text.status();
  auto table = std::make_unique<TableFile>(path, *std::move(text), options);
  if (table->count() == 0) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": a header line and at least one more are needed"));
  }
  return table;
}

}  // namespace traind::client
