// What an optimizer means in a job: lengths, the rate for the batch size, and what is refused and warned of.
#include "core/job/resolve_optimizer.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/job/resolve.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/datasets.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// Of images, 60000 of them to train on: an epoch has 600 steps.
v1::JobSpec Spec(const std::string& more) {
  auto spec = FromText<v1::JobSpec>(
      "network { layers { name: 'logits' dense { units: 10 } } } data { dataset: 'images' preprocessing { standardize "
      "{} } } batch_size: 100");
  spec.MergeFrom(FromText<v1::JobSpec>(more));
  return spec;
}

ResolvedJob Resolve(const v1::JobSpec& spec, std::vector<std::string>* fields = nullptr) {
  FieldErrors::Root errors;
  const auto dataset = FindTestDataset("images");
  ResolvedJob job = *ResolveJob(spec, &*dataset, 4, errors.scope());
  if (fields == nullptr) {
    EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  } else {
    for (const auto& violation : errors.violations().field_violations()) fields->push_back(violation.field());
  }
  return job;
}

v1::Optimizer OptimizerOf(const std::string& more) {
  const ResolvedJob job = Resolve(Spec(more));
  EXPECT_EQ(Resolve(job.spec).spec.optimizer().DebugString(), job.spec.optimizer().DebugString());
  return job.spec.optimizer();
}

std::vector<std::string> Warnings(const std::string& more) { return Resolve(Spec(more)).warnings; }

TEST(ResolveOptimizerOfAJob, EpochsBecomeSteps) {
  const v1::Optimizer wide = OptimizerOf(
      "epochs: 200 optimizer { sgd {} schedule { multistep { milestone_epochs: [ 60, 120, 160 ] factor: 0.2 } "
      "warmup_epochs: 0.5 } }");
  EXPECT_THAT(wide.schedule().multistep().milestone_steps(), ElementsAre(36000, 72000, 96000));
  EXPECT_EQ(wide.schedule().warmup_steps(), 300u);
  EXPECT_EQ(wide.schedule().warmup_epochs(), 0);
  const v1::Optimizer root = OptimizerOf("optimizer { sgd {} schedule { inverse_square_root {} warmup_epochs: 2 } }");
  EXPECT_EQ(root.schedule().inverse_square_root().timescale_steps(), 1200u);
  const v1::Optimizer swa = OptimizerOf("epochs: 8 optimizer { sgd {} swa {} }");
  EXPECT_EQ(swa.swa().begin_steps(), 3600u);
  EXPECT_EQ(swa.swa().every_steps(), 600u);
}

// Three in the last quarter at least, the last of them after the last step.
TEST(ResolveOptimizerOfAJob, SwaAveragesSeveralInTheLastQuarter) {
  const std::vector<std::pair<std::string, std::pair<uint64_t, uint32_t>>> cases = {
      {"epochs: 1 optimizer { sgd {} swa {} }", {450, 75}},
      {"epochs: 3 optimizer { sgd {} swa {} }", {1350, 225}},
      {"epochs: 22 optimizer { sgd {} swa {} }", {10200, 600}},  // Five epochs and a half.
      {"steps: 3001 optimizer { sgd {} swa {} }", {2251, 375}},
      {"epochs: 3 optimizer { sgd {} swa { begin_epochs: 2 } }", {1200, 300}},
      {"epochs: 3 optimizer { sgd {} swa { every_steps: 100 } }", {1400, 100}},
  };
  for (const auto& [more, expected] : cases) {
    const v1::Swa swa = OptimizerOf(more).swa();
    EXPECT_EQ(swa.begin_steps(), expected.first) << more;
    EXPECT_EQ(swa.every_steps(), expected.second) << more;
    EXPECT_THAT(Warnings(more), IsEmpty()) << more;
  }
}

// A step is an update: an epoch of 600 minibatches has 150 of four.
TEST(ResolveOptimizerOfAJob, AccumulatedMinibatchesMakeFewerSteps) {
  const ResolvedJob job =
      Resolve(Spec("epochs: 3 optimizer { sgd {} accumulate_batches: 4 schedule { step { "
                   "every_epochs: 2 } } }"));
  EXPECT_EQ(job.spec.evaluation().every_steps(), 150u);
  EXPECT_EQ(job.spec.optimizer().schedule().step().every_steps(), 300u);
  const ResolvedJob plain = Resolve(Spec("epochs: 3 optimizer { sgd {} }"));
  EXPECT_GT(job.memory_bound_bytes, plain.memory_bound_bytes);
}

TEST(ResolveOptimizerOfAJob, TheRateIsScaledToTheBatch) {
  const v1::Optimizer linear = OptimizerOf(
      "optimizer { sgd {} learning_rate: 0.1 accumulate_batches: 4 batch_scaling { base_batch_size: 50 } }");
  EXPECT_DOUBLE_EQ(linear.learning_rate(), 0.8);
  EXPECT_FALSE(linear.has_batch_scaling());
  const v1::Optimizer root =
      OptimizerOf("optimizer { adam {} batch_scaling { rule: RULE_SQUARE_ROOT base_batch_size: 25 } }");
  EXPECT_DOUBLE_EQ(root.learning_rate(), 0.002);
  EXPECT_THAT(Warnings("optimizer { sgd {} learning_rate: 0.1 batch_scaling { base_batch_size: 10 } }"),
              ElementsAre(HasSubstr("learning_rate of 1, for a batch of 100 instead of 10, from the first step on")));
  EXPECT_THAT(Warnings("optimizer { sgd {} learning_rate: 0.1 batch_scaling { base_batch_size: 10 } schedule { "
                       "warmup_epochs: 1 } }"),
              IsEmpty());
}

TEST(ResolveOptimizerOfAJob, WarnsOfWhatNeverHappens) {
  EXPECT_THAT(Warnings("steps: 100 optimizer { sgd {} schedule { multistep { milestone_steps: [ 50, 100 ] } } }"),
              ElementsAre(HasSubstr("the milestone at step 100 is never reached, because the job has 100 steps")));
  EXPECT_THAT(Warnings("steps: 100 optimizer { sgd {} schedule { multistep { milestone_steps: 99 } } }"), IsEmpty());
  const std::string held_out = "data { validation_fraction: 0.5 } ";  // Otherwise it chooses by the test split.
  EXPECT_THAT(Warnings(held_out + "epochs: 10 optimizer { sgd {} schedule { plateau {} } }"),
              ElementsAre(HasSubstr("plateau never acts: its patience is 10 evaluations, and the whole job has 10")));
  EXPECT_THAT(Warnings(held_out + "epochs: 10 optimizer { sgd {} schedule { plateau { patience: 3 } } }"), IsEmpty());
  EXPECT_THAT(Warnings("steps: 100 optimizer { sgd {} swa { begin_steps: 101 } }"),
              ElementsAre(HasSubstr("swa never begins")));
  EXPECT_THAT(Warnings("steps: 100 optimizer { sgd {} swa { begin_steps: 50 every_steps: 51 } }"),
              ElementsAre(HasSubstr("swa averages nothing: it takes the weights after step 50 alone")));
  EXPECT_THAT(Warnings("steps: 100 optimizer { sgd {} swa { begin_steps: 50 every_steps: 50 } }"), IsEmpty());
  EXPECT_THAT(Warnings("steps: 100 optimizer { sgd {} lookahead { every_steps: 200 } }"),
              ElementsAre(HasSubstr("lookahead never acts")));
  EXPECT_THAT(Warnings("steps: 100 optimizer { sgd {} ema {} }"),
              ElementsAre(HasSubstr("the average remembers 1000 updates, and the job has 100")));
  EXPECT_THAT(Warnings("steps: 100 optimizer { sgd {} ema { ramp: true } }"), IsEmpty());
  EXPECT_THAT(Warnings("steps: 100 optimizer { sgd {} schedule { exponential { factor: 1e9 every_steps: 10 } } }"),
              ElementsAre(HasSubstr("the learning rate rises to")));
  EXPECT_THAT(Warnings("optimizer { sgd {} accumulate_batches: 601 }"),
              ElementsAre(HasSubstr("accumulate_batches is 601, and an epoch has 600 minibatches")));
  EXPECT_THAT(Warnings("optimizer { sgd {} accumulate_batches: 600 }"), IsEmpty());
  EXPECT_THAT(Warnings("epochs: 100 optimizer { lion {} weight_decay: 0.1 }"), Not(Contains(HasSubstr("PyTorch"))));
}

TEST(ResolveOptimizerOfAJob, LbfgsTakesAllExamplesInAStep) {
  EXPECT_THAT(Warnings("batch_size: 60000 epochs: 9 optimizer { lbfgs {} }"), IsEmpty());
  EXPECT_THAT(Warnings("epochs: 9 optimizer { lbfgs {} accumulate_batches: 600 }"), IsEmpty());
  EXPECT_THAT(Warnings("batch_size: 7 epochs: 9 optimizer { lbfgs {} accumulate_batches: 8572 }"), IsEmpty());
  const auto message = [](const std::string& more) {
    FieldErrors::Root errors;
    const auto dataset = FindTestDataset("images");
    EXPECT_TRUE(ResolveJob(Spec(more), &*dataset, 4, errors.scope()).ok());
    return std::string(errors.ToStatus().message());
  };
  EXPECT_THAT(message("optimizer { lbfgs {} }"),
              AllOf(HasSubstr("batch_size: must be 60000, all training examples, with the optimizer lbfgs"),
                    HasSubstr("keep 100 and say optimizer.accumulate_batches: 600,")));
  EXPECT_THAT(message("optimizer { lbfgs {} accumulate_batches: 599 }"), HasSubstr("accumulate_batches: 600,"));
  EXPECT_THAT(message("batch_size: 7 last_batch: LAST_BATCH_DROP optimizer { lbfgs {} accumulate_batches: 9000 }"),
              HasSubstr("accumulate_batches: 8572 and last_batch: KEEP"));
}

TEST(ResolveOptimizerOfAJob, LbfgsRefusesClipping) {
  for (const std::string field : {"clip_norm", "clip_value"}) {
    std::vector<std::string> fields;
    Resolve(Spec("batch_size: 60000 epochs: 9 optimizer { lbfgs {} " + field + ": 1 }"), &fields);
    EXPECT_THAT(fields, ElementsAre("optimizer." + field));
  }
}

// Frozen to the end, it takes its running statistics in each step.
TEST(ResolveOptimizerOfAJob, AFrozenBatchNormNormalizesOverNoMinibatch) {
  const auto fields = [](const std::string& rule) {
    v1::JobSpec spec = Spec("epochs: 8 optimizer { sgd {} swa {} } " + rule);
    *spec.mutable_network()->add_layers() = FromText<v1::Layer>("name: 'norm' batch_norm {}");
    spec.mutable_network()->mutable_layers()->SwapElements(0, 1);
    std::vector<std::string> found;
    Resolve(spec, &found);
    return found;
  };
  EXPECT_THAT(fields(""), ElementsAre("optimizer.swa"));
  EXPECT_THAT(fields("parameter_rules { parameters: 'norm.weight' frozen: true }"), ElementsAre("optimizer.swa"));
  EXPECT_THAT(fields("parameter_rules { parameters: 'norm.*' frozen: true unfreeze_after_epochs: 2 }"),
              ElementsAre("optimizer.swa"));
  EXPECT_THAT(fields("parameter_rules { parameters: 'norm.*' frozen: true }"), IsEmpty());
}

// Two copies of the 7850 weights for each pair.
TEST(ResolveOptimizerOfAJob, TheHistoryOfLbfgsIsInTheMemoryBound) {
  const auto bound = [](const std::string& history) {
    return Resolve(Spec("optimizer { accumulate_batches: 600 lbfgs { history_size: " + history + " } }"))
        .memory_bound_bytes;
  };
  EXPECT_GE(bound("20") - bound("1"), 2 * 19 * 7850 * 4);
}

TEST(ResolveOptimizerOfAJob, LbfgsWarnsOfWhatIsAnotherInEachStep) {
  const auto warnings = [](const std::string& layer, const std::string& more) {
    v1::JobSpec spec = Spec(more);
    if (!layer.empty()) {
      *spec.mutable_network()->add_layers() = FromText<v1::Layer>("name: 'it' " + layer);
      spec.mutable_network()->mutable_layers()->SwapElements(0, 1);
    }
    return Resolve(spec).warnings;
  };
  const std::string whole = "batch_size: 60000 optimizer { lbfgs {} } ",
                    parts = "optimizer { lbfgs {} accumulate_batches: 600 } ";
  EXPECT_THAT(warnings("dropout {}", whole), ElementsAre(HasSubstr("layer \"it\" is another in each step")));
  EXPECT_THAT(warnings("batch_norm {}", whole), IsEmpty());
  EXPECT_THAT(warnings("batch_norm {}", parts), ElementsAre(HasSubstr("layer \"it\" is another in each step")));
  EXPECT_THAT(warnings("batch_norm {}", parts + "parameter_rules { parameters: 'it.*' frozen: true }"),
              Not(Contains(HasSubstr("is another in each step"))));
  EXPECT_THAT(warnings("dropout {}", whole + "data { augmentation { horizontal_flip {} } }"),
              Contains(HasSubstr("data.augmentation, layer \"it\" are another in each step")));
  EXPECT_THAT(warnings("dropout {}", "optimizer { adam {} }"), IsEmpty());
}

TEST(ResolveOptimizerOfAJob, NamesTheFieldThatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"data { evaluation_split: 'none' } optimizer { sgd {} schedule { plateau {} } }", "optimizer.schedule.plateau"},
      {"evaluation { every_steps: 0 } optimizer { sgd {} schedule { plateau {} } }", "evaluation.every_steps"},
      {"epochs: 1 lottery_ticket { rounds: 1 } optimizer { sgd {} schedule { plateau {} } }",
       "optimizer.schedule.plateau"},
      {"network { layers { name: 'norm' batch_norm {} } } optimizer { sgd {} swa {} }", "optimizer.swa"},
      {"optimizer { sgd {} learning_rate: 1e38 batch_scaling { base_batch_size: 1 } }", "optimizer.batch_scaling"},
      {"optimizer { sgd {} schedule { step { every_epochs: 1e9 } } }", "optimizer.schedule.step.every_epochs"},
  };
  for (const auto& [more, field] : cases) {
    v1::JobSpec spec = Spec(more);
    if (spec.network().layers_size() == 2) spec.mutable_network()->mutable_layers()->SwapElements(0, 1);
    std::vector<std::string> fields;
    Resolve(spec, &fields);
    EXPECT_THAT(fields, Contains(field)) << more;
  }
}

}  // namespace
}  // namespace traind::core
