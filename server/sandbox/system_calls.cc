#include "server/sandbox/system_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace traind::server {
namespace {

// Whatever their arguments. A number that a machine does not have is passed over.
constexpr int kAllowed[] = {
    // Memory. Writable and executable: kernels are generated for this CPU.
    SCMP_SYS(brk),
    SCMP_SYS(madvise),
    SCMP_SYS(membarrier),
    SCMP_SYS(mprotect),
    SCMP_SYS(mremap),
    SCMP_SYS(munmap),
    // Threads.
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(futex),
    SCMP_SYS(get_robust_list),
    SCMP_SYS(getcpu),
    SCMP_SYS(getpriority),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(rseq),
    SCMP_SYS(sched_get_priority_max),
    SCMP_SYS(sched_get_priority_min),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_getparam),
    SCMP_SYS(sched_getscheduler),
    SCMP_SYS(sched_yield),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(set_tid_address),
    // Its own signals.
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    // Time, and what it is and uses itself.
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(getegid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(getrandom),
    SCMP_SYS(getrlimit),
    SCMP_SYS(getrusage),
    SCMP_SYS(gettid),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(getuid),
    SCMP_SYS(nanosleep),
    SCMP_SYS(sysinfo),
    SCMP_SYS(time),
    SCMP_SYS(uname),
    // Open files. None that makes one shorter, which ends whoever has it mapped.
    SCMP_SYS(close),
    SCMP_SYS(fadvise64),
    SCMP_SYS(fdatasync),
    SCMP_SYS(flock),
    SCMP_SYS(fstat),
    SCMP_SYS(fstatfs),
    SCMP_SYS(fsync),
    SCMP_SYS(getdents64),
    SCMP_SYS(lseek),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(pread64),
    SCMP_SYS(preadv),
    SCMP_SYS(pwrite64),
    SCMP_SYS(pwritev),
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    // Files by name: Landlock says which. Not those that Landlock leaves out: modes, owners, times, truncate; nor what
    // makes links, pipes and devices, which the server would follow.
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(getcwd),
    SCMP_SYS(lstat),
    SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(rmdir),
    SCMP_SYS(stat),
    SCMP_SYS(statfs),
    SCMP_SYS(statx),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
#ifdef TRAIND_SANITIZED  // With these a sanitizer's runtime looks at memory.
    SCMP_SYS(pipe),
    SCMP_SYS(pipe2),
#endif
};

// One call with conditions on its arguments, all of which must hold.
struct Condition {
  int call;
  std::vector<scmp_arg_cmp> arguments;
};

scmp_arg_cmp Is(unsigned argument, uint64_t value) { return {argument, SCMP_CMP_EQ, value, 0}; }
scmp_arg_cmp Masked(unsigned argument, uint64_t mask, uint64_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

std::vector<Condition> Conditions(int socket) {
  const auto fd = static_cast<uint64_t>(socket);
  const auto self = static_cast<uint64_t>(getpid());
  std::vector<Condition> conditions = {
      // Threads, no processes. clone3, whose flags no filter can see, is not there: the C library then takes clone.
      {SCMP_SYS(clone), {Masked(0, CLONE_THREAD, CLONE_THREAD)}},
      // Memory that RLIMIT_DATA counts: of this process alone, and no stack that grows.
      {SCMP_SYS(mmap), {Masked(3, MAP_ANONYMOUS | MAP_GROWSDOWN, 0)}},
      {SCMP_SYS(mmap), {Masked(3, MAP_TYPE | MAP_GROWSDOWN, MAP_PRIVATE)}},
      // The server, and no descriptors to it.
      {SCMP_SYS(sendto), {Is(0, fd)}},
      {SCMP_SYS(recvfrom), {Is(0, fd)}},
      {SCMP_SYS(shutdown), {Is(0, fd)}},
      // abort().
      {SCMP_SYS(tgkill), {Is(0, self)}},
      // A thread's own priority.
      {SCMP_SYS(setpriority), {Is(0, PRIO_PROCESS), Is(1, 0)}},
      {SCMP_SYS(renameat2), {Masked(4, ~uint64_t{RENAME_NOREPLACE}, 0)}},
      // Its own limits, to look at.
      {SCMP_SYS(prlimit64), {Is(0, 0), Is(2, 0)}},
      // Names of threads and of memory.
      {SCMP_SYS(prctl), {Is(0, PR_SET_NAME)}},
      {SCMP_SYS(prctl), {Is(0, PR_GET_NAME)}},
      {SCMP_SYS(prctl), {Is(0, PR_SET_VMA)}},
  };
  // Not F_SETOWN, which has the kernel send signals to others.
  for (int command : {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW}) {
    conditions.push_back({SCMP_SYS(fcntl), {Is(1, static_cast<uint64_t>(command))}});
  }
  return conditions;
}

// What libseccomp answers: 0, or an errno below it.
absl::Status StatusOfSeccomp(int result, absl::string_view what) {
  return result >= 0 ? absl::OkStatus() : absl::ErrnoToStatus(-result, absl::StrCat("seccomp: ", what));
}

absl::Status Configure(scmp_filter_ctx filter, int socket) {
  // Another architecture's numbers: no accident.
  int result = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  if (result == 0) result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
  if (result == 0) result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
  // Without it kernels before 5.16 slow the whole process down, against attacks within one process by code that it runs
  // for others. It runs none.
  if (result == 0) result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
  if (result == 0) result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);  // Searches the list by halves.
  if (result != 0) return StatusOfSeccomp(result, "an attribute");
  for (int call : kAllowed) {
    result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
    if (result < 0) return StatusOfSeccomp(result, absl::StrCat("call ", call));
  }
  for (const Condition& condition : Conditions(socket)) {
    result = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, condition.call,
                                    static_cast<unsigned>(condition.arguments.size()), condition.arguments.data());
    if (result < 0) return StatusOfSeccomp(result, absl::StrCat("call ", condition.call, " with a condition"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CanRestrictSystemCalls() {
  const uint32_t action = SECCOMP_RET_ERRNO;
  if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0) return absl::OkStatus();
  return absl::UnimplementedError(
      absl::StrCat("this kernel cannot filter system calls, or a container forbids it: ", std::strerror(errno)));
}

absl::Status RestrictSystemCalls(int socket) {
  const std::unique_ptr<void, decltype(&seccomp_release)> filter(seccomp_init(SCMP_ACT_ERRNO(ENOSYS)),
                                                                 &seccomp_release);
  if (filter == nullptr) return absl::ResourceExhaustedError("seccomp: no memory for a filter");
  if (absl::Status status = Configure(filter.get(), socket); !status.ok()) return status;
  return StatusOfSeccomp(seccomp_load(filter.get()), "the kernel does not take the filter");
}

}  // namespace traind::server
