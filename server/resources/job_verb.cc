#include "server/resources/job_verb.h"

#include "server/resources/job_state.h"

namespace traind::server {
namespace {

using Effect = VerbRule::Effect;
using enum JobVerb;

constexpr VerbRule Moves(JobVerb verb, v1::JobState state, v1::JobState to) {
  return {verb, state, Effect::kMoves, to};
}
constexpr VerbRule Nothing(JobVerb verb, v1::JobState state) { return {verb, state, Effect::kNothing}; }
constexpr VerbRule Deletes(v1::JobState state) { return {kDelete, state, Effect::kDeletes}; }
constexpr VerbRule Refused(JobVerb verb, v1::JobState state, std::string_view instead) {
  return {verb, state, Effect::kRefused, v1::JOB_STATE_UNSPECIFIED, instead};
}

constexpr std::string_view kAwaitPaused = "wait until it is PAUSED";
constexpr std::string_view kAwaitCancelled = "wait until it is CANCELLED";
constexpr std::string_view kResumeFirst = "resume it first";
constexpr std::string_view kEndFirst = "only a job that has SUCCEEDED is extended; let it end, or stop it";
constexpr std::string_view kCancelFirst = "cancel it and wait for its end first";
constexpr std::string_view kIsOver = "it is over";

constexpr VerbRule kRules[] = {
    Moves(kCancel, v1::JOB_STATE_QUEUED, v1::JOB_STATE_CANCELLED),
    Moves(kCancel, v1::JOB_STATE_RUNNING, v1::JOB_STATE_CANCELLING),
    Moves(kCancel, v1::JOB_STATE_PAUSING, v1::JOB_STATE_CANCELLING),
    Moves(kCancel, v1::JOB_STATE_PAUSED, v1::JOB_STATE_CANCELLED),
    Moves(kCancel, v1::JOB_STATE_STOPPING, v1::JOB_STATE_CANCELLING),
    Nothing(kCancel, v1::JOB_STATE_CANCELLING),
    Refused(kCancel, v1::JOB_STATE_SUCCEEDED, kIsOver),
    Refused(kCancel, v1::JOB_STATE_FAILED, kIsOver),
    Nothing(kCancel, v1::JOB_STATE_CANCELLED),

    Moves(kPause, v1::JOB_STATE_QUEUED, v1::JOB_STATE_PAUSED),
    Moves(kPause, v1::JOB_STATE_RUNNING, v1::JOB_STATE_PAUSING),
    Nothing(kPause, v1::JOB_STATE_PAUSING),
    Nothing(kPause, v1::JOB_STATE_PAUSED),
    Refused(kPause, v1::JOB_STATE_STOPPING, "it ends in a moment; when it has SUCCEEDED, extend it to train on"),
    Refused(kPause, v1::JOB_STATE_CANCELLING, "it ends in a moment; when it is CANCELLED, resume it to train on"),
    Refused(kPause, v1::JOB_STATE_SUCCEEDED, kIsOver),
    Refused(kPause, v1::JOB_STATE_FAILED, kIsOver),
    Refused(kPause, v1::JOB_STATE_CANCELLED, kIsOver),

    Nothing(kResume, v1::JOB_STATE_QUEUED),
    Nothing(kResume, v1::JOB_STATE_RUNNING),
    Refused(kResume, v1::JOB_STATE_PAUSING, kAwaitPaused),
    Moves(kResume, v1::JOB_STATE_PAUSED, v1::JOB_STATE_QUEUED),
    Refused(kResume, v1::JOB_STATE_STOPPING, "it ends in a moment; when it has SUCCEEDED, extend it to train on"),
    Refused(kResume, v1::JOB_STATE_CANCELLING, kAwaitCancelled),
    Refused(kResume, v1::JOB_STATE_SUCCEEDED, "it is done; extend it to train on"),
    Moves(kResume, v1::JOB_STATE_FAILED, v1::JOB_STATE_QUEUED),
    Moves(kResume, v1::JOB_STATE_CANCELLED, v1::JOB_STATE_QUEUED),

    // Without a checkpoint of a step the two at once are refused, too: nothing was trained.
    Moves(kStop, v1::JOB_STATE_QUEUED, v1::JOB_STATE_SUCCEEDED),
    Moves(kStop, v1::JOB_STATE_RUNNING, v1::JOB_STATE_STOPPING),
    Refused(kStop, v1::JOB_STATE_PAUSING, kAwaitPaused),
    Moves(kStop, v1::JOB_STATE_PAUSED, v1::JOB_STATE_SUCCEEDED),
    Nothing(kStop, v1::JOB_STATE_STOPPING),
    Refused(kStop, v1::JOB_STATE_CANCELLING, "it ends in a moment, and leaves a checkpoint"),
    Nothing(kStop, v1::JOB_STATE_SUCCEEDED),
    Refused(kStop, v1::JOB_STATE_FAILED, kResumeFirst),
    Refused(kStop, v1::JOB_STATE_CANCELLED, kResumeFirst),

    Refused(kExtend, v1::JOB_STATE_QUEUED, kEndFirst),
    Refused(kExtend, v1::JOB_STATE_RUNNING, kEndFirst),
    Refused(kExtend, v1::JOB_STATE_PAUSING, kEndFirst),
    Refused(kExtend, v1::JOB_STATE_PAUSED, kEndFirst),
    Refused(kExtend, v1::JOB_STATE_STOPPING, "wait until it has SUCCEEDED"),
    Refused(kExtend, v1::JOB_STATE_CANCELLING, kAwaitCancelled),
    Moves(kExtend, v1::JOB_STATE_SUCCEEDED, v1::JOB_STATE_QUEUED),
    Refused(kExtend, v1::JOB_STATE_FAILED, kResumeFirst),
    Refused(kExtend, v1::JOB_STATE_CANCELLED, kResumeFirst),

    Refused(kDelete, v1::JOB_STATE_QUEUED, "cancel or pause it first"),
    Refused(kDelete, v1::JOB_STATE_RUNNING, kCancelFirst),
    Refused(kDelete, v1::JOB_STATE_PAUSING, kAwaitPaused),
    Deletes(v1::JOB_STATE_PAUSED),
    Refused(kDelete, v1::JOB_STATE_STOPPING, "wait until it has SUCCEEDED"),
    Refused(kDelete, v1::JOB_STATE_CANCELLING, kAwaitCancelled),
    Deletes(v1::JOB_STATE_SUCCEEDED),
    Deletes(v1::JOB_STATE_FAILED),
    Deletes(v1::JOB_STATE_CANCELLED),
};

constexpr VerbRule kUnknown = Refused(kCancel, v1::JOB_STATE_UNSPECIFIED, "this server does not know such a state");

constexpr const VerbRule& Find(JobVerb verb, v1::JobState state) {
  for (const VerbRule& rule : kRules) {
    if (rule.verb == verb && rule.state == state) return rule;
  }
  return kUnknown;
}

constexpr bool MovesAreLegal() {
  for (const VerbRule& rule : kRules) {
    if (rule.effect == Effect::kMoves && !IsLegal(rule.state, rule.to)) return false;
  }
  return true;
}
static_assert(MovesAreLegal());

}  // namespace

absl::Span<const VerbRule> VerbRules() { return kRules; }

const VerbRule& RuleOf(JobVerb verb, v1::JobState state) { return Find(verb, state); }

std::string_view MethodOf(JobVerb verb) {
  switch (verb) {
    case kCancel:
      return "CancelJob";
    case kPause:
      return "PauseJob";
    case kResume:
      return "ResumeJob";
    case kStop:
      return "StopJob";
    case kExtend:
      return "ExtendJob";
    case kDelete:
      return "DeleteJob";
  }
  return "";
}

}  // namespace traind::server
