#include "server/store/sweep_store.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temporary_folder.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;

class SweepStoreTest : public ::testing::Test {
 protected:
  SweepStoreTest() { Open(); }
  void Open() {
    store_.reset();
    auto opened = SweepStore::Open(File());
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }
  std::string File() const { return path_.path() + "/traind.db"; }
  static v1::Sweep SweepOf(const std::string& id) {
    v1::Sweep sweep;
    sweep.set_name("sweeps/" + id);
    sweep.set_state(v1::SWEEP_STATE_RUNNING);
    return sweep;
  }
  static v1::SweepEntry Entry(int64_t sequence) {
    v1::SweepEntry entry;
    entry.set_sequence(sequence);
    entry.set_trial(static_cast<uint32_t>(sequence));
    return entry;
  }
  std::vector<int64_t> Sequences(SweepKey key, int64_t after = 0, int64_t count = 0) {
    std::vector<int64_t> sequences;
    const auto entries = store_->ReadEntries(key, after, count);
    EXPECT_TRUE(entries.ok()) << entries.status();
    for (const v1::SweepEntry& entry : *entries) sequences.push_back(entry.sequence());
    return sequences;
  }
  // As a bit that turned on the disk.
  void Damage(const std::string& sql) {
    auto connection = OpenConnection(File(), SQLITE_OPEN_READWRITE);
    ASSERT_TRUE(connection.ok() && Execute(connection->get(), sql).ok());
  }

  TemporaryFolder path_;
  std::unique_ptr<SweepStore> store_;
};

TEST_F(SweepStoreTest, KeepsSweepsAndTheirLogs) {
  const SweepKey a = *store_->Create(SweepOf("a"), {.request_id = "r", .fingerprint = "f"});
  const SweepKey b = *store_->Create(SweepOf("b"), {});
  EXPECT_LT(a, b);
  EXPECT_TRUE(absl::IsAlreadyExists(store_->Create(SweepOf("a"), {}).status()));
  EXPECT_TRUE(absl::IsAlreadyExists(store_->Create(SweepOf("c"), {.request_id = "r"}).status()));
  for (int64_t i = 1; i <= 5; ++i) ASSERT_TRUE(store_->Append(a, Entry(i)).ok());
  v1::Sweep ended = SweepOf("a");
  ended.set_state(v1::SWEEP_STATE_FAILED);
  ASSERT_TRUE(store_->Append(b, Entry(1)).ok());
  ASSERT_TRUE(store_->Append(a, Entry(6), &ended).ok());
  ended.set_state(v1::SWEEP_STATE_SUCCEEDED);
  EXPECT_TRUE(absl::IsAlreadyExists(store_->Append(a, Entry(6), &ended)));
  Open();
  EXPECT_EQ(store_->Get("a")->sweep.state(), v1::SWEEP_STATE_FAILED) << "what is refused leaves no trace";
  EXPECT_THAT(Sequences(a), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(Sequences(a, 2, 2), ElementsAre(3, 4));
  EXPECT_THAT(Sequences(b), ElementsAre(1));
  EXPECT_EQ((*store_->FindRequest("r"))->id, "a");
  EXPECT_FALSE(store_->FindRequest("q")->has_value());
  ASSERT_TRUE(store_->Delete(a).ok());
  EXPECT_TRUE(absl::IsNotFound(store_->Get("a").status()));
  EXPECT_THAT(Sequences(a), ElementsAre());
  EXPECT_GT(*store_->Create(SweepOf("a"), {}), b) << "a key is never given twice";
}

TEST_F(SweepStoreTest, NamesWhatIsDamagedAndCanDeleteIt) {
  const SweepKey a = *store_->Create(SweepOf("a"), {});
  const SweepKey b = *store_->Create(SweepOf("b"), {});
  ASSERT_TRUE(store_->Append(a, Entry(1)).ok() && store_->Append(b, Entry(1)).ok());
  Damage("UPDATE sweeps SET record = substr(record, 1, length(record) - 1) || x'07' WHERE id = 'a'");
  Damage("UPDATE sweep_entries SET sequence = 2 WHERE sweep = " + std::to_string(b));
  EXPECT_TRUE(absl::IsDataLoss(store_->Get("a").status()));
  EXPECT_TRUE(absl::IsDataLoss(store_->ReadEntries(b).status())) << "an entry in another's place";
  std::vector<std::string> listed, damaged;
  ASSERT_TRUE(store_
                  ->List(
                      0,
                      [&](const StoredSweep& stored) {
                        listed.push_back(stored.sweep.name());
                        return true;
                      },
                      [&](const std::string& name) { damaged.push_back(name); })
                  .ok());
  EXPECT_THAT(listed, ElementsAre("sweeps/b"));
  EXPECT_THAT(damaged, ElementsAre("sweeps/a"));
  ASSERT_TRUE(store_->Delete(*store_->KeyOf("a")).ok());
  EXPECT_TRUE(absl::IsNotFound(store_->KeyOf("a").status()));
}

}  // namespace
}  // namespace traind::server
