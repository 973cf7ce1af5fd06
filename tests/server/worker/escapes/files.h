// Escapes through files. Included once.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <memory>

#include "tests/server/worker/escapes/escape.h"

namespace traind::server {

inline int TryOpen(const std::string& path, int flags) { return ErrnoOf(open(path.c_str(), flags | O_CLOEXEC, 0600)); }

inline int TryList(const std::string& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> list(opendir(folder.c_str()), &closedir);
  return list == nullptr ? errno : 0;
}

inline std::string ProcOf(const Stage& stage, const char* file) {
  return "/proc/" + std::to_string(stage.victim) + "/" + file;
}

// As programs do that may open files by number: the handle is of this very file.
inline int TryHandle(const Stage& stage) {
  alignas(file_handle) char bytes[sizeof(file_handle) + MAX_HANDLE_SZ] = {};
  auto* const handle = reinterpret_cast<file_handle*>(bytes);
  handle->handle_bytes = MAX_HANDLE_SZ;
  int mount = 0;
  // A file system without handles cannot show it; it is refused there, too.
  if (name_to_handle_at(AT_FDCWD, stage.secret.c_str(), handle, &mount, 0) != 0) return errno;
  const int folder = open(stage.own.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return ErrnoOf(open_by_handle_at(folder, handle, O_RDONLY));
}

// Larger than the disk, with one byte in it.
inline int TryHugeFile(const Stage& stage) {
  struct statvfs disk;
  const int fd = open((stage.own + "/huge").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || fstatvfs(fd, &disk) != 0) return errno;
  const int error = ErrnoOf(pwrite(fd, "x", 1, static_cast<off_t>(disk.f_blocks * disk.f_frsize) + (1 << 20)));
  unlink((stage.own + "/huge").c_str());
  return error;
}

inline int TryManyFiles(const Stage& stage) {
  for (int i = 0; i < 6000; ++i) {
    if (const int error = TryOpen(stage.own + "/mine", O_RDONLY)) return error;
  }
  return 0;
}

inline const std::vector<Escape>& FileEscapes() {
  static const std::vector<Escape> kEscapes = {
      {"read /etc/passwd", [](const Stage&) { return TryOpen("/etc/passwd", O_RDONLY); }},
      {"read another job's checkpoint", [](const Stage& s) { return TryOpen(s.secret, O_RDONLY); }},
      {"read it through ..",
       [](const Stage& s) { return TryOpen(s.own + "/../../other/checkpoints/weights", O_RDONLY); }},
      {"read the database", [](const Stage& s) { return TryOpen(s.database, O_RDONLY); }},
      {"write to the database", [](const Stage& s) { return TryOpen(s.database, O_WRONLY); }},
      {"read through a link", [](const Stage& s) { return TryOpen(s.own + "/link", O_RDONLY); }},
      {"truncate through a link", [](const Stage& s) { return TryOpen(s.own + "/link", O_WRONLY | O_TRUNC); }},
      {"truncate by name", [](const Stage& s) { return ErrnoOf(truncate(s.database.c_str(), 0)); }},
      // The server may have its files mapped.
      {"shorten a file of its own",
       [](const Stage& s) {
         const int fd = open((s.own + "/mine").c_str(), O_WRONLY | O_CLOEXEC);
         return fd < 0 ? 0 : ErrnoOf(ftruncate(fd, 0));
       }},
      {"cut a piece out of it",
       [](const Stage& s) {
         const int fd = open((s.own + "/mine").c_str(), O_WRONLY | O_CLOEXEC);
         return fd < 0 ? 0 : ErrnoOf(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1));
       },
       true},
      {"empty it as it is opened", [](const Stage& s) { return TryOpen(s.own + "/mine", O_WRONLY | O_TRUNC); }, false,
       true},
      {"list the data folder", [](const Stage& s) { return TryList(s.root + "/data"); }},
      {"list all processes", [](const Stage&) { return TryList("/proc"); }},
      {"write beside its folder", [](const Stage& s) { return TryOpen(s.beside + "/new", O_WRONLY | O_CREAT); }},
      {"write to /tmp", [](const Stage& s) { return TryOpen(s.root + "/new", O_WRONLY | O_CREAT); }},
      {"make a file without a name", [](const Stage& s) { return TryOpen(s.beside, O_WRONLY | O_TMPFILE); }},
      {"change its dataset", [](const Stage& s) { return TryOpen(s.dataset_file, O_WRONLY); }},
      {"map its dataset to write",
       [](const Stage& s) {
         const int fd = open(s.dataset_file.c_str(), O_RDWR | O_CLOEXEC);
         if (fd < 0) return errno;
         return mmap(nullptr, 1, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? errno : 0;
       }},
      {"make a folder in its dataset",
       [](const Stage& s) { return ErrnoOf(mkdir((s.dataset + "/new").c_str(), 0700)); }},
      {"remove its dataset", [](const Stage& s) { return ErrnoOf(unlink(s.dataset_file.c_str())); }},
      {"remove another job's checkpoint", [](const Stage& s) { return ErrnoOf(unlink(s.secret.c_str())); }},
      {"rename out",
       [](const Stage& s) { return ErrnoOf(rename((s.own + "/mine").c_str(), (s.beside + "/out").c_str())); }},
      {"rename in", [](const Stage& s) { return ErrnoOf(rename(s.secret.c_str(), (s.own + "/in").c_str())); }},
      {"swap with another's",
       [](const Stage& s) {
         return ErrnoOf(
             syscall(SYS_renameat2, AT_FDCWD, (s.own + "/mine").c_str(), AT_FDCWD, s.secret.c_str(), RENAME_EXCHANGE));
       }},
      {"hard link out",
       [](const Stage& s) { return ErrnoOf(link((s.own + "/mine").c_str(), (s.beside + "/out").c_str())); }},
      {"hard link in", [](const Stage& s) { return ErrnoOf(link(s.secret.c_str(), (s.own + "/in").c_str())); }},
      {"plant a link for the server",
       [](const Stage& s) { return ErrnoOf(symlink(s.database.c_str(), (s.own + "/planted").c_str())); }},
      {"plant a link outside",
       [](const Stage& s) { return ErrnoOf(symlink("/etc/passwd", (s.beside + "/planted").c_str())); }},
      {"plant a pipe for the server", [](const Stage& s) { return ErrnoOf(mkfifo((s.own + "/pipe").c_str(), 0600)); }},
      {"make a device",
       [](const Stage& s) { return ErrnoOf(mknod((s.own + "/device").c_str(), S_IFCHR | 0600, makedev(1, 3))); }, true},
      {"change another's mode", [](const Stage& s) { return ErrnoOf(chmod(s.database.c_str(), 0666)); }},
      {"change its own mode", [](const Stage& s) { return ErrnoOf(chmod((s.own + "/mine").c_str(), 04777)); }},
      {"change another's times",
       [](const Stage& s) { return ErrnoOf(utimensat(AT_FDCWD, s.database.c_str(), nullptr, 0)); }},
      {"give a file away", [](const Stage& s) { return ErrnoOf(chown((s.own + "/mine").c_str(), 65534, 65534)); },
       true},
      {"open a file by its handle", &TryHandle, true},
      {"use an inherited descriptor",
       [](const Stage&) {
         char byte;
         return ErrnoOf(pread(kInheritedFd, &byte, 1, 0));
       }},
      {"shared memory of the user",
       [](const Stage&) {
         const int fd = shm_open("/traind-escape", O_RDWR | O_CREAT, 0600);
         const int error = ErrnoOf(fd);
         if (fd >= 0) shm_unlink("/traind-escape");
         return error;
       }},
      {"a huge file", &TryHugeFile},
      {"too many files", &TryManyFiles},
  };
  return kEscapes;
}

}  // namespace traind::server
