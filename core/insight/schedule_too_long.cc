// A schedule or a warm-up that has not reached its end when the job has.
#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

// Of a job, or of each round of a lottery ticket, for which the schedule begins anew.
struct JobLength {
  uint64_t steps = 0;
  uint64_t warmup = 0;
  std::string whose;
};

void LookAtWarmup(const JobLength& it, double most, double rate, const Facts& facts, std::vector<Sighting>& found) {
  const double share = static_cast<double>(it.warmup) / static_cast<double>(it.steps);
  const std::string what = absl::StrCat("optimizer.schedule.warmup_steps are ", it.warmup, ", and ", it.whose, " has ",
                                        it.steps, " steps: ");
  const uint64_t better = std::max<uint64_t>(1, it.steps / 10);
  Sighting& sighting =
      Add(found, it.warmup >= it.steps ? absl::StrCat(what, "learning_rate reaches ", 100 * it.steps / it.warmup,
                                                      " % of ", rate, ", and the rest of the schedule never comes")
                                       : absl::StrCat(what, "the learning rate is still rising in most of them"));
  sighting.Measured("warm-up / steps", share, v1::Evidence::RELATION_ABOVE, most)
      .Words(absl::StrCat("warm up over a tenth: warmup_steps: ", better));
  if (facts.given == nullptr) return;
  Patch("optimizer.schedule.warmup_steps", sighting)
      .mutable_optimizer()
      ->mutable_schedule()
      ->set_warmup_steps(static_cast<uint32_t>(better));
}

void LookAtDrops(const JobLength& it, uint32_t every, const Facts& facts, std::vector<Sighting>& found) {
  const uint64_t rest = it.steps - it.warmup;
  const uint64_t better = std::max<uint64_t>(1, rest / 3);
  Sighting& sighting = Add(
      found, absl::StrCat("optimizer.schedule.step.every_steps is ", every, ", and ", it.whose, " has ", rest, " steps",
                          it.warmup > 0 ? " behind the warm-up" : "", ": the learning rate never comes down"));
  sighting
      .Measured("steps to the first drop / steps", static_cast<double>(every) / static_cast<double>(rest),
                v1::Evidence::RELATION_ABOVE, 1)
      .Words(absl::StrCat("drop it twice: every_steps: ", better));
  if (facts.given == nullptr) return;
  Patch("optimizer.schedule.step.every_steps", sighting)
      .mutable_optimizer()
      ->mutable_schedule()
      ->mutable_step()
      ->set_every_steps(static_cast<uint32_t>(better));
}

void LookAtSchedule(const v1::ScheduleTooLongRule& config, const View& view, std::vector<Sighting>& found) {
  if (view.facts.spec == nullptr || view.facts.total_steps == 0) return;
  const v1::JobSpec& spec = *view.facts.spec;
  const v1::Schedule& schedule = spec.optimizer().schedule();
  const JobLength it = {.steps = view.facts.total_steps / (uint64_t{spec.lottery_ticket().rounds()} + 1),
                        .warmup = schedule.warmup_steps(),
                        .whose = spec.has_lottery_ticket() ? "each round" : "the job"};
  if (it.steps == 0) return;
  if (static_cast<double>(it.warmup) > config.most_warmup() * static_cast<double>(it.steps)) {
    LookAtWarmup(it, config.most_warmup(), spec.optimizer().learning_rate(), view.facts, found);
  } else if (schedule.has_step() && schedule.step().factor() < 1 && it.warmup < it.steps &&
             schedule.step().every_steps() >= it.steps - it.warmup) {
    LookAtDrops(it, schedule.step().every_steps(), view.facts, found);
  }
}

const Registered<Rule, v1::ScheduleTooLongRule> kScheduleTooLong(
    "A warm-up or a schedule that is not over when the job is.",
    [](v1::ScheduleTooLongRule& config, const FieldErrors& errors) {
      if (!config.has_most_warmup()) config.set_most_warmup(0.5);
      Require(config.most_warmup() > 0 && config.most_warmup() <= 1, errors, "most_warmup", "in (0, 1]",
              config.most_warmup());
      return std::make_unique<SimpleRule<v1::ScheduleTooLongRule>>(
          RuleTraits{.family = Family::kRate, .unless_improving = true, .at_once = true}, Source::kSpec, config,
          LookAtSchedule);
    });

}  // namespace
}  // namespace traind::core
