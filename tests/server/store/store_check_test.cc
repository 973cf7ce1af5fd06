#include "server/store/store_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/store/sqlite.h"
#include "server/store/sqlite_schema.h"
#include "tests/support/bytes.h"
#include "tests/support/temporary_folder.h"

namespace traind::server {
namespace {

using ::testing::HasSubstr;

class StoreCheckTest : public ::testing::Test {
 protected:
  StoreCheckTest() {
    Open();
    EXPECT_TRUE(PrepareFile(connection_.get(), 0).ok());
    EXPECT_TRUE(
        Execute(connection_.get(), "INSERT INTO jobs VALUES (1, 'the-one-that-is-sought', 0, 0, x'', x'')").ok());
    EXPECT_TRUE(Execute(connection_.get(), "PRAGMA wal_checkpoint(TRUNCATE)").ok());
  }
  void Open() {
    auto connection = OpenConnection(path_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    ASSERT_TRUE(connection.ok());
    connection_ = *std::move(connection);
  }
  int64_t Found() {
    return Number(connection_.get(), "SELECT COUNT(*) FROM jobs WHERE id = 'the-one-that-is-sought'").value_or(-1);
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_.path() + "/traind.db";
  Connection connection_;
};

TEST_F(StoreCheckTest, ASoundFileHasNoFaults) { EXPECT_EQ(CheckStructure(connection_.get()), ""); }

TEST_F(StoreCheckTest, ADamagedIndexIsMadeAnew) {
  connection_.reset();
  // The name stands in the table and in the index of names; one of them is turned.
  const std::string sound = ReadBytes(path_);
  bool mended = false;
  for (size_t at = sound.find("the-one-"); at != std::string::npos; at = sound.find("the-one-", at + 1)) {
    std::string bytes = sound;
    bytes[at] = 'T';
    WriteBytes(path_, bytes);
    Open();
    const int64_t before = Found();
    const std::string faults = CheckStructure(connection_.get());
    EXPECT_THAT(faults, HasSubstr("index")) << at;
    mended |= before == 0 && Found() == 1;
    EXPECT_EQ(CheckStructure(connection_.get()), "") << "nothing is left";
    connection_.reset();
  }
  EXPECT_TRUE(mended);
}

}  // namespace
}  // namespace traind::server
