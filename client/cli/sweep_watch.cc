#include "client/cli/sweep_watch.h"

#include <unistd.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cli/sweep_entry.h"
#include "client/cli/sweep_view.h"
#include "client/cli/terminal.h"
#include "client/names.h"

namespace traind::client {
namespace {

constexpr absl::Duration kSweepLook = absl::Seconds(1);  // Between two looks at a sweep.
constexpr absl::Duration kLongLook = absl::Seconds(3);   // At one with many trials.
constexpr size_t kManyTrials = 200;
constexpr absl::Duration kGiveUp = absl::Seconds(150);  // Without an answer: time for a server to restart.
constexpr double kLookSeconds = 10;                     // Of one look, so that Ctrl-C is heard.
constexpr int kAllLines = 1 << 20;                      // More than any frame has.

// What a look at the sweep brings.
struct SweepLook {
  v1::Sweep sweep;
  std::vector<v1::Trial> trials;
};

class SweepFollower {
 public:
  SweepFollower(const Context& context, std::string name, const SweepWatchOptions& options)
      : context_(context),
        name_(std::move(name)),
        live_(context.console.out_is_terminal && !context.json && !context.quiet && !options.plain),
        client_(ClientOf(context)) {
    if (live_) screen_ = std::make_unique<LiveScreen>(context_.out());
  }

  int Run() {
    Signals signals;
    absl::Time answered = absl::Now();
    while (true) {
      absl::Status status = Look();
      if (status.ok()) {
        answered = absl::Now();
        connection_.clear();
      } else if (!Goes(status) || absl::Now() - answered > kGiveUp) {
        screen_.reset();
        return context_.Fail(status);
      } else {
        Lost(status);
      }
      if (!live_ && context_.out().fail()) return kFailed;  // The reader went away.
      if (status.ok() && IsTerminal(look_.sweep.state())) break;
      if (!Wait(signals)) return Leave();
    }
    if (live_) Draw();
    screen_.reset();
    if (!context_.json && !context_.quiet) {
      context_.out() << (live_ ? "\n" : "") << RenderSweepSummary(look_.sweep, context_.color() && live_);
    }
    const v1::SweepState state = look_.sweep.state();
    return state == v1::SWEEP_STATE_SUCCEEDED ? kOk : state == v1::SWEEP_STATE_FAILED ? kJobFailed : kJobCancelled;
  }

  int Snapshot() {
    if (const absl::Status status = LookAtTrials(); !status.ok()) return context_.Fail(status);
    context_.out() << RenderSweep(look_.sweep, look_.trials,
                                  {.width = context_.console.width,
                                   .height = kAllLines,
                                   .color = context_.color() && context_.console.out_is_terminal,
                                   .now = absl::Now(),
                                   .connection = ""});
    return kOk;
  }

 private:
  static bool Goes(const absl::Status& failure) { return IsRetryable(failure) || absl::IsDeadlineExceeded(failure); }

  Client ClientOf(const Context& context) {
    Context brief = context;
    if (brief.timeout_seconds == 0) brief.timeout_seconds = kLookSeconds;
    return brief.MakeClient([this](const absl::Status& failure, absl::Duration) { Lost(failure); });
  }

  void Lost(const absl::Status& failure) {
    if (!live_ && connection_.empty()) context_.Note("connection lost, trying again");
    connection_ = absl::StrCat("connection lost, trying again: ", failure.message());
    if (live_ && !look_.sweep.name().empty()) Draw();
  }

  // The sweep, then what was decided up to then at least.
  absl::Status Look() {
    if (live_) {
      const absl::Status status = LookAtTrials();
      if (status.ok()) Draw();
      return status;
    }
    if (absl::Status status = LookAtSweep(); !status.ok()) return status;
    if (context_.quiet && !context_.json) return absl::OkStatus();
    const auto entries = client_.ListSweepEntries(name_, sequence_);
    if (!entries.ok()) return entries.status();
    for (const v1::SweepEntry& entry : *entries) {
      sequence_ = entry.sequence();
      if (context_.json) {
        context_.PrintJson(entry);
      } else {
        context_.out() << PlainEntry(entry);
      }
    }
    context_.out() << std::flush;
    return absl::OkStatus();
  }

  absl::Status LookAtSweep() {
    absl::StatusOr<v1::Sweep> sweep = client_.GetSweep(name_);
    if (!sweep.ok()) return sweep.status();
    if (!look_.sweep.uid().empty() && look_.sweep.uid() != sweep->uid()) {
      return absl::NotFoundError(absl::StrCat(name_, " was deleted; another sweep has its name now"));
    }
    look_.sweep = *std::move(sweep);
    return absl::OkStatus();
  }

  absl::Status LookAtTrials() {
    if (absl::Status status = LookAtSweep(); !status.ok()) return status;
    absl::StatusOr<std::vector<v1::Trial>> trials = client_.ListTrials(name_);
    if (!trials.ok()) return trials.status();
    look_.trials = *std::move(trials);
    return absl::OkStatus();
  }

  void Draw() {
    const TerminalSize size = GetTerminalSize(STDOUT_FILENO);
    screen_->Draw(RenderSweep(look_.sweep, look_.trials,
                              {.width = size.width,
                               .height = size.height - 1,
                               .color = context_.color(),
                               .now = absl::Now(),
                               .connection = connection_}));
  }

  // Until the next look; false: Ctrl-C.
  bool Wait(Signals& signals) {
    const absl::Time next = absl::Now() + (look_.trials.size() > kManyTrials ? kLongLook : kSweepLook);
    while (!signals.interrupted() && absl::Now() < next) {
      if (signals.TakeResized() && live_ && !look_.sweep.name().empty()) {
        screen_->Clear();
        Draw();
      }
      absl::SleepFor(kFrameTime);
    }
    return !signals.interrupted();
  }

  int Leave() {
    screen_.reset();
    const std::string id = ShortName(name_);
    context_.Note(absl::StrCat("detached: ", name_, " goes on at the server\n  trainctl sweep watch ", id,
                               "    look at it again\n  trainctl sweep stop ", id,
                               "     end it well, with what it has found\n  trainctl sweep cancel ", id, "   end it"));
    return kDetached;
  }

  const Context& context_;
  const std::string name_;
  const bool live_;
  std::unique_ptr<LiveScreen> screen_;
  Client client_;
  SweepLook look_;
  int64_t sequence_ = 0;    // Of the newest entry that was told.
  std::string connection_;  // What is wrong with it; empty: nothing.
};

}  // namespace

void AddSweepWatchFlags(CLI::App& command, SweepWatchOptions& options) {
  command.add_flag("--plain", options.plain, "Lines, as in a pipe, also on a terminal");
}

int WatchSweep(const Context& context, const std::string& name, const SweepWatchOptions& options) {
  if (options.snapshot) return SweepFollower(context, name, {.plain = true}).Snapshot();
  return SweepFollower(context, name, options).Run();
}

}  // namespace traind::client
