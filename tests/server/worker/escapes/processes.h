// Escapes to other processes, and over the network. Included once.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "server/wire/channel.h"
#include "tests/server/worker/escapes/escape.h"
#include "tests/server/worker/escapes/files.h"

namespace traind::server {

inline int TryReadMemory(const Stage& stage) {
  int word = 0;
  const iovec here{.iov_base = &word, .iov_len = sizeof(word)};
  const iovec there{.iov_base = reinterpret_cast<void*>(stage.word), .iov_len = sizeof(word)};
  return ErrnoOf(process_vm_readv(stage.victim, &here, 1, &there, 1, 0));
}

inline int TrySignal(const Stage& stage, int how) {
  siginfo_t info{};
  info.si_code = SI_QUEUE;
  switch (how) {
    case SYS_kill:
      return ErrnoOf(kill(stage.victim, SIGKILL));
    case SYS_tgkill:
      return ErrnoOf(syscall(SYS_tgkill, stage.victim, stage.victim, SIGKILL));
    case SYS_rt_sigqueueinfo:
      return ErrnoOf(syscall(SYS_rt_sigqueueinfo, stage.victim, SIGKILL, &info));
    default: {
      const long fd = syscall(SYS_pidfd_open, stage.victim, 0);
      return fd < 0 ? errno : ErrnoOf(syscall(SYS_pidfd_send_signal, fd, SIGKILL, nullptr, 0));
    }
  }
}

// A process of its own; it ends at once.
inline int TryChild(long pid) {
  if (pid == 0) _exit(0);
  if (pid > 0) waitpid(static_cast<pid_t>(pid), nullptr, 0);
  return ErrnoOf(pid);
}

inline int TryClone3() {
  uint64_t arguments[11] = {};
  arguments[4] = SIGCHLD;
  return TryChild(syscall(SYS_clone3, arguments, sizeof(arguments)));
}

// Another program prints the answer in the place of this one.
inline int TryProgram() {
  execl("/bin/echo", "echo", "0", nullptr);
  return errno;
}

inline int TryProgramInMemory() {
  const int from = open("/bin/echo", O_RDONLY | O_CLOEXEC);
  const long program = syscall(SYS_memfd_create, "program", 0);
  if (program < 0) return errno;
  char bytes[4096];
  for (ssize_t n = 0; (n = read(from, bytes, sizeof(bytes))) > 0;) {
    if (write(static_cast<int>(program), bytes, static_cast<size_t>(n)) != n) return errno;
  }
  char name[] = "echo";
  char answer[] = "0";
  char* const arguments[] = {name, answer, nullptr};
  syscall(SYS_execveat, program, "", arguments, environ, AT_EMPTY_PATH);
  return errno;
}

inline int TryConnect(const Stage& stage) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(stage.port));
  return ErrnoOf(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
}

inline int TryListen() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return errno;
  return ErrnoOf(listen(fd, 1));
}

// `abstract`: in the name space of the network, not of files.
inline int TryUnixSocket(const Stage& stage, bool abstract) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = abstract ? "traind-escape-" + std::to_string(getpid()) : stage.own + "/socket";
  std::memcpy(address.sun_path + (abstract ? 1 : 0), name.data(), name.size());
  return ErrnoOf(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
}

// Hands the server a descriptor.
inline int TryGiveDescriptor(const Stage& stage) {
  const int fd = open((stage.own + "/mine").c_str(), O_RDONLY | O_CLOEXEC);
  char byte = 0;
  iovec data{.iov_base = &byte, .iov_len = 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* const head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(head), &fd, sizeof(fd));
  return ErrnoOf(sendmsg(kWorkerSocketFd, &message, MSG_NOSIGNAL));
}

inline int TryCpus(const Stage& stage) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(static_cast<size_t>(sched_getcpu()), &cpus);
  return ErrnoOf(sched_setaffinity(stage.victim, sizeof(cpus), &cpus));
}

inline const std::vector<Escape>& ProcessEscapes() {
  static const std::vector<Escape> kEscapes = {
      {"read the server's environment", [](const Stage& s) { return TryOpen(ProcOf(s, "environ"), O_RDONLY); }},
      {"read the server's memory as a file", [](const Stage& s) { return TryOpen(ProcOf(s, "mem"), O_RDWR); }, true},
      {"reach the server's files", [](const Stage& s) { return TryOpen(ProcOf(s, "root/etc/passwd"), O_RDONLY); }},
      {"trace the server", [](const Stage& s) { return ErrnoOf(ptrace(PTRACE_SEIZE, s.victim, nullptr, nullptr)); },
       true},
      {"read the server's memory", &TryReadMemory, true},
      {"take the server's descriptor",
       [](const Stage& s) {
         const long fd = syscall(SYS_pidfd_open, s.victim, 0);
         return fd < 0 ? errno : ErrnoOf(syscall(SYS_pidfd_getfd, fd, 1, 0));
       },
       true},
      {"kill the server", [](const Stage& s) { return TrySignal(s, SYS_kill); }},
      {"kill one of its threads", [](const Stage& s) { return TrySignal(s, SYS_tgkill); }},
      {"queue it a signal", [](const Stage& s) { return TrySignal(s, SYS_rt_sigqueueinfo); }},
      {"signal it by its descriptor", [](const Stage& s) { return TrySignal(s, SYS_pidfd_send_signal); }},
      {"have the kernel signal it", [](const Stage& s) { return ErrnoOf(fcntl(kWorkerSocketFd, F_SETOWN, s.victim)); }},
      {"the same by ioctl",
       [](const Stage& s) {
         const int owner = s.victim;
         return ErrnoOf(ioctl(kWorkerSocketFd, FIOSETOWN, &owner));
       }},
      {"slow the server down",
       [](const Stage& s) { return ErrnoOf(setpriority(PRIO_PROCESS, static_cast<id_t>(s.victim), 19)); }},
      {"push it to one CPU", &TryCpus},
      {"limit the server",
       [](const Stage& s) {
         const rlimit none{.rlim_cur = 3, .rlim_max = 3};
         return ErrnoOf(prlimit(s.victim, RLIMIT_NOFILE, &none, nullptr));
       }},
      {"make a process", [](const Stage&) { return TryChild(fork()); }},
      {"make one by clone3", [](const Stage&) { return TryClone3(); }},
      {"make one by vfork",
       [](const Stage&) {
         const pid_t pid = vfork();
         if (pid == 0) _exit(0);
         return ErrnoOf(pid);
       }},
      {"run a program", [](const Stage&) { return TryProgram(); }},
      {"run a program from memory", [](const Stage&) { return TryProgramInMemory(); }},
      {"find a secret in the environment",
       [](const Stage&) { return getenv(kSecretVariable) == nullptr ? EACCES : 0; }},
      {"connect by TCP", &TryConnect},
      {"listen on a port", [](const Stage&) { return TryListen(); }},
      {"send a datagram", [](const Stage&) { return ErrnoOf(socket(AF_INET, SOCK_DGRAM, 0)); }},
      {"talk to the kernel's network",
       [](const Stage&) { return ErrnoOf(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)); }},
      {"a socket in its folder", [](const Stage& s) { return TryUnixSocket(s, false); }},
      {"an abstract socket", [](const Stage& s) { return TryUnixSocket(s, true); }},
      {"a pair of sockets",
       [](const Stage&) {
         int fds[2];
         return ErrnoOf(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
       }},
      {"hand the server a descriptor", &TryGiveDescriptor},
  };
  return kEscapes;
}

}  // namespace traind::server
