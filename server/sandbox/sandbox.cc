#include "server/sandbox/sandbox.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "server/sandbox/system_calls.h"

namespace traind::server {
namespace {

constexpr char kLandlock[] = "landlock";
constexpr char kSeccomp[] = "seccomp";

// Landlock restricts the thread that asks for it, and those that it starts.
absl::Status CheckThreads() {
#ifndef TRAIND_SANITIZED  // A sanitizer may have one of its own, which decodes nothing.
  std::error_code error;
  const std::filesystem::directory_iterator threads("/proc/self/task", error);
  if (error) return absl::ErrnoToStatus(error.value(), "/proc/self/task");
  if (const auto count = std::distance(begin(threads), end(threads)); count != 1) {
    return absl::FailedPreconditionError(absl::StrCat("a process with ", count, " threads cannot be closed off"));
  }
#endif
  return absl::OkStatus();
}

SandboxLayer LayerOf(const char* name, const absl::Status& status, std::string detail) {
  return {
      .name = name, .active = status.ok(), .detail = status.ok() ? std::move(detail) : std::string(status.message())};
}

// What a worker can do without a layer.
std::string WithoutIt(absl::string_view layer) {
  if (layer == kLandlock) return "workers can reach every file of the server's user";
  return "workers can make every system call: sockets, programs, signals to the server";
}

}  // namespace

absl::Status EnterSandbox(const SandboxRules& rules) {
  if (absl::Status status = CheckThreads(); !status.ok()) return status;
  if (absl::Status status = SetLimits(rules.limits); !status.ok()) return status;
  if (absl::Status status = DropPrivileges(); !status.ok()) return status;
  const int abi = std::min(LandlockAbi().value_or(0), rules.newest_landlock_abi);
  if (abi > 0) {
    if (absl::Status status = RestrictFiles(rules.files, abi); !status.ok()) return status;
  }
  if (!rules.restrict_system_calls || !CanRestrictSystemCalls().ok()) return absl::OkStatus();
  return RestrictSystemCalls(rules.socket);
}

std::vector<SandboxLayer> ProbeSandbox() {
  const auto abi = LandlockAbi();
  const std::string version =
      absl::StrCat("ABI ", std::min(abi.value_or(0), kNewestLandlockAbi), " of ", kNewestLandlockAbi);
  return {{.name = "environment", .active = true, .detail = "only what the program is loaded and tuned with"},
          {.name = "limits", .active = true, .detail = "AS, DATA, FSIZE, NOFILE, NPROC; no cores"},
          {.name = "privileges", .active = true, .detail = "no_new_privs, no capabilities"},
          LayerOf(kLandlock, abi.status(), version),
          LayerOf(kSeccomp, CanRestrictSystemCalls(), "a list of system calls")};
}

std::string MissingLayers(const std::vector<SandboxLayer>& layers) {
  std::vector<std::string> missing;
  for (const SandboxLayer& layer : layers) {
    if (layer.active) continue;
    missing.push_back(absl::StrCat(layer.name, ": ", layer.detail, "; ", WithoutIt(layer.name)));
  }
  return absl::StrJoin(missing, ". ");
}

std::string ActiveLayers(const std::vector<SandboxLayer>& layers) {
  std::vector<std::string> active;
  for (const SandboxLayer& layer : layers) {
    if (layer.active)
      active.push_back(layer.name == kLandlock ? absl::StrCat(kLandlock, " (", layer.detail, ")") : layer.name);
  }
  return absl::StrJoin(active, ", ");
}

}  // namespace traind::server
