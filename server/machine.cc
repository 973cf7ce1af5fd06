#include "server/machine.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace traind::server {
namespace {

// The first line of a file, in words; empty when it cannot be read.
std::vector<std::string> ReadWords(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return absl::StrSplit(line, ' ', absl::SkipWhitespace());
}

// A number above 0, which "max" and -1 are not.
std::optional<double> Limit(const std::vector<std::string>& words, size_t index) {
  double value = 0;
  if (index >= words.size() || !absl::SimpleAtod(words[index], &value) || !(value > 0)) return std::nullopt;
  return value;
}

// The folders of this process's cgroup and of those around it, innermost first: below the one hierarchy of version 2
// (the line "0::/path" of /proc/self/cgroup), and below that of a controller of version 1 ("5:cpu,cpuacct:/path"). A
// container's own /sys/fs/cgroup is often that of its cgroup, whatever the path says.
std::vector<std::string> CgroupFolders(const std::string& root, const std::string& controller) {
  std::vector<std::string> folders;
  const auto add = [&](const std::string& hierarchy, std::string path) {
    for (; !path.empty(); path = path.substr(0, path.rfind('/'))) folders.push_back(hierarchy + path);
    folders.push_back(hierarchy);
  };
  const std::string base = root + "sys/fs/cgroup";
  std::ifstream file(root + "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() < 3 || parts[2].empty() || parts[2][0] != '/') continue;
    const std::string path = parts[2] == "/" ? "" : parts[2];
    const std::vector<std::string> controllers = absl::StrSplit(parts[1], ',');
    if (parts[1].empty()) {
      add(base, path);
    } else if (std::find(controllers.begin(), controllers.end(), controller) != controllers.end()) {
      add(absl::StrCat(base, "/", parts[1]), path);
      add(absl::StrCat(base, "/", controller), path);
    }
  }
  add(base, "");
  add(absl::StrCat(base, "/", controller), "");
  return folders;
}

}  // namespace

int64_t AvailableMemory(const std::string& root) {
  int64_t available = std::numeric_limits<int64_t>::max();
  std::ifstream meminfo(root + "proc/meminfo");
  std::string key;
  int64_t kib = 0;
  if (meminfo >> key >> kib && key == "MemTotal:") available = kib * 1024;
  for (const std::string& folder : CgroupFolders(root, "memory")) {
    for (const char* file : {"/memory.max", "/memory.limit_in_bytes"}) {
      const auto limit = Limit(ReadWords(folder + file), 0);
      if (limit && *limit < static_cast<double>(available)) available = static_cast<int64_t>(*limit);
    }
  }
  return available;
}

uint32_t AvailableThreads(const std::string& root, uint32_t cores) {
  double available = cores;
  for (const std::string& folder : CgroupFolders(root, "cpu")) {
    const std::vector<std::string> both = ReadWords(folder + "/cpu.max");
    const std::pair<std::optional<double>, std::optional<double>> quotas[] = {
        {Limit(both, 0), Limit(both, 1)},
        {Limit(ReadWords(folder + "/cpu.cfs_quota_us"), 0), Limit(ReadWords(folder + "/cpu.cfs_period_us"), 0)}};
    for (const auto& [quota, period] : quotas) {
      if (quota && period) available = std::min(available, *quota / *period);
    }
  }
  return static_cast<uint32_t>(std::max(1.0, std::round(available)));
}

}  // namespace traind::server
