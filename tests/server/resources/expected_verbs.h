// What every verb does in every state, written down by hand, apart from the table of the program.
#pragma once

#include <array>
#include <string>

#include "server/resources/job_verb.h"

namespace traind::server {

inline constexpr std::array kStates = {v1::JOB_STATE_QUEUED,    v1::JOB_STATE_RUNNING,  v1::JOB_STATE_PAUSING,
                                       v1::JOB_STATE_PAUSED,    v1::JOB_STATE_STOPPING, v1::JOB_STATE_CANCELLING,
                                       v1::JOB_STATE_SUCCEEDED, v1::JOB_STATE_FAILED,   v1::JOB_STATE_CANCELLED};

// The state to which the job goes; "same": nothing is done; "gone": it is deleted; "no": refused.
struct ExpectedVerb {
  JobVerb verb;
  std::array<std::string, kStates.size()> outcomes;  // In the order of kStates.
};

inline const std::array<ExpectedVerb, 6>& ExpectedVerbs() {
  static const auto* const kExpected = new std::array<ExpectedVerb, 6>{{
      // clang-format off
      //                  QUEUED       RUNNING       PAUSING       PAUSED       STOPPING      CANCELLING SUCCEEDED FAILED    CANCELLED
      {JobVerb::kCancel, {"CANCELLED", "CANCELLING", "CANCELLING", "CANCELLED", "CANCELLING", "same",    "no",     "no",     "same"}},
      {JobVerb::kPause,  {"PAUSED",    "PAUSING",    "same",       "same",      "no",         "no",      "no",     "no",     "no"}},
      {JobVerb::kResume, {"same",      "same",       "no",         "QUEUED",    "no",         "no",      "no",     "QUEUED", "QUEUED"}},
      {JobVerb::kStop,   {"SUCCEEDED", "STOPPING",   "no",         "SUCCEEDED", "same",       "no",      "same",   "no",     "no"}},
      {JobVerb::kExtend, {"no",        "no",         "no",         "no",        "no",         "no",      "QUEUED", "no",     "no"}},
      {JobVerb::kDelete, {"no",        "no",         "no",         "gone",      "no",         "no",      "gone",   "gone",   "gone"}},
      // clang-format on
  }};
  return *kExpected;
}

}  // namespace traind::server
