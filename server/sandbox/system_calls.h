// seccomp: which system calls a process may make, held by the kernel. The list is what training, imports, evaluations
// and predictions need; everything else, also what later kernels will have, fails with ENOSYS, as on a kernel without
// it, from which libraries know their way back. No call leads to another process, a socket, a program, a namespace or a
// privilege; what Landlock would not hold on older kernels (signals, devices' controls, truncation by name) is not
// there either.
#pragma once

#include "absl/status/status.h"

namespace traind::server {

// Whether the running kernel can do it. UNIMPLEMENTED, with the reason: it cannot.
absl::Status CanRestrictSystemCalls();

// For all threads of the process, and for good. Needs no_new_privs. `socket` is the one descriptor that may be sent to
// and received from.
absl::Status RestrictSystemCalls(int socket);

}  // namespace traind::server
