// A disk that is soon full: a tmpfs of its own. Mounting needs a right that not every user has: where it is missing,
// the test runs again in a user namespace in which it is there, and counts as that run ends.
//
//   SmallDisk disk(folder, 4 << 20);
//   if (!disk.mounted()) return disk.RunElsewhere();
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"

namespace traind {

class SmallDisk {
 public:
  SmallDisk(std::string folder, int64_t bytes) : folder_(std::move(folder)) {
    std::filesystem::create_directories(folder_);
    mounted_ = mount("tmpfs", folder_.c_str(), "tmpfs", 0, absl::StrCat("size=", bytes).c_str()) == 0;
  }
  ~SmallDisk() {
    if (mounted_) umount2(folder_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool mounted() const { return mounted_; }
  void RunElsewhere() const {
    constexpr char kElsewhere[] = "TRAIND_TEST_IN_NAMESPACE";
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    const std::string name = absl::StrCat(test->test_suite_name(), ".", test->name());
    const std::string self = std::filesystem::read_symlink("/proc/self/exe");
    const bool allowed = std::getenv(kElsewhere) == nullptr && std::system("unshare -rm true 2>/dev/null") == 0;
    if (!allowed) GTEST_SKIP() << "neither this user nor a user namespace may mount a tmpfs";
    const std::string command = absl::StrCat(kElsewhere, "=1 unshare -rm '", self, "' --gtest_filter=", name);
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
  }

  // Writes a file until there is no room for another byte.
  void Fill() const {
    const int fd = open(Filler().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    for (size_t piece = 1 << 16; piece > 0; piece /= 2) {
      const std::string bytes(piece, 'x');
      while (write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size())) {
      }
    }
    close(fd);
  }
  void MakeRoom() const { std::filesystem::remove(Filler()); }

 private:
  std::string Filler() const { return folder_ + "/filler"; }

  const std::string folder_;
  bool mounted_ = false;
};

}  // namespace traind
