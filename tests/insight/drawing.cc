#include "tests/insight/drawing.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

namespace traind::insight {
namespace {

using Points = std::vector<std::pair<uint64_t, double>>;

constexpr int kParts = 75;  // Of a curve.
constexpr double kDrawnWidth = 600, kDrawnHeight = 230;
constexpr double kLeft = 56, kRight = 12, kTop = 34, kBottom = 26;
constexpr double kLogarithmicFrom = 30;  // Largest over smallest.
constexpr char kMendedDashes[] = " stroke-dasharray=\"7 3\"";
// Of one lightness in the middle, so that they stand out from white and from black.
constexpr char kFaultColor[] = "#e5534b", kMendedColor[] = "#2f81f7", kWordsColor[] = "#7d8590";

std::string Marked(const std::string& text) {
  return absl::StrReplaceAll(text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}});
}

// Means of at most kParts parts that follow one another.
Points Thinned(const Points& points) {
  Points thinned;
  const size_t each = (points.size() + kParts - 1) / kParts;
  for (size_t begin = 0; begin < points.size(); begin += each) {
    const size_t end = std::min(begin + each, points.size());
    double sum = 0;
    for (size_t i = begin; i < end; ++i) sum += points[i].second;
    thinned.emplace_back(points[end - 1].first, sum / static_cast<double>(end - begin));
  }
  return thinned;
}

// Where values stand.
class Scale {
 public:
  Scale(const Points& a, const Points& b) {
    double least = std::numeric_limits<double>::infinity(), most = -least;
    for (const Points* points : {&a, &b}) {
      for (const auto& [step, value] : *points) {
        last_ = std::max(last_, step);
        if (!std::isfinite(value)) continue;
        least = std::min(least, value);
        most = std::max(most, value);
      }
    }
    if (!(least <= most)) least = most = 0;
    logarithmic_ = least > 0 && most > kLogarithmicFrom * least;
    if (!logarithmic_ && least > 0) least = 0;
    if (most == least) most = least + 1;
    least_ = At(least);
    most_ = At(most);
  }

  double X(uint64_t step) const {
    return kLeft + (kDrawnWidth - kLeft - kRight) * static_cast<double>(step) /
                       static_cast<double>(std::max<uint64_t>(last_, 1));
  }
  double Y(double value) const {
    return kDrawnHeight - kBottom - (kDrawnHeight - kTop - kBottom) * (At(value) - least_) / (most_ - least_);
  }
  // The value at a share of the height.
  double Value(double share) const {
    const double at = least_ + share * (most_ - least_);
    return logarithmic_ ? std::pow(10, at) : at;
  }
  uint64_t last() const { return last_; }
  bool logarithmic() const { return logarithmic_; }

 private:
  double At(double value) const { return logarithmic_ ? std::log10(value) : value; }

  uint64_t last_ = 0;
  bool logarithmic_ = false;
  double least_ = 0, most_ = 1;
};

// One line for each stretch without a gap; a cross where it ends before the other curve because of a gap.
std::string CurveOf(const Points& points, const Scale& scale, const char* color, const char* dashes) {
  std::string path, cross;
  bool open = false;
  for (const auto& [step, value] : points) {
    if (std::isfinite(value)) {
      absl::StrAppendFormat(&path, "%s%.1f %.1f", open ? "L" : "M", scale.X(step), scale.Y(value));
      cross.clear();
    } else if (cross.empty()) {
      const double x = scale.X(step), y = kTop + 8;
      cross = absl::StrFormat("<path d=\"M%.1f %.1fl8 8m0 -8l-8 8\" stroke=\"%s\" stroke-width=\"2\"/>\n", x - 4, y - 4,
                              color);
    }
    open = std::isfinite(value);
  }
  return absl::StrCat("<path d=\"", path, "\" stroke=\"", color, "\" stroke-width=\"2\" stroke-linejoin=\"round\"",
                      dashes, "/>\n", cross);
}

std::string Words(double x, double y, const std::string& text, const char* anchor = "start",
                  const char* color = kWordsColor) {
  return absl::StrFormat("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" fill=\"%s\">%s</text>\n", x, y, anchor, color,
                         Marked(text));
}

std::string Legend(double x, const std::string& name, const char* color, const char* dashes) {
  return absl::StrFormat("<path d=\"M%.1f 14h24\" stroke=\"%s\" stroke-width=\"2\"%s/>\n", x, color, dashes) +
         Words(x + 30, 18, name, "start", color);
}

std::string ShortNumber(double value) {
  const double size = std::abs(value);
  if (size != 0 && (size < 0.001 || size >= 10000)) return absl::StrFormat("%.0e", value);
  return absl::StrFormat("%.*f", size == 0 || size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3, value);
}

}  // namespace

std::string Draw(const Drawing& drawing) {
  const Points with = Thinned(drawing.with), without = Thinned(drawing.without);
  const Scale scale(with, without);
  std::string svg = absl::StrFormat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\" "
      "fill=\"none\" "
      "font-family=\"system-ui, sans-serif\" font-size=\"12\">\n",
      kDrawnWidth, kDrawnHeight, kDrawnWidth, kDrawnHeight);
  for (const double share : {0.0, 0.5, 1.0}) {
    const double y = kDrawnHeight - kBottom - share * (kDrawnHeight - kTop - kBottom);
    absl::StrAppendFormat(&svg, "<path d=\"M%.1f %.1fH%.1f\" stroke=\"%s\" stroke-opacity=\"0.35\"/>\n", kLeft, y,
                          kDrawnWidth - kRight, kWordsColor);
    svg += Words(kLeft - 6, y + 4, ShortNumber(scale.Value(share)), "end");
  }
  svg += Words(kLeft, kDrawnHeight - 8, "step 0");
  svg += Words(kDrawnWidth - kRight, kDrawnHeight - 8, absl::StrCat(scale.last()), "end");
  svg += Words(kLeft, 18, absl::StrCat(drawing.quantity, scale.logarithmic() ? ", logarithmic" : ""));
  svg += Legend(kDrawnWidth * 0.42, "with the fault", kFaultColor, "");
  svg += Legend(kDrawnWidth * 0.72, drawing.without_name, kMendedColor, kMendedDashes);
  if (drawing.noticed_at) {
    const double x = scale.X(*drawing.noticed_at);
    const bool right = x > kDrawnWidth * 0.6;
    absl::StrAppendFormat(&svg, "<path d=\"M%.1f %.1fV%.1f\" stroke=\"%s\" stroke-dasharray=\"3 3\"/>\n", x, kTop,
                          kDrawnHeight - kBottom, kFaultColor);
    svg += Words(x + (right ? -5 : 5), kTop + 12, drawing.noticed, right ? "end" : "start", kFaultColor);
  }
  svg += CurveOf(with, scale, kFaultColor, "");
  svg += CurveOf(without, scale, kMendedColor, kMendedDashes);  // Over the other, which shows between its dashes.
  return absl::StrCat(svg, "</svg>\n");
}

}  // namespace traind::insight
