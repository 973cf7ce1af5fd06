// Rules over tensors: what is refused, with its field, and what is warned of.
#include "core/job/resolve_parameter_rules.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/job/resolve.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/datasets.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;
using testing::UnorderedElementsAre;

// An epoch has 600 steps.
ResolvedJob Resolve(const std::string& more, std::map<std::string, std::string>* problems = nullptr) {
  auto spec = FromText<v1::JobSpec>(
      "network { layers { name: 'conv1' conv2d { out_channels: 4 kernel: 3 } } layers { name: 'norm1' batch_norm {} } "
      "layers { name: 'logits' dense { units: 10 } } } data { dataset: 'images' preprocessing { standardize {} } } "
      "batch_size: 100");
  spec.MergeFrom(FromText<v1::JobSpec>(more));
  FieldErrors::Root errors;
  const auto dataset = FindTestDataset("images");
  ResolvedJob job = *ResolveJob(spec, &*dataset, 4, errors.scope());
  for (const auto& violation : errors.violations().field_violations()) {
    if (problems != nullptr) (*problems)[violation.field()] = violation.description();
  }
  if (problems == nullptr) {
    EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  }
  return job;
}

std::map<std::string, std::string> ProblemsOf(const std::string& more) {
  std::map<std::string, std::string> problems;
  Resolve(more, &problems);
  return problems;
}

TEST(ResolveParameterRules, EpochsBecomeSteps) {
  const ResolvedJob job =
      Resolve("epochs: 5 parameter_rules { parameters: 'conv1.*' frozen: true unfreeze_after_epochs: 1.5 }");
  EXPECT_EQ(job.spec.parameter_rules(0).unfreeze_after_steps(), 900u);
  EXPECT_EQ(job.spec.parameter_rules(0).unfreeze_after_epochs(), 0);
}

TEST(ResolveParameterRules, WhatCannotBeIsRefusedWithItsField) {
  const std::string rule = "parameter_rules[0]";
  const struct {
    std::string text, field, says;
  } cases[] = {
      {"parameter_rules {}", rule + ".parameters", "is required"},
      {"parameter_rules { parameters: 'con1.*' frozen: true }", rule + ".parameters",
       "matches no trained tensor of the network; the nearest names are conv1."},
      {"parameter_rules { parameters: '*.running_mean' frozen: true }", rule + ".parameters", "no trained tensor"},
      {"parameter_rules { parameters: 'conv1.*' frozen: true } parameter_rules { parameters: 'conv1.bias' frozen: true "
       "}",
       "parameter_rules[1].parameters", "decides nothing: rules before it"},
      {"parameter_rules { parameters: '*' frozen: true }", "parameter_rules", "freeze every tensor"},
      {"parameter_rules { parameters: '*' learning_rate_multiplier: 0 }", rule + ".learning_rate_multiplier",
       "above 0 and at most 1000"},
      {"parameter_rules { parameters: '*' layer_decay: 1.5 }", rule + ".layer_decay", "at most 1, not 1.5"},
      {"parameter_rules { parameters: '*' weight_decay_multiplier: 2 }", rule + ".weight_decay_multiplier",
       "the optimizer has no weight decay"},
      {"optimizer { sgd {} weight_decay: 0.1 } parameter_rules { parameters: '*' weight_decay_multiplier: 2 "
       "weight_decay: 1 }",
       rule + ".weight_decay_multiplier", "leave one out"},
      {"optimizer { sgd {} coupled_weight_decay: 0.1 } parameter_rules { parameters: '*' weight_decay: 1 }",
       rule + ".weight_decay", "say coupled_weight_decay here"},
      {"optimizer { adamw {} } parameter_rules { parameters: '*' coupled_weight_decay: 1 }",
       rule + ".coupled_weight_decay", "say weight_decay here"},
      {"parameter_rules { parameters: '*' weight_decay: -1 }", rule + ".weight_decay", "at least 0"},
      {"parameter_rules { parameters: 'conv1.*' unfreeze_after_steps: 3 }", rule + ".unfreeze_after_steps",
       "needs frozen: true"},
      {"parameter_rules { parameters: 'conv1.*' frozen: true layer_decay: 0.5 }", rule + ".frozen", "never act"},
      {"parameter_rules { parameters: 'conv1.*' frozen: true unfreeze_after_steps: 3 unfreeze_after_epochs: 1 }",
       rule + ".unfreeze_after_epochs", "together with"},
      {"lottery_ticket { rounds: 2 } parameter_rules { parameters: 'conv1.*' frozen: true }", rule + ".frozen",
       "lottery_ticket"},
      {"batch_size: 60000 optimizer { lbfgs {} } parameter_rules { parameters: '*' learning_rate_multiplier: 2 }", rule,
       "lbfgs"},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.text);
    EXPECT_THAT(ProblemsOf(one.text), Contains(Pair(one.field, HasSubstr(one.says))));
  }
}

TEST(ResolveParameterRules, NoMoreThanSixteenPlans) {
  std::string rules;
  for (int i = 1; i <= 17; ++i) {
    absl::StrAppend(&rules, "parameter_rules { parameters: 'conv1.weight' frozen: true unfreeze_after_steps: ", i,
                    " } ");
  }
  EXPECT_THAT(ProblemsOf(rules), Contains(Pair("parameter_rules", HasSubstr("unfreeze at 17 different steps"))));
}

TEST(ResolveParameterRules, WhatNeverHappensAndWhatStaysRandomIsWarnedOf) {
  const std::string conv = "parameter_rules { parameters: 'conv1.*' frozen: true unfreeze_after_steps: ";
  EXPECT_THAT(
      Resolve(conv + "50 } steps: 50").warnings,
      Contains(HasSubstr("\"conv1.*\" is never unfrozen: unfreeze_after_steps is 50, and the job has 50 steps")));
  EXPECT_THAT(Resolve(conv + "50 } steps: 51").warnings, Not(Contains(HasSubstr("never unfrozen"))));
  EXPECT_THAT(Resolve(conv + "50 } steps: 51").warnings, Contains(HasSubstr("they stay random")));
}

// The last minibatch of 101 examples has one of them.
TEST(ResolveParameterRules, AFrozenBatchNormMindsNoSmallMinibatch) {
  const std::string one = "data { max_train_examples: 101 } batch_size: 100 steps: 50 ",
                    frozen = "parameter_rules { parameters: 'norm1.*' frozen: true } ";
  EXPECT_THAT(Resolve(one).warnings, Contains(HasSubstr("has one example, over which layer \"norm1\"")));
  EXPECT_THAT(Resolve(one + frozen).warnings, Not(Contains(HasSubstr("has one example"))));
  EXPECT_THAT(Resolve("batch_size: 4").warnings, Contains(HasSubstr("over a minibatch of 4 examples")));
  EXPECT_THAT(Resolve("batch_size: 4 " + frozen).warnings, Not(Contains(HasSubstr("over a minibatch of"))));
}

TEST(ResolveParameterRules, DataInitializationGoesWithNoWeights) {
  EXPECT_THAT(ProblemsOf("initial_weights { model: 'models/m' } data_initialization { lsuv {} }"),
              Contains(Pair("data_initialization", HasSubstr("initial_weights or network.from"))));
}

}  // namespace
}  // namespace traind::core
