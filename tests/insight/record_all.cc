// Recording many runs: processes of their own, since a network's training sets what belongs to its whole process, and a
// crash of one is to be no crash of all.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/insight/runs.h"

namespace traind::insight {
namespace {

using Clock = std::chrono::steady_clock;

std::string Minutes(double seconds) {
  return seconds < 100 ? absl::StrFormat("%.0f s", seconds) : absl::StrFormat("%.0f min", seconds / 60);
}

// One line: on a terminal over itself, elsewhere now and then.
class ProgressLine {
 public:
  explicit ProgressLine(size_t total) : total_(total), terminal_(isatty(STDERR_FILENO) != 0), begin_(Clock::now()) {}

  void Show(size_t done, const std::string& id) {
    const double passed = std::chrono::duration<double>(Clock::now() - begin_).count();
    if (!terminal_ && done < total_ && passed < next_) return;
    next_ = passed + 30;
    const double left = done == 0 ? 0 : passed / static_cast<double>(done) * static_cast<double>(total_ - done);
    absl::FPrintF(stderr, "%srecorded %d of %d runs in %s, %s left  %-40s%s", terminal_ ? "\r" : "", done, total_,
                  Minutes(passed), done == 0 ? "?" : Minutes(left), id, terminal_ && done < total_ ? "" : "\n");
    std::fflush(stderr);
  }

 private:
  const size_t total_;
  const bool terminal_;
  const Clock::time_point begin_;
  double next_ = 0;
};

// Forks; the child writes its error, if it has one, to the pipe and ends. -1: no process can be had.
struct Child {
  std::string id;
  int errors = -1;  // To read from.
};

pid_t Begin(const std::function<absl::Status()>& work, Child& child) {
  int ends[2];
  if (pipe(ends) != 0) return -1;
  const pid_t pid = fork();
  if (pid == 0) {
    close(ends[0]);
    const std::string message(work().message());
    const ssize_t written = write(ends[1], message.data(), std::min<size_t>(message.size(), 4000));
    _exit(message.empty() && written == 0 ? 0 : 1);
  }
  close(ends[1]);
  if (pid < 0) close(ends[0]);
  child.errors = ends[0];
  return pid;
}

// Waits for one of them; empty: it went well.
std::string End(std::map<pid_t, Child>& children) {
  int status = 0;
  pid_t pid = -1;
  do {
    pid = waitpid(-1, &status, 0);
  } while (pid < 0 ? errno == EINTR : children.count(pid) == 0);
  if (pid < 0) {
    children.clear();
    return absl::StrCat("waitpid: ", std::strerror(errno));
  }
  const Child child = children.at(pid);
  children.erase(pid);
  char message[4096];
  const ssize_t size = read(child.errors, message, sizeof(message));
  close(child.errors);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return "";
  const std::string text(message, static_cast<size_t>(std::max<ssize_t>(size, 0)));
  return absl::StrCat(child.id, ": ", WIFSIGNALED(status) ? absl::StrCat("signal ", WTERMSIG(status)) : text);
}

}  // namespace

std::vector<std::string> RecordAll(const std::vector<Run>& runs, const std::string& folder, int jobs) {
  std::vector<std::string> failed;
  std::vector<const Run*> missing;
  for (const Run& run : runs) {
    if (!IsRecorded(run, folder)) missing.push_back(&run);
  }
  if (missing.empty()) return failed;
  // All of one seed before the next: what is there when somebody ends it is of all kinds.
  std::stable_sort(missing.begin(), missing.end(), [](const Run* a, const Run* b) { return a->seed < b->seed; });
  std::map<pid_t, Child> children;
  const auto end_one = [&] {
    if (std::string error = End(children); !error.empty()) failed.push_back(std::move(error));
  };
  const auto begin = [&](const std::string& id, const std::function<absl::Status()>& work) {
    Child child = {.id = id};
    const pid_t pid = Begin(work, child);
    if (pid < 0) failed.push_back(absl::StrCat(id, ": ", std::strerror(errno)));
    if (pid > 0) children.emplace(pid, child);
  };
  // Two processes must not import one dataset.
  begin("data", [&] {
    std::set<std::tuple<Data, Change, Series>> wanted;
    for (const Run* run : missing) wanted.emplace(run->job.data, run->job.change, SeriesOf(run->seed));
    for (const auto& [data, change, series] : wanted) {
      if (auto made = MakeData(data, change, folder, series); !made.ok()) return made.status();
    }
    return absl::OkStatus();
  });
  while (!children.empty()) end_one();
  if (!failed.empty()) return failed;
  ProgressLine progress(missing.size());
  size_t begun = 0;
  while (begun < missing.size() || !children.empty()) {
    progress.Show(begun - children.size(), begun < missing.size() ? missing[begun]->id : "");
    if (begun < missing.size() && static_cast<int>(children.size()) < jobs) {
      const Run* run = missing[begun++];
      begin(run->id, [&] { return Record(*run, folder); });
    } else {
      end_one();
    }
  }
  progress.Show(missing.size(), "");
  return failed;
}

}  // namespace traind::insight
