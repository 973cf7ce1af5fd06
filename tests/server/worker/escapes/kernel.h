// Escapes through the kernel's less known calls, and past limits. Included once.
#pragma once

#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

#include "tests/server/worker/escapes/escape.h"

namespace traind::server {

inline int TryMap(int flags, size_t bytes, int protection) {
  return mmap(nullptr, bytes, protection, flags | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : 0;
}

inline int TryMount(const Stage& stage) {
  if (mount("none", stage.own.c_str(), "tmpfs", 0, nullptr) != 0) return errno;
  umount2(stage.own.c_str(), MNT_DETACH);
  return 0;
}

inline int TryNamespaceOf(const Stage& stage) {
  const long fd = syscall(SYS_pidfd_open, stage.victim, 0);
  return fd < 0 ? errno : ErrnoOf(setns(static_cast<int>(fd), CLONE_NEWNET));
}

inline int TryRing() {
  uint32_t parameters[30] = {};
  return ErrnoOf(syscall(SYS_io_uring_setup, 4, parameters));
}

inline int TryBpf() {
  struct {
    uint32_t type = 2, key_size = 4, value_size = 8, max_entries = 1;  // An array.
    uint64_t rest[12] = {};
  } map;
  return ErrnoOf(syscall(SYS_bpf, 0, &map, sizeof(map)));
}

inline int TryPerf() {
  perf_event_attr event{};
  event.type = PERF_TYPE_SOFTWARE;
  event.size = sizeof(event);
  event.config = PERF_COUNT_SW_TASK_CLOCK;
  event.exclude_kernel = 1;
  return ErrnoOf(syscall(SYS_perf_event_open, &event, 0, -1, -1, 0));
}

inline int TryKey() { return ErrnoOf(syscall(SYS_add_key, "user", "traind-escape", "x", 1, KEY_SPEC_PROCESS_KEYRING)); }

// To its hard limit, which a sandbox has lowered too; past it, where that is allowed to root.
inline int TryRaise() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return errno;
  limit.rlim_cur = limit.rlim_max;
  return ErrnoOf(setrlimit(RLIMIT_NOFILE, &limit));
}

inline int TryQueue() {
  const mqd_t queue = mq_open("/traind-escape", O_RDWR | O_CREAT, 0600, nullptr);
  if (queue < 0) return errno;
  mq_unlink("/traind-escape");
  return 0;
}

inline int TrySegment() {
  const int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
  if (id < 0) return errno;
  shmctl(id, IPC_RMID, nullptr);
  return 0;
}

// The process ends by it: whether there was a core, who waits for it sees.
inline int TryCore(const Stage& stage) {
  if (chdir(stage.own.c_str()) != 0) return errno;
  const rlimit limit{.rlim_cur = 64 << 20, .rlim_max = 64 << 20};
  setrlimit(RLIMIT_CORE, &limit);
  signal(SIGABRT, SIG_DFL);
  abort();
}

#ifdef __x86_64__
// A system call by the numbers of 32-bit programs: getpid.
inline int TryOldNumbers() {
  long result = 20;
  asm volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
  return result < 0 ? static_cast<int>(-result) : 0;
}
#endif

inline const std::vector<Escape>& KernelEscapes() {
  static const std::vector<Escape> kEscapes = {
      {"io_uring", [](const Stage&) { return TryRing(); }, true},
      {"userfaultfd", [](const Stage&) { return ErrnoOf(syscall(SYS_userfaultfd, O_CLOEXEC | 1)); }, true},
      {"bpf", [](const Stage&) { return TryBpf(); }, true},
      {"perf_event_open", [](const Stage&) { return TryPerf(); }, true},
      {"add_key", [](const Stage&) { return TryKey(); }, true},
      {"keyctl",
       [](const Stage&) { return ErrnoOf(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1)); },
       true},
      {"unshare the user name space", [](const Stage&) { return ErrnoOf(unshare(CLONE_NEWUSER)); }, true},
      {"unshare mounts", [](const Stage&) { return ErrnoOf(unshare(CLONE_NEWNS)); }, true},
      {"mount", &TryMount, true},
      {"open a tree of mounts", [](const Stage&) { return ErrnoOf(syscall(SYS_open_tree, AT_FDCWD, "/", 1)); }, true},
      {"enter the server's name space", &TryNamespaceOf, true},
      {"chroot", [](const Stage& s) { return ErrnoOf(chroot(s.own.c_str())); }, true},
      {"become another user", [](const Stage&) { return ErrnoOf(setresuid(65534, 65534, 65534)); }, true},
      {"be a set-user-ID program's user again", [](const Stage&) { return ErrnoOf(prctl(PR_SET_KEEPCAPS, 1)); }},
      {"be traced and dumped again", [](const Stage&) { return ErrnoOf(prctl(PR_SET_DUMPABLE, 1)); }},
      {"memfd_create", [](const Stage&) { return ErrnoOf(syscall(SYS_memfd_create, "x", 0)); }},
      {"fanotify", [](const Stage&) { return ErrnoOf(fanotify_init(FAN_CLASS_NOTIF, O_RDONLY)); }, true},
      {"a segment of System V", [](const Stage&) { return TrySegment(); }},
      {"a message queue", [](const Stage&) { return TryQueue(); }, true},
      {"personality", [](const Stage&) { return ErrnoOf(personality(ADDR_NO_RANDOMIZE)); }, true},
      {"raise its limits", [](const Stage&) { return TryRaise(); }},
      {"memory that no limit counts", [](const Stage&) { return TryMap(MAP_SHARED, 1 << 20, PROT_READ | PROT_WRITE); }},
      {"a stack that grows",
       [](const Stage&) { return TryMap(MAP_PRIVATE | MAP_GROWSDOWN, 1 << 20, PROT_READ | PROT_WRITE); }},
      {"sixteen TiB of addresses",
       [](const Stage&) { return TryMap(MAP_PRIVATE | MAP_NORESERVE, size_t{1} << 44, PROT_NONE); }},
      {"leave a core", &TryCore, true},
#ifdef __x86_64__
      {"system calls of 32-bit programs", [](const Stage&) { return TryOldNumbers(); }, true},
#endif
  };
  return kEscapes;
}

}  // namespace traind::server
