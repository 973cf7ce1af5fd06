#include "core/job/resolve_initialization.h"

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/kind.h"
#include "core/base/require.h"
#include "core/data_initialization/data_initializer.h"
#include "core/job/duration.h"

namespace traind::core {
namespace {

// A bound far above use: the memory that a job may reserve is what limits the copies.
constexpr uint64_t kMaxMinibatches = 65536;

// Null after a violation, which ResolveDataInitialization reports.
std::unique_ptr<DataInitializer> InitializerOf(v1::DataInitialization config) {
  FieldErrors::Root reported;
  return Registry<DataInitializer>::Get().Create(config, reported.scope());
}

}  // namespace

void ResolveDataInitialization(v1::DataInitialization& config, uint64_t most_minibatches, const FieldErrors& errors) {
  Registry<DataInitializer>::Get().Create(config, errors);
  if (!config.has_minibatches()) config.set_minibatches(1);
  const uint64_t limit = std::min(most_minibatches > 0 ? most_minibatches : kMaxMinibatches, kMaxMinibatches);
  if (config.minibatches() < 1 || config.minibatches() > limit) {
    errors.At("minibatches")
        .Add(absl::StrCat("must be 1 to ", limit, limit == most_minibatches ? ", those of an epoch" : "", ", not ",
                          config.minibatches()));
  }
}

bool NeedsGradients(const v1::DataInitialization& config) {
  const auto initializer = InitializerOf(config);
  return initializer != nullptr && initializer->needs_gradients();
}

void CheckDataInitialization(const v1::DataInitialization& config, const Graph& graph, const FieldErrors& errors) {
  const auto initializer = InitializerOf(config);
  if (initializer != nullptr) initializer->Check(graph, AtKind(config, errors));
}

MemoryOptions::Initialization InitializationOf(const v1::DataInitialization& config) {
  return NeedsGradients(config) ? MemoryOptions::Initialization::kGradients : MemoryOptions::Initialization::kOutputs;
}

void ResolveLotteryTicket(v1::JobSpec& spec, uint64_t steps_per_epoch, const FieldErrors& errors) {
  if (!spec.has_lottery_ticket()) return;
  v1::LotteryTicket& ticket = *spec.mutable_lottery_ticket();
  const FieldErrors at = errors.At("lottery_ticket");
  if (!ticket.has_prune_rate()) ticket.set_prune_rate(0.2);
  Require(ticket.rounds() >= 1, at, "rounds", "at least 1", ticket.rounds());
  Require(ticket.prune_rate() > 0 && ticket.prune_rate() < 1, at, "prune_rate", "above 0 and below 1",
          ticket.prune_rate());
  const bool known = spec.has_steps() || steps_per_epoch > 0;
  const uint64_t round = RoundSteps(spec, steps_per_epoch);
  if (!known || round >= kMaxSteps) return;  // The latter has been reported.
  if (round == 0) {
    at.Add("has nothing to prune after a round of no steps");
  } else if (ticket.rewind_step() >= round) {
    at.At("rewind_step")
        .Add(absl::StrCat("must be less than the ", round, " steps of a round, not ", ticket.rewind_step()));
  }
  if (round > 0 && uint64_t{ticket.rounds()} + 1 >= (kMaxSteps + round - 1) / round) {
    at.At("rounds").Add(absl::StrCat("and one more of ", round, " steps each are too many steps; all together must be ",
                                     "less than 2^40"));
  }
}

}  // namespace traind::core
