#include "server/sandbox/privileges.h"

#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

namespace traind::server {
namespace {

absl::Status Lower(int resource, rlim_t value) {
  rlimit limit{};
  if (getrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) return absl::ErrnoToStatus(errno, "getrlimit");
  limit.rlim_max = std::min(limit.rlim_max, value);
  limit.rlim_cur = std::min(limit.rlim_cur, limit.rlim_max);
  if (setrlimit(static_cast<__rlimit_resource>(resource), &limit) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("setrlimit of resource ", resource));
}

absl::Status DropCapabilities() {
  // Version 3 has two words of bits for each set.
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  if (syscall(SYS_capget, &header, sets) != 0) return absl::ErrnoToStatus(errno, "capget");
  for (__user_cap_data_struct& set : sets) {
    const __u32 kept = &set == sets ? set.permitted & (1u << CAP_DAC_OVERRIDE) : 0;
    set = {.effective = kept, .permitted = kept, .inheritable = 0};
  }
  if (syscall(SYS_capset, &header, sets) != 0) return absl::ErrnoToStatus(errno, "capset");
  return absl::OkStatus();
}

}  // namespace

absl::Status SetLimits(const Limits& limits) {
  signal(SIGXFSZ, SIG_IGN);  // EFBIG says it.
  const std::pair<int, int64_t> wanted[] = {{RLIMIT_AS, limits.address_space},
                                            {RLIMIT_FSIZE, limits.file_size},
                                            {RLIMIT_NOFILE, limits.open_files},
                                            {RLIMIT_NPROC, limits.user_threads}};
  for (const auto& [resource, value] : wanted) {
    if (value <= 0) continue;
    if (absl::Status status = Lower(resource, static_cast<rlim_t>(value)); !status.ok()) return status;
  }
  for (int resource : {RLIMIT_CORE, RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE}) {
    if (absl::Status status = Lower(resource, 0); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status DropPrivileges() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return absl::ErrnoToStatus(errno, "no_new_privs");
#ifndef TRAIND_SANITIZED  // What a sanitizer finds it tells from files of /proc that are root's without it.
  // RLIMIT_CORE alone does not stop a program that the kernel feeds cores to.
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return absl::ErrnoToStatus(errno, "PR_SET_DUMPABLE");
#endif
  return DropCapabilities();
}

}  // namespace traind::server
