// What `trainctl sweep run` makes of a file, a job file and its short forms.
#include "client/cli/sweep_spec.h"

#include <gmock/gmock.h>

#include "tests/client/cli/sweep_fixture.h"

namespace traind::client {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kJob[] =
    "network { layers { name: 'fc1' dense { units: 10 } } layers { name: 'out' dense { units: 3 } } } "
    "data { dataset: 'toy' } epochs: 2 batch_size: 8";

v1::Parameter Vary(const std::string& text) {
  const absl::StatusOr<v1::Parameter> parameter = ParseVary(text, FromText<v1::JobSpec>(kJob));
  EXPECT_TRUE(parameter.ok()) << parameter.status();
  return parameter.ok() ? *parameter : v1::Parameter();
}

std::string WrongVary(const std::string& text) {
  return std::string(ParseVary(text, FromText<v1::JobSpec>(kJob)).status().message());
}

TEST(ParseVaryTest, RangesAreOfTheFieldsKind) {
  const v1::Parameter rate = Vary("optimizer.learning_rate=1e-4..1e-1:log");
  EXPECT_THAT(rate.paths(), ElementsAre("optimizer.learning_rate"));
  EXPECT_EQ(rate.log_uniform().low(), 1e-4);
  EXPECT_EQ(rate.log_uniform().high(), 1e-1);
  EXPECT_EQ(Vary("optimizer.weight_decay=0..0.1:5").uniform().points(), 5u);
  const v1::Parameter units = Vary("network.layers[fc1].dense.units=16..256:log");
  EXPECT_EQ(units.integer().low(), 16);
  EXPECT_EQ(units.integer().high(), 256);
  EXPECT_TRUE(units.integer().log());
}

TEST(ParseVaryTest, ListsAreCutOutsideOfBrackets) {
  EXPECT_THAT(Vary("batch_size=32, 64,128").choice().values(), ElementsAre("32", "64", "128"));
  EXPECT_THAT(Vary("optimizer={ sgd { momentum: 0.9 }, learning_rate: 0.1 },{ adam {} }").choice().values(),
              ElementsAre("{ sgd { momentum: 0.9 }, learning_rate: 0.1 }", "{ adam {} }"));
  EXPECT_THAT(Vary("precision=F32").choice().values(), ElementsAre("F32"));
}

TEST(ParseVaryTest, SeveralPathsGetOneValue) {
  const v1::Parameter both = Vary("network.layers[fc1].dense.units,batch_size=16,32");
  EXPECT_THAT(both.paths(), ElementsAre("network.layers[fc1].dense.units", "batch_size"));
}

TEST(ParseVaryTest, SaysWhatIsWrong) {
  EXPECT_THAT(WrongVary("batch_size"), HasSubstr("must be PATH=VALUES"));
  EXPECT_THAT(WrongVary("batch_size="), HasSubstr("no values"));
  EXPECT_THAT(WrongVary("bach_size=1,2"), AllOf(HasSubstr("bach_size"), HasSubstr("batch_size")));
  EXPECT_THAT(WrongVary("network.layers[fc9].dense.units=1,2"), HasSubstr("none with the name"));
  EXPECT_THAT(WrongVary("batch_size=8,many"), HasSubstr("batch_size"));
  EXPECT_THAT(WrongVary("batch_size=0.5..8"), HasSubstr("batch_size"));
  EXPECT_THAT(WrongVary("batch_size=8..9.5"), HasSubstr("must be integers"));
  EXPECT_THAT(WrongVary("optimizer.learning_rate=1e-1..1e-4"), HasSubstr("must be less than"));
  EXPECT_THAT(WrongVary("optimizer.learning_rate=0..1:log"), HasSubstr("greater than 0"));
  EXPECT_THAT(WrongVary("optimizer.learning_rate=1e-4..1:lgo"), HasSubstr("\"lgo\" behind a range"));
}

class SweepSpecTest : public SweepTest {
 protected:
  // Of a quick form over the job file.
  int Submit(std::vector<std::string> more) {
    std::vector<std::string> arguments = {"sweep", "submit", "--job", Write(kJob)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Run(arguments);
  }
  const v1::SweepSpec& spec() const { return created_.spec(); }
};

TEST_F(SweepSpecTest, QuickFormsMakeASpec) {
  ASSERT_EQ(Submit({"--vary",     "optimizer.learning_rate=1e-4..1e-1:log",
                    "--vary",     "batch_size=32,64",
                    "--random",   "20",
                    "--maximize", "accuracy",
                    "--parallel", "2",
                    "--seed",     "7",
                    "--max-time", "8m",
                    "--label",    "team=vision",
                    "--set",      "base.epochs=5",
                    "--sweep-id", "widths"}),
            0)
      << err_.str();
  EXPECT_EQ(spec().space_size(), 2);
  EXPECT_TRUE(spec().has_random());
  EXPECT_EQ(spec().budget().max_trials(), 20u);
  EXPECT_EQ(spec().budget().max_duration().seconds(), 480);
  EXPECT_EQ(spec().objective().metric(), "accuracy");
  EXPECT_EQ(spec().objective().goal(), v1::Objective::GOAL_MAXIMIZE);
  EXPECT_EQ(spec().parallelism(), 2u);
  EXPECT_EQ(spec().seed(), 7u);
  EXPECT_EQ(spec().labels().at("team"), "vision");
  EXPECT_EQ(spec().base().epochs(), 5);
  EXPECT_EQ(spec().base().data().dataset(), "toy");
  EXPECT_EQ(created_.sweep_id(), "widths");
  EXPECT_THAT(out_.str(), HasSubstr("sweeps/widths SUCCEEDED: 3 trials, random"));
}

TEST_F(SweepSpecTest, ListsAloneAreAGrid) {
  ASSERT_EQ(Submit({"--vary", "batch_size=32,64"}), 0) << err_.str();
  EXPECT_TRUE(spec().has_grid());
  EXPECT_FALSE(spec().has_budget());
  EXPECT_THAT(err_.str(), HasSubstr("a grid of all values"));
}

TEST_F(SweepSpecTest, AshaHasItsFirstRung) {
  ASSERT_EQ(Submit({"--vary", "optimizer.learning_rate=1e-4..1:log", "--asha", "27", "--min-epochs", "1"}), 0)
      << err_.str();
  EXPECT_EQ(spec().asha().min_epochs(), 1u);
  EXPECT_EQ(spec().budget().max_trials(), 27u);
  EXPECT_EQ(Submit({"--vary", "batch_size=1,2", "--asha", "27"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("--min-epochs or --min-steps"));
}

TEST_F(SweepSpecTest, WrongOptionsAreNamed) {
  EXPECT_EQ(Submit({"--vary", "optimizer.learning_rate=0.1..1"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("say --random N"));
  EXPECT_EQ(Submit({"--vary", "batch_size=1,2", "--grid", "--random", "3"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("only one of"));
  EXPECT_EQ(Submit({"--vary", "batch_size=1,2", "--min-steps", "3"}), 1);
  EXPECT_EQ(Submit({"--vary", "batch_size=1,2", "--max-time", "soon"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("8m"));
  EXPECT_EQ(Submit({"--vary", "batch_size=1,2", "--set", "epochs=3"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("--set base.epochs=3"));
  EXPECT_EQ(Run({"sweep", "run"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("--job FILE"));
}

TEST_F(SweepSpecTest, AFileHasTheWhole) {
  ASSERT_EQ(Run({"sweep", "submit", Write(kSweepSpec), "--set", "budget.max_trials=9", "--validate-only"}), 0)
      << err_.str();
  EXPECT_TRUE(created_.validate_only());
  EXPECT_EQ(spec().budget().max_trials(), 9u);
  EXPECT_EQ(spec().space(0).log_uniform().high(), 0.1);
  EXPECT_THAT(out_.str(), HasSubstr("the sweep is valid: 3 trials"));
  WriteBytes(folder_ / "s.yaml",
             "base: {epochs: 2}\nrandom: {}\nspace:\n  - {paths: [epochs], integer: {low: 1, hi: 3}}\n");
  EXPECT_EQ(Run({"sweep", "submit", folder_ / "s.yaml"}), 1);
  EXPECT_THAT(err_.str(), AllOf(HasSubstr("s.yaml:4:"), HasSubstr("high")));
}

// Each of the server's violations leads to where its value was written.
TEST_F(SweepSpecTest, ErrorsPointToTheirSources) {
  server_.sweeps.create_sweep = [](const v1::CreateSweepRequest&, v1::Sweep*) {
    return InvalidFields({"spec.base.batch_size", "spec.space[0].choice.values[1]", "spec.budget", "sweep_id"},
                         "is wrong");
  };
  EXPECT_EQ(Submit({"--vary", "epochs=1,2"}), 4);
  EXPECT_THAT(err_.str(), AllOf(HasSubstr("job.textproto:1:"), HasSubstr("batch_size: is wrong"),
                                HasSubstr("--vary epochs=1,2: space[0].choice.values[1]: is wrong"),
                                HasSubstr("--sweep-id: is wrong")));
}

TEST_F(SweepSpecTest, FoldsAreAGridOverThem) {
  server_.training.get_job = [](const v1::GetJobRequest& request, v1::Job* job) {
    job->set_name(request.name());
    job->set_state(v1::JOB_STATE_SUCCEEDED);
    const double number = request.name().back() - '0';
    job->mutable_progress()->set_evaluation_loss(number);
    job->mutable_progress()->set_evaluation_accuracy(0.5 + number / 10);
    return grpc::Status::OK;
  };
  ASSERT_EQ(Run({"run", Write(kJob), "--folds", "3", "--set", "epochs=4", "--label", "a=b"}), 0) << err_.str();
  EXPECT_EQ(spec().base().data().folds().count(), 3u);
  EXPECT_EQ(spec().base().epochs(), 4);
  EXPECT_EQ(spec().base().labels().at("a"), "b");
  EXPECT_THAT(spec().space(0).paths(), ElementsAre("data.folds.index"));
  EXPECT_EQ(spec().space(0).integer().low(), 0);
  EXPECT_EQ(spec().space(0).integer().high(), 2);
  EXPECT_TRUE(spec().has_grid());
  // Losses 1, 2, 3 and accuracies 0.6, 0.7, 0.8.
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("2.000 ± 1.000"), HasSubstr("0.7000 ± 0.1000"), HasSubstr("widths-3")));
  ASSERT_EQ(Run({"run", Write(kJob), "--folds", "3", "--json"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("\"loss\":{\"mean\":2.0,\"standard_deviation\":1.0}"));
  EXPECT_EQ(Run({"run", Write(kJob), "--folds", "1"}), 2);
  EXPECT_EQ(Run({"run", Write(kJob), "--folds", "3", "--auto-fix"}), 2);
}

TEST_F(SweepSpecTest, AWrongIdOfFoldsIsThatOfTheFlagThatSaysIt) {
  server_.sweeps.create_sweep = [](const v1::CreateSweepRequest&, v1::Sweep*) {
    return InvalidFields({"sweep_id"}, "must have at most 48 characters");
  };
  EXPECT_NE(Run({"run", Write(kJob), "--folds", "3", "--job-id", "Upper"}), 0);
  EXPECT_THAT(err_.str(), HasSubstr("--job-id: must have at most 48 characters"));
}

}  // namespace
}  // namespace traind::client
