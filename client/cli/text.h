// Numbers, bars and curves as text for people. Pure functions; all glyphs are one column wide.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "traind/v1/statistics.pb.h"

namespace traind::client {

// Columns that the UTF-8 text takes, one for each code point.
int DisplayWidth(absl::string_view text);
// The first `width` columns, the last one an ellipsis where something was cut off.
std::string Clip(absl::string_view text, int width);
// Filled with blanks to `width` columns.
std::string PadRight(absl::string_view text, int width);
std::string PadLeft(absl::string_view text, int width);
// Text from elsewhere without control characters, which could move the cursor or change colours.
std::string Printable(absl::string_view text);

std::string FormatNumber(double value);          // "0.4213", "12.3", "1.2e-05", "NaN".
std::string FormatPercent(double fraction);      // "51.2 %".
std::string FormatCount(double count);           // "4,512"; from a hundred thousand on "1.23 M".
std::string FormatBytes(int64_t bytes);          // "1.2 MB", in powers of 1000.
std::string FormatElapsed(absl::Duration time);  // "0.8 s", "42 s", "3m12s", "1h02m".
std::string FormatShape(const google::protobuf::RepeatedField<int64_t>& shape);  // "32x28x28".

// A bar of `width` columns, filled to the share in [0, 1].
std::string Bar(double share, int width);
// The newest end of the curve at the right: values averaged into at most `width` columns, scaled from the lowest to
// the highest. Values that are not finite leave a blank.
std::string Sparkline(std::span<const double> values, int width);
// The histogram in `cells` columns, bins summed; heights by log(1 + count) or by count. Empty for an empty histogram.
std::string HistogramBlocks(const v1::Histogram& histogram, int cells, bool logarithmic);

// A curve of any length in bounded memory: when it is full, neighbours are averaged.
class Series {
 public:
  void Add(double value);
  std::span<const double> values() const { return values_; }
  bool empty() const { return values_.empty(); }

 private:
  static constexpr size_t kCapacity = 1024;

  std::vector<double> values_;
  int64_t stride_ = 1;   // Samples in each full value.
  int64_t in_last_ = 0;  // Samples in the newest value.
};

}  // namespace traind::client
