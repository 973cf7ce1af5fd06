#include "client/cli/search_svg.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "client/cli/text.h"

namespace traind::client {
namespace {

constexpr size_t kMostDrawn = 1000;
constexpr double kWidth = 1000;
constexpr char kBestColor[] = "#c62828";

struct Frame {  // Of a panel, in units of the picture.
  double left = 0, top = 0, right = 0, bottom = 0;
  double X(double share) const { return left + share * (right - left); }
  double Y(double share) const { return bottom - share * (bottom - top); }
};

// Text from elsewhere: no markup, and none of the control characters that XML forbids.
std::string Escaped(absl::string_view text) {
  return absl::StrReplaceAll(Printable(text), {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}});
}

std::string Text(double x, double y, absl::string_view text, absl::string_view more = "") {
  return absl::StrFormat("<text x=\"%.1f\" y=\"%.1f\"%s>%s</text>\n", x, y, more, Escaped(text));
}

std::string Rule(double x1, double y1, double x2, double y2) {
  return absl::StrFormat("<line class=\"axis\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", x1, y1, x2, y2);
}

// From light grey-blue (worst) to dark blue (best).
std::string ColorOf(double share) {
  const auto mix = [&](double from, double to) { return std::lround(from + share * (to - from)); };
  return absl::StrFormat("#%02x%02x%02x", mix(0xc9, 0x0d), mix(0xd6, 0x2f), mix(0xe6, 0x6e));
}

class Picture {
 public:
  explicit Picture(const Search& search) : search_(search), scale_(ScaleOf(search)), best_(BestTrial(search)) {
    order_.resize(search.trials.size());
    std::iota(order_.begin(), order_.end(), 0);
    std::stable_sort(order_.begin(), order_.end(), [&](size_t a, size_t b) {
      const auto &x = search.trials[a].objective, &y = search.trials[b].objective;
      return y && (!x || IsBetter(search, *y, *x));
    });
  }

  std::string Draw(absl::string_view note) {
    const Frame parallel{.left = 60, .top = 110, .right = kWidth - 70, .bottom = 380};
    const Frame history{.left = 60, .top = 470, .right = 480, .bottom = 700};
    const Frame curves{.left = 580, .top = 470, .right = kWidth - 30, .bottom = 700};
    std::string body = Text(20, 30, search_.title, " class=\"title\"");
    absl::StrAppend(&body, Text(20, 54, Summary()));
    if (!note.empty()) absl::StrAppend(&body, Text(20, 72, note, " class=\"small\""));
    absl::StrAppend(&body, Parallel(parallel), History(history), Curves(curves));
    return absl::StrCat(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1000 750\" width=\"1000\" height=\"750\" "
        "font-family=\"sans-serif\" font-size=\"13\">\n<style>.axis{stroke:#888;stroke-width:1}.trial{fill:none}"
        ".trial:hover{stroke:#ef6c00;stroke-width:4}.title{font-size:18px;font-weight:bold}.small{font-size:11px;"
        "fill:#333;paint-order:stroke;stroke:#fff;stroke-width:3px}</style>\n<rect width=\"1000\" height=\"750\" "
        "fill=\"#fff\"/>\n",
        body, "</svg>\n");
  }

 private:
  std::string Summary() const {
    std::string text = absl::StrCat(search_.trials.size(), " trials; ", search_.objective,
                                    search_.maximize ? ", the larger the better" : ", the smaller the better");
    if (best_) {
      const SearchTrial& best = search_.trials[*best_];
      absl::StrAppend(&text, "; best ", FormatNumber(*best.objective), ": ", Settings(best));
    }
    return Clip(text, 150);
  }

  std::string Settings(const SearchTrial& trial) const {
    std::vector<std::string> parts;
    for (size_t i = 0; i < search_.axes.size(); ++i) {
      if (!trial.values[i].empty())
        parts.push_back(absl::StrCat(search_.axes[i].title, " ", ShortValue(trial.values[i])));
    }
    return absl::StrJoin(parts, ", ");
  }

  std::string Tip(const SearchTrial& trial) const {
    const std::string objective = trial.objective ? FormatNumber(*trial.objective) : "none yet";
    return absl::StrCat("<title>",
                        Escaped(absl::StrCat("trial ", trial.number, " ", trial.state, ", ", search_.objective, " ",
                                             objective, ": ", Settings(trial))),
                        "</title>");
  }

  std::string Stroke(size_t i) const {
    const SearchTrial& trial = search_.trials[i];
    if (i == best_) return absl::StrCat(kBestColor, "\" stroke-width=\"3");
    if (!trial.objective) return "#bbb\" stroke-dasharray=\"3 3";
    return absl::StrCat(ColorOf(scale_.Place(*trial.objective)), "\" stroke-width=\"1.3");
  }

  std::string Line(size_t i, const std::vector<std::string>& points) const {
    return absl::StrCat("<polyline class=\"trial\" stroke=\"", Stroke(i), "\" points=\"", absl::StrJoin(points, " "),
                        "\">", Tip(search_.trials[i]), "</polyline>\n");
  }

  std::string Parallel(const Frame& frame) const {
    std::string text, labels;  // Labels lie above the lines.
    std::vector<SearchAxis> axes;
    for (size_t i = 0; i < search_.axes.size(); ++i) {
      std::vector<std::string> values;
      for (const SearchTrial& trial : search_.trials) values.push_back(trial.values[i]);
      axes.push_back(Widened(search_.axes[i], values));
    }
    const auto place = [&](size_t axis) {
      return frame.X(static_cast<double>(axis) / std::max<double>(axes.size(), 1));
    };
    const int room = static_cast<int>((place(1) - place(0)) / 7.5);
    for (size_t i = 0; i <= axes.size(); ++i) {
      const bool last = i == axes.size();
      const char* middle = " text-anchor=\"middle\"";
      const std::string title = last ? search_.objective : axes[i].title;
      absl::StrAppend(
          &text, Rule(place(i), frame.top, place(i), frame.bottom),
          Text(place(i), frame.top - 22, Clip(title, room), " text-anchor=\"middle\" font-weight=\"bold\""));
      if (!last && !axes[i].choices.empty()) {
        for (const std::string& choice : axes[i].choices) {
          absl::StrAppend(&labels, Text(place(i) + 5, frame.Y(*PlaceOn(axes[i], choice)) + 4, Clip(choice, room),
                                        " class=\"small\""));
        }
      } else if (!last || best_) {
        absl::StrAppend(&text,
                        Text(place(i), frame.top - 6, last ? FormatNumber(scale_.best) : HighEnd(axes[i]), middle),
                        Text(place(i), frame.bottom + 16, last ? FormatNumber(scale_.worst) : LowEnd(axes[i]), middle));
      }
    }
    for (const size_t i : order_) {
      const SearchTrial& trial = search_.trials[i];
      std::vector<std::string> points;
      for (size_t axis = 0; axis < axes.size(); ++axis) {
        const std::optional<double> at = PlaceOn(axes[axis], trial.values[axis]);
        if (at) points.push_back(absl::StrFormat("%.1f,%.1f", place(axis), frame.Y(*at)));
      }
      if (trial.objective) {
        points.push_back(absl::StrFormat("%.1f,%.1f", place(axes.size()), frame.Y(scale_.Place(*trial.objective))));
      }
      absl::StrAppend(&text, Line(i, points));
    }
    absl::StrAppend(&text, labels);
    if (scale_.beyond > 0) {
      absl::StrAppend(
          &text, Text(frame.left, frame.bottom + 34, absl::StrCat(scale_.beyond, " far worse: drawn at the lower edge"),
                      " class=\"small\""));
    }
    return text;
  }

  // The frame of a panel whose height is the objective.
  std::string Panel(const Frame& frame, const ObjectiveScale& scale, absl::string_view title, absl::string_view first,
                    absl::string_view last, absl::string_view along) const {
    std::string text = absl::StrCat(Text(frame.left, frame.top - 14, title, " font-weight=\"bold\""),
                                    Rule(frame.left, frame.top, frame.left, frame.bottom),
                                    Rule(frame.left, frame.bottom, frame.right, frame.bottom),
                                    Text(frame.left, frame.bottom + 16, first),
                                    Text(frame.right, frame.bottom + 16, last, " text-anchor=\"end\""),
                                    Text(frame.X(0.5), frame.bottom + 16, along, " text-anchor=\"middle\""));
    if (best_) {
      const char* end = " text-anchor=\"end\"";
      absl::StrAppend(&text, Text(frame.left - 5, frame.top + 5, FormatNumber(scale.best), end),
                      Text(frame.left - 5, frame.bottom, FormatNumber(scale.worst), end));
    }
    return text;
  }

  std::string History(const Frame& frame) const {
    const size_t count = search_.trials.size();
    std::string text = Panel(frame, scale_, absl::StrCat(search_.objective, " of each trial, and the best so far"),
                             count > 0 ? absl::StrCat(search_.trials.front().number) : "",
                             count > 1 ? absl::StrCat(search_.trials.back().number) : "", "trial");
    const auto x = [&](size_t i) { return frame.X((static_cast<double>(i) + 0.5) / static_cast<double>(count)); };
    const std::vector<double> best = BestSoFar(search_);
    std::vector<std::string> points;
    size_t seen = 0;
    for (size_t i = 0; i < count; ++i) {
      const SearchTrial& trial = search_.trials[i];
      if (!trial.objective) continue;
      if (seen > 0) points.push_back(absl::StrFormat("%.1f,%.1f", x(i), frame.Y(scale_.Place(best[seen - 1]))));
      points.push_back(absl::StrFormat("%.1f,%.1f", x(i), frame.Y(scale_.Place(best[seen]))));
      ++seen;
    }
    absl::StrAppend(&text, "<polyline fill=\"none\" stroke=\"", kBestColor, "\" stroke-width=\"1.5\" points=\"",
                    absl::StrJoin(points, " "), "\"/>\n");
    for (size_t i = 0; i < count; ++i) {
      const SearchTrial& trial = search_.trials[i];
      if (!trial.objective) continue;
      const double share = scale_.Place(*trial.objective);
      absl::StrAppendFormat(&text, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%d\" fill=\"%s\">%s</circle>\n", x(i),
                            frame.Y(share), i == best_ ? 6 : 4, i == best_ ? kBestColor : ColorOf(share), Tip(trial));
    }
    return text;
  }

  // Of the curves: most begin far below where they end, so the worst tenth of all points lies at the lower edge.
  ObjectiveScale CurveScale(uint64_t& last) const {
    std::vector<double> values;
    for (const SearchTrial& trial : search_.trials) {
      for (const auto& [step, value] : trial.curve) {
        last = std::max(last, step);
        if (std::isfinite(value)) values.push_back(value);
      }
    }
    if (values.empty()) return {};
    std::sort(values.begin(), values.end(), [&](double a, double b) { return IsBetter(search_, b, a); });
    return {.worst = values[values.size() / 10], .best = values.back()};
  }

  std::string Curves(const Frame& frame) const {
    uint64_t last = 0;
    const ObjectiveScale scale = CurveScale(last);
    if (last == 0) return "";
    std::string text =
        Panel(frame, scale, absl::StrCat(search_.objective, " while they train"), "0", absl::StrCat(last), "step");
    for (const size_t i : order_) {
      std::vector<std::string> points;
      for (const auto& [step, value] : search_.trials[i].curve) {
        if (!std::isfinite(value)) continue;
        points.push_back(absl::StrFormat("%.1f,%.1f", frame.X(static_cast<double>(step) / static_cast<double>(last)),
                                         frame.Y(scale.Place(value))));
      }
      if (!points.empty()) absl::StrAppend(&text, Line(i, points));
    }
    return text;
  }

  const Search& search_;
  const ObjectiveScale scale_;
  const std::optional<size_t> best_;
  std::vector<size_t> order_;  // Worst first: the best lies above the others.
};

}  // namespace

std::string SearchSvg(const Search& search) {
  if (search.trials.size() <= kMostDrawn) return Picture(search).Draw("");
  Search newest = search;
  newest.trials.erase(newest.trials.begin(), newest.trials.end() - kMostDrawn);
  return Picture(newest).Draw(
      absl::StrCat("The newest ", kMostDrawn, " trials of ", search.trials.size(), " are drawn."));
}

}  // namespace traind::client
