#include "core/data/image_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/file.h"
#include "core/data/archive.h"
#include "core/data/image.h"

namespace traind::core {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFiles = 20'000'000;  // Their names are kept while the import runs.
constexpr size_t kListedHidden = 5;
constexpr int kMostLinks = 40;  // In a row; as Linux has it.

// What operating systems, file managers and synchronizers leave in folders; compared without case.
constexpr std::array<absl::string_view, 8> kLeftBehind = {
    "__MACOSX", "Thumbs.db", "ehthumbs.db", "desktop.ini", "Icon\r", "$RECYCLE.BIN", "System Volume Information",
    "@eaDir"};

absl::Status Bad(absl::string_view source, absl::string_view file, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(source, ": ", absl::CHexEscape(file), ": ", what));
}

std::string TooLarge(int64_t size) {
  return size <= kMaxImageBytes ? "" : absl::StrCat(size, " bytes; an image may have ", kMaxImageBytes);
}

absl::Status CheckCount(absl::string_view source, size_t count) {
  if (count <= kMaxFiles) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(source, ": more than ", kMaxFiles, " files"));
}

void PassOver(const std::string& name, ImageList* list) {
  if (++list->num_hidden <= static_cast<int64_t>(kListedHidden)) list->hidden.push_back(name);
}

// <folder>/<class>/<image>, in the order of the names.
class FolderSource final : public ImageSource {
 public:
  explicit FolderSource(InputFile folder) : folder_(std::move(folder)) {}

  absl::StatusOr<ImageList> List() override {
    list_ = {};
    auto classes = Entries("");
    if (!classes.ok()) return classes.status();
    for (const auto& [class_name, is_folder] : *classes) {
      if (!is_folder) {
        list_.bad.push_back({class_name, "not in a class folder; images are at <class>/<image>"});
        continue;
      }
      auto files = Entries(class_name);
      if (!files.ok()) return files.status();
      if (files->empty()) return Bad(folder_.name, class_name, "the class folder holds no images");
      for (const auto& [file, nested] : *files) {
        const std::string name = absl::StrCat(class_name, "/", file);
        if (nested) {
          list_.bad.push_back({name, "a folder in a class folder; images are at <class>/<image>", false});
        } else {
          list_.images.push_back({.class_name = class_name, .file = name});
        }
        absl::Status status = CheckCount(folder_.name, list_.images.size() + list_.bad.size());
        if (!status.ok()) return status;
      }
    }
    if (list_.images.empty() && list_.bad.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(folder_.name, ": the folder holds no class folders"));
    }
    return list_;
  }

  absl::Status Visit(Use use) override {
    for (size_t i = 0; i < list_.images.size(); ++i) {
      if (absl::Status status = use(static_cast<int64_t>(i), Content(list_.images[i].file)); !status.ok()) {
        return status;
      }
    }
    return absl::OkStatus();
  }

 private:
  // The names in a folder below folder_, sorted, and whether each is a folder. What is neither file nor folder is bad.
  absl::StatusOr<std::vector<std::pair<std::string, bool>>> Entries(const std::string& folder) {
    std::vector<std::pair<std::string, bool>> entries;
    std::error_code error;
    for (fs::directory_iterator it(fs::path(folder_.path) / folder, error), end; !error && it != end;
         it.increment(error)) {
      const std::string name = it->path().filename().string();
      const std::string full = folder.empty() ? name : absl::StrCat(folder, "/", name);
      if (IsHidden(name)) {
        PassOver(full, &list_);
        continue;
      }
      const fs::file_status status = it->symlink_status(error);
      if (error) break;
      if (fs::is_symlink(status)) {
        list_.bad.push_back({full, "a symbolic link; only files and folders are read", !folder.empty()});
      } else if (!fs::is_directory(status) && !fs::is_regular_file(status)) {
        list_.bad.push_back({full, "neither a file nor a folder"});
      } else {
        entries.emplace_back(name, fs::is_directory(status));
      }
    }
    if (error) return ErrnoStatus(error.value(), "list", absl::StrCat(folder_.name, "/", folder));
    std::sort(entries.begin(), entries.end());
    return entries;
  }

  // The last link of a path that was a file when it was listed is not followed now, either.
  absl::StatusOr<std::string> Content(const std::string& file) const {
    const std::string shown = absl::StrCat(folder_.name, "/", file);
    const int fd = open(absl::StrCat(folder_.path, "/", file).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return ErrnoStatus(errno, "open", shown);
    const absl::Cleanup close_fd = [fd] { close(fd); };
    struct stat info;
    if (fstat(fd, &info) != 0) return ErrnoStatus(errno, "stat", shown);
    if (const std::string fault = TooLarge(info.st_size); !fault.empty()) return absl::InvalidArgumentError(fault);
    std::string bytes(static_cast<size_t>(info.st_size), '\0');
    size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t n = read(fd, bytes.data() + done, bytes.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return ErrnoStatus(errno, "read", shown);
      if (n == 0) return absl::InvalidArgumentError("became shorter while it was read");
      done += static_cast<size_t>(n);
    }
    return bytes;
  }

  const InputFile folder_;
  ImageList list_;
};

// [<folders>/]<class>/<image>, the same folders for all, in the order of the archive; a hard link stands where the file
// does that has its content.
class ArchiveSource final : public ImageSource {
 public:
  explicit ArchiveSource(InputFile file) : file_(std::move(file)) {}

  absl::StatusOr<ImageList> List() override {
    Listing listing;
    auto archive = ArchiveReader::Open(file_);
    if (!archive.ok()) return archive.status();
    for (;;) {
      auto entry = archive->Next();
      if (!entry.ok()) return entry.status();
      if (!entry->has_value()) break;
      if (absl::Status status = Add(**entry, &listing); !status.ok()) return status;
    }
    if (absl::Status status = AddLinks(&listing); !status.ok()) return status;
    if (listing.list.images.empty() && listing.list.bad.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(file_.name, ": the archive holds no images"));
    }
    for (const std::string& folder : listing.folders) {
      const std::string& above = listing.above.value_or("");
      const bool is_above = above == folder || absl::StartsWith(above, folder + "/");
      if (!is_above && !listing.used.contains(folder)) {
        return Bad(file_.name, folder, "the class folder holds no images");
      }
    }
    return std::move(listing.list);
  }

  absl::Status Visit(Use use) override {
    auto archive = ArchiveReader::Open(file_);
    if (!archive.ok()) return archive.status();
    int64_t index = 0;
    for (size_t at = 0;; ++at) {
      auto entry = archive->Next();
      if (!entry.ok()) return entry.status();
      if (!entry->has_value()) {
        return at == uses_.size() ? absl::OkStatus() : Changed();
      }
      if (at >= uses_.size()) return Changed();
      if (uses_[at] == 0) continue;
      auto bytes = archive->Content(kMaxImageBytes);
      if (absl::IsResourceExhausted(bytes.status())) return Changed();
      if (!bytes.ok()) return bytes.status();
      for (uint32_t i = 0; i < uses_[at]; ++i) {
        if (absl::Status status = use(index++, *bytes); !status.ok()) return status;
      }
    }
  }

 private:
  struct Listing {
    ImageList list = {};
    std::set<std::string> folders = {};
    std::set<std::string> used = {};  // Folders with something in them.
    std::optional<std::string> above = std::nullopt;
    std::map<std::string, size_t> places = {};              // Of each file, in the archive.
    std::vector<std::pair<size_t, ImageName>> images = {};  // With the place of their content.
    std::vector<std::pair<ImageName, std::string>> links = {};
  };

  absl::Status Changed() const {
    return absl::InvalidArgumentError(absl::StrCat(file_.name, ": changed while it was read"));
  }

  // The image that an entry is, by its name; a bad file otherwise.
  std::optional<ImageName> NameOf(const std::string& name, Listing* listing) {
    const size_t slash = name.rfind('/');
    if (slash == name.npos) {
      listing->list.bad.push_back({name, "not in a class folder; images are at <class>/<image>"});
      return std::nullopt;
    }
    const std::string folder = name.substr(0, slash);
    const size_t before = folder.rfind('/');
    const std::string parent = before == folder.npos ? "" : folder.substr(0, before);
    if (!listing->above.has_value()) listing->above = parent;
    listing->used.insert(folder);
    if (parent != *listing->above) {
      listing->list.bad.push_back(
          {name, absl::StrCat("images are at <class>/<image> below '", *listing->above, "' here"), false});
      return std::nullopt;
    }
    return ImageName{.class_name = before == folder.npos ? folder : folder.substr(before + 1), .file = name};
  }

  absl::Status Add(const ArchiveEntry& entry, Listing* listing) {
    const size_t place = uses_.size();
    uses_.push_back(0);
    if (absl::Status status = CheckCount(file_.name, uses_.size()); !status.ok()) return status;
    const std::string& name = entry.name;
    if (!entry.folder && entry.link.empty() && entry.fault.empty()) listing->places[name] = place;
    if (name.empty()) return absl::OkStatus();
    if (IsHidden(name)) {
      PassOver(name, &listing->list);
      return absl::OkStatus();
    }
    if (entry.folder) {
      listing->folders.insert(name);
      return absl::OkStatus();
    }
    const std::string fault = entry.fault.empty() ? TooLarge(entry.size) : entry.fault;
    if (!fault.empty()) {
      listing->list.bad.push_back({name, fault});
      if (const size_t slash = name.rfind('/'); slash != name.npos) listing->used.insert(name.substr(0, slash));
      return absl::OkStatus();
    }
    auto image = NameOf(name, listing);
    if (!image.has_value()) return absl::OkStatus();
    if (entry.link.empty()) {
      listing->images.emplace_back(place, *std::move(image));
    } else {
      listing->links.emplace_back(*std::move(image), entry.link);
    }
    return absl::OkStatus();
  }

  // A link may be to a link.
  absl::Status AddLinks(Listing* listing) {
    std::map<std::string, std::string> targets;
    for (const auto& [image, target] : listing->links) targets[image.file] = target;
    for (auto& [image, target] : listing->links) {
      std::string file = target;
      for (int links = 0; links < kMostLinks && targets.contains(file); ++links) file = targets[file];
      const auto place = listing->places.find(file);
      if (place == listing->places.end()) {
        listing->list.bad.push_back({image.file, absl::StrCat("a hard link to '", absl::CHexEscape(target),
                                                              "', which is no file of the archive")});
      } else {
        listing->images.emplace_back(place->second, std::move(image));
      }
    }
    std::stable_sort(listing->images.begin(), listing->images.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (auto& [place, image] : listing->images) {
      ++uses_[place];
      listing->list.images.push_back(std::move(image));
    }
    return absl::OkStatus();
  }

  const InputFile file_;
  std::vector<uint32_t> uses_;  // Of each entry of the archive: how many images have its content.
};

}  // namespace

bool IsHidden(absl::string_view path) {
  for (const absl::string_view part : absl::StrSplit(path, '/')) {
    if (absl::StartsWith(part, ".")) return true;
    for (const absl::string_view left : kLeftBehind) {
      if (absl::EqualsIgnoreCase(part, left)) return true;
    }
  }
  return false;
}

absl::StatusOr<std::unique_ptr<ImageSource>> OpenImageSource(const InputFile& file) {
  std::error_code ignored;
  if (fs::is_directory(file.path, ignored)) return std::make_unique<FolderSource>(file);
  auto source = OpenFile(file);
  if (!source.ok()) return source.status();
  return std::make_unique<ArchiveSource>(file);
}

}  // namespace traind::core
