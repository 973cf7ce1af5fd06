#include "server/sandbox/landlock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace traind::server {
namespace {

// linux/landlock.h of the newest version: a kernel takes a structure that is larger than its own when the rest is 0.
struct RulesetAttributes {
  uint64_t files = 0;  // What is refused unless a rule allows it.
  uint64_t net = 0;
  uint64_t scopes = 0;  // What is refused towards processes that are not restricted in the same way.
};
struct [[gnu::packed]] PathRule {
  uint64_t allowed = 0;
  int32_t fd = -1;
};
constexpr uint32_t kAskVersion = 1;
constexpr int kPathBeneath = 1;

// Accesses to files, one bit each.
enum Access : uint64_t {
  kWriteFile = 1u << 1,
  kReadFile = 1u << 2,
  kReadDir = 1u << 3,
  kRemoveDir = 1u << 4,
  kRemoveFile = 1u << 5,
  kMakeDir = 1u << 7,
  kMakeRegular = 1u << 8,
  kFirstVersion = (1u << 13) - 1,  // Also devices, sockets, pipes, symbolic links.
  kRefer = 1u << 13,
  kTruncate = 1u << 14,
  kControlDevice = 1u << 15,
};
constexpr uint64_t kReading = kReadFile | kReadDir;
// Neither symbolic links nor pipes nor devices: the server reads later what is there. Nor kTruncate: it may map a file,
// and one that became shorter would end it. Nor kRefer: nothing is linked or renamed from one folder into another.
constexpr uint64_t kWriting = kReading | kWriteFile | kRemoveDir | kRemoveFile | kMakeDir | kMakeRegular;
constexpr uint64_t kOfFiles = kWriteFile | kReadFile;
constexpr uint64_t kTcp = 0b11;     // Bind, connect.
constexpr uint64_t kScopes = 0b11;  // Abstract Unix sockets, signals.

RulesetAttributes Handled(int abi) {
  RulesetAttributes handled{.files = kFirstVersion};
  if (abi >= 2) handled.files |= kRefer;
  if (abi >= 3) handled.files |= kTruncate;
  if (abi >= 4) handled.net = kTcp;
  if (abi >= 5) handled.files |= kControlDevice;
  if (abi >= 6) handled.scopes = kScopes;
  return handled;
}

absl::Status Allow(int ruleset, const std::string& path, uint64_t access) {
  PathRule rule{.allowed = access, .fd = open(path.c_str(), O_PATH | O_CLOEXEC)};
  if (rule.fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  const absl::Cleanup close_path = [&] { close(rule.fd); };
  struct stat info;
  if (fstat(rule.fd, &info) != 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot stat ", path));
  if (!S_ISDIR(info.st_mode)) rule.allowed &= kOfFiles;
  if (syscall(SYS_landlock_add_rule, ruleset, kPathBeneath, &rule, 0) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("Landlock cannot allow ", path));
}

}  // namespace

absl::StatusOr<int> LandlockAbi() {
  const long version = syscall(SYS_landlock_create_ruleset, nullptr, 0, kAskVersion);
  if (version > 0) return static_cast<int>(version);
  if (errno == ENOSYS) return absl::UnimplementedError("this kernel has none (it wants Linux 5.13)");
  if (errno == EOPNOTSUPP) return absl::UnimplementedError("it is switched off: boot the kernel with lsm=landlock,...");
  return absl::UnimplementedError(
      absl::StrCat("it cannot be asked for, which a container may be the reason of: ", std::strerror(errno)));
}

absl::Status RestrictFiles(const FileRules& rules, int abi) {
  const RulesetAttributes handled = Handled(abi);
  const int ruleset = static_cast<int>(syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0));
  if (ruleset < 0) return absl::ErrnoToStatus(errno, "Landlock takes no rules");
  const absl::Cleanup close_ruleset = [&] { close(ruleset); };
  for (const std::string& path : rules.read) {
    const absl::Status allowed = Allow(ruleset, path, kReading & handled.files);
    if (!allowed.ok() && !absl::IsNotFound(allowed)) return allowed;
  }
  for (const std::string& path : rules.write) {
    if (absl::Status allowed = Allow(ruleset, path, kWriting & handled.files); !allowed.ok()) return allowed;
  }
  if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) return absl::ErrnoToStatus(errno, "Landlock");
  return absl::OkStatus();
}

}  // namespace traind::server
