// The bytes of event files, and that a file is gone on with after anything.
#include "core/tensorboard/event_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <vector>

#include "core/tensorboard/framing.h"
#include "core/tensorboard/graph.h"
#include "core/tensorboard/records.h"
#include "tests/support/bytes.h"
#include "tests/support/temporary_folder.h"
#include "traind/internal/tensorboard/wire.pb.h"

namespace traind::tensorboard {
namespace {

v1::Job SampleJob() {
  v1::Job job;
  job.set_name("jobs/cnn");
  job.set_uid("0123456789abcdef");
  job.mutable_create_time()->set_seconds(1'700'000'000);
  v1::JobSpec& spec = *job.mutable_resolved_spec();
  spec.set_batch_size(32);
  spec.mutable_optimizer()->mutable_sgd()->set_momentum(0.9);
  spec.mutable_network()->add_input_shape(4);
  auto& hidden = *spec.mutable_network()->add_layers();
  hidden.set_name("hidden");
  hidden.mutable_dense()->set_units(3);
  hidden.mutable_activation()->mutable_relu();
  auto& sum = *spec.mutable_network()->add_layers();
  sum.set_name("sum");
  sum.mutable_add();
  sum.add_inputs("hidden");
  sum.add_inputs("input");
  return job;
}

v1::Event TrainEvent(int64_t sequence, double loss) {
  v1::Event event;
  event.set_sequence(sequence);
  event.set_step(static_cast<uint64_t>(10 * sequence));
  event.mutable_time()->set_seconds(1'700'000'000 + sequence);
  event.mutable_time()->set_nanos(500'000'000);
  event.mutable_train()->set_loss(loss);
  event.mutable_timing()->set_step_ms(2.5);
  return event;
}

v1::Event StatisticsEvent(int64_t sequence) {
  v1::Event event;
  event.set_sequence(sequence);
  auto& layer = *event.mutable_statistics()->add_layers();
  layer.set_layer("hidden");
  layer.set_mean(0.5);
  layer.set_std(0.25);
  layer.mutable_histogram()->set_low(-1);
  layer.mutable_histogram()->set_high(1);
  for (const int64_t count : {1, 2, 3, 4}) layer.mutable_histogram()->add_counts(count);
  event.mutable_statistics()->add_parameters()->set_name("hidden.weight");
  return event;
}

std::vector<Record> Records(absl::string_view file) {
  std::vector<Record> records;
  absl::string_view bytes;
  while (TakeFramed(file, bytes)) {
    EXPECT_TRUE(records.emplace_back().ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  }
  EXPECT_TRUE(file.empty());
  return records;
}

// RFC 3720, B.4, and the check value of the polynomial's catalogue.
TEST(Framing, ChecksumIsCrc32c) {
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(Crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
  std::string rising;
  for (char c = 0; c < 32; ++c) rising.push_back(c);
  EXPECT_EQ(Crc32c(rising), 0x46DD794Eu);
  EXPECT_EQ(Crc32c(std::string(rising.rbegin(), rising.rend())), 0x113FDB5Cu);
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283u);
}

TEST(Framing, NoByteMayBeAnother) {
  std::string file;
  AppendFramed("hello", file);
  EXPECT_EQ(file.size(), 5 + kFrameBytes);
  for (size_t i = 0; i < file.size(); ++i) {
    std::string damaged = file;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x40);
    absl::string_view rest = damaged, bytes;
    EXPECT_FALSE(TakeFramed(rest, bytes)) << i;
    rest = absl::string_view(file).substr(0, i);
    EXPECT_FALSE(TakeFramed(rest, bytes)) << i;
  }
}

TEST(Records, ShowAJob) {
  const std::vector<Record> begin = Records(BeginRecords(SampleJob()));
  ASSERT_EQ(begin.size(), 3u);
  EXPECT_EQ(begin[0].file_version(), "brain.Event:2");
  EXPECT_EQ(begin[0].wall_time(), 1.7e9);
  HyperParameters settings;
  ASSERT_TRUE(settings.ParseFromString(begin[1].summary().value(0).metadata().plugin_data().content()));
  const auto& values = settings.session_start_info().hparams();
  EXPECT_EQ(values.at("batch_size").number_value(), 32);
  EXPECT_EQ(values.at("optimizer.kind").string_value(), "sgd");
  EXPECT_EQ(values.at("optimizer.sgd.momentum").number_value(), 0.9);
  Graph graph;
  ASSERT_TRUE(graph.ParseFromString(begin[2].graph_def()));
  ASSERT_EQ(graph.node_size(), 3);
  EXPECT_EQ(graph.node(1).op(), "dense");
  EXPECT_EQ(graph.node(1).input(0), "input");
  EXPECT_EQ(graph.node(1).attr().at("units").i(), 3);
  EXPECT_EQ(graph.node(1).attr().at("activation").s(), "relu");
  EXPECT_THAT(graph.node(2).input(), ::testing::ElementsAre("hidden", "input"));
}

TEST(Records, ShowEvents) {
  const Record train = Records(RecordOf(TrainEvent(7, 0.25), "u")).at(0);
  EXPECT_EQ(train.wall_time(), 1'700'000'007.5);
  EXPECT_EQ(train.step(), 70);
  EXPECT_EQ(train.summary().value(0).tag(), "loss/train");
  EXPECT_EQ(train.summary().value(0).simple_value(), 0.25f);
  const Record statistics = Records(RecordOf(StatisticsEvent(8), "u")).at(0);
  const auto& values = statistics.summary().value();
  const auto histogram =
      std::find_if(values.begin(), values.end(), [](const auto& v) { return v.tag() == "outputs/hidden"; });
  ASSERT_NE(histogram, values.end());
  EXPECT_THAT(histogram->histo().bucket_limit(), ::testing::ElementsAre(-0.5, 0, 0.5, 1));
  EXPECT_THAT(histogram->histo().bucket(), ::testing::ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(histogram->histo().sum(), 5);
  v1::Event log;
  log.mutable_log()->set_text("hello");
  EXPECT_EQ(RecordOf(log, "u"), "");
  v1::Event end;
  end.mutable_state()->set_state(v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(Records(RecordOf(end, "u")).at(0).summary().value(0).tag(), "_hparams_/session_end_info");
}

// What is appended until the file is as a whole one.
void AppendAll(const std::string& folder, int64_t until) {
  auto file = EventFile::Open(folder, SampleJob());
  ASSERT_TRUE(file.ok()) << file.status();
  for (int64_t sequence = 1; sequence <= until; ++sequence) {
    const v1::Event event = sequence % 3 == 0 ? StatisticsEvent(sequence) : TrainEvent(sequence, 1.0);
    ASSERT_TRUE(file->Append(event).ok());
  }
  ASSERT_TRUE(file->Flush().ok());
}

TEST(EventFile, IsGoneOnWithFromAnyLength) {
  const TemporaryFolder whole, torn;
  AppendAll(whole.path(), 6);
  const std::string name = "/cnn/events.out.tfevents.1700000000.traind";
  const std::string bytes = ReadBytes(whole.path() + name);
  EXPECT_EQ(Records(bytes).size(), 3u + 6u);
  std::filesystem::create_directory(torn.path() + "/cnn");
  for (size_t size = 0; size <= bytes.size(); size += 7) {
    WriteBytes(torn.path() + name, bytes.substr(0, size));
    AppendAll(torn.path(), 6);
    ASSERT_TRUE(ReadBytes(torn.path() + name) == bytes) << size;
  }
  WriteBytes(torn.path() + name, bytes + std::string(100, 'x'));
  AppendAll(torn.path(), 6);
  EXPECT_TRUE(ReadBytes(torn.path() + name) == bytes);
}

TEST(EventFile, OfAnotherJobIsLeftAlone) {
  const TemporaryFolder folder;
  AppendAll(folder.path(), 1);
  v1::Job later = SampleJob();
  later.set_uid("fedcba9876543210");
  EXPECT_EQ(EventFile::Open(folder.path(), later)->path(),
            folder.path() + "/cnn-fedcba98/events.out.tfevents.1700000000.traind");
  later.mutable_create_time()->set_seconds(1'800'000'000);
  EXPECT_EQ(EventFile::Open(folder.path(), later).status().code(), absl::StatusCode::kAlreadyExists);
}

TEST(EventFile, HasOneWriterAndOneName) {
  const TemporaryFolder folder;
  const auto first = EventFile::Open(folder.path(), SampleJob());
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(EventFile::Open(folder.path(), SampleJob()).status().code(), absl::StatusCode::kAborted);
  v1::Job job = SampleJob();
  for (const char* name : {"jobs/../../etc", "jobs/", "cnn", "jobs/a/b"}) {
    job.set_name(name);
    EXPECT_EQ(EventFile::Open(folder.path(), job).status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

}  // namespace
}  // namespace traind::tensorboard
