// What an attempt to get out of a worker's sandbox is, and what it has around it (../escape_main.cc).
#pragma once

#include <sys/types.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

namespace traind::server {

// A data folder like the server's, and a process like it.
struct Stage {
  std::string root;          // Everything is below it.
  std::string own;           // The folder that the task may write: data/jobs/own/checkpoints. "mine" is a file in it,
                             // "link" a symbolic link to `database`, which no worker could have made.
  std::string beside;        // data/jobs/own
  std::string others;        // data/jobs/other/checkpoints
  std::string secret;        // A file there.
  std::string database;      // data/traind.db
  std::string dataset;       // data/datasets/d, which the task may read.
  std::string dataset_file;  // A file there.
  pid_t victim = -1;         // Another process of the user.
  uintptr_t word = 0;        // Where the victim has a number.
  int port = 0;              // On the loopback, where somebody listens.
};

inline constexpr int kInheritedFd = 77;  // Open in whoever starts the attempt.
inline constexpr char kSecretVariable[] = "TRAIND_TEST_SECRET";

struct Escape {
  const char* name;
  int (*attempt)(const Stage&);  // 0: it got out. Otherwise the errno of the call that was refused.
  // Root alone can do it, or machines and containers may refuse it by themselves.
  bool not_everywhere = false;
  bool on_old_kernels = false;  // It gets out where Landlock is of version 1 or 2.
};

// The errno of a system call that gave `result`; 0: it did what it was to do.
inline int ErrnoOf(long result) { return result < 0 ? errno : 0; }

const std::vector<Escape>& FileEscapes();
const std::vector<Escape>& ProcessEscapes();
const std::vector<Escape>& KernelEscapes();

}  // namespace traind::server
