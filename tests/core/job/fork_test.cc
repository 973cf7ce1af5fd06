#include "core/job/fork.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/job/early_stopping.h"
#include "core/job/resolve.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "tests/support/datasets.h"

namespace traind::core {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr char kParent[] = R"(
    network { layers { name: "hidden" dense { units: 8 } activation { relu {} } }
              layers { name: "logits" dense { units: 3 } } }
    data { dataset: "flowers" preprocessing { standardize {} } }
    optimizer { sgd { momentum: 0.9 } learning_rate: 0.1 }
    batch_size: 12 epochs: 4)";

v1::JobSpec Resolved(v1::JobSpec spec) {
  FieldErrors::Root errors;
  const auto dataset = FindTestDataset(spec.data().dataset());
  spec = ResolveJob(spec, &*dataset, 4, errors.scope())->spec;
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  return spec;
}

class ForkTest : public testing::Test {
 protected:
  ForkTest() {
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(kParent, &spec_));
    *checkpoint_.mutable_spec() = Resolved(spec_);
    checkpoint_.set_step(20);
  }

  // Violations as "field: text"; keeps the warnings.
  std::vector<std::string> Check(uint64_t steps_per_epoch = 10) {
    FieldErrors::Root errors;
    warnings_ = CheckFork(Resolved(spec_), steps_per_epoch, "jobs/a/checkpoints/20", checkpoint_, errors.scope());
    std::vector<std::string> violations;
    for (const auto& violation : errors.violations().field_violations()) {
      violations.push_back(absl::StrCat(violation.field(), ": ", violation.description()));
    }
    return violations;
  }
  v1::Layer& layer(int index) { return *spec_.mutable_network()->mutable_layers(index); }

  v1::JobSpec spec_;  // Of the fork, as submitted: at first the parent's.
  v1::CheckpointManifest checkpoint_;
  std::vector<std::string> warnings_;
};

TEST_F(ForkTest, AnUnchangedOneInheritsEverything) {
  EXPECT_THAT(Check(), IsEmpty());
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(ForkTest, NamesTheTensorsThatDoNotFit) {
  layer(0).set_name("first");
  layer(1).mutable_dense()->set_units(5);
  EXPECT_THAT(Check(), ElementsAre("network: first.bias is not in the checkpoint",
                                   "network: first.weight is not in the checkpoint",
                                   "network: logits.bias has shape [5], in the checkpoint [3]",
                                   "network: logits.weight has shape [5, 8], in the checkpoint [3, 8]",
                                   "network: has no hidden.bias [8], which the checkpoint has",
                                   "network: has no hidden.weight [8, 4], which the checkpoint has"));
}

TEST_F(ForkTest, NamesAtMostTenTensors) {
  for (int i = 0; i < 6; ++i) {
    v1::Layer& more = *spec_.mutable_network()->add_layers();
    more.set_name(absl::StrCat("more", i));
    more.mutable_dense()->set_units(3);
  }
  const std::vector<std::string> violations = Check();
  ASSERT_EQ(violations.size(), 10u);
  EXPECT_THAT(violations[9], AllOf(StartsWith("network: more4.weight"), HasSubstr("; and 2 tensors more differ")));
}

TEST_F(ForkTest, OtherActivationsRatesAndSeedsAreFree) {
  layer(0).mutable_activation()->mutable_tanh();
  spec_.set_seed(9);
  spec_.mutable_optimizer()->set_learning_rate(0.001);
  spec_.mutable_optimizer()->mutable_sgd()->set_nesterov(true);
  spec_.set_threads(1);
  EXPECT_THAT(Check(), IsEmpty());
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("the best evaluation is counted anew")));
}

TEST_F(ForkTest, RefusesAnotherPreprocessing) {
  spec_.mutable_data()->mutable_preprocessing(0)->mutable_zero_mean();
  EXPECT_THAT(Check(), ElementsAre(AllOf(StartsWith("data.preprocessing: is not that of the checkpoint"),
                                         HasSubstr("initial_weights { model: \"jobs/a/checkpoints/20\" }"))));
}

TEST_F(ForkTest, AnOptimizerWithOtherStateBeginsAnew) {
  spec_.mutable_optimizer()->mutable_adam();
  EXPECT_THAT(Check(), IsEmpty());
  EXPECT_THAT(warnings_,
              ElementsAre(StartsWith("the optimizer's state begins anew: that of the checkpoint is of sgd")));
  EXPECT_FALSE(InheritedBy(Resolved(spec_), checkpoint_.spec(), 20).optimizer);
  spec_.mutable_optimizer()->mutable_sgd()->set_momentum(0);
  EXPECT_FALSE(InheritedBy(Resolved(spec_), checkpoint_.spec(), 20).optimizer) << "no momentum, no state";
  spec_.mutable_optimizer()->mutable_sgd()->set_momentum(0.5);
  EXPECT_TRUE(InheritedBy(Resolved(spec_), checkpoint_.spec(), 20).optimizer);
}

// lbfgs keeps a gradient, and takes the difference of the next one for curvature.
TEST_F(ForkTest, LbfgsBeginsAnewWithAnotherObjective) {
  *spec_.mutable_optimizer() = v1::Optimizer();
  spec_.mutable_optimizer()->mutable_lbfgs();
  spec_.set_batch_size(120);
  spec_.set_epochs(40);
  *checkpoint_.mutable_spec() = Resolved(spec_);
  const v1::JobSpec before = spec_;
  const auto inherits = [this] { return InheritedBy(Resolved(spec_), checkpoint_.spec(), 20).optimizer; };
  spec_.mutable_optimizer()->set_learning_rate(0.1);
  EXPECT_TRUE(inherits());
  spec_.mutable_optimizer()->set_coupled_weight_decay(0.1);
  EXPECT_FALSE(inherits());
  EXPECT_THAT(Check(1), IsEmpty());
  EXPECT_THAT(warnings_, testing::Contains(HasSubstr("or of another objective")));
  spec_ = before;
  layer(0).mutable_activation()->mutable_tanh();
  EXPECT_FALSE(inherits());
  spec_ = before;
  spec_.mutable_loss()->mutable_softmax_cross_entropy()->set_label_smoothing(0.1);
  EXPECT_FALSE(inherits());
  spec_ = before;
  spec_.mutable_data()->set_max_train_examples(60);
  spec_.set_batch_size(60);
  EXPECT_FALSE(inherits());
}

// An average goes on only where it is the same one; swa that has not begun yet replaces what is there.
TEST_F(ForkTest, AnotherAverageBeginsAnew) {
  const auto with = [this](const std::string& average, uint32_t epochs = 4) {
    v1::JobSpec spec = spec_;
    spec.set_epochs(epochs);
    EXPECT_TRUE(google::protobuf::TextFormat::MergeFromString(absl::StrCat("optimizer { ", average, " }"), &spec));
    return Resolved(spec);
  };
  struct Case {
    std::string now, then;
    bool optimizer, evaluations;
  };
  const std::vector<Case> cases = {
      {"ema {}", "ema { decay: 0.5 }", true, true},
      {"ema {}", "swa {}", false, false},
      {"ema {}", "", false, false},
      {"", "ema {}", true, false},
      {"", "swa { begin_steps: 10 }", true, false},
      {"swa { begin_steps: 10 every_steps: 2 }", "swa { begin_steps: 10 every_steps: 2 }", true, true},
      {"swa { begin_steps: 10 every_steps: 2 }", "swa { begin_steps: 10 every_steps: 3 }", false, false},
      {"swa { begin_steps: 15 }", "swa { begin_steps: 30 }", false, false},
      {"swa { begin_steps: 30 }", "swa { begin_steps: 10 }", true, false},
      {"swa { begin_steps: 30 }", "swa { begin_steps: 35 }", true, true},
      {"swa { begin_steps: 10 }", "ema {}", false, false},
      {"swa { begin_steps: 30 }", "ema {}", true, false},
  };
  for (const Case& it : cases) {
    const Inherited inherited = InheritedBy(with(it.now), with(it.then), 20);
    EXPECT_EQ(inherited.optimizer, it.optimizer) << it.now << " after " << it.then;
    EXPECT_EQ(inherited.evaluations, it.evaluations) << it.now << " after " << it.then;
  }
  // By default it begins in the last quarter of the job, whose length is another one.
  EXPECT_TRUE(InheritedBy(with("swa {}", 8), with("swa {}"), 20).optimizer);
  EXPECT_FALSE(InheritedBy(with("swa {}", 4), with("swa {}", 8), 35).optimizer);
  *checkpoint_.mutable_spec() = with("swa { begin_steps: 30 }");
  spec_ = with("swa { begin_steps: 15 }");
  Check();
  EXPECT_THAT(warnings_,
              ElementsAre(HasSubstr("or with another average"), HasSubstr("the best evaluation is counted anew")));
}

TEST_F(ForkTest, EvaluationsOfAnotherPartBeginAnew) {
  const auto of = [this](const std::string& train_split, double fraction) {
    v1::JobSpec spec = Resolved(spec_);
    spec.mutable_data()->set_train_split(train_split);
    spec.mutable_data()->set_validation_fraction(fraction);
    spec.mutable_data()->set_evaluation_split(fraction > 0 ? "validation" : "test");
    return spec;
  };
  EXPECT_TRUE(InheritedBy(of("train", 0.25), of("train", 0.25), 20).evaluations);
  EXPECT_FALSE(InheritedBy(of("other", 0.25), of("train", 0.25), 20).evaluations) << "the part of another split";
  EXPECT_TRUE(InheritedBy(of("other", 0), of("train", 0), 20).evaluations) << "the same split is evaluated";
}

TEST_F(ForkTest, RunningMeansOfAnotherCadenceBeginAnew) {
  v1::JobSpec fork = Resolved(spec_);
  EXPECT_TRUE(InheritedBy(fork, checkpoint_.spec(), 20).running);
  fork.set_metrics_every_steps(fork.metrics_every_steps() + 1);
  EXPECT_FALSE(InheritedBy(fork, checkpoint_.spec(), 20).running);
}

TEST_F(ForkTest, SomethingMustBeLeftToTrain) {
  spec_.set_epochs(2);
  EXPECT_THAT(Check(), ElementsAre("epochs: makes 20 steps in all, and the checkpoint has done 20 of them: nothing is "
                                   "left to train"));
  spec_.set_steps(21);
  EXPECT_THAT(Check(), IsEmpty());
}

TEST_F(ForkTest, SaysWhereTheStepStandsInOtherEpochs) {
  spec_.set_batch_size(24);
  spec_.set_epochs(8);
  EXPECT_THAT(Check(5), IsEmpty());
  EXPECT_THAT(warnings_, ElementsAre("steps are counted on: step 20 of the checkpoint is epoch 4 of this job, whose "
                                     "epochs have 5 steps"));
}

TEST_F(ForkTest, SaysThatThePreprocessingStays) {
  spec_.mutable_data()->set_max_train_examples(60);
  EXPECT_THAT(Check(5), ElementsAre(StartsWith("epochs: makes 20 steps")));
  EXPECT_THAT(warnings_,
              ElementsAre(HasSubstr("steps are counted on"),
                          "the preprocessing stays as it was fitted on split \"train\" of datasets/flowers"));
}

TEST_F(ForkTest, ALotteryTicketMustBeTheSame) {
  spec_.mutable_lottery_ticket()->set_rounds(2);
  EXPECT_THAT(Check(), ElementsAre(StartsWith("lottery_ticket: and the length of its rounds")));
  *checkpoint_.mutable_spec() = Resolved(spec_);
  EXPECT_THAT(Check(), IsEmpty());
  spec_.set_epochs(5);
  EXPECT_THAT(Check(), ElementsAre(StartsWith("lottery_ticket: and the length of its rounds")));
  spec_.set_epochs(4);
  spec_.clear_lottery_ticket();
  EXPECT_THAT(Check(), ElementsAre(StartsWith("lottery_ticket: ")));
}

TEST_F(ForkTest, EarlyStoppingThatHasEndedEndsTheForkToo) {
  spec_.mutable_early_stopping()->set_patience(1);
  *checkpoint_.mutable_spec() = Resolved(spec_);
  v1::EarlyStoppingState& state = *checkpoint_.mutable_early_stopping();
  state = NewEarlyStoppingState();
  NoteEvaluation(spec_, 10, 0.5, state);
  EXPECT_THAT(Check(), IsEmpty());
  NoteEvaluation(spec_, 20, 0.75, state);
  EXPECT_THAT(Check(), ElementsAre(AllOf(StartsWith("early_stopping: has ended at the checkpoint"),
                                         HasSubstr("best after step 10 (0.5)"), HasSubstr("raise patience"))));
  spec_.mutable_early_stopping()->set_patience(2);
  EXPECT_THAT(Check(), IsEmpty());
  spec_.mutable_early_stopping()->set_patience(1);
  spec_.mutable_early_stopping()->set_metric(v1::EarlyStopping::METRIC_TRAIN_LOSS);
  EXPECT_THAT(Check(), IsEmpty()) << "another metric begins anew";
}

TEST_F(ForkTest, SaysWithWhichWeightsItGoesOn) {
  spec_.mutable_early_stopping()->set_patience(3);
  spec_.mutable_early_stopping()->set_restore_best(true);
  *checkpoint_.mutable_spec() = Resolved(spec_);
  v1::EarlyStoppingState& state = *checkpoint_.mutable_early_stopping();
  state = NewEarlyStoppingState();
  NoteEvaluation(spec_, 10, 0.5, state);
  EXPECT_EQ(BestStepNeeded(Resolved(spec_), checkpoint_), 10u);
  state.set_restored_step(10);
  EXPECT_THAT(Check(), IsEmpty());
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("goes on with the weights after step 20")));
  spec_.mutable_early_stopping()->set_restore_best(false);
  EXPECT_EQ(BestStepNeeded(Resolved(spec_), checkpoint_), std::nullopt);
}

TEST_F(ForkTest, ObserversAndAugmentationAreInheritedWhereTheyFit) {
  const v1::JobSpec parent = checkpoint_.spec();
  EXPECT_TRUE(InheritedBy(parent, parent, 20).observers);
  EXPECT_TRUE(InheritedBy(parent, parent, 20).augmentation);
  v1::JobSpec unobserved = parent;
  unobserved.mutable_statistics()->set_every_steps(0);
  EXPECT_FALSE(InheritedBy(parent, unobserved, 20).observers);
  v1::JobSpec longer = parent;
  longer.set_epochs(100);
  EXPECT_TRUE(InheritedBy(longer, parent, 20).observers);
  EXPECT_TRUE(InheritedBy(longer, parent, 20).evaluations);
  EXPECT_TRUE(InheritedBy(longer, parent, 20).optimizer);
}

}  // namespace
}  // namespace traind::core
