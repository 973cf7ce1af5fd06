#include "server/wire/channel.h"

#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "traind/internal/worker.pb.h"

namespace traind::server {
namespace {

using ::testing::HasSubstr;

internal::ToServer EventOf(uint64_t step, const std::string& text) {
  internal::ToServer message;
  message.mutable_event()->set_step(step);
  message.mutable_event()->mutable_log()->set_text(text);
  return message;
}

TEST(EncodeFrame, PutsTheLengthInFrontLeastSignificantByteFirst) {
  const internal::ToServer message = EventOf(1, std::string(300, 'x'));
  const std::string frame = EncodeFrame(message).value();
  ASSERT_GT(frame.size(), kFrameHeaderBytes + 256);
  const size_t size = frame.size() - kFrameHeaderBytes;
  EXPECT_EQ(static_cast<unsigned char>(frame[0]), size % 256);
  EXPECT_EQ(static_cast<unsigned char>(frame[1]), size / 256);
  EXPECT_EQ(frame[2], 0);
  EXPECT_EQ(frame[3], 0);
  EXPECT_EQ(frame.substr(kFrameHeaderBytes), message.SerializeAsString());
}

TEST(EncodeFrame, RefusesWhatTheReaderWouldRefuse) {
  const auto frame = EncodeFrame(EventOf(1, std::string(kLargestFrame, 'x')));
  EXPECT_EQ(frame.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(FrameDecoder, TakesFramesCutAnywhere) {
  std::string stream;
  for (uint64_t step = 1; step <= 20; ++step) stream += *EncodeFrame(EventOf(step, std::string(step * 7, 'a')));
  for (size_t piece = 1; piece <= stream.size(); piece = piece * 3 + 1) {
    FrameDecoder decoder;
    uint64_t expected = 1;
    for (size_t begin = 0; begin < stream.size(); begin += piece) {
      const std::string part = stream.substr(begin, piece);
      decoder.Append(part.data(), part.size());
      for (;;) {
        internal::ToServer message;
        const auto complete = decoder.Next(message);
        ASSERT_TRUE(complete.ok()) << complete.status();
        if (!*complete) break;
        EXPECT_EQ(message.event().step(), expected);
        EXPECT_EQ(message.event().log().text().size(), expected * 7);
        ++expected;
      }
    }
    EXPECT_EQ(expected, 21u) << "pieces of " << piece;
    EXPECT_TRUE(decoder.at_boundary());
  }
}

TEST(FrameDecoder, RefusesAnImpossibleLengthBeforeAnyOfItArrives) {
  FrameDecoder decoder;
  const std::string good = *EncodeFrame(EventOf(1, "x"));
  decoder.Append(good.data(), good.size());
  decoder.Append("\x01\x00\x00\x04", 4);  // kLargestFrame + 1
  internal::ToServer message;
  ASSERT_TRUE(decoder.Next(message).value());
  const absl::Status status = decoder.Next(message).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("byte " + std::to_string(good.size())));
  EXPECT_THAT(std::string(status.message()), HasSubstr("67108865 bytes"));
}

TEST(FrameDecoder, RefusesBytesThatAreNoMessage) {
  FrameDecoder decoder;
  decoder.Append("\x02\0\0\0\xff\xff", 6);
  internal::ToServer message;
  const absl::Status status = decoder.Next(message).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("traind.internal.ToServer"));
}

// Whatever the bytes are: an error or a message, in bounded time, and nothing else.
TEST(FrameDecoder, SurvivesEveryFlippedBit) {
  const std::string stream = *EncodeFrame(EventOf(1, "first")) + *EncodeFrame(EventOf(2, "second"));
  for (size_t bit = 0; bit < stream.size() * 8; ++bit) {
    std::string damaged = stream;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    FrameDecoder decoder;
    decoder.Append(damaged.data(), damaged.size());
    int messages = 0;
    internal::ToServer message;
    for (auto complete = decoder.Next(message); complete.ok() && *complete; complete = decoder.Next(message))
      ++messages;
    EXPECT_LE(messages, static_cast<int>(stream.size() / kFrameHeaderBytes));
  }
}

class ChannelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto pair = SocketPair();
    ASSERT_TRUE(pair.ok()) << pair.status();
    raw_ = pair->first.get();
    left_.emplace(std::move(pair->first));
    right_.emplace(std::move(pair->second));
  }

  int raw_ = -1;  // Of left_.
  std::optional<Channel> left_;
  std::optional<Channel> right_;
};

TEST_F(ChannelTest, CarriesMessagesLargerThanTheSocketBuffer) {
  const std::string text(size_t{3} << 20, 'x');
  std::thread sender([&] {
    for (uint64_t step = 1; step <= 3; ++step) EXPECT_TRUE(left_->Send(EventOf(step, text)).ok());
    left_.reset();
  });
  internal::ToServer message;
  for (uint64_t step = 1; step <= 3; ++step) {
    ASSERT_TRUE(right_->Receive(message).value());
    EXPECT_EQ(message.event().step(), step);
    EXPECT_EQ(message.event().log().text(), text);
  }
  EXPECT_FALSE(right_->Receive(message).value());
  sender.join();
}

TEST_F(ChannelTest, SendToAClosedEndIsUnavailable) {
  right_.reset();
  EXPECT_EQ(left_->Send(EventOf(1, "x")).code(), absl::StatusCode::kUnavailable);
}

TEST_F(ChannelTest, AnEndWithinAFrameIsDataLoss) {
  const std::string frame = *EncodeFrame(EventOf(1, "cut off"));
  ASSERT_EQ(send(raw_, frame.data(), frame.size() - 1, 0), static_cast<ssize_t>(frame.size() - 1));
  left_.reset();
  internal::ToServer message;
  EXPECT_EQ(right_->Receive(message).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(ChannelTest, AnEndThatLeavesBytesUnreadStillReadsAsTheEnd) {
  ASSERT_TRUE(right_->Send(EventOf(1, "never read")).ok());
  left_.reset();
  internal::ToServer message;
  EXPECT_FALSE(right_->Receive(message).value());
}

}  // namespace
}  // namespace traind::server
