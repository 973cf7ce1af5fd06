// A folder of its own for a test, removed with the object.
#pragma once

#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>

namespace traind {

class TemporaryFolder {
 public:
  enum class Place { kDisk, kMemory };
  // In memory, where there is such a place, fsync costs nothing: for tests that call it thousands of times. Ends the
  // program when the folder cannot be made.
  explicit TemporaryFolder(Place place = Place::kDisk) {
    const bool memory = place == Place::kMemory && std::filesystem::is_directory("/dev/shm");
    const std::filesystem::path parent = memory ? "/dev/shm" : std::filesystem::temp_directory_path();
    path_ = (parent / "traind-test-XXXXXX").string();
    if (mkdtemp(path_.data()) == nullptr) {
      std::perror(path_.c_str());
      std::abort();
    }
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace traind
