// The one door to oneDNN: the engine, descriptors, and (primitives.h) wrappers for what differs between 2.x (Debian 12)
// and 3.x (Debian 13). No other folder mentions a version. Exceptions of the library end here, as absl::Status.
// Thread-safe: everything here is a pure function or constant after its first use.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "oneapi/dnnl/dnnl.hpp"

namespace traind::core::onednn {

using Desc = dnnl::memory::desc;
using Dims = dnnl::memory::dims;
using Type = dnnl::memory::data_type;

// The CPU engine of the process; one for all, so that primitives are shared through oneDNN's cache.
const dnnl::engine& Engine();

// --- What the library and the CPU offer.
struct Version {
  int major = 0;
  int minor = 0;
  int patch = 0;
  auto operator<=>(const Version&) const = default;
};
Version LibraryVersion();     // Of the library loaded, which may be newer than the headers.
std::string VersionString();  // "2.6.3"

// The instruction set that the kernels are generated for, by oneDNN's name: "avx2", "avx512_core", "avx512_core_bf16".
std::string InstructionSet();
// The CPU multiplies bfloat16 natively; elsewhere oneDNN would emulate it, slower than float32.
bool SupportsBf16();

// --- Descriptors.
// Row-major: [N, F], [N, C, H, W] or a parameter in its public layout.
Desc Plain(const Dims& dims, Type type);
// The layout is the primitive's choice.
Desc Any(const Dims& dims, Type type);
// The same layout with elements of another type; `desc` must have a Blocking. Row-major where the library has no way to
// say it (3.x, layouts without a name).
Desc WithType(const Desc& desc, Type type);

// A layout that can be written down: an outer array by strides, and inner blocks from the outermost to the innermost.
struct Blocking {
  Dims dims;
  Dims padded_dims;
  Dims strides;       // Of the outer array, in elements.
  Dims inner_blocks;  // Sizes ...
  Dims inner_dims;    // ... and the dimension that each one cuts.
  int64_t offset = 0;
};
// nullopt for layouts that only oneDNN knows (Winograd-transformed weights, `any`).
std::optional<Blocking> BlockingOf(const Desc& desc);
// Whether elements of any type are in the same places, padding included; false without a Blocking.
bool SameLayout(const Desc& a, const Desc& b);

// Runs f() and turns an exception of the library into INTERNAL, or UNIMPLEMENTED where no kernel fits.
template <class F>
absl::Status Guard(std::string_view what, F&& f) {
  try {
    f();
    return absl::OkStatus();
  } catch (const dnnl::error& error) {
    const std::string message = absl::StrCat("oneDNN: ", std::string(what), ": ", error.what());
    switch (error.status) {
      case dnnl_unimplemented:
        return absl::UnimplementedError(message);
      case dnnl_out_of_memory:
        return absl::ResourceExhaustedError(message);
      default:
        return absl::InternalError(message);
    }
  }
}

}  // namespace traind::core::onednn
