#include "tests/insight/runs.h"

#include <google/protobuf/io/gzip_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/delimited_message_util.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/checksum.h"
#include "core/base/file.h"
#include "core/data/dataset_dir.h"
#include "core/job/class_balance.h"
#include "core/job/data_identity.h"
#include "core/job/duration.h"
#include "core/job/resolve.h"
#include "core/train/train.h"

namespace traind::insight {
namespace {

constexpr char kVariance[] = "target_variance", kKey[] = "key";  // Labels of the recorded job.
constexpr uint64_t kStyleSeeds = 2;
constexpr int kLastSteps = 10;

bool IsChosen(const std::vector<std::string>& names, const std::string& name) {
  return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
}

std::string IdOf(Net net, Data data, const std::string& kind, uint64_t seed) {
  return absl::StrCat(NameOf(net), "-", NameOf(data), "-", kind, "-", seed);
}

Run HealthyRun(Net net, Data data, const Style& style, uint64_t seed) {
  Run run = {.id = IdOf(net, data, absl::StrCat("healthy.", style.name), seed),
             .fault = nullptr,
             .kind = absl::StrCat("healthy.", style.name),
             .seed = seed,
             .job = {.net = net, .data = data, .spec = Healthy(net, data, style, seed)}};
  return run;
}

std::string PathOf(const std::string& id, const std::string& folder) { return absl::StrCat(folder, "/", id, ".run"); }

// Another spec, other data: another recording.
std::string KeyOf(const Run& run) {
  return core::Crc32Hex(absl::StrCat(run.job.spec.SerializeAsString(), NameOf(run.job.change)));
}

class Keeper : public core::EventSink {
 public:
  void Emit(v1::Event event) override { events.push_back(std::move(event)); }
  absl::Status Flush() override { return absl::OkStatus(); }
  void Heartbeat(uint64_t) override {}
  void WaitsFor(absl::string_view) override {}

  std::vector<v1::Event> events;
};

// The job as a server would have it, with its request.
absl::StatusOr<core::TrainRequest> Accept(const Run& run, const Made& made, v1::Job& job) {
  job.set_name("jobs/" + run.id);
  *job.mutable_spec() = run.job.spec;
  job.mutable_spec()->mutable_data()->set_dataset(made.dataset.name());
  core::FieldErrors::Root errors;
  auto resolved = core::ResolveJob(job.spec(), &made.dataset, 1, errors.scope());
  if (!errors.ok()) return errors.ToStatus();
  if (!resolved.ok()) return resolved.status();
  const absl::Status balanced = core::BalanceClasses(made.dir, made.dataset, resolved->spec, resolved->warnings);
  if (!balanced.ok()) return balanced;
  *job.mutable_resolved_spec() = resolved->spec;
  job.set_dataset(made.dataset.name());
  *job.mutable_trained_on() = core::IdentityOf(made.dataset);
  for (const v1::DatasetSplit& split : made.dataset.splits()) {
    if (split.name() != resolved->spec.data().train_split()) continue;
    job.mutable_progress()->set_steps_per_epoch(core::StepsPerEpoch(
        resolved->spec, core::LimitedTo(resolved->spec.data().max_train_examples(), split.num_examples())));
  }
  job.mutable_progress()->set_total_steps(core::TotalSteps(resolved->spec, job.progress().steps_per_epoch()));
  (*job.mutable_labels())[kVariance] = absl::StrCat(made.target_variance);
  (*job.mutable_labels())[kKey] = KeyOf(run);
  for (const std::string& warning : resolved->warnings) job.add_warnings(warning);
  core::TrainRequest request;
  request.job = job.name();
  request.spec = resolved->spec;
  request.algorithms = resolved->algorithms;
  request.dataset_dir = made.dir;
  request.threads = 1;
  return request;
}

std::string Packed(const v1::Job& job, const std::vector<v1::Event>& events) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream out(&bytes);
    google::protobuf::io::GzipOutputStream::Options options;
    options.compression_level = 1;
    google::protobuf::io::GzipOutputStream zip(&out, options);
    google::protobuf::util::SerializeDelimitedToZeroCopyStream(job, &zip);
    for (const v1::Event& event : events) google::protobuf::util::SerializeDelimitedToZeroCopyStream(event, &zip);
  }
  return bytes;
}

// The job, and with `events` these too. False: the bytes are damaged.
bool Unpack(const std::string& bytes, v1::Job& job, std::vector<v1::Event>* events) {
  google::protobuf::io::ArrayInputStream in(bytes.data(), static_cast<int>(bytes.size()));
  google::protobuf::io::GzipInputStream unzip(&in);
  if (!google::protobuf::util::ParseDelimitedFromZeroCopyStream(&job, &unzip, nullptr)) return false;
  while (events != nullptr) {
    bool clean_end = false;
    v1::Event event;
    if (!google::protobuf::util::ParseDelimitedFromZeroCopyStream(&event, &unzip, &clean_end)) return clean_end;
    events->push_back(std::move(event));
  }
  return true;
}

absl::StatusOr<std::string> Read(const std::string& id, const std::string& folder) {
  return core::ReadFile(PathOf(id, folder), int64_t{1} << 30);
}

}  // namespace

std::vector<Run> PlanRuns(const Choice& choice) {
  std::vector<Run> healthy, faulty;
  std::vector<uint64_t> seeds;
  for (int i = 0; i < choice.seeds; ++i) seeds.push_back(i);
  for (int i = 0; i < choice.held_out; ++i) seeds.push_back(kFirstHeldOut + i);
  for (const Net net : kAllNets) {
    for (const Data data : kAllData) {
      if (!Fits(net, data) || !IsChosen(choice.nets, NameOf(net)) || !IsChosen(choice.data, NameOf(data))) continue;
      for (const uint64_t seed : seeds) {
        for (const Style& style : StylesOf(seed)) {
          const bool base = &style == &StylesOf(seed).front();
          if (!Fits(style, net) || (!base && !choice.faults.empty())) continue;
          if (!base && !IsHeldOut(seed) && seed >= kStyleSeeds) continue;
          healthy.push_back(HealthyRun(net, data, style, seed));
        }
        for (const Fault& fault : Faults()) {
          if (!fault.fits(net, data) || !IsChosen(choice.faults, fault.name)) continue;
          Run run = HealthyRun(net, data, StylesOf(seed).front(), seed);
          run.id = IdOf(net, data, fault.name, seed);
          run.kind = fault.name;
          run.fault = &fault;
          fault.inject(run.job);
          faulty.push_back(std::move(run));
        }
      }
    }
  }
  healthy.insert(healthy.end(), std::make_move_iterator(faulty.begin()), std::make_move_iterator(faulty.end()));
  return healthy;
}

std::string HealthyIdOf(const Run& run) {
  return IdOf(run.job.net, run.job.data, absl::StrCat("healthy.", StylesOf(run.seed).front().name), run.seed);
}

Outcome OutcomeOf(const Recording& recording) {
  Outcome outcome;
  outcome.finished = recording.job.state() == v1::JOB_STATE_SUCCEEDED;
  const v1::EvaluationMetrics* last = nullptr;
  double best = std::numeric_limits<double>::infinity();
  std::vector<double> losses;
  for (const v1::Event& event : recording.events) {
    if (event.has_train()) losses.push_back(event.train().loss());
    if (!event.has_evaluation()) continue;
    last = &event.evaluation();
    best = std::min(best, last->loss());
  }
  const size_t n = std::min<size_t>(kLastSteps, losses.size());
  for (size_t i = losses.size() - n; i < losses.size(); ++i) outcome.train_loss += losses[i] / static_cast<double>(n);
  if (last == nullptr) return outcome;
  const bool best_counts = recording.job.resolved_spec().early_stopping().restore_best();
  outcome.evaluation_loss = best_counts ? best : last->loss();
  if (!outcome.finished) return outcome;
  outcome.result =
      last->has_accuracy() ? last->accuracy() : std::max(0.0, 1 - outcome.evaluation_loss / recording.target_variance);
  return outcome;
}

absl::Status Record(const Run& run, const std::string& folder) {
  if (IsRecorded(run, folder)) return absl::OkStatus();
  const auto made = MakeData(run.job.data, run.job.change, folder, SeriesOf(run.seed));
  if (!made.ok()) return made.status();
  v1::Job job;
  auto request = Accept(run, *made, job);
  if (!request.ok()) return request.status();
  // Checkpoints are of no use here; in memory they cost next to nothing.
  const std::string parent = std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : folder;
  request->checkpoint_dir = absl::StrCat(parent, "/traind-insight-", getpid());
  Keeper keeper;
  const core::StopSignal stop = core::StopWish::kNone;
  const auto begin = std::chrono::steady_clock::now();
  const auto trained = core::Train(*request, keeper, stop);
  const std::chrono::nanoseconds took = std::chrono::steady_clock::now() - begin;
  if (absl::Status status = core::RemoveAll(request->checkpoint_dir); !status.ok()) return status;
  if (!trained.ok() && !absl::IsAborted(trained.status())) return trained.status();
  job.mutable_trained()->set_seconds(took.count() / 1'000'000'000);
  job.mutable_trained()->set_nanos(static_cast<int32_t>(took.count() % 1'000'000'000));
  job.set_state(trained.ok() ? v1::JOB_STATE_SUCCEEDED : v1::JOB_STATE_FAILED);
  if (!trained.ok()) job.mutable_error()->set_message(std::string(trained.status().message()));
  return core::AtomicWrite(PathOf(run.id, folder), Packed(job, keeper.events));
}

bool IsRecorded(const Run& run, const std::string& folder) {
  const auto bytes = Read(run.id, folder);
  v1::Job job;
  return bytes.ok() && Unpack(*bytes, job, nullptr) && job.labels().count(kKey) > 0 &&
         job.labels().at(kKey) == KeyOf(run);
}

absl::StatusOr<Recording> Load(const std::string& id, const std::string& folder) {
  const auto bytes = Read(id, folder);
  if (!bytes.ok()) return bytes.status();
  Recording recording;
  if (!Unpack(*bytes, recording.job, &recording.events)) {
    return absl::DataLossError(absl::StrCat(PathOf(id, folder), " is damaged"));
  }
  const auto variance = recording.job.labels().find(kVariance);
  if (variance == recording.job.labels().end() || !absl::SimpleAtod(variance->second, &recording.target_variance)) {
    return absl::DataLossError(absl::StrCat(PathOf(id, folder), " has no target_variance"));
  }
  return recording;
}

}  // namespace traind::insight
