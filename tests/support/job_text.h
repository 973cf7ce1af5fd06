// A job file as trainctl reads it, with the short names of enum values; fails the test when it is not one.
#pragma once

#include <string>

#include "client/parse_text.h"
#include "gtest/gtest.h"
#include "traind/v1/job.pb.h"

namespace traind {

inline v1::JobSpec JobFromText(const std::string& text) {
  v1::JobSpec spec;
  const auto error = client::ParseText(text, spec);
  EXPECT_FALSE(error.has_value()) << error->message << " in " << text;
  return spec;
}

}  // namespace traind
