// `trainctl lr-find`: a learning-rate range test as a short job.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/flags.h"
#include "client/cli/interrupt.h"
#include "client/cli/job_view.h"
#include "client/cli/rate_range.h"
#include "client/cli/text.h"
#include "client/enum_names.h"
#include "client/names.h"
#include "client/parse_text.h"

namespace traind::client {
namespace {

struct LrFindOptions {
  std::string of;  // A job, or a job file.
  std::string job_id;
  std::vector<std::string> assignments;
  RangeTestPlan plan;
  bool keep = false;
};

bool IsFile(const std::string& text) {
  std::error_code error;
  return text == "-" || absl::StrContains(text, '.') || std::filesystem::is_regular_file(text, error);
}

// The spec to test. Nullopt: it has said what is wrong, and `code` is the exit code.
std::optional<JobFile> FileToTest(const Context& context, Client& client, const LrFindOptions& options, int& code) {
  if (IsFile(options.of)) return ReadJobFile(context, options.of, options.assignments, code);
  const absl::StatusOr<v1::Job> job = client.GetJob(JobName(options.of), v1::JOB_VIEW_SPEC);
  if (!job.ok()) {
    code = context.Fail(job.status());
    return std::nullopt;
  }
  absl::StatusOr<JobFile> file = JobFile::Parse(PrintText(job->spec()), absl::StrCat(job->name(), "'s job file"));
  if (!file.ok()) {
    code = context.Fail(file.status());
    return std::nullopt;
  }
  code = ApplyAssignments(context, options.assignments, *file);
  return code == kOk ? std::optional(*std::move(file)) : std::nullopt;
}

// What came of following the test.
struct Followed {
  std::vector<RatePoint> points;
  bool diverged = false;  // And was cancelled, or has ended with numbers that are not finite.
  v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
  std::string error;  // Of a job that has FAILED.
};

// Of the numbers of a step, or of a checkpoint after it; not of the examples.
bool SaysNotFinite(const std::string& error) {
  return absl::StrContains(error, "is not a finite number") ||
         (absl::StrContains(error, "the numbers after step") && absl::StrContains(error, "are not all finite"));
}

// Reads the job's events until it has ended; cancels it once the loss has diverged. CANCELLED: Ctrl-C.
absl::StatusOr<Followed> Follow(const Context& context, Client& client, const v1::Job& job, const RangeTestPlan& plan) {
  v1::WatchJobRequest request;
  request.set_name(job.name());
  request.set_uid(job.uid());
  request.add_kinds(v1::EVENT_KIND_STATE);
  request.add_kinds(v1::EVENT_KIND_TRAIN);
  const std::unique_ptr<JobWatch> watch = client.WatchJob(request);
  const Interrupt interrupt([&] { watch->Cancel(); });
  Followed followed;
  while (true) {
    const absl::StatusOr<std::optional<v1::Event>> event = watch->Next();
    if (interrupt.happened()) return absl::CancelledError("interrupted");
    if (!event.ok()) return event.status();
    if (!event->has_value()) return followed;
    if ((*event)->has_state()) {
      followed.state = (*event)->state().state();
      followed.error = (*event)->state().error().message();
      if (followed.state == v1::JOB_STATE_PAUSED) {
        context.Note(
            absl::StrCat(job.name(), " is PAUSED; `trainctl resume ", ShortName(job.name()), "` lets the test go on"));
      }
    }
    if (!(*event)->has_train() || followed.diverged) continue;
    const v1::TrainMetrics& train = (*event)->train();
    followed.points.push_back({.step = (*event)->step(), .rate = RateAt(plan, (*event)->step()), .loss = train.loss()});
    if (!HasDiverged(followed.points, plan.steps)) continue;
    followed.diverged = true;
    const absl::Status cancelled = client.CancelJob(job.name()).status();
    // It may have come to its own end meanwhile, which the next events tell.
    if (!cancelled.ok() && !absl::IsFailedPrecondition(cancelled)) return cancelled;
  }
}

void RemoveTest(const Context& context, Client& client, const std::string& job, bool keep) {
  if (keep) {
    context.Note(absl::StrCat(job, " is kept"));
  } else if (const absl::Status status = client.DeleteJob(job); !status.ok()) {
    context.Note(absl::StrCat("warning: ", job, " could not be deleted: ", status.message()));
  }
}

void PrintFound(const Context& context, const Followed& followed, const std::optional<RateFound>& found) {
  if (context.json) {
    nlohmann::json json = {{"diverged", followed.diverged}, {"points", nlohmann::json::array()}};
    for (const RatePoint& point : followed.points) {
      json["points"].push_back({{"step", point.step},
                                {"learning_rate", point.rate},
                                {"loss", std::isfinite(point.loss) ? nlohmann::json(point.loss) : nlohmann::json()}});
    }
    json["suggestion"] = found ? nlohmann::json(found->steepest) : nlohmann::json();
    json["lowest"] = found ? nlohmann::json(found->lowest) : nlohmann::json();
    context.out() << json.dump() << "\n";
  } else if (context.quiet) {
    if (found) context.out() << FormatNumber(found->steepest) << "\n";
  } else {
    context.out() << RenderRange(followed.points, found, std::clamp(context.console.width, 40, 100));
    if (found) context.out() << "suggestion: optimizer.learning_rate=" << FormatNumber(found->steepest) << "\n";
  }
}

int LrFindCommand(const Context& context, const LrFindOptions& options) {
  if (!(options.plan.first_rate < options.plan.last_rate)) {
    return context.Fail(absl::InvalidArgumentError("--from must be less than --to"));
  }
  Client client = context.MakeClient();
  int code = kOk;
  const std::optional<JobFile> file = FileToTest(context, client, options, code);
  if (!file) return code;
  if (file->is_network()) {
    return context.Fail(absl::InvalidArgumentError(
        absl::StrCat(options.of, " is a network alone; a range test needs a job file, with its data")));
  }
  if (const std::string left_out = LeftOut(file->spec()); !left_out.empty()) {
    context.Note(absl::StrCat("left out in the test: ", left_out));
  }
  if (file->spec().optimizer().has_batch_scaling()) {
    context.Note("optimizer.batch_scaling stays in the test: all rates are optimizer.learning_rate before it");
  }
  v1::CreateJobRequest request;
  *request.mutable_spec() = RangeTestSpec(file->spec(), options.plan);
  request.set_job_id(options.job_id);
  const absl::StatusOr<v1::Job> job = client.CreateJob(request);
  if (!job.ok()) return context.Fail(job.status(), &*file);
  context.Note(absl::StrCat(job->name(), ": ", options.plan.steps, " steps with a learning_rate from ",
                            options.plan.first_rate, " to ", options.plan.last_rate, "; Ctrl-C cancels it"));
  const absl::StatusOr<Followed> followed = Follow(context, client, *job, options.plan);
  if (!followed.ok()) {
    if (const absl::Status status = client.CancelJob(job->name()).status();
        !status.ok() && !absl::IsFailedPrecondition(status)) {
      context.Note(absl::StrCat("warning: ", job->name(), " could not be cancelled: ", status.message()));
    }
    if (!absl::IsCancelled(followed.status())) return context.Fail(followed.status());
    context.Note(absl::StrCat(job->name(), " was cancelled"));
    return kDetached;
  }
  Followed ended = *followed;
  // A job ends FAILED when its numbers are no longer finite, which is the end of the test, too.
  const bool cancelled_by_others = ended.state == v1::JOB_STATE_CANCELLED && !ended.diverged;
  if (ended.state == v1::JOB_STATE_FAILED) ended.diverged |= SaysNotFinite(ended.error);
  if (cancelled_by_others || (ended.state == v1::JOB_STATE_FAILED && !ended.diverged)) {
    context.err() << "error: " << job->name() << " " << EnumName(ended.state) << (ended.error.empty() ? "" : ": ")
                  << Printable(ended.error) << "\n";
    return cancelled_by_others ? kJobCancelled : kJobFailed;
  }
  const std::optional<RateFound> found = FindRate(ended.points);
  PrintFound(context, ended, found);
  if (ended.diverged) {
    context.Note(absl::StrCat("the loss diverged at step ", ended.points.empty() ? 0 : ended.points.back().step,
                              ", where the test ended"));
  } else if (found) {
    context.Note(absl::StrCat("the loss did not diverge up to ", options.plan.last_rate,
                              ": larger rates may do, too; see --to"));
  }
  RemoveTest(context, client, job->name(), options.keep);
  if (found) return kOk;
  context.err()
      << "error: the loss did not fall at any rate, so that none is suggested: take more --steps, other rates "
         "(--from, --to), or look for another fault (trainctl findings)\n";
  return kFailed;
}

}  // namespace

void AddLrFindCommand(CLI::App& app, Context& context) {
  CLI::App& command = *app.add_subcommand("lr-find", "Try learning rates from small to large in one short job");
  command.footer(
      "Examples:\n"
      "  trainctl lr-find job.textproto\n"
      "  trainctl lr-find cnn --steps 200 --to 1\n"
      "  trainctl lr-find cnn --set batch_size=256 --set optimizer.adam={}\n"
      "  trainctl run job.textproto --set optimizer.learning_rate=$(trainctl lr-find job.textproto -q)\n"
      "A range test (Smith 2017): the rate rises by the same factor in each step, from --from to --to. The rate at "
      "which "
      "the\n"
      "loss falls most steeply is suggested; the one where it is lowest is too large. The test ends when the loss "
      "diverges.\n"
      "It is a job of its own, which is deleted afterwards; schedule, evaluation and averages are left out of it. "
      "With\n"
      "batch_scaling all rates are those before it, as the job file says them. The exit code is 1 when no rate is\n"
      "suggested.");
  auto options = std::make_shared<LrFindOptions>();
  command.add_option("JOB", options->of, "Job whose job file is tested, or a job file; - reads the standard input")
      ->required();
  command.add_option("--steps", options->plan.steps, "Steps of the test; default 100")
      ->check(CLI::Range(10, 100000))
      ->type_name("N");
  const auto is_rate = [](const std::string& text) -> std::string {
    double rate = 0;
    if (absl::SimpleAtod(text, &rate) && rate >= 1e-12 && rate <= 1e6) return "";
    return absl::StrCat("wants a learning rate from 1e-12 to 1e6, not \"", text, "\"");
  };
  command.add_option("--from", options->plan.first_rate, "The first rate; default 1e-6")
      ->check(CLI::Validator(is_rate, ""))
      ->type_name("RATE");
  command.add_option("--to", options->plan.last_rate, "The last rate; default 10")
      ->check(CLI::Validator(is_rate, ""))
      ->type_name("RATE");
  command.add_option("--job-id", options->job_id, "Name of the test; default: the server makes one up")
      ->type_name("NEW");
  command.add_flag("--keep", options->keep, "Keep the job of the test");
  AddSet(command, options->assignments);
  command.callback(
      [&context, options] { context.action = [&context, options] { return LrFindCommand(context, *options); }; });
}

}  // namespace traind::client
