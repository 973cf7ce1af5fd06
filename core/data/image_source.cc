#include "core/data/image_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/data/image.h"
#include "core/data/tar.h"

namespace traind::core {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFiles = 20'000'000;  // Their names are kept while the import runs.

absl::Status Bad(absl::string_view archive, absl::string_view file, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(archive, ": ", absl::CHexEscape(file), ": ", what));
}

absl::Status CheckFile(absl::string_view archive, absl::string_view file, int64_t size) {
  if (size <= kMaxImageBytes) return absl::OkStatus();
  return Bad(archive, file, absl::StrCat(size, " bytes; an image may have ", kMaxImageBytes));
}

absl::Status CheckCount(absl::string_view archive, size_t count) {
  if (count <= kMaxFiles) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(archive, ": more than ", kMaxFiles, " files"));
}

bool IsHidden(absl::string_view name) {
  return absl::StartsWith(name.substr(name.rfind('/') == name.npos ? 0 : name.rfind('/') + 1), ".");
}

// <folder>/<class>/<image>, in the order of the names.
class FolderSource final : public ImageSource {
 public:
  explicit FolderSource(std::string path) : path_(std::move(path)) {}

  absl::StatusOr<std::vector<ImageName>> List() override {
    images_.clear();
    auto classes = Entries("");
    if (!classes.ok()) return classes.status();
    for (const auto& [class_name, is_folder] : *classes) {
      if (!is_folder) return Bad(path_, class_name, "not in a class folder; images are at <class>/<image>");
      auto files = Entries(class_name);
      if (!files.ok()) return files.status();
      if (files->empty()) return Bad(path_, class_name, "the class folder holds no images");
      for (const auto& [file, nested] : *files) {
        const std::string name = absl::StrCat(class_name, "/", file);
        if (nested) return Bad(path_, name, "a folder in a class folder; images are at <class>/<image>");
        images_.push_back({.class_name = class_name, .file = name});
        if (absl::Status status = CheckCount(path_, images_.size()); !status.ok()) return status;
      }
    }
    if (images_.empty()) return absl::InvalidArgumentError(absl::StrCat(path_, ": the folder holds no class folders"));
    return images_;
  }

  absl::Status Visit(absl::FunctionRef<absl::Status(int64_t, absl::string_view)> use) override {
    for (size_t i = 0; i < images_.size(); ++i) {
      auto bytes = Content(images_[i].file);
      if (!bytes.ok()) return bytes.status();
      if (absl::Status status = use(static_cast<int64_t>(i), *bytes); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  // The names in a folder below path_, sorted, and whether each is a folder.
  absl::StatusOr<std::vector<std::pair<std::string, bool>>> Entries(const std::string& folder) const {
    std::vector<std::pair<std::string, bool>> entries;
    std::error_code error;
    for (fs::directory_iterator it(fs::path(path_) / folder, error), end; !error && it != end; it.increment(error)) {
      const std::string name = it->path().filename().string();
      if (IsHidden(name)) continue;
      const fs::file_status status = it->symlink_status(error);
      if (error) break;
      const std::string full = folder.empty() ? name : absl::StrCat(folder, "/", name);
      if (fs::is_symlink(status)) return Bad(path_, full, "a symbolic link; only files and folders are read");
      if (!fs::is_directory(status) && !fs::is_regular_file(status)) {
        return Bad(path_, full, "neither a file nor a folder");
      }
      entries.emplace_back(name, fs::is_directory(status));
    }
    if (error) return ErrnoStatus(error.value(), "list", absl::StrCat(path_, "/", folder));
    std::sort(entries.begin(), entries.end());
    return entries;
  }

  // The last link of a path that was a file when it was listed is not followed now, either.
  absl::StatusOr<std::string> Content(const std::string& file) const {
    const std::string full = absl::StrCat(path_, "/", file);
    const int fd = open(full.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return ErrnoStatus(errno, "open", full);
    const absl::Cleanup close_fd = [fd] { close(fd); };
    struct stat info;
    if (fstat(fd, &info) != 0) return ErrnoStatus(errno, "stat", full);
    if (absl::Status status = CheckFile(path_, file, info.st_size); !status.ok()) return status;
    std::string bytes(static_cast<size_t>(info.st_size), '\0');
    size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t n = read(fd, bytes.data() + done, bytes.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return ErrnoStatus(errno, "read", full);
      if (n == 0) return Bad(path_, file, "became shorter while it was read");
      done += static_cast<size_t>(n);
    }
    return bytes;
  }

  const std::string path_;
  std::vector<ImageName> images_;
};

// [<folders>/]<class>/<image>, the same folders for all, in the order of the archive.
class TarSource final : public ImageSource {
 public:
  explicit TarSource(std::string path) : path_(std::move(path)) {}

  absl::StatusOr<std::vector<ImageName>> List() override {
    auto tar = TarReader::Open(path_);
    if (!tar.ok()) return tar.status();
    std::vector<ImageName> images;
    std::set<std::string> folders;
    std::set<std::string> used;  // Folders with something in them.
    std::optional<std::string> above;
    for (;;) {
      auto entry = tar->Next();
      if (!entry.ok()) return entry.status();
      if (!entry->has_value()) break;
      const std::string& name = (*entry)->name;
      if (IsHidden(name) || name.empty()) continue;
      if ((*entry)->folder) {
        folders.insert(name);
        if (absl::Status status = CheckCount(path_, folders.size()); !status.ok()) return status;
        continue;
      }
      if (absl::Status status = CheckFile(path_, name, (*entry)->size); !status.ok()) return status;
      const size_t slash = name.rfind('/');
      if (slash == name.npos) return Bad(path_, name, "not in a class folder; images are at <class>/<image>");
      const std::string folder = name.substr(0, slash);
      const size_t before = folder.rfind('/');
      const std::string parent = before == folder.npos ? "" : folder.substr(0, before);
      if (!above.has_value()) above = parent;
      if (parent != *above) {
        return Bad(path_, name, absl::StrCat("images are at <class>/<image> below '", *above, "' here"));
      }
      images.push_back({.class_name = before == folder.npos ? folder : folder.substr(before + 1), .file = name});
      used.insert(folder);
      if (absl::Status status = CheckCount(path_, images.size()); !status.ok()) return status;
    }
    if (images.empty()) return absl::InvalidArgumentError(absl::StrCat(path_, ": the archive holds no images"));
    for (const std::string& folder : folders) {
      const bool is_above = *above == folder || absl::StartsWith(*above, folder + "/");
      if (!is_above && !used.contains(folder)) return Bad(path_, folder, "the class folder holds no images");
    }
    count_ = images.size();
    return images;
  }

  absl::Status Visit(absl::FunctionRef<absl::Status(int64_t, absl::string_view)> use) override {
    auto tar = TarReader::Open(path_);
    if (!tar.ok()) return tar.status();
    for (size_t index = 0;;) {
      auto entry = tar->Next();
      if (!entry.ok()) return entry.status();
      const bool end = !entry->has_value();
      if (end ? index != count_ : index > count_ || (*entry)->size > kMaxImageBytes) {
        return absl::InvalidArgumentError(absl::StrCat(path_, ": changed while it was read"));
      }
      if (end) return absl::OkStatus();
      if ((*entry)->folder || IsHidden((*entry)->name) || (*entry)->name.empty()) continue;
      auto bytes = tar->Content();
      if (!bytes.ok()) return bytes.status();
      if (absl::Status status = use(static_cast<int64_t>(index++), *bytes); !status.ok()) return status;
    }
  }

 private:
  const std::string path_;
  size_t count_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ImageSource>> OpenImageSource(const std::string& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return std::make_unique<FolderSource>(path);
  auto file = OpenFile(path);
  if (!file.ok()) return file.status();
  return std::make_unique<TarSource>(path);
}

}  // namespace traind::core
