// Makes the locks of Debian's Abseil visible to ThreadSanitizer. The library is built without it, and its Mutex is made
// of atomics that the sanitizer does not see in there, so that everything a Mutex guards would be reported as a race.
// Linked into the test programs of the tsan build, these definitions come before those of the shared library, for our
// code and for gRPC, whose own locks are the same class: each calls the real one and tells the sanitizer which order it
// made. Conditions are evaluated inside the library by whoever holds the lock, so reads in there are not checked.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <type_traits>

#include "absl/base/options.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

// The runtime's annotations (sanitizer/tsan_interface.h, and those it takes from its predecessors).
extern "C" {
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
}

namespace {

// The function of the next library in order, which the one here hides.
void* Next(const char* symbol) {
  void* function = dlsym(RTLD_NEXT, symbol);
  if (function == nullptr) {
    std::fprintf(stderr, "tsan: Abseil has no %s\n", symbol);
    std::abort();
  }
  return function;
}

enum Effect { kAcquire = 1, kRelease = 2, kBoth = kAcquire | kRelease };

// Calls the real function; what came before a release on `address` happens before what follows an acquire on it.
template <Effect effect, class Result, class... Args>
Result Call(void* function, const void* address, Args... args) {
  void* order = const_cast<void*>(address);
  if constexpr (effect & kRelease) __tsan_release(order);
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  auto real = reinterpret_cast<Result (*)(Args...)>(function);
  if constexpr (std::is_void_v<Result>) {
    real(args...);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
    if constexpr (effect & kAcquire) __tsan_acquire(order);
  } else {
    const Result result = real(args...);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
    if constexpr (effect & kAcquire) __tsan_acquire(order);
    return result;
  }
}

}  // namespace

// A member function is called through a pointer as a free one whose first argument is `this`: the same ABI.
#define TRAIND_STRING(x) #x
#define TRAIND_STRING_OF(x) TRAIND_STRING(x)
#define TRAIND_SYMBOL(prefix, rest) prefix "4absl7" TRAIND_STRING_OF(ABSL_OPTION_INLINE_NAMESPACE_NAME) rest
#define TRAIND_REAL(prefix, rest)                                    \
  ([]() -> void* {                                                   \
    static void* const function = Next(TRAIND_SYMBOL(prefix, rest)); \
    return function;                                                 \
  }())
static_assert(sizeof(TRAIND_STRING_OF(ABSL_OPTION_INLINE_NAMESPACE_NAME)) == 8, "the 7 in TRAIND_SYMBOL");

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() { Call<kAcquire, void>(TRAIND_REAL("_ZN", "5Mutex4LockEv"), this, this); }
void Mutex::Unlock() { Call<kRelease, void>(TRAIND_REAL("_ZN", "5Mutex6UnlockEv"), this, this); }
bool Mutex::TryLock() { return Call<kAcquire, bool>(TRAIND_REAL("_ZN", "5Mutex7TryLockEv"), this, this); }
void Mutex::ReaderLock() { Call<kAcquire, void>(TRAIND_REAL("_ZN", "5Mutex10ReaderLockEv"), this, this); }
void Mutex::ReaderUnlock() { Call<kRelease, void>(TRAIND_REAL("_ZN", "5Mutex12ReaderUnlockEv"), this, this); }

void Mutex::Await(const Condition& condition) {
  Call<kBoth, void>(TRAIND_REAL("_ZN", "5Mutex5AwaitERKNS0_9ConditionE"), this, this, &condition);
}
bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  return Call<kBoth, bool>(TRAIND_REAL("_ZN", "5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE"), this, this,
                           &condition, timeout);
}
bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  return Call<kBoth, bool>(TRAIND_REAL("_ZN", "5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE"), this, this,
                           &condition, deadline);
}
void Mutex::LockWhen(const Condition& condition) {
  Call<kAcquire, void>(TRAIND_REAL("_ZN", "5Mutex8LockWhenERKNS0_9ConditionE"), this, this, &condition);
}
bool Mutex::LockWhenWithTimeout(const Condition& condition, Duration timeout) {
  return Call<kAcquire, bool>(TRAIND_REAL("_ZN", "5Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE"), this,
                              this, &condition, timeout);
}
bool Mutex::LockWhenWithDeadline(const Condition& condition, Time deadline) {
  return Call<kAcquire, bool>(TRAIND_REAL("_ZN", "5Mutex20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE"), this,
                              this, &condition, deadline);
}

void CondVar::Wait(Mutex* mu) { Call<kBoth, void>(TRAIND_REAL("_ZN", "7CondVar4WaitEPNS0_5MutexE"), mu, this, mu); }
bool CondVar::WaitWithTimeout(Mutex* mu, Duration timeout) {
  return Call<kBoth, bool>(TRAIND_REAL("_ZN", "7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE"), mu, this, mu,
                           timeout);
}
bool CondVar::WaitWithDeadline(Mutex* mu, Time deadline) {
  return Call<kBoth, bool>(TRAIND_REAL("_ZN", "7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE"), mu, this, mu,
                           deadline);
}

void Notification::Notify() { Call<kRelease, void>(TRAIND_REAL("_ZN", "12Notification6NotifyEv"), this, this); }
void Notification::WaitForNotification() const {
  Call<kAcquire, void>(TRAIND_REAL("_ZNK", "12Notification19WaitForNotificationEv"), this, this);
}
bool Notification::WaitForNotificationWithTimeout(Duration timeout) const {
  return Call<kAcquire, bool>(TRAIND_REAL("_ZNK", "12Notification30WaitForNotificationWithTimeoutENS0_8DurationE"),
                              this, this, timeout);
}
bool Notification::WaitForNotificationWithDeadline(Time deadline) const {
  return Call<kAcquire, bool>(TRAIND_REAL("_ZNK", "12Notification31WaitForNotificationWithDeadlineENS0_4TimeE"), this,
                              this, deadline);
}

bool BlockingCounter::DecrementCount() {
  return Call<kRelease, bool>(TRAIND_REAL("_ZN", "15BlockingCounter14DecrementCountEv"), this, this);
}
void BlockingCounter::Wait() { Call<kAcquire, void>(TRAIND_REAL("_ZN", "15BlockingCounter4WaitEv"), this, this); }

ABSL_NAMESPACE_END
}  // namespace absl
