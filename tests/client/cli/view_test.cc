// The live view, the summary and the plain lines, whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_split.h"
#include "client/cli/live_view.h"
#include "client/cli/plain_view.h"
#include "tests/support/text_proto.h"

namespace traind::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

v1::Job Job() {
  return FromText<v1::Job>(R"(
    name: "jobs/cnn" state: JOB_STATE_RUNNING spec { display_name: "Fashion\033[2J" } start_time { seconds: 1000 }
    progress { step: 20 total_steps: 400 steps_per_epoch: 100 })");
}

std::vector<v1::Event> TrainingEvents() {
  std::vector<v1::Event> events;
  for (const char* text : {R"(sequence: 1 time { seconds: 1000 } state { state: JOB_STATE_RUNNING attempt: 1 })",
                           R"(sequence: 2 step: 10 epoch: 0.1 time { seconds: 1001 }
           train { loss: 2 accuracy: 0.25 learning_rate: 0.05 gradient_norm: 4 })",
                           R"(sequence: 3 step: 100 epoch: 1 time { seconds: 1010 }
           train { loss: 0.5 accuracy: 0.85 learning_rate: 0.05 gradient_norm: 1.5 penalty: 0.125 }
           timing { examples_per_second: 4512 step_ms: 28.4 remaining { seconds: 30 } })",
                           R"(sequence: 4 step: 100 epoch: 1 time { seconds: 1010 } statistics {
           layers { layer: "conv1" shape: 32 shape: 28 shape: 28 mean: 0.31 std: 0.44 zero_fraction: 0.5
                    saturated_fraction: 0.5 dead_units: 12 units: 32
                    histogram { counts: 100 counts: 10 counts: 5 counts: 1 } }
           layers { layer: "logits" shape: 10 mean: -0.1 std: 2.5 nan_count: 3 units: 10 }
           parameters { name: "conv1.weight" gradient_norm: 0.0123 update_ratio: 0.0012 } })",
                           R"(sequence: 5 step: 100 epoch: 1 time { seconds: 1011 }
           evaluation { split: "test" examples: 10000 loss: 0.4 accuracy: 0.86 best: true })",
                           R"(sequence: 6 step: 100 epoch: 1 time { seconds: 1011 }
           checkpoint { name: "jobs/cnn/checkpoints/100" size_bytes: 1234567 best: true })"}) {
    events.push_back(FromText<v1::Event>(text));
  }
  return events;
}

JobView View() {
  JobView view(Job());
  for (const v1::Event& event : TrainingEvents()) view.Apply(event);
  return view;
}

LiveViewOptions Options(int width, int height) {
  return {.width = width,
          .height = height,
          .color = false,
          .logarithmic = true,
          .now = absl::FromUnixSeconds(1012),
          .connection = ""};
}

class ViewTest : public ::testing::Test {
 protected:
  // The events are shown in local time.
  ViewTest() {
    setenv("TZ", "UTC", 1);
    tzset();
  }
};

TEST_F(ViewTest, LiveView) {
  EXPECT_EQ(RenderLiveView(View(), Options(100, 40)),
            R"(jobs/cnn  Fashion [2J  RUNNING  epoch 1.00 of 4.00  step 100 of 400
███████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░  25 %  12 s, 30 s left  4,512 examples/s  28.40 ms/step
train loss 0.5000  █▁                          accuracy 85.0 %  ▁█
test  loss 0.4000  ▁                           accuracy 86.0 %  ▁
learning rate 0.0500   gradient norm 1.500   █▁   penalty 0.1250

layer   shape        mean     std   zeros  saturated   dead  gradient  update  histogram
conv1   32x28x28   0.3100  0.4400  50.0 %     50.0 %  12/32    0.0123  0.0012  █   ▅   ▄   ▂
logits  10        -0.1000   2.500   0.0 %          -      -         -       -  3 NaN, 0 Inf

00:16:40  step 0      RUNNING
00:16:51  step 100    evaluation: accuracy 86.0 %, loss 0.4000 on test (10,000 examples), the best …
00:16:51  step 100    checkpoint 100 saved, 1.23 MB, the best so far
)");
}

TEST_F(ViewTest, SaysWhenTheTrainingWaitsForData) {
  JobView view = View();
  view.Apply(
      FromText<v1::Event>("sequence: 7 step: 110 train { loss: 0.5 } timing { examples_per_second: 4000 step_ms: "
                          "32 data_wait_ms: 3.1 }"));
  EXPECT_THAT(RenderLiveView(view, Options(100, 40)), Not(HasSubstr("waits for data")));
  const v1::Event waiting = FromText<v1::Event>(
      "sequence: 8 step: 120 train { loss: 0.5 } timing { examples_per_second: 2000 step_ms: 64 data_wait_ms: 32 }");
  view.Apply(waiting);
  EXPECT_THAT(RenderLiveView(view, Options(100, 40)),
              HasSubstr("\nwaits for data 50.0 % of the time: more data.prefetch_threads may help\n"));
  EXPECT_THAT(PlainLines(waiting, false), HasSubstr(" step_ms=64 data_wait_ms=32\n"));
  view.Apply(FromText<v1::Event>("sequence: 9 step: 400 state { state: JOB_STATE_SUCCEEDED }"));
  EXPECT_THAT(RenderLiveView(view, Options(100, 40)), Not(HasSubstr("waits for data")));
}

TEST_F(ViewTest, EveryFrameFitsItsWindow) {
  JobView view = View();
  v1::Event event = FromText<v1::Event>("sequence: 7 step: 110");
  for (int i = 0; i < 60; ++i) {
    v1::LayerStatistics& layer = *event.mutable_statistics()->add_layers();
    layer.set_layer("layer" + std::to_string(i));
  }
  view.Apply(event);
  for (const int width : {1, 20, 40, 80, 200}) {
    for (const int height : {1, 2, 5, 8, 12, 24, 70}) {
      const std::string frame = RenderLiveView(view, Options(width, height));
      const std::vector<std::string> lines = absl::StrSplit(frame, '\n');
      EXPECT_LE(lines.size() - 1, static_cast<size_t>(height)) << width << "x" << height;
      for (const std::string& line : lines) EXPECT_LE(DisplayWidth(line), width) << width << "x" << height;
    }
  }
  const std::string frame = RenderLiveView(view, Options(80, 24));
  EXPECT_THAT(frame, HasSubstr("more layers: make the window taller"));
  EXPECT_THAT(frame, HasSubstr("checkpoint 100 saved")) << "events keep some lines";
}

TEST_F(ViewTest, ANarrowWindow) {
  EXPECT_EQ(RenderLiveView(View(), Options(20, 12)), R"(jobs/cnn  Fashion […
███░░░░░░░  25 %  1…
train loss 0.5000  …
test  loss 0.4000  ▁
learning rate 0.0500

00:16:40  step 0
00:16:51  step 100
00:16:51  step 100
)");
}

TEST_F(ViewTest, LongNamesAreCut) {
  JobView view = View();
  v1::Job job = Job();
  job.set_name("jobs/" + std::string(300, 'j'));
  job.mutable_spec()->set_display_name(std::string(300, 'd'));
  view.SetJob(job);
  v1::Event event = TrainingEvents()[3];
  event.mutable_statistics()->mutable_layers(0)->set_layer(std::string(300, 'l'));
  view.Apply(event);
  const std::vector<std::string> lines = absl::StrSplit(RenderLiveView(view, Options(60, 40)), '\n');
  EXPECT_EQ(lines[0], "jobs/" + std::string(54, 'j') + "…");
  const std::string layer = std::string(59, 'l') + "…";
  EXPECT_THAT(lines, ::testing::Contains(layer));
  EXPECT_THAT(lines, ::testing::Contains(::testing::StartsWith("logits")));
}

TEST_F(ViewTest, WithoutColourThereIsNoEscape) {
  LiveViewOptions options = Options(120, 40);
  options.connection = "connection lost: \x1b[31mred";
  const std::string frame = RenderLiveView(View(), options);
  EXPECT_EQ(frame.find('\x1b'), std::string::npos);
  EXPECT_THAT(frame, HasSubstr("connection lost:  [31mred"));
  options.color = true;
  EXPECT_THAT(RenderLiveView(View(), options), HasSubstr("\x1b[1mjobs/cnn\x1b[0m"));
}

TEST_F(ViewTest, TroubleIsColoured) {
  LiveViewOptions options = Options(120, 40);
  options.color = true;
  options.connection = "connection lost";
  const std::string frame = RenderLiveView(View(), options);
  EXPECT_THAT(frame, HasSubstr("\x1b[1;31m3 NaN, 0 Inf"));
  EXPECT_THAT(frame, HasSubstr("\x1b[33m12/32"));
  EXPECT_THAT(frame, HasSubstr("\x1b[33mconnection lost"));
}

TEST_F(ViewTest, AQueuedJobHasAView) {
  v1::Job job;
  job.set_name("jobs/a");
  job.set_state(v1::JOB_STATE_QUEUED);
  EXPECT_THAT(RenderLiveView(JobView(job), Options(80, 24)), HasSubstr("jobs/a  QUEUED  step 0"));
}

TEST_F(ViewTest, AJobThatWaitsSaysForWhat) {
  const auto job = FromText<v1::Job>(R"(
    name: "jobs/a" state: JOB_STATE_QUEUED display_name: "new" spec { display_name: "old" } progress { step: 400 }
    queue { place: 2 reason: "needs 4 threads, 2 are free" blocked_by: "jobs/b" blocked_by: "jobs/c" })");
  EXPECT_THAT(RenderLiveView(JobView(job), Options(100, 24)), HasSubstr("jobs/a  new  QUEUED  step 0\n░"));
  EXPECT_THAT(RenderLiveView(JobView(job), Options(100, 24)),
              HasSubstr("\nwaits: place 2: needs 4 threads, 2 are free; behind jobs/b, jobs/c\n"));
  EXPECT_EQ(
      PlainQueueLine(job, absl::FromUnixSeconds(1000)),
      "1970-01-01T00:16:40Z step=400 queue place=2 reason=\"needs 4 threads, 2 are free\" behind=jobs/b,jobs/c\n");
  JobView view(job);
  view.Apply(FromText<v1::Event>("sequence: 1 state { state: JOB_STATE_RUNNING }"));
  EXPECT_THAT(RenderLiveView(view, Options(100, 24)), Not(HasSubstr("waits"))) << "the record is older than the event";
  view.Apply(FromText<v1::Event>("sequence: 2 state { state: JOB_STATE_PAUSED reason: 'asked for' }"));
  EXPECT_THAT(RenderLiveView(view, Options(100, 24)), HasSubstr("paused: `trainctl resume a` lets it go on"));
  EXPECT_THAT(RenderLiveView(view, Options(100, 24)), HasSubstr("PAUSED: asked for"));
}

// Two attempts of 10 s with a pause of 100 s between them.
TEST_F(ViewTest, APauseIsNoTrainingTime) {
  v1::Job job = FromText<v1::Job>(
      "name: 'jobs/a' state: JOB_STATE_RUNNING start_time { seconds: 1000 } attempts: 2 trained { seconds: 10 }");
  JobView view(job);
  const auto state = [&](int sequence, int64_t seconds, v1::JobState to) {
    v1::Event event;
    event.set_sequence(sequence);
    event.mutable_time()->set_seconds(seconds);
    event.mutable_state()->set_state(to);
    view.Apply(event);
  };
  state(1, 1000, v1::JOB_STATE_RUNNING);
  state(2, 1010, v1::JOB_STATE_PAUSED);
  state(3, 1110, v1::JOB_STATE_RUNNING);
  EXPECT_EQ(view.Elapsed(absl::FromUnixSeconds(1115)), absl::Seconds(15));
  state(4, 1120, v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(view.Elapsed(absl::FromUnixSeconds(2000)), absl::Seconds(20)) << "until its record is read again";
  job.set_state(v1::JOB_STATE_SUCCEEDED);
  job.mutable_end_time()->set_seconds(1120);
  job.mutable_trained()->set_seconds(20);
  view.SetJob(job);
  EXPECT_EQ(view.Elapsed(absl::FromUnixSeconds(2000)), absl::Seconds(20));
  JobView late(job);  // A watcher that begins when all is over.
  late.Apply(FromText<v1::Event>("time { seconds: 1000 } state { state: JOB_STATE_RUNNING }"));
  EXPECT_EQ(late.Elapsed(absl::FromUnixSeconds(2000)), absl::Seconds(20));
}

TEST_F(ViewTest, SummaryOfACancelledJobSaysHowToGoOn) {
  JobView view = View();
  view.Apply(FromText<v1::Event>("sequence: 7 step: 110 time { seconds: 1100 } state { state: JOB_STATE_CANCELLED }"));
  EXPECT_THAT(RenderSummary(view, false),
              HasSubstr("  trainctl resume cnn                # go on from its checkpoint\n"));
}

TEST_F(ViewTest, SummaryOfASuccess) {
  JobView view = View();
  view.Apply(FromText<v1::Event>("sequence: 7 step: 400 time { seconds: 1151 } state { state: JOB_STATE_SUCCEEDED }"));
  EXPECT_EQ(RenderSummary(view, false),
            R"(jobs/cnn SUCCEEDED after 400 steps in 2m31s
evaluation: accuracy 86.0 %, loss 0.4000 on test (10,000 examples)
checkpoint: jobs/cnn/checkpoints/100
try next:
  trainctl model eval cnn/best       # loss and accuracy
  trainctl model predict cnn         # outputs for ten examples
  trainctl model download cnn/best   # the weights, as safetensors
  trainctl watch cnn --snapshot      # the inside of its layers
  trainctl extend cnn --steps 800    # train it as long again
)");
}

TEST_F(ViewTest, SummarySuggestsWhatCanWork) {
  v1::Job job = Job();
  job.mutable_spec()->mutable_data()->set_train_split("all");
  JobView view(job);
  view.Apply(FromText<v1::Event>("sequence: 6 step: 9 checkpoint { name: 'jobs/cnn/checkpoints/9' }"));
  view.Apply(FromText<v1::Event>("sequence: 7 step: 9 time { seconds: 1151 } state { state: JOB_STATE_SUCCEEDED }"));
  std::string summary = RenderSummary(view, false);
  EXPECT_THAT(summary, HasSubstr("trainctl model eval cnn --split all "));
  EXPECT_THAT(summary, HasSubstr("trainctl model predict cnn --split all "));
  EXPECT_THAT(summary, HasSubstr("trainctl extend cnn --steps 18"));
  job.clear_spec();
  job.set_state_reason("early stopping: evaluation_loss was best after step 3");
  view.SetJob(job);
  summary = RenderSummary(view, false);
  EXPECT_THAT(summary, HasSubstr("--split all")) << "a smaller view does not forget the spec";
  EXPECT_THAT(summary, Not(HasSubstr("extend"))) << "one longer job would have ended there, too";
}

TEST_F(ViewTest, SummaryOfAFailure) {
  JobView view(Job());
  view.Apply(FromText<v1::Event>(R"(sequence: 1 step: 7 time { seconds: 1002 } state { state: JOB_STATE_FAILED error {
      message: "the loss is NaN at step 7" last_log_lines: "last words" } })"));
  const std::string summary = RenderSummary(view, false);
  EXPECT_THAT(summary,
              HasSubstr("jobs/cnn FAILED after 7 steps in 2.0 s\nthe loss is NaN at step 7\n  | last words\n"));
  EXPECT_THAT(summary, Not(HasSubstr("model"))) << "there is nothing to evaluate";
}

TEST_F(ViewTest, PlainLines) {
  std::string lines;
  for (const v1::Event& event : TrainingEvents()) lines += PlainLines(event, false);
  EXPECT_EQ(lines,
            R"(1970-01-01T00:16:40Z step=0 epoch=0.00 state RUNNING attempt=1
1970-01-01T00:16:41Z step=10 epoch=0.10 train loss=2 accuracy=0.2500 learning_rate=0.05 gradient_norm=4
1970-01-01T00:16:50Z step=100 epoch=1.00 train loss=0.5 accuracy=0.8500 penalty=0.125 learning_rate=0.05 gradient_norm=1.5 examples_per_second=4512 step_ms=28.4 remaining_seconds=30
1970-01-01T00:16:50Z step=100 epoch=1.00 statistics layers=2 dead_units=12 nan_or_inf=3 most_saturated=conv1:0.5000
1970-01-01T00:16:51Z step=100 epoch=1.00 evaluation split=test loss=0.4 accuracy=0.8600 examples=10000 best
1970-01-01T00:16:51Z step=100 epoch=1.00 checkpoint name=jobs/cnn/checkpoints/100 size_bytes=1234567 best
)");
  EXPECT_THAT(PlainLines(TrainingEvents()[3], true),
              HasSubstr("epoch=1.00 layer name=conv1 mean=0.31 std=0.44 min=0 max=0 zeros=0.5000 saturated=0.5000 "
                        "dead=12/32 nan=0 inf=0\n"));
  EXPECT_THAT(PlainLines(FromText<v1::Event>(R"(sequence: 9 step: 8 state { state: JOB_STATE_FAILED attempt: 2
                reason: "gave\nup" error { message: "no \"luck\"" } })"),
                         false),
              HasSubstr(" step=8 epoch=0.00 state FAILED attempt=2 reason=\"gave up\" error=\"no \"luck\"\"\n"));
  EXPECT_THAT(PlainLines(FromText<v1::Event>("evaluation { split: 'test' loss: 0.5 examples: 3 spread: 0.25 }"), false),
              HasSubstr(" evaluation split=test loss=0.5 spread=0.25 examples=3\n"));
  EXPECT_EQ(PlainLines(v1::Event(), false), "") << "an event of a newer server";
  const v1::Event log = FromText<v1::Event>(R"(log { level: LEVEL_WARNING text: "two\nlines" })");
  EXPECT_THAT(PlainLines(log, false), HasSubstr("log level=WARNING text=\"two lines\"\n"));
}

TEST_F(ViewTest, PruningIsShown) {
  v1::Event event = TrainingEvents()[3];
  ASSERT_TRUE(event.has_statistics());
  EXPECT_THAT(LayerTable(event.statistics(), true).Render(100, false), Not(HasSubstr("pruned")));
  event.mutable_statistics()->mutable_parameters(0)->set_sparsity(0.875);
  const std::string table = LayerTable(event.statistics(), true).Render(100, false);
  EXPECT_THAT(table, HasSubstr("pruned"));
  EXPECT_THAT(table, HasSubstr("87.5 %"));
  EXPECT_THAT(PlainLines(event, true), HasSubstr("name=conv1"));
  EXPECT_THAT(PlainLines(event, true), HasSubstr("nan=0 inf=0 pruned=0.8750\n"));
}

TEST_F(ViewTest, RunningMeansTheBestAndTheTestAreShown) {
  JobView view(Job());
  for (const char* text :
       {R"(sequence: 2 step: 10 train {
             loss: 9 accuracy: 0.1 mean_loss: 2 mean_accuracy: 0.25 mean_steps: 10 })",
        R"(sequence: 3 step: 100 evaluation { split: "validation" examples: 60 loss: 0.5 accuracy: 0.8
             best: true best_metric: "macro_f1" best_metric_value: 0.75 })",
        R"(sequence: 4 step: 400 evaluation { split: "validation" examples: 60 loss: 0.4 accuracy: 0.7
             best_metric: "macro_f1" best_metric_value: 0.625 })",
        R"(sequence: 5 step: 400 test { split: "test" examples: 100 loss: 0.25 accuracy: 0.875
             weights_step: 100 })"}) {
    view.Apply(FromText<v1::Event>(text));
  }
  const std::string live = RenderLiveView(view, Options(140, 40));
  EXPECT_THAT(live, HasSubstr("train loss 2.000"));
  EXPECT_THAT(live, HasSubstr("accuracy 25.0 %"));
  EXPECT_THAT(live, HasSubstr("mean of 10 steps"));
  EXPECT_THAT(live, HasSubstr("macro_f1 0.6250"));
  EXPECT_THAT(live,
              HasSubstr("TEST  accuracy 87.5 %, loss 0.2500 on test (100 examples), with the weights of step 100"));
  EXPECT_THAT(live, Not(HasSubstr("9.000"))) << "of one minibatch";
  const std::string summary = RenderSummary(view, false);
  EXPECT_THAT(summary,
              HasSubstr("evaluation: accuracy 70.0 %, loss 0.4000 on validation (60 examples)\n"
                        "best:       step 100 by macro_f1 0.7500: accuracy 80.0 %, loss 0.5000 on validation (60 "
                        "examples)\n"
                        "TEST:       accuracy 87.5 %, loss 0.2500 on test (100 examples), with the weights of "
                        "step 100\n"));
  EXPECT_THAT(PlainLines(FromText<v1::Event>("step: 4 train { loss: 3 mean_loss: 2 mean_steps: 5 }"), false),
              HasSubstr("train loss=3 mean_loss=2 mean_steps=5 "));
  EXPECT_THAT(
      PlainLines(FromText<v1::Event>("step: 4 test { split: 'test' loss: 2 examples: 8 weights_step: 3 }"), false),
      HasSubstr(" test split=test loss=2 weights_step=3 examples=8\n"));
}

TEST(Views, AColumnThatNobodyFillsIsNotThere) {
  Table table({{.title = "job"}, {.title = "owner", .optional = true}});
  table.Add({{.text = "a"}, {.text = ""}});
  EXPECT_EQ(table.Render(100, false), "job\na\n");
  table.Add({{.text = "b"}, {.text = "ada"}});
  EXPECT_EQ(table.Render(100, false), "job  owner\na\nb    ada\n");
}

TEST(Views, ShowWhatThePreprocessingDid) {
  const v1::Event event = FromText<v1::Event>(R"(preprocessing {
    before { features: 784 mean_min: 0.5 mean_max: 144 variance_min: 0.25 variance_max: 9000 mean_absolute_correlation: 0.24 }
    after { features: 50 mean_min: -0.125 mean_max: 0.125 variance_min: 1 variance_max: 1 mean_absolute_correlation: 1e-06 } })");
  EXPECT_THAT(PlainLines(event, false),
              HasSubstr("preprocessing features_before=784 mean_before=0.5..144 variance_before=0.25..9000 "
                        "correlation_before=0.24 features_after=50 mean_after=-0.125..0.125 variance_after=1..1 "
                        "correlation_after=1e-06\n"));
  JobView view(v1::Job{});
  const LiveViewOptions options = Options(120, 40);
  EXPECT_EQ(RenderLiveView(view, options).find("features"), std::string::npos);
  view.Apply(event);
  const std::string frame = RenderLiveView(view, options);
  EXPECT_THAT(frame, HasSubstr("784 features"));
  EXPECT_THAT(frame, HasSubstr("50 features"));
  EXPECT_THAT(frame, HasSubstr("variance 1.000 to 1.000"));
}

}  // namespace
}  // namespace traind::client
