// Whole runs through the engine, and what insight says of them: faults in the right layer, and of healthy ones nothing.
#include "absl/strings/str_cat.h"
#include "core/insight/insight.h"
#include "core/train/train.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/text_proto.h"
#include "tests/support/train_run.h"

namespace traind::core {
namespace {

using testing::Contains;
using testing::IsEmpty;
using testing::Not;

// Keeps the log in its order, and what insight adds to it.
class WatchedSink : public EventSink {
 public:
  explicit WatchedSink(const v1::Job& job) : insight_(Insight::Of(job)) {}
  void Emit(v1::Event event) override {
    events.push_back(event);
    for (v1::Event& next : insight_.Note(event)) events.push_back(std::move(next));
  }
  absl::Status Flush() override { return absl::OkStatus(); }
  void Heartbeat(uint64_t) override {}
  void WaitsFor(absl::string_view) override {}

  std::vector<v1::Event> events;

 private:
  Insight insight_;
};

class InsightRuns : public testing::Test {
 protected:
  // What is open at the end, by id, in a run over the recorded images. `status` is that of the run.
  std::map<std::string, v1::Finding> Run(const std::string& spec, absl::Status* status = nullptr) {
    v1::Job job;
    *job.mutable_spec() = FromText<v1::JobSpec>(spec);
    job.mutable_spec()->mutable_data()->set_dataset("images");
    job.mutable_spec()->set_seed(3);
    job.mutable_spec()->set_metrics_every_steps(1);
    job.mutable_spec()->mutable_statistics()->set_every_steps(5);
    job.mutable_spec()->mutable_insight()->add_skip("shared_examples");  // Both splits are the same images.
    const TrainRequest request = RequestOf(absl::StrCat("run", ++runs_), job.spec(), dataset_, folder_.path());
    *job.mutable_resolved_spec() = request.spec;
    job.set_dataset(dataset_.name());
    job.mutable_trained_on()->set_num_classes(dataset_.num_classes());
    job.mutable_progress()->set_total_steps(request.spec.steps());
    WatchedSink sink(job);
    const StopSignal stop = StopWish::kNone;
    const absl::Status ended = Train(request, sink, stop).status();
    if (status == nullptr) {
      EXPECT_TRUE(ended.ok()) << ended;
    } else {
      *status = ended;
    }
    std::map<std::string, v1::Finding> open;
    for (const v1::Event& event : sink.events) {
      if (!event.has_finding()) continue;
      open.erase(event.finding().id());
      if (event.finding().state() == v1::Finding::STATE_OPEN) open[event.finding().id()] = event.finding();
    }
    return open;
  }

  static std::vector<std::string> Bad(const std::map<std::string, v1::Finding>& open) {
    std::vector<std::string> ids;
    for (const auto& [id, finding] : open) {
      if (finding.severity() >= v1::Finding::SEVERITY_WARNING) ids.push_back(id);
    }
    return ids;
  }

  const TemporaryFolder folder_{TemporaryFolder::Place::kMemory};
  const v1::Dataset dataset_ = ImportGoldenImages(folder_.path());
  int runs_ = 0;
};

std::string Deep(const std::string& init, const std::string& activation, const std::string& rate = "0.01") {
  std::string layers;
  for (int i = 1; i <= 8; ++i) {
    absl::StrAppend(&layers, "layers { name: 'l", i, "' dense { units: 32 weight_init { ", init, " } } activation { ",
                    activation, " {} } } ");
  }
  return absl::StrCat("network { ", layers, "layers { name: 'out' dense { units: 5 } } } ",
                      "data { preprocessing { standardize {} } } optimizer { learning_rate: ", rate,
                      " } batch_size: 16 steps: 100");
}

TEST_F(InsightRuns, WeightsTooSmallInADeepNetwork) {
  const auto open = Run(Deep("normal { std: 0.01 }", "tanh"));
  ASSERT_THAT(Bad(open), Contains("initialization_scale/l2"));
  EXPECT_EQ(open.at("loss_not_falling").root(), "initialization_scale/l2");
  EXPECT_THAT(Bad(open), Contains("vanishing_gradient/l1"));
}

TEST_F(InsightRuns, WeightsOfZeros) {
  const auto open = Run(Deep("zeros {}", "tanh"));
  EXPECT_THAT(Bad(open), Contains("no_symmetry_breaking/l1"));
  EXPECT_EQ(open.at("loss_not_falling").root(), "no_symmetry_breaking/l1");
}

TEST_F(InsightRuns, UnitsThatDieOfTheirBias) {
  const auto open = Run(R"(
      network {
        layers { name: "good" dense { units: 32 } activation { relu {} } }
        layers { name: "dead" dense { units: 32 bias_init { constant { value: -100 } } } activation { relu {} } }
        layers { name: "out" dense { units: 5 } }
      }
      data { preprocessing { standardize {} } } optimizer { learning_rate: 0.01 } batch_size: 16 steps: 100)");
  ASSERT_THAT(Bad(open), Contains("dead_relu/dead"));
  EXPECT_EQ(open.at("dead_relu/dead").severity(), v1::Finding::SEVERITY_CRITICAL);
  EXPECT_THAT(Bad(open), Not(Contains("dead_relu/good")));
}

TEST_F(InsightRuns, ARateThatIsTooHighIsTracedToItsFirstLayer) {
  absl::Status status;
  const auto open = Run(Deep("kaiming {}", "relu", "1e30"), &status);
  EXPECT_TRUE(absl::IsAborted(status)) << status;
  ASSERT_FALSE(open.empty());
  const auto found =
      std::find_if(open.begin(), open.end(), [](const auto& one) { return one.second.rule() == "non_finite"; });
  ASSERT_NE(found, open.end());
  EXPECT_EQ(found->second.severity(), v1::Finding::SEVERITY_CRITICAL);
  EXPECT_NE(found->second.place_case(), v1::Finding::PLACE_NOT_SET);
}

// Of a batch normalization that sees a mean of 5 the running one has come to 0.5 after 100 steps. The rate is low: of
// classes that are far apart both modes would soon be sure.
std::string Lagging(const std::string& momentum) {
  return R"(
      network {
        layers { name: "conv" conv2d { out_channels: 8 kernel: 3 bias_init { constant { value: 5 } } } }
        layers { name: "norm" batch_norm { momentum: )" +
         momentum + R"( } activation { relu {} } }
        layers { name: "out" dense { units: 5 } }
      }
      data { preprocessing { standardize {} } } optimizer { learning_rate: 0.0003 } batch_size: 16 steps: 100
      evaluation { every_steps: 10 })";
}

TEST_F(InsightRuns, RunningStatisticsThatAreNotThoseOfTheData) {
  const auto open = Run(Lagging("0.001"));
  ASSERT_THAT(Bad(open), Contains("modes_disagree"));
  EXPECT_EQ(open.at("modes_disagree").slide(), 84u);
  EXPECT_GT(open.at("modes_disagree").evidence().value(), 1.5);
  EXPECT_THAT(Bad(Run(Lagging("0.1"))), Not(Contains("modes_disagree"))) << "they have come to the data's by then";
}

TEST_F(InsightRuns, BranchesThatAddUpWithoutANormalization) {
  std::string layers;
  for (int i = 1; i <= 8; ++i) {
    absl::StrAppend(&layers, "layers { name: 'b", i, "' block { residual { layers { name: 'f' dense { units: 32 ",
                    "weight_init { normal { std: 0.3 } } } } } } } ");
  }
  const auto open =
      Run(absl::StrCat("network { layers { name: 'in' dense { units: 32 } activation { relu {} } } ", layers,
                       "layers { name: 'out' dense { units: 5 } } } data { preprocessing { standardize {} } } ",
                       "optimizer { learning_rate: 0.00001 } batch_size: 16 steps: 100"));
  const auto found =
      std::find_if(open.begin(), open.end(), [](const auto& one) { return one.second.rule() == "residual_variance"; });
  ASSERT_NE(found, open.end());
  // Each branch has a gain of 0.3 sqrt(32) = 1.7, so a sum has sqrt(1 + 1.7^2) = 1.97 of the one before: 115 in all.
  EXPECT_GT(found->second.evidence().value(), 115.0 / 4);
  EXPECT_LT(found->second.evidence().value(), 115.0 * 4);
}

TEST_F(InsightRuns, OfAHealthyResidualNetworkNothingIsWarnedOf) {
  EXPECT_THAT(Bad(Run("network { preset { resnet { classes: 5 depth: 20 width: 8 } } } "
                      "data { preprocessing { standardize {} } } optimizer { learning_rate: 0.05 } batch_size: 16 "
                      "steps: 100 evaluation { every_steps: 10 }")),
              IsEmpty());
}

TEST_F(InsightRuns, OfHealthyNetworksNothingIsWarnedOf) {
  EXPECT_THAT(Bad(Run(Deep("kaiming {}", "relu"))), IsEmpty());
  EXPECT_THAT(Bad(Run("network { preset { mlp { classes: 5 depth: 2 width: 64 } } } "
                      "data { preprocessing { standardize {} } } batch_size: 16 steps: 100")),
              IsEmpty());
}

}  // namespace
}  // namespace traind::core
