#include "server/sandbox/sandbox.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <seccomp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"

namespace traind::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// Runs `body` in a process of its own, which the sandbox may close off; its exit code.
template <class Body>
int InChild(Body body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

TEST(Sandbox, TellsWhatIsMissingAndWhatThatMeans) {
  const std::vector<SandboxLayer> layers = {{.name = "limits", .active = true, .detail = "many"},
                                            {.name = "landlock", .active = false, .detail = "this kernel has none"},
                                            {.name = "seccomp", .active = true, .detail = "a list"}};
  EXPECT_EQ(ActiveLayers(layers), "limits, seccomp");
  EXPECT_THAT(MissingLayers(layers), AllOf(HasSubstr("landlock: this kernel has none"), HasSubstr("every file")));
  EXPECT_THAT(MissingLayers({layers[0], layers[2]}), IsEmpty());
}

// What is said of this kernel is what a process gets.
TEST(Sandbox, ProbesWhatTheKernelHas) {
  const auto layers = ProbeSandbox();
  ASSERT_EQ(layers.size(), 5u);
  EXPECT_EQ(layers[3].name, "landlock");
  EXPECT_EQ(layers[3].active, LandlockAbi().ok());
  for (const SandboxLayer& layer : layers) EXPECT_THAT(layer.detail, Not(IsEmpty())) << layer.name;
#ifndef TRAIND_SANITIZED
  EXPECT_EQ(InChild([&] {
              if (!EnterSandbox({}).ok()) return 2;
              return access("/etc/passwd", F_OK) == 0 && fopen("/etc/passwd", "r") == nullptr ? 1 : 0;
            }),
            layers[3].active ? 1 : 0);
#endif
}

// A kernel as it was before Landlock, or a container that hides it: the call is not there.
TEST(Sandbox, WithoutLandlockTheRestIsStillThere) {
  EXPECT_EQ(InChild([] {
              scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
              seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(landlock_create_ruleset), 0);
              if (seccomp_load(filter) != 0) return 2;
              const std::string missing = MissingLayers(ProbeSandbox());
              if (missing.find("landlock: this kernel has none") == std::string::npos) return 3;
              if (missing.find("seccomp") != std::string::npos) return 4;
              if (!EnterSandbox({}).ok()) return 5;
              if (open("/etc/passwd", O_RDONLY) < 0) return 6;
              return socket(AF_UNIX, SOCK_STREAM, 0) < 0 && errno == ENOSYS ? 1 : 7;
            }),
            1);
}

TEST(Sandbox, RefusesAProcessWithThreads) {
#ifndef TRAIND_SANITIZED
  absl::Notification end;
  std::thread other([&] { end.WaitForNotification(); });
  EXPECT_EQ(EnterSandbox({}).code(), absl::StatusCode::kFailedPrecondition);
  end.Notify();
  other.join();
#endif
}

TEST(Sandbox, RefusesAFolderToWriteThatIsNotThere) {
  if (!LandlockAbi().ok()) GTEST_SKIP() << LandlockAbi().status();
  EXPECT_EQ(InChild([] {
              SandboxRules rules;
              rules.files.read = {"/no/such/file"};
              rules.files.write = {"/no/such/folder"};
              return absl::IsNotFound(EnterSandbox(rules)) ? 1 : 0;
            }),
            1);
}

// Soft and hard; a limit that is lower already stays.
TEST(Sandbox, LowersLimitsAndRaisesNone) {
  EXPECT_EQ(InChild([] {
              const rlimit low{.rlim_cur = 50, .rlim_max = 60};
              if (setrlimit(RLIMIT_NOFILE, &low) != 0) return 2;
              if (!SetLimits({.file_size = 1000, .open_files = 100}).ok()) return 3;
              rlimit files{};
              rlimit size{};
              rlimit core{};
              getrlimit(RLIMIT_NOFILE, &files);
              getrlimit(RLIMIT_FSIZE, &size);
              getrlimit(RLIMIT_CORE, &core);
              if (files.rlim_cur != 50 || files.rlim_max != 60) return 4;
              if (size.rlim_cur != 1000 || size.rlim_max != 1000) return 5;
              return core.rlim_max == 0 ? 1 : 6;
            }),
            1);
}

}  // namespace
}  // namespace traind::server
