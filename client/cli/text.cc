#include "client/cli/text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace traind::client {
namespace {

constexpr std::array<absl::string_view, 8> kBlocks = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// The block for a share in [0, 1].
absl::string_view Block(double share) {
  return kBlocks[static_cast<size_t>(std::clamp(std::lround(share * 7), 0L, 7L))];
}

}  // namespace

int DisplayWidth(absl::string_view text) {
  return static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) { return !IsContinuation(c); }));
}

std::string Clip(absl::string_view text, int width) {
  if (DisplayWidth(text) <= width) return std::string(text);
  if (width <= 0) return "";
  size_t end = 0;
  for (int column = 0; column < width - 1; ++column) {
    ++end;
    while (end < text.size() && IsContinuation(text[end])) ++end;
  }
  return absl::StrCat(text.substr(0, end), "…");
}

std::string PadRight(absl::string_view text, int width) {
  return absl::StrCat(text, std::string(static_cast<size_t>(std::max(0, width - DisplayWidth(text))), ' '));
}

std::string PadLeft(absl::string_view text, int width) {
  return absl::StrCat(std::string(static_cast<size_t>(std::max(0, width - DisplayWidth(text))), ' '), text);
}

std::string Printable(absl::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  // C1 controls are two bytes in UTF-8.
  for (size_t i = 0; i + 1 < result.size(); ++i) {
    if (result[i] == '\xC2' && static_cast<unsigned char>(result[i + 1]) < 0xA0) result[i] = result[i + 1] = ' ';
  }
  return result;
}

std::string FormatNumber(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Inf" : "-Inf";
  const double size = std::abs(value);
  if (size == 0) return "0";
  if (size < 0.0005 || size >= 100000) return absl::StrFormat("%.1e", value);
  return absl::StrFormat("%.*f", size < 1 ? 4 : size < 10 ? 3 : size < 100 ? 2 : size < 1000 ? 1 : 0, value);
}

std::string FormatPercent(double fraction) {
  if (!std::isfinite(fraction)) return FormatNumber(fraction);
  return absl::StrFormat("%.1f %%", 100 * fraction);
}

std::string FormatCount(double count) {
  if (!std::isfinite(count)) return FormatNumber(count);
  if (count >= 1e15) return absl::StrFormat("%.1e", count);
  for (const auto& [unit, name] : {std::pair{1e12, "T"}, {1e9, "G"}, {1e6, "M"}}) {
    if (count >= unit) return absl::StrFormat("%.2f %s", count / unit, name);
  }
  if (count >= 1e5) return absl::StrFormat("%.0f k", count / 1e3);
  if (count >= 1000) return absl::StrFormat("%d,%03d", std::lround(count) / 1000, std::lround(count) % 1000);
  return absl::StrFormat("%.*f", count < 10 && count != std::floor(count) ? 1 : 0, count);
}

std::string FormatBytes(int64_t bytes) {
  if (bytes < 1000) return absl::StrCat(bytes, " B");
  double value = static_cast<double>(bytes) / 1000;
  for (const char* unit : {"kB", "MB", "GB"}) {
    if (value < 1000) return absl::StrFormat("%.*f %s", value < 10 ? 2 : 1, value, unit);
    value /= 1000;
  }
  return absl::StrFormat("%.2f TB", value);
}

std::string FormatElapsed(absl::Duration time) {
  const double exact = absl::ToDoubleSeconds(time);
  if (!std::isfinite(exact)) return "?";
  if (exact < 10) return absl::StrFormat("%.1f s", std::max(exact, 0.0));
  const int64_t seconds = std::llround(exact);
  if (seconds < 60) return absl::StrCat(seconds, " s");
  if (seconds < 3600) return absl::StrFormat("%dm%02ds", seconds / 60, seconds % 60);
  return absl::StrFormat("%dh%02dm", seconds / 3600, seconds / 60 % 60);
}

std::string FormatShape(const google::protobuf::RepeatedField<int64_t>& shape) { return absl::StrJoin(shape, "x"); }

std::string Bar(double share, int width) {
  if (!std::isfinite(share)) share = 0;
  const int filled = static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * width));
  std::string bar;
  for (int i = 0; i < width; ++i) bar += i < filled ? "█" : "░";
  return bar;
}

std::string Sparkline(std::span<const double> values, int width) {
  if (values.empty() || width <= 0) return "";
  const size_t columns = std::min(values.size(), static_cast<size_t>(width));
  std::vector<double> means(columns);
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (size_t column = 0; column < columns; ++column) {
    const size_t begin = column * values.size() / columns;
    const size_t end = (column + 1) * values.size() / columns;
    double sum = 0;
    for (size_t i = begin; i < end; ++i) sum += values[i];
    means[column] = sum / static_cast<double>(end - begin);
    if (std::isfinite(means[column])) {
      low = std::min(low, means[column]);
      high = std::max(high, means[column]);
    }
  }
  std::string line;
  for (const double mean : means) {
    if (!std::isfinite(mean)) {
      line += ' ';
    } else {
      absl::StrAppend(&line, high > low ? Block((mean - low) / (high - low)) : kBlocks[0]);
    }
  }
  return line;
}

std::string HistogramBlocks(const v1::Histogram& histogram, int cells, bool logarithmic) {
  const int bins = histogram.counts_size();
  if (bins == 0 || cells <= 0) return "";
  std::vector<double> heights(static_cast<size_t>(cells));
  for (int bin = 0; bin < bins; ++bin) {
    heights[static_cast<size_t>(int64_t{bin} * cells / bins)] += static_cast<double>(histogram.counts(bin));
  }
  if (logarithmic) {
    for (double& height : heights) height = std::log1p(height);
  }
  const double highest = *std::max_element(heights.begin(), heights.end());
  if (highest <= 0) return "";
  std::string line;
  for (const double height : heights) {
    if (height <= 0) {
      line += ' ';
    } else {
      absl::StrAppend(&line, Block(height / highest));
    }
  }
  return line;
}

void Series::Add(double value) {
  if (in_last_ == 0 || in_last_ == stride_) {
    if (values_.size() == kCapacity) {
      for (size_t i = 0; i < kCapacity / 2; ++i) values_[i] = (values_[2 * i] + values_[2 * i + 1]) / 2;
      values_.resize(kCapacity / 2);
      stride_ *= 2;
    }
    values_.push_back(value);
    in_last_ = 1;
    return;
  }
  ++in_last_;
  values_.back() += (value - values_.back()) / static_cast<double>(in_last_);
}

}  // namespace traind::client
