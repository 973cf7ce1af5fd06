// traind-worker: runs one task in a process of its own. The server starts it and sends the task through the socket that
// it inherits as descriptor kWorkerSocketFd.
#include <fcntl.h>
#include <omp.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <fstream>
#include <new>
#include <string>
#include <utility>

#include "core/base/file.h"
#include "core/data/preview.h"
#include "core/train/train.h"
#include "server/wire/channel.h"
#include "server/wire/result.h"
#include "server/worker/confine.h"
#include "server/worker/data_tasks.h"
#include "server/worker/predict_task.h"
#include "server/worker/session.h"
#include "traind/internal/worker.pb.h"

namespace traind::server {
namespace {

constexpr int kExitNoServer = 70;  // The server is gone, or what it sent is no task.

// Holds the folder for this process until it ends: after the server was killed and started again, the worker of before
// may still be about to end, and two must never write checkpoints of one job. Waits for that worker.
absl::StatusOr<UniqueFd> LockFolder(const std::string& folder) {
  if (absl::Status status = core::CreateFolders(folder); !status.ok()) return status;
  UniqueFd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) return core::ErrnoStatus(errno, "open", folder);
  while (flock(fd.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return core::ErrnoStatus(errno, "lock", folder);
  }
  return fd;
}

internal::Result RunTrain(internal::Task& task, WorkerSession& session) {
  internal::TrainTask& train = *task.mutable_train();
  const auto lock = LockFolder(train.checkpoint_dir());
  if (!lock.ok()) return Failure(lock.status());
  core::TrainRequest request{.job = train.job(),
                             .spec = std::move(*train.mutable_spec()),
                             .algorithms = {train.algorithms().begin(), train.algorithms().end()},
                             .dataset_dir = task.dataset_dir(),
                             .checkpoint_dir = train.checkpoint_dir(),
                             .forked_from = train.forked_from(),
                             .weights_path = task.weights_path(),
                             .preprocessing_path = train.preprocessing_path(),
                             .threads = task.threads(),
                             .first_examples = train.first_examples()};
  if (train.has_trained_on()) request.trained_on = std::move(*train.mutable_trained_on());
  session.PauseAt(train.pause_at_step());
  const auto trained = core::Train(request, session, session.stop());
  absl::Status status = trained.status();
  if (status.ok()) status = session.Flush();
  if (!status.ok()) return Failure(status);
  internal::Result result;
  result.set_step(trained->step);
  result.set_stopped(trained->stopped);
  result.set_reason(trained->reason);
  return result;
}

// `of` is the part of the task that says it; warnings go to `result`.
template <class Inference>
core::InferenceRequest InferenceOf(const internal::Task& task, const Inference& of, internal::Result& result) {
  core::InferenceRequest request{.spec = of.spec(),
                                 .dataset_dir = task.dataset_dir(),
                                 .weights_path = task.weights_path(),
                                 .preprocessing_path = of.preprocessing_path(),
                                 .threads = task.threads(),
                                 .warn = [&result](const std::string& warning) { result.add_warnings(warning); }};
  if (of.has_trained_on()) request.trained_on = of.trained_on();
  for (const internal::TaskMember& other : of.others()) {
    request.others.push_back(
        {.spec = other.spec(), .weights_path = other.weights_path(), .preprocessing_path = other.preprocessing_path()});
  }
  return request;
}

core::Progress ProgressIn(const char* unit, WorkerSession& session) {
  return [unit, &session](int64_t done, int64_t total) { session.Progress(done, total, unit); };
}

internal::Result RunTask(internal::Task task, WorkerSession& session) {
  internal::Result result;
  switch (task.kind_case()) {
    case internal::Task::kTrain:
      return RunTrain(task, session);
    case internal::Task::kProbe: {
      auto probed = core::Probe(task.probe(), task.dataset_dir(), task.threads());
      if (!probed.ok()) return Failure(probed.status());
      *result.mutable_probe() = *std::move(probed);
      return result;
    }
    case internal::Task::kEvaluate: {
      auto evaluated = core::Evaluate(InferenceOf(task, task.evaluate(), result), ProgressIn("examples", session));
      if (!evaluated.ok()) return Failure(evaluated.status());
      *result.mutable_evaluation() = *std::move(evaluated);
      return result;
    }
    case internal::Task::kPredict: {
      const auto inference = InferenceOf(task, task.predict(), result);
      if (task.predict().has_split()) {
        internal::Result made = RunPredictSplit(inference, task.predict(), ProgressIn("examples", session));
        *made.mutable_warnings() = result.warnings();
        return made;
      }
      auto predicted = core::Predict(inference, task.predict().request());
      if (!predicted.ok()) return Failure(predicted.status());
      *result.mutable_predict() = *std::move(predicted);
      return result;
    }
    case internal::Task::kPreview: {
      auto sheet = core::PreviewDataset(task.preview(), task.dataset_dir());
      if (!sheet.ok()) return Failure(sheet.status());
      *result.mutable_preview() = *std::move(sheet);
      return result;
    }
    case internal::Task::kImport:
      return RunImport(task, ProgressIn("bytes", session));
    case internal::Task::kDescribe:
      return RunDescribe(task, ProgressIn("examples", session));
    case internal::Task::KIND_NOT_SET:
      break;
  }
  return Failure(absl::InvalidArgumentError("a task of no known kind"));
}

// Exceptions of libraries end here: they fail the task, with their words.
internal::Result RunTaskSafely(internal::Task task, WorkerSession& session) {
  try {
    return RunTask(std::move(task), session);
  } catch (const std::bad_alloc&) {
    return Failure(absl::ResourceExhaustedError("the task needs more memory than it may have"));
  } catch (const std::exception& error) {
    return Failure(absl::InternalError(error.what()));
  }
}

int Run() {
  // The server ends the worker, through the socket. A signal to all processes of a service must not end it before the
  // server has asked for a checkpoint.
  for (int ignored : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) signal(ignored, SIG_IGN);
  umask(S_IRWXG | S_IRWXO);
  if (fcntl(kWorkerSocketFd, F_SETFD, FD_CLOEXEC) != 0) {
    std::fprintf(stderr, "traind-worker is started by traind, which gives it a socket\n");
    return kExitNoServer;
  }
  WorkerSession session(UniqueFd(kWorkerSocketFd), {.on_lost = [](const absl::Status&) { _exit(kExitNoServer); }});
  auto task = session.ReceiveTask();
  if (!task.ok()) {
    std::fprintf(stderr, "no task: %s\n", task.status().ToString().c_str());
    return kExitNoServer;
  }
  // When memory is short the kernel takes a worker rather than the server, and a task, which can be asked for again,
  // rather than a job: the first choice is 1000.
  std::ofstream("/proc/self/oom_score_adj") << (task->has_train() ? 500 : 1000);
  const absl::Status confined = Confine(*task);
  omp_set_num_threads(static_cast<int>(std::max(task->threads(), 1u)));
  internal::Result result = Failure(confined);
  if (confined.ok()) {
    session.Start();
    result = RunTaskSafely(*std::move(task), session);
  }
  if (result.code() == static_cast<int>(absl::StatusCode::kPermissionDenied)) {
    *result.mutable_message() +=
        "; workers read only what their task names, and follow no link out of it (SECURITY.md)";
  }
  if (result.code() != 0) std::fprintf(stderr, "the task failed: %s\n", result.message().c_str());
  const absl::Status sent = session.Finish(std::move(result));
  if (!sent.ok()) std::fprintf(stderr, "the result cannot be sent: %s\n", sent.ToString().c_str());
  // All is said: no destructor of a library shall turn the end into a crash.
  std::fflush(nullptr);
  _exit(sent.ok() ? 0 : kExitNoServer);
}

}  // namespace
}  // namespace traind::server

int main() { return traind::server::Run(); }
