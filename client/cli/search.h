// What a sweep has tried, as it is drawn: axes, the trials on them, and scales. Pure functions; knows nothing of the
// API.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace traind::client {

// A parameter that is searched.
struct SearchAxis {
  std::string title;                 // "learning_rate".
  std::vector<std::string> choices;  // What it can be; empty: a number.
  double low = 0, high = 1;          // Of a number.
  bool logarithmic = false;          // Only where low > 0.
};

struct SearchTrial {
  int64_t number = 0;
  std::string state;                               // For people.
  std::vector<std::string> values;                 // One for each axis, as text; empty: not known.
  std::optional<double> objective;                 // Nullopt: none yet, or no finite number.
  std::vector<std::pair<uint64_t, double>> curve;  // Step and objective, by step.
};

struct Search {
  std::string title;
  std::string objective;  // "accuracy".
  bool maximize = true;
  std::vector<SearchAxis> axes;
  std::vector<SearchTrial> trials;
  // Index of the trial that is called the best; nullopt: the one with the best objective.
  std::optional<size_t> chosen = std::nullopt;
};

// The last part of a field path, with its index: "learning_rate", "layers[2].units" for
// "network.layers[2].dense.units".
std::string AxisTitle(absl::string_view path);

// A value for people: a number of more than eight characters with four digits, "0.005742".
std::string ShortValue(absl::string_view value);

// A place in [0, 1] on an axis. Nullopt: the value is no number, or none of the choices.
std::optional<double> PlaceOn(const SearchAxis& axis, absl::string_view value);
// The axis, widened to where the trials are.
SearchAxis Widened(SearchAxis axis, const std::vector<std::string>& values);
// The text at the ends of an axis: the lowest number or first choice, and the highest or last.
std::string LowEnd(const SearchAxis& axis);
std::string HighEnd(const SearchAxis& axis);

// Whether a is a better objective than b.
inline bool IsBetter(const Search& search, double a, double b) { return search.maximize ? a > b : a < b; }

// The index of the trial that is called the best; of equal ones the first. Nullopt: no trial has an objective.
std::optional<size_t> BestTrial(const Search& search);
// The best objective up to each trial that has one, in their order.
std::vector<double> BestSoFar(const Search& search);

// The values that are drawn of an objective. What is much worse than most (farther from the best than four times the
// median is) is drawn at the edge: one trial that diverged must not flatten the others.
struct ObjectiveScale {
  double worst = 0, best = 1;
  int beyond = 0;  // Trials at the edge.
  // 0: worst or beyond; 1: best.
  double Place(double objective) const;
};
ObjectiveScale ScaleOf(const Search& search);

}  // namespace traind::client
