// Landlock: which files and folders a process may reach, held by the kernel, for processes without any privilege. By
// raw system calls: Debian has no library for it, and its headers know less than its kernels. Thread-compatible; a
// restriction is of the calling thread and of those that it starts, and for good.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace traind::server {

// The newest version of the kernel's interface of which this program knows what it adds.
inline constexpr int kNewestLandlockAbi = 7;

// The version that the running kernel has. UNIMPLEMENTED, with the reason: it has none, or a container hides it.
absl::StatusOr<int> LandlockAbi();

struct FileRules {
  std::vector<std::string> read;  // Files, and folders with all that is below them. Missing ones are left out.
  // Folders in which files and folders are read, made, changed and removed, but no file made shorter.
  std::vector<std::string> write;
};

// Leaves the calling thread these files and no others, as far as the interface of version `abi` goes. From version 4 no
// TCP, from 5 no control of devices, from 6 no abstract Unix sockets of others and no signals to others. Needs
// no_new_privs. Descriptors that are open stay what they are. NOT_FOUND: a folder of `write` is missing.
absl::Status RestrictFiles(const FileRules& rules, int abi);

}  // namespace traind::server
