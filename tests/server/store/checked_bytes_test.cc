#include "server/store/checked_bytes.h"

#include <gtest/gtest.h>

#include <string>

#include "traind/v1/job.pb.h"

namespace traind::server {
namespace {

v1::Job SomeJob() {
  v1::Job job;
  job.set_name("jobs/a");
  job.mutable_spec()->set_display_name("with a text that still is one when a bit of it is another");
  return job;
}

TEST(CheckedBytes, GivesBackWhatItGot) {
  for (const std::string& bytes :
       {std::string(), std::string("a"), std::string(1, '\4'), SomeJob().SerializeAsString()}) {
    EXPECT_EQ(Checked(WithChecksum(bytes)), bytes);
    EXPECT_EQ(Checked(WithChecksum(bytes, "7"), "7"), bytes);
    EXPECT_EQ(Checked(WithChecksum(bytes, "7"), "8"), std::nullopt) << "what it is about";
  }
}

TEST(CheckedBytes, WhatAnOlderVersionWroteIsGivenAsItIs) {
  const std::string bytes = SomeJob().SerializeAsString();
  EXPECT_EQ(Checked(bytes, "7"), bytes);
  EXPECT_EQ(Checked(""), "");
}

TEST(CheckedBytes, NoFlippedBitPasses) {
  const std::string stored = WithChecksum(SomeJob().SerializeAsString());
  for (size_t bit = 0; bit < 8 * stored.size(); ++bit) {
    std::string flipped = stored;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    const auto bytes = Checked(flipped);
    v1::Job job;
    EXPECT_FALSE(bytes.has_value() && job.ParseFromArray(bytes->data(), static_cast<int>(bytes->size())))
        << "bit " << bit;
  }
  for (size_t size = 1; size < stored.size(); ++size) EXPECT_EQ(Checked(stored.substr(0, size)), std::nullopt) << size;
}

}  // namespace
}  // namespace traind::server
