#include "client/cli/sweep_entry.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "client/cli/job_view.h"
#include "client/cli/text.h"
#include "client/enum_names.h"

namespace traind::client {
namespace {

void AppendReason(absl::string_view reason, std::string& line) {
  if (!reason.empty()) absl::StrAppend(&line, " reason=\"", Printable(reason), "\"");
}

std::string EntryText(const v1::SweepEntry& entry) {
  std::string text;
  switch (entry.kind_case()) {
    case v1::SweepEntry::kChosen:
      text = "chosen";
      for (const v1::Assignment& one : entry.chosen().assignments()) {
        absl::StrAppend(&text, " ", one.parameter(), "=", Printable(one.value()));
      }
      if (entry.chosen().goal_step() > 0) absl::StrAppend(&text, " goal_step=", entry.chosen().goal_step());
      if (entry.chosen().parent() > 0) absl::StrAppend(&text, " parent=", entry.chosen().parent());
      break;
    case v1::SweepEntry::kPromoted:
      text = absl::StrCat("promoted rung=", entry.promoted().rung());
      if (entry.promoted().goal_step() > 0) absl::StrAppend(&text, " goal_step=", entry.promoted().goal_step());
      break;
    case v1::SweepEntry::kStopped:
      text = "stopped";
      AppendReason(entry.stopped().reason(), text);
      break;
    case v1::SweepEntry::kRerun:
      text = absl::StrCat("rerun attempt=", entry.rerun().attempt());
      break;
    case v1::SweepEntry::kTurn:
      text = absl::StrCat("state ", EnumName(entry.turn().state()));
      AppendReason(entry.turn().reason(), text);
      break;
    case v1::SweepEntry::kMeasured:
      text = absl::StrFormat("measured step=%d value=%.6g", entry.measured().measurement().step(),
                             entry.measured().measurement().value());
      break;
    case v1::SweepEntry::kArrived: {
      const v1::TrialArrived& arrived = entry.arrived();
      text = absl::StrCat("arrived ", EnumName(arrived.state()), " step=", arrived.step());
      if (arrived.has_objective()) absl::StrAppendFormat(&text, " objective=%.6g", arrived.objective());
      AppendReason(arrived.reason(), text);
      if (arrived.has_error()) absl::StrAppend(&text, " error=\"", Printable(arrived.error().message()), "\"");
      break;
    }
    case v1::SweepEntry::KIND_NOT_SET:
      text = "an entry that this trainctl does not know";
      break;
  }
  return text;
}

}  // namespace

std::string PlainEntry(const v1::SweepEntry& entry) {
  return absl::StrCat(absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", ToTime(entry.time()), absl::UTCTimeZone()), " ",
                      entry.trial() > 0 ? absl::StrCat("trial=", entry.trial(), " ") : "", EntryText(entry), "\n");
}

}  // namespace traind::client
