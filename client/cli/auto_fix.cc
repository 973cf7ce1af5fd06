#include "client/cli/auto_fix.h"

#include <algorithm>
#include <optional>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/finding_view.h"
#include "client/cli/interrupt.h"
#include "client/cli/job_view.h"
#include "client/cli/text.h"
#include "client/cli/trial.h"
#include "client/names.h"

namespace traind::client {
namespace {

// A fix that was tried.
struct Attempt {
  std::string finding;  // Its id.
  std::string result;   // In a sentence.
};

// The job that is watched now, and what became of it before.
class AutoFix {
 public:
  AutoFix(const Context& context, const std::string& name, int most)
      : context_(context), client_(context.MakeClient()), base_(ShortName(name)), name_(name), most_(most) {}

  int Watch(WatchOptions options) {
    while (true) {
      std::optional<v1::Finding> fault;
      options.after_sequence = IsLive(context_, options) ? 0 : seen_;
      options.until = [&](const v1::Event& event) {
        seen_ = std::max(seen_, event.sequence());
        if (event.has_finding() && Wants(event.finding())) fault = event.finding();
        return fault.has_value();
      };
      const int code = WatchJob(context_, name_, options);
      if (!fault) {
        Summarize();
        return code;
      }
      if (const int tried = Try(*fault); tried != kOk) {
        Summarize();
        return tried;
      }
    }
  }

 private:
  bool Wants(const v1::Finding& finding) const {
    return attempts_.size() < static_cast<size_t>(most_) && finding.state() == v1::Finding::STATE_OPEN &&
           finding.severity() >= v1::Finding::SEVERITY_WARNING && finding.root().empty() &&
           !finding.fix().mask().paths().empty() && !tried_.contains(finding.id());
  }

  // kOk: the watch goes on, with name_.
  int Try(const v1::Finding& finding) {
    tried_.insert(finding.id());
    context_.Note(absl::StrCat("auto-fix ", attempts_.size() + 1, " of ", most_, ": ", name_, ": ",
                               Printable(DescribeFinding(finding))));
    bool paused = false;
    if (const int code = Pause(paused); code != kOk) return code;
    int code = kOk;
    const std::optional<TrialOutcome> outcome = Trial(finding, code);
    if (outcome && outcome->verdict.helps) {
      attempts_.push_back({finding.id(), absl::StrCat(outcome->verdict.sentence, " (", outcome->fixed.job, ")")});
      return GoOnWith(*outcome);
    }
    if (outcome) {
      attempts_.push_back({finding.id(), absl::StrCat(outcome->verdict.sentence, " (", outcome->fixed.job, ")")});
      for (const std::string& job : {outcome->fixed.job, outcome->control.job}) {
        if (const absl::Status status = EndTrialJob(client_, job); !status.ok()) return context_.Fail(status);
      }
    } else {
      attempts_.push_back({finding.id(), "could not be tried"});
      if (code == kJobCancelled || code == kNoServer) {  // Ctrl-C, or nobody answers.
        if (paused) context_.Note(absl::StrCat(name_, " is PAUSED: `trainctl resume ", ShortName(name_), "`"));
        return code;
      }
    }
    if (!paused) return kOk;  // It has ended; the watch says how.
    const absl::StatusOr<v1::Job> job = client_.ResumeJob(name_);
    if (!job.ok()) return context_.Fail(job.status());
    context_.Note(absl::StrCat(name_, " goes on as it was"));
    return kOk;
  }

  // Pauses the job and waits for it; `paused` is false when it has ended instead.
  int Pause(bool& paused) {
    const Interrupt interrupt;
    const absl::Status asked = client_.PauseJob(name_).status();
    if (!asked.ok() && !absl::IsFailedPrecondition(asked)) return context_.Fail(asked);
    while (true) {
      const absl::StatusOr<v1::Job> job = client_.GetJob(name_, v1::JOB_VIEW_BASIC);
      if (!job.ok()) return context_.Fail(job.status());
      paused = job->state() == v1::JOB_STATE_PAUSED;
      if (paused || IsTerminal(job->state())) return kOk;
      if (interrupt.happened()) {
        context_.Note(absl::StrCat("detached: ", name_, " is being paused"));
        return kDetached;
      }
      interrupt.notification()->WaitForNotificationWithTimeout(kFrameTime);
    }
  }

  std::optional<TrialOutcome> Trial(const v1::Finding& finding, int& code) {
    const auto fail = [&](const absl::Status& status) {
      code = context_.Fail(status);
      return std::nullopt;
    };
    const absl::StatusOr<FoundFault> fault = FindFault(client_, name_, finding.id());
    if (!fault.ok()) return fail(fault.status());
    const absl::StatusOr<TrialPlan> plan =
        PlanTrial(client_, *fault, {.steps = std::nullopt, .fixed_id = "", .base = base_});
    if (!plan.ok()) return fail(plan.status());
    SayPlan(context_, *plan);
    std::optional<TrialOutcome> outcome = RunTrial(context_, client_, *plan, finding.id(), code);
    if (outcome && context_.json) {
      context_.out() << TrialJson(*fault, *plan, *outcome) << std::endl;
    } else if (outcome && !context_.quiet) {
      context_.out() << "\n" << RenderTrial(*outcome, context_.console.width, context_.color()) << std::flush;
    }
    return outcome;
  }

  // The job with the fix takes the place of the one without.
  int GoOnWith(const TrialOutcome& outcome) {
    const std::string before = name_;
    absl::Status status = EndTrialJob(client_, outcome.control.job);
    if (status.ok()) status = EndTrialJob(client_, before);
    if (!status.ok()) return context_.Fail(status);
    LabelJob(context_, client_, before, kFixedBy, ShortName(outcome.fixed.job));
    if (outcome.fixed.state == v1::JOB_STATE_PAUSED) {
      const absl::StatusOr<v1::Job> job = client_.ResumeJob(outcome.fixed.job);
      if (!job.ok()) return context_.Fail(job.status());
    }
    name_ = outcome.fixed.job;
    seen_ = 0;
    context_.Note(absl::StrCat(name_, " goes on in the place of ", before));
    return kOk;
  }

  void Summarize() const {
    if (context_.json || context_.quiet) return;
    context_.out() << "fixes tried: " << (attempts_.empty() ? "none" : absl::StrCat(attempts_.size())) << "\n";
    for (const Attempt& attempt : attempts_) {
      context_.out() << "  " << Printable(attempt.finding) << ": " << Printable(attempt.result) << "\n";
    }
  }

  const Context& context_;
  Client client_;
  const std::string base_;  // Of the names of trials.
  std::string name_;        // "jobs/{id}".
  const int most_;
  int64_t seen_ = 0;             // Newest event of name_ that was told.
  std::set<std::string> tried_;  // Ids of findings.
  std::vector<Attempt> attempts_;
};

}  // namespace

int WatchAndFix(const Context& context, const std::string& name, const WatchOptions& options, int most) {
  return AutoFix(context, name, most).Watch(options);
}

}  // namespace traind::client
