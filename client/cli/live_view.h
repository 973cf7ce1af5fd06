// One frame of the live view. A pure function: the tests compare whole frames.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "client/cli/job_view.h"

namespace traind::client {

struct LiveViewOptions {
  int width = 100;
  int height = 40;  // The frame has at most this many lines; layers and events give way first.
  bool color = false;
  bool logarithmic = true;       // Heights of the histograms.
  absl::Time now;                // For the elapsed time of a job that runs.
  std::string connection;        // What is wrong with the connection; empty: nothing.
  bool summary_follows = false;  // RenderSummary tells the error.
};

// The frame, each line ended by "\n".
std::string RenderLiveView(const JobView& view, const LiveViewOptions& options);

// The table of the layers alone, all of them: what `probe` prints too.
Table LayerTable(const v1::StatisticsReport& statistics, bool logarithmic);

// What is said at the end: how the job ended, how good it is, where its weights are, what to try next.
std::string RenderSummary(const JobView& view, bool color, bool error_was_said = false);

}  // namespace traind::client
