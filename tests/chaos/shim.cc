// A library for LD_PRELOAD that stands between a program and the system: it counts what the program does with the files
// below one folder, writes it down, lets calls fail, ends the process before or after one of them, and moves the clock.
// tests/chaos/control.py tells it what to do while it runs, through one file that both have mapped:
//
//   LD_CHAOS=CONTROL:FOLDER LD_PRELOAD=libtraind-chaos.so traind ...
//
// A worker inherits both variables, and maps the file before it closes itself off; afterwards it takes neither files
// nor system calls that the sandbox does not have. Without LD_CHAOS everything goes straight through.
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace {

// What is counted; in the order of control.py.
enum Kind : uint16_t {
  kCreate,
  kWrite,
  kSync,
  kCommit,
  kSyncFolder,
  kRename,
  kFolder,
  kLink,
  kRemove,
  kResize,
  kSend,
  kKinds
};
// What is written down: a Kind, or one of these.
enum Note : uint16_t { kOpened = 32, kAllocated };

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kSlice = kSecond / 50;  // Of a wait that a jump of the clock may end.
constexpr size_t kTraceBegin = 4096;
constexpr int kDescriptors = 1 << 16;

// What control.py knows of one program: traind, or traind-worker.
struct alignas(512) Program {
  std::atomic<uint64_t> counts[16];
  std::atomic<uint64_t> crash_kind;  // And 1; 0: none.
  std::atomic<uint64_t> crash_at;    // At the call with this number, from 1.
  std::atomic<uint64_t> crash_after;
  std::atomic<uint64_t> crashes;
  std::atomic<uint64_t> error_kinds;   // A bit for each.
  std::atomic<uint64_t> error_chance;  // In a million.
  std::atomic<uint64_t> error;         // An errno.
  std::atomic<uint64_t> errors;        // So far.
};

struct Control {
  std::atomic<uint64_t> size;       // Of the file.
  std::atomic<uint64_t> position;   // Of the end of the trace.
  std::atomic<uint64_t> tracing;    // 1: write it down.
  std::atomic<uint64_t> broken;     // There was no room, or a process ended in the middle of a note.
  std::atomic<int64_t> clock;       // Nanoseconds that are added to the time of day.
  std::atomic<uint64_t> random;     // State of the generator of errors.
  std::atomic<uint64_t> lock_made;  // 2: yes.
  uint64_t unused;
  alignas(64) pthread_mutex_t lock;
  Program programs[2];
};
static_assert(offsetof(Control, programs) == 512 && sizeof(Program) == 512 && sizeof(Control) <= kTraceBegin);

// In front of each note: its texts, or its bytes, follow.
struct Head {
  uint64_t inode;
  int64_t offset;
  uint32_t first;
  uint32_t second;
  uint16_t note;
  uint16_t padding[3];
};

template <class Function>
Function* Next(Function*, const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}
// The function that this one stands in front of.
#define REAL(name) static const auto real = Next(&name, #name)

struct State {
  Control* control = nullptr;
  Program* program = nullptr;
  std::string folder;
  // Of open files below the folder: their paths. Written by whoever opens and closes.
  std::array<std::atomic<std::string*>, kDescriptors> paths = {};
};

State* Make() {
  auto* state = new State;
  const char* told = std::getenv("LD_CHAOS");
  const char* folder = told != nullptr ? std::strchr(told, ':') : nullptr;
  if (folder == nullptr) return state;
  const std::string file(told, folder);
  const auto fd = static_cast<int>(syscall(SYS_openat, AT_FDCWD, file.c_str(), O_RDWR | O_CLOEXEC));
  struct stat info;
  if (fd < 0 || fstat(fd, &info) != 0) abort();
  void* mapped = mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) abort();
  syscall(SYS_close, fd);
  state->folder = folder + 1;
  auto* control = static_cast<Control*>(mapped);
  uint64_t unmade = 0;
  if (control->lock_made.compare_exchange_strong(unmade, 1)) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&control->lock, &attributes);
    control->lock_made = 2;
  }
  while (control->lock_made != 2) {
  }
  const bool worker = std::string_view(program_invocation_short_name) == "traind-worker";
  state->program = &control->programs[worker ? 1 : 0];
  state->control = control;
  return state;
}

State& state() {
  static State* made = Make();
  return *made;
}

// As soon as the library is there: a worker can open nothing later.
__attribute__((constructor)) void Begin() { state(); }

bool IsOn() { return state().control != nullptr; }

bool IsBelow(std::string_view path) {
  const std::string& folder = state().folder;
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

std::string* PathOf(int fd) { return fd >= 0 && fd < kDescriptors ? state().paths[fd].load() : nullptr; }

void Forget(int fd) {
  if (fd >= 0 && fd < kDescriptors) delete state().paths[fd].exchange(nullptr);
}

// The path that `name` has from the folder `fd`; empty where that is not below ours.
std::string PathAt(int fd, const char* name) {
  if (!IsOn() || name == nullptr) return "";
  std::string path = name;
  if (name[0] != '/') {
    const std::string* folder = PathOf(fd);
    if (folder == nullptr) return "";
    path = *folder + "/" + name;
  }
  return IsBelow(path) ? path : "";
}

struct stat StatOf(int fd) {
  struct stat info = {};
  fstat(fd, &info);
  return info;
}

bool IsWal(const std::string& path) { return path.ends_with("-wal"); }

// Held while something is done and written down, so that the notes of all processes are in the order of what happened.
class Order {
 public:
  Order() : held_(IsOn() && state().control->tracing != 0) {
    if (!held_) return;
    if (pthread_mutex_lock(&state().control->lock) == EOWNERDEAD) {
      state().control->broken = 1;
      pthread_mutex_consistent(&state().control->lock);
    }
  }
  ~Order() {
    if (held_) pthread_mutex_unlock(&state().control->lock);
  }
  Order(const Order&) = delete;
  Order& operator=(const Order&) = delete;

  void Write(uint16_t note, uint64_t inode, int64_t offset, std::string_view first,
             std::string_view second = {}) const {
    if (!held_) return;
    Control& control = *state().control;
    const uint64_t at = control.position;
    const uint64_t size = (sizeof(Head) + first.size() + second.size() + 7) / 8 * 8;
    if (control.broken != 0 || at + size > control.size) {
      control.broken = 1;
      return;
    }
    const Head head = {.inode = inode,
                       .offset = offset,
                       .first = static_cast<uint32_t>(first.size()),
                       .second = static_cast<uint32_t>(second.size()),
                       .note = note,
                       .padding = {}};
    char* to = reinterpret_cast<char*>(&control) + at;
    std::memcpy(to, &head, sizeof(head));
    std::copy(first.begin(), first.end(), to + sizeof(head));
    std::copy(second.begin(), second.end(), to + sizeof(head) + first.size());
    control.position = at + size;
  }

 private:
  const bool held_;
};

uint64_t Random() {
  uint64_t z = state().control->random.fetch_add(0x9e3779b97f4a7c15) + 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

[[noreturn]] void Crash() {
  state().program->crashes.fetch_add(1);
  __builtin_trap();
}

// A call of this kind, which is counted, may fail, and may be the last. `done` does it and gives what it gave.
template <class Done>
auto Call(Kind kind, const Done& done) -> decltype(done()) {
  Program& program = *state().program;
  const uint64_t number = program.counts[kind].fetch_add(1) + 1;
  const bool crash = program.crash_kind == uint64_t{kind} + 1 && number == program.crash_at;
  if (crash && program.crash_after == 0) Crash();
  if ((program.error_kinds >> kind & 1) != 0 && Random() % 1'000'000 < program.error_chance) {
    program.errors.fetch_add(1);
    errno = static_cast<int>(program.error.load());
    return -1;
  }
  const auto result = done();
  if (crash) Crash();
  return result;
}

void Opened(int fd, const std::string& path, int flags, const Order& order) {
  if (fd < 0 || fd >= kDescriptors) return;
  delete state().paths[fd].exchange(new std::string(path));
  const struct stat info = StatOf(fd);
  if (S_ISREG(info.st_mode) && (flags & O_ACCMODE) != O_RDONLY) {
    order.Write(kOpened, info.st_ino, (flags & O_TRUNC) != 0 ? 0 : -1, path);
  }
}

template <class Real>
int Open(const std::string& path, int flags, const Real& real) {
  if (path.empty()) return real();
  const Order order;
  const int fd = (flags & O_CREAT) != 0 ? Call(kCreate, real) : real();
  Opened(fd, path, flags, order);
  return fd;
}

template <class Real>
ssize_t WriteTo(int fd, int64_t offset, const void* data, const Real& real) {
  const std::string* path = IsOn() ? PathOf(fd) : nullptr;
  if (path == nullptr) return real();
  const Order order;
  const ssize_t n = Call(kWrite, real);
  if (n > 0) {
    if (offset < 0) offset = lseek(fd, 0, SEEK_CUR) - n;
    order.Write(kWrite, StatOf(fd).st_ino, offset, {static_cast<const char*>(data), static_cast<size_t>(n)});
  }
  return n;
}

template <class Real>
int SyncTo(int fd, const Real& real) {
  const std::string* path = IsOn() ? PathOf(fd) : nullptr;
  if (path == nullptr) return real();
  const struct stat info = StatOf(fd);
  const Kind kind = S_ISDIR(info.st_mode) ? kSyncFolder : IsWal(*path) ? kCommit : kSync;
  const Order order;
  const int result = Call(kind, real);
  if (result == 0) order.Write(kind, info.st_ino, 0, *path);
  return result;
}

template <class Real>
int Resize(int fd, Note note, int64_t size, const Real& real) {
  if (!IsOn() || PathOf(fd) == nullptr) return real();
  const Order order;
  const int result = Call(kResize, real);
  if (result == 0) order.Write(note, StatOf(fd).st_ino, size, "");
  return result;
}

// Of one or two names; a path that is empty is not below the folder.
template <class Real>
int Named(Kind kind, const std::string& path, const std::string& second, const Real& real) {
  if (path.empty()) return real();
  const Order order;
  const int result = Call(kind, real);
  if (result == 0) order.Write(kind, 0, 0, path, second);
  return result;
}

template <class Real>
ssize_t Send(int fd, const Real& real) {
  return IsOn() && PathOf(fd) == nullptr ? Call(kSend, real) : real();
}

int64_t Shift() { return IsOn() ? state().control->clock.load() : 0; }

timespec Later(const timespec& time, int64_t nanoseconds) {
  const int64_t sum = time.tv_sec * kSecond + time.tv_nsec + nanoseconds;
  return {.tv_sec = sum / kSecond, .tv_nsec = sum % kSecond};
}
int64_t Between(const timespec& from, const timespec& to) {
  return (to.tv_sec - from.tv_sec) * kSecond + to.tv_nsec - from.tv_nsec;
}

mode_t ModeIn(int flags, va_list arguments) {
  return (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

}  // namespace

extern "C" {

#define OPEN(name)                                                                       \
  int name(const char* path, int flags, ...) {                                           \
    REAL(name);                                                                          \
    va_list arguments;                                                                   \
    va_start(arguments, flags);                                                          \
    const mode_t mode = ModeIn(flags, arguments);                                        \
    va_end(arguments);                                                                   \
    return Open(PathAt(AT_FDCWD, path), flags, [&] { return real(path, flags, mode); }); \
  }
OPEN(open)
OPEN(open64)

#define OPEN_AT(name)                                                                  \
  int name(int fd, const char* path, int flags, ...) {                                 \
    REAL(name);                                                                        \
    va_list arguments;                                                                 \
    va_start(arguments, flags);                                                        \
    const mode_t mode = ModeIn(flags, arguments);                                      \
    va_end(arguments);                                                                 \
    return Open(PathAt(fd, path), flags, [&] { return real(fd, path, flags, mode); }); \
  }
OPEN_AT(openat)
OPEN_AT(openat64)

// How programs that were built with _FORTIFY_SOURCE call them.
int __open_2(const char* path, int flags) { return open(path, flags); }
int __open64_2(const char* path, int flags) { return open64(path, flags); }
int __openat_2(int fd, const char* path, int flags) { return openat(fd, path, flags); }
int __openat64_2(int fd, const char* path, int flags) { return openat64(fd, path, flags); }

DIR* opendir(const char* path) {
  REAL(opendir);
  DIR* folder = real(path);
  if (const std::string below = PathAt(AT_FDCWD, path); folder != nullptr && !below.empty()) {
    Opened(dirfd(folder), below, O_RDONLY, Order());
  }
  return folder;
}
int closedir(DIR* folder) {
  REAL(closedir);
  if (IsOn()) Forget(dirfd(folder));
  return real(folder);
}
int close(int fd) {
  REAL(close);
  if (IsOn()) Forget(fd);
  return real(fd);
}

ssize_t write(int fd, const void* data, size_t size) {
  REAL(write);
  return WriteTo(fd, -1, data, [&] { return real(fd, data, size); });
}
ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  REAL(pwrite);
  return WriteTo(fd, offset, data, [&] { return real(fd, data, size, offset); });
}
ssize_t pwrite64(int fd, const void* data, size_t size, off_t offset) { return pwrite(fd, data, size, offset); }

int fsync(int fd) {
  REAL(fsync);
  return SyncTo(fd, [&] { return real(fd); });
}
int fdatasync(int fd) {
  REAL(fdatasync);
  return SyncTo(fd, [&] { return real(fd); });
}

int ftruncate(int fd, off_t size) {
  REAL(ftruncate);
  return Resize(fd, static_cast<Note>(kResize), size, [&] { return real(fd, size); });
}
int ftruncate64(int fd, off_t size) { return ftruncate(fd, size); }
// Gives an error, and leaves errno as it is.
int posix_fallocate(int fd, off_t offset, off_t size) {
  REAL(posix_fallocate);
  const int result = Resize(fd, kAllocated, offset + size, [&] {
    const int error = real(fd, offset, size);
    if (error != 0) errno = error;
    return error == 0 ? 0 : -1;
  });
  return result == 0 ? 0 : errno;
}
int posix_fallocate64(int fd, off_t offset, off_t size) { return posix_fallocate(fd, offset, size); }

int rename(const char* from, const char* to) {
  REAL(rename);
  return Named(kRename, PathAt(AT_FDCWD, from), to, [&] { return real(from, to); });
}
int link(const char* from, const char* to) {
  REAL(link);
  return Named(kLink, PathAt(AT_FDCWD, from), to, [&] { return real(from, to); });
}
int mkdir(const char* path, mode_t mode) {
  REAL(mkdir);
  return Named(kFolder, PathAt(AT_FDCWD, path), "", [&] { return real(path, mode); });
}
int unlink(const char* path) {
  REAL(unlink);
  return Named(kRemove, PathAt(AT_FDCWD, path), "", [&] { return real(path); });
}
int rmdir(const char* path) {
  REAL(rmdir);
  return Named(kRemove, PathAt(AT_FDCWD, path), "", [&] { return real(path); });
}
int unlinkat(int fd, const char* path, int flags) {
  REAL(unlinkat);
  return Named(kRemove, PathAt(fd, path), "", [&] { return real(fd, path, flags); });
}
int remove(const char* path) {
  const int result = unlink(path);
  return result != 0 && errno == EISDIR ? rmdir(path) : result;
}

ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  REAL(sendmsg);
  return Send(fd, [&] { return real(fd, message, flags); });
}
ssize_t send(int fd, const void* data, size_t size, int flags) {
  REAL(send);
  return Send(fd, [&] { return real(fd, data, size, flags); });
}

int clock_gettime(clockid_t clock, timespec* time) {
  REAL(clock_gettime);
  const int result = real(clock, time);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) *time = Later(*time, Shift());
  return result;
}
int gettimeofday(timeval* time, void*) {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  *time = {.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
  return 0;
}
time_t time(time_t* to) {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (to != nullptr) *to = now.tv_sec;
  return now.tv_sec;
}

// Abseil's locks wait until a time of day. Waits are cut into slices, so that a jump counts for those that are under
// way, as the kernel has it.
long syscall(long number, ...) {
  REAL(syscall);
  va_list list;
  va_start(list, number);
  std::array<long, 6> a;
  for (long& argument : a) argument = va_arg(list, long);
  va_end(list);
  const auto* until = reinterpret_cast<const timespec*>(a[3]);
  const bool of_day = number == SYS_futex && (a[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET && until != nullptr &&
                      (a[1] & FUTEX_CLOCK_REALTIME) != 0 && IsOn();
  if (!of_day) return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  for (;;) {
    timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const int64_t left = Between(now, *until);
    const timespec slice = Later(now, std::clamp<int64_t>(left, 0, kSlice) - Shift());
    const long result = real(number, a[0], a[1], a[2], reinterpret_cast<long>(&slice), a[4], a[5]);
    if (result == 0 || errno != ETIMEDOUT || left <= kSlice) return result;
  }
}

}  // extern "C"
