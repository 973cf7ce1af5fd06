// Where exceptions end: they come from libraries and from lack of memory, and must cost one call, not the server.
// Thread-safe as the work is.
#pragma once

#include <exception>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace traind::server {

// What `work` returns, an absl::Status or a StatusOr; INTERNAL when it throws.
template <class Work>
auto Guarded(const Work& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("an exception in the server: ", error.what()));
  } catch (...) {
    return absl::InternalError("an exception of an unknown kind in the server");
  }
}

}  // namespace traind::server
