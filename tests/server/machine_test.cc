// Cgroups as folders of the test, as the kernel lays them out.
#include "server/machine.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/temporary_folder.h"

namespace traind::server {
namespace {

class MachineTest : public ::testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }

  TemporaryFolder folder_;
  const std::string root_ = folder_.path() + "/";
};

TEST_F(MachineTest, TakesTheContainersMemoryLimit) {
  Write("proc/meminfo", "MemTotal:       1000 kB\nMemFree: 5 kB\n");
  EXPECT_EQ(AvailableMemory(root_), 1000 * 1024);
  Write("proc/self/cgroup", "5:memory:/box\n0::/pod\n");
  Write("sys/fs/cgroup/pod/memory.max", "max\n");
  EXPECT_EQ(AvailableMemory(root_), 1000 * 1024);
  Write("sys/fs/cgroup/memory/box/memory.limit_in_bytes", "600000\n");
  EXPECT_EQ(AvailableMemory(root_), 600000);
  Write("sys/fs/cgroup/pod/memory.max", "500000\n");
  EXPECT_EQ(AvailableMemory(root_), 500000);
}

TEST_F(MachineTest, TheLimitOfAGroupAroundCounts) {
  Write("proc/meminfo", "MemTotal:       1000 kB\n");
  Write("proc/self/cgroup", "0::/slice/pod/box\n");
  Write("sys/fs/cgroup/slice/pod/box/memory.max", "900000\n");
  Write("sys/fs/cgroup/slice/memory.max", "400000\n");
  EXPECT_EQ(AvailableMemory(root_), 400000);
}

TEST_F(MachineTest, WithoutAQuotaAllCoresCount) {
  EXPECT_EQ(AvailableThreads(root_, 8), 8u);
  Write("proc/self/cgroup", "0::/\n");
  Write("sys/fs/cgroup/cpu.max", "max 100000\n");
  EXPECT_EQ(AvailableThreads(root_, 8), 8u);
  EXPECT_EQ(AvailableThreads(root_, 1), 1u);
}

TEST_F(MachineTest, AQuotaIsRoundedToWholeThreads) {
  Write("proc/self/cgroup", "0::/pod\n");
  const struct {
    const char* quota;
    uint32_t threads;
  } cases[] = {{"1000 100000", 1},
               {"50000 100000", 1},
               {"100000 100000", 1},
               {"140000 100000", 1},
               {"150000 100000", 2},
               {"200000 100000", 2},
               {"900000 100000", 8},
               {"100000 50000", 2},
               {"max 100000", 8},
               {"junk", 8},
               {"", 8},
               {"100000", 8},
               {"100000 0", 8},
               {"-1 100000", 8},
               {"nan 100000", 8}};
  for (const auto& one : cases) {
    Write("sys/fs/cgroup/pod/cpu.max", one.quota);
    EXPECT_EQ(AvailableThreads(root_, 8), one.threads) << one.quota;
  }
}

TEST_F(MachineTest, TheLeastQuotaOfNestedGroupsCounts) {
  Write("proc/self/cgroup", "0::/slice/pod/box\n");
  Write("sys/fs/cgroup/slice/pod/box/cpu.max", "max 100000\n");
  Write("sys/fs/cgroup/slice/pod/cpu.max", "600000 100000\n");
  Write("sys/fs/cgroup/slice/cpu.max", "300000 100000\n");
  EXPECT_EQ(AvailableThreads(root_, 8), 3u);
  Write("sys/fs/cgroup/slice/pod/box/cpu.max", "50000 100000\n");
  EXPECT_EQ(AvailableThreads(root_, 8), 1u);
}

TEST_F(MachineTest, VersionOneCountsToo) {
  Write("proc/self/cgroup", "4:cpu,cpuacct:/docker/abc\n2:memory:/docker/abc\n");
  Write("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "-1\n");
  Write("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(AvailableThreads(root_, 8), 8u);
  Write("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "250000\n");
  EXPECT_EQ(AvailableThreads(root_, 8), 3u);
  Write("sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us", "50000\n");
  Write("sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(AvailableThreads(root_, 8), 1u);
}

// Inside a container /proc names the path outside, and /sys/fs/cgroup is the container's own.
TEST_F(MachineTest, AContainersOwnGroupIsAtTheRoot) {
  Write("proc/self/cgroup", "4:cpu,cpuacct:/docker/abc\n");
  Write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n");
  Write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(AvailableThreads(root_, 8), 1u);
  Write("proc/self/cgroup", "0::/../other\n");
  Write("sys/fs/cgroup/cpu.max", "200000 100000\n");
  EXPECT_EQ(AvailableThreads(root_, 8), 1u) << "of both the smaller";
}

}  // namespace
}  // namespace traind::server
