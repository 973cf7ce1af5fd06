// A message from its text format; fails the test when the text is not one.
#pragma once

#include <string>

#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"

namespace traind {

template <class Message>
Message FromText(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

}  // namespace traind
