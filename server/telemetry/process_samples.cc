#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>

#include "server/telemetry/samples.h"

namespace traind::server {
namespace {

// Of /proc/self/stat, by the numbers of proc(5): 22 starttime in ticks since the machine started, 24 rss in pages.
struct ProcessStat {
  double start_ticks = 0;
  double resident_pages = 0;
};

ProcessStat ReadProcessStat() {
  std::ifstream file("/proc/self/stat");
  std::string text;
  std::getline(file, text);
  const size_t name_end = text.rfind(')');  // A name may hold spaces and parentheses.
  ProcessStat stat;
  if (name_end == std::string::npos) return stat;
  std::istringstream rest(text.substr(name_end + 1));
  std::string field;
  for (int number = 3; rest >> field && number <= 24; ++number) {
    if (number == 22) stat.start_ticks = std::stod(field);
    if (number == 24) stat.resident_pages = std::stod(field);
  }
  return stat;
}

// When the machine started, in seconds since 1970; 0: /proc does not say it.
double BootTime() {
  std::ifstream file("/proc/stat");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("btime ", 0) == 0) return std::stod(line.substr(6));
  }
  return 0;
}

int CountOpenFiles() {
  DIR* folder = opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  int entries = 0;
  while (readdir(folder) != nullptr) ++entries;
  closedir(folder);
  return entries - 3;  // ".", "..", and the folder itself.
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

void AddProcessSamples(Samples& samples) {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    samples.Counter({"process_cpu_seconds_total", "CPU time of the server itself, without its workers"},
                    Seconds(usage.ru_utime) + Seconds(usage.ru_stime));
  }
  const ProcessStat stat = ReadProcessStat();
  samples.Gauge({"process_resident_memory_bytes", "Memory of the server itself, without its workers"},
                stat.resident_pages * static_cast<double>(sysconf(_SC_PAGESIZE)));
  samples.Gauge({"process_start_time_seconds", "When the server was started, since 1970"},
                BootTime() + stat.start_ticks / static_cast<double>(sysconf(_SC_CLK_TCK)));
  samples.Gauge({"process_open_fds", "Files and connections that are open"}, CountOpenFiles());
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    samples.Gauge({"process_max_fds", "Files and connections that may be open"}, static_cast<double>(limit.rlim_cur));
  }
}

}  // namespace traind::server
