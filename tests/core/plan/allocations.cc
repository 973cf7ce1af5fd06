#include "tests/core/plan/allocations.h"

#include <dlfcn.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "oneapi/dnnl/dnnl.h"

namespace traind::core {
namespace {

std::atomic<bool> counting = false;
std::atomic<int> allocations = 0;

const void* LibraryOf(const void* address) {
  Dl_info info;
  return dladdr(address, &info) ? info.dli_fbase : nullptr;
}

void Count(const void* caller) {
  static const void* const kernels = LibraryOf(reinterpret_cast<const void*>(&dnnl_version));
  if (LibraryOf(caller) != kernels) ++allocations;
}

}  // namespace

void StartCountingAllocations() {
  allocations = 0;
  counting = true;
}

int StopCountingAllocations() {
  counting = false;
  return allocations;
}

__attribute__((noinline)) void* Allocate(size_t size, const void* caller) {
  if (counting) Count(caller);
  return std::malloc(size);
}

__attribute__((noinline)) void Deallocate(void* memory) { std::free(memory); }

}  // namespace traind::core

void* operator new(size_t size) {
  void* memory = traind::core::Allocate(size, __builtin_return_address(0));
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return traind::core::Allocate(size, __builtin_return_address(0));
}
void operator delete(void* memory) noexcept { traind::core::Deallocate(memory); }
void operator delete(void* memory, size_t) noexcept { traind::core::Deallocate(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { traind::core::Deallocate(memory); }
