#include "core/search/space.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "core/base/random.h"

namespace traind::core {
namespace {

constexpr Purpose kSearch("search");
constexpr double kLargestExact = 9007199254740992.0;  // 2^53.

bool IsName(absl::string_view name) {
  const auto is_letter = [](char c) { return absl::ascii_islower(static_cast<unsigned char>(c)); };
  const auto is_end = [&](char c) { return is_letter(c) || absl::ascii_isdigit(static_cast<unsigned char>(c)); };
  if (name.empty() || name.size() > 63 || !is_letter(name.front()) || !is_end(name.back())) return false;
  return std::all_of(name.begin(), name.end(), [&](char c) { return is_end(c) || absl::StrContains("_.-", c); });
}

// "network.layers[1].dense.units": network, layers, dense, units.
std::vector<std::string> FieldsOf(absl::string_view path) {
  std::vector<std::string> fields;
  for (absl::string_view part : absl::StrSplit(path, '.')) fields.emplace_back(part.substr(0, part.find('[')));
  return fields;
}

// Whether one of the paths sets what the other one sets, too.
bool Overlap(const std::string& a, const std::string& b) {
  const auto within = [](const std::string& inner, const std::string& outer) {
    return absl::StartsWith(inner, outer + ".") || absl::StartsWith(inner, outer + "[");
  };
  return a == b || within(a, b) || within(b, a);
}

// Whether they name elements of the same list, one by its index and one by its name, which may be the same element.
bool NameInTwoWays(const std::string& a, const std::string& b) {
  const auto same = static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
  const size_t bracket = a.substr(0, same).rfind('[');
  if (bracket == std::string::npos || a.substr(bracket, same - bracket).find(']') != std::string::npos) return false;
  const auto is_index = [&](const std::string& path) {
    uint32_t index = 0;
    return absl::SimpleAtoi(path.substr(bracket + 1, path.find(']', bracket) - bracket - 1), &index);
  };
  return is_index(a) != is_index(b);
}

void CheckRange(const v1::Range& range, bool log, bool grid, const FieldErrors& errors) {
  if (!std::isfinite(range.low())) errors.At("low").Add("must be a finite number");
  if (!std::isfinite(range.high()) || range.high() <= range.low()) {
    errors.At("high").Add("must be a finite number above low");
  }
  if (log && range.low() <= 0) errors.At("low").Add("must be above 0 for a range by factors");
  if (grid && (range.points() < 2 || range.points() > kMostTrials)) {
    errors.At("points").Add("must be from 2 to 1000 with grid: how many values of the range it looks at");
  }
  if (!grid && range.points() != 0) errors.At("points").Add("is used by grid alone: leave it out");
}

void CheckIntegers(const v1::IntegerRange& range, bool grid, const FieldErrors& errors) {
  const double low = static_cast<double>(range.low()), high = static_cast<double>(range.high());
  if (std::abs(low) > kLargestExact) errors.At("low").Add("must be within 2^53");
  if (std::abs(high) > kLargestExact) errors.At("high").Add("must be within 2^53");
  if (range.high() < range.low()) errors.At("high").Add("must be at least low");
  if (range.log() && range.low() < 1) errors.At("low").Add("must be at least 1 with log");
  if (!grid && range.points() != 0) errors.At("points").Add("is used by grid alone: leave it out");
  if (grid && (range.points() == 1 || range.points() > kMostTrials)) {
    errors.At("points").Add("must be from 2 to 1000, or left out for all");
  }
}

void CheckChoice(const v1::Choice& choice, const FieldErrors& errors) {
  if (choice.values().empty()) errors.At("values").Add("must have at least one value");
  if (choice.values_size() > kMostChoices) errors.At("values").Add("must have at most 1000 values");
  std::set<std::string> seen;
  for (int i = 0; i < choice.values_size(); ++i) {
    if (!seen.insert(choice.values(i)).second) errors.At("values", i).Add("is there already: each value stands once");
  }
}

void CheckKind(const v1::Parameter& parameter, bool grid, const FieldErrors& errors) {
  switch (parameter.kind_case()) {
    case v1::Parameter::kChoice:
      return CheckChoice(parameter.choice(), errors.At("choice"));
    case v1::Parameter::kUniform:
      return CheckRange(parameter.uniform(), false, grid, errors.At("uniform"));
    case v1::Parameter::kLogUniform:
      return CheckRange(parameter.log_uniform(), true, grid, errors.At("log_uniform"));
    case v1::Parameter::kInteger:
      return CheckIntegers(parameter.integer(), grid, errors.At("integer"));
    case v1::Parameter::KIND_NOT_SET:
      return errors.Add("needs one of choice, uniform, log_uniform and integer");
  }
}

double Interpolate(double low, double high, double share, bool log) {
  const double value =
      log ? std::exp(std::log(low) + share * (std::log(high) - std::log(low))) : low + share * (high - low);
  return std::clamp(value, low, high);
}

double RoundedInteger(const v1::IntegerRange& range, double place) {
  const double low = static_cast<double>(range.low()), high = static_cast<double>(range.high());
  const double drawn = range.log() ? Interpolate(low - 0.5, high + 0.5, place, true) : low + place * (high - low + 1);
  return std::clamp(range.log() ? std::round(drawn) : std::floor(drawn), low, high);
}

v1::Assignment OfInteger(const v1::Parameter& parameter, double number) {
  return AssignmentOf(parameter, absl::StrCat(static_cast<int64_t>(number)));
}

v1::Assignment OfNumber(const v1::Parameter& parameter, double number) {
  return AssignmentOf(parameter, NumberText(number));
}

std::vector<v1::Assignment> PointsOf(const v1::Parameter& parameter, const v1::Range& range, bool log) {
  std::vector<v1::Assignment> values;
  for (uint32_t i = 0; i < range.points(); ++i) {
    values.push_back(
        OfNumber(parameter, Interpolate(range.low(), range.high(), double(i) / (range.points() - 1), log)));
  }
  return values;
}

std::vector<v1::Assignment> IntegersOf(const v1::Parameter& parameter) {
  const v1::IntegerRange& range = parameter.integer();
  const double low = static_cast<double>(range.low()), high = static_cast<double>(range.high());
  std::vector<v1::Assignment> values;
  const double count = range.points() == 0 ? high - low + 1 : range.points();
  double last = low - 1;
  for (double i = 0; i < count && values.size() <= kMostTrials; ++i) {
    const double share = range.points() == 0 ? 0 : i / (count - 1);
    const double value = range.points() == 0 ? low + i : std::round(Interpolate(low, high, share, range.log()));
    if (value > last) values.push_back(OfInteger(parameter, value));
    last = std::max(last, value);
  }
  return values;
}

}  // namespace

std::string NumberText(double number) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, number).ptr;
  return std::string(text, end);
}

v1::Assignment AssignmentOf(const v1::Parameter& parameter, std::string value) {
  v1::Assignment assignment;
  assignment.set_parameter(parameter.name());
  double number = 0;
  if (absl::SimpleAtod(value, &number) && std::isfinite(number)) assignment.set_number(number);
  assignment.set_value(std::move(value));
  return assignment;
}

void CheckSpace(const v1::SweepSpec& spec, const FieldErrors& errors) {
  if (spec.space_size() > kMostParameters) errors.At("space").Add("must have at most 32 parameters");
  if (spec.space().empty() && !spec.has_external()) errors.At("space").Add("must have at least one parameter");
  std::set<std::string> names;
  std::vector<std::string> paths;
  for (int i = 0; i < std::min(spec.space_size(), kMostParameters); ++i) {
    const v1::Parameter& parameter = spec.space(i);
    const FieldErrors at = errors.At("space", i);
    if (!parameter.name().empty() && !IsName(parameter.name())) {
      at.At("name").Add("must be a lower-case letter, then at most 62 of a-z, 0-9, \"_\", \".\" and \"-\"");
    }
    if (!parameter.name().empty() && !names.insert(parameter.name()).second) at.At("name").Add("is another's, too");
    if (parameter.paths().empty()) at.At("paths").Add("must have at least one path");
    if (parameter.paths_size() > kMostParameters) at.At("paths").Add("must have at most 32 paths");
    for (int j = 0; j < std::min(parameter.paths_size(), kMostParameters); ++j) {
      const std::string path = absl::StrReplaceAll(parameter.paths(j), {{"\"", ""}});  // layers["fc1"] is layers[fc1].
      if (path.empty()) at.At("paths", j).Add("must be a path such as optimizer.learning_rate");
      for (const std::string& other : paths) {
        if (Overlap(path, other)) at.At("paths", j).Add(absl::StrCat("sets what ", other, " sets, too"));
        if (NameInTwoWays(path, other)) {
          at.At("paths", j)
              .Add(absl::StrCat("names an element otherwise than ", other,
                                ", and may set what that sets: use the index in both, or the name"));
        }
      }
      paths.push_back(path);
    }
    CheckKind(parameter, spec.has_grid(), at);
  }
}

void NameParameters(v1::SweepSpec& spec) {
  std::set<std::string> taken;
  for (const v1::Parameter& parameter : spec.space()) taken.insert(parameter.name());
  for (v1::Parameter& parameter : *spec.mutable_space()) {
    if (!parameter.name().empty() || parameter.paths().empty()) continue;
    const std::vector<std::string> fields = FieldsOf(parameter.paths(0));
    std::string name;
    for (size_t kept = 1; kept <= fields.size(); ++kept) {
      name = absl::StrJoin(fields.end() - static_cast<std::ptrdiff_t>(kept), fields.end(), ".");
      if (name.size() <= 60 && taken.count(name) == 0) break;
    }
    if (name.size() > 60) name = "parameter";
    std::string unique = name;
    for (int i = 2; taken.count(unique) > 0; ++i) unique = absl::StrCat(name, "-", i);
    taken.insert(unique);
    parameter.set_name(unique);
  }
}

v1::Assignment ValueAt(const v1::Parameter& parameter, double place) {
  switch (parameter.kind_case()) {
    case v1::Parameter::kUniform:
      return OfNumber(parameter, Interpolate(parameter.uniform().low(), parameter.uniform().high(), place, false));
    case v1::Parameter::kLogUniform:
      return OfNumber(parameter,
                      Interpolate(parameter.log_uniform().low(), parameter.log_uniform().high(), place, true));
    case v1::Parameter::kInteger:
      return OfInteger(parameter, RoundedInteger(parameter.integer(), place));
    default:
      break;
  }
  const v1::Choice& choice = parameter.choice();
  const int index = static_cast<int>(place * choice.values_size());
  return AssignmentOf(parameter, choice.values(std::clamp(index, 0, choice.values_size() - 1)));
}

std::vector<v1::Assignment> GridValues(const v1::Parameter& parameter) {
  if (parameter.has_uniform()) return PointsOf(parameter, parameter.uniform(), false);
  if (parameter.has_log_uniform()) return PointsOf(parameter, parameter.log_uniform(), true);
  if (parameter.has_integer()) return IntegersOf(parameter);
  return EndsOf(parameter);
}

uint64_t GridSize(const v1::SweepSpec& spec) {
  constexpr uint64_t kMost = uint64_t{1} << 62;
  uint64_t size = 1;
  for (const v1::Parameter& parameter : spec.space()) {
    uint64_t count = GridValues(parameter).size();
    if (parameter.has_integer() && parameter.integer().points() == 0) {
      count = static_cast<uint64_t>(parameter.integer().high() - parameter.integer().low()) + 1;
    }
    if (count > 0 && size > kMost / count) return kMost;
    size *= count;
  }
  return size;
}

std::vector<v1::Assignment> EndsOf(const v1::Parameter& parameter) {
  std::vector<v1::Assignment> ends;
  switch (parameter.kind_case()) {
    case v1::Parameter::kUniform:
      return {OfNumber(parameter, parameter.uniform().low()), OfNumber(parameter, parameter.uniform().high())};
    case v1::Parameter::kLogUniform:
      return {OfNumber(parameter, parameter.log_uniform().low()), OfNumber(parameter, parameter.log_uniform().high())};
    case v1::Parameter::kInteger:
      return {AssignmentOf(parameter, absl::StrCat(parameter.integer().low())),
              AssignmentOf(parameter, absl::StrCat(parameter.integer().high()))};
    default:
      for (const std::string& value : parameter.choice().values()) ends.push_back(AssignmentOf(parameter, value));
      return ends;
  }
}

std::string WhyNotIn(const v1::Parameter& parameter, const std::string& value) {
  if (parameter.has_choice()) {
    const auto& values = parameter.choice().values();
    if (std::find(values.begin(), values.end(), value) != values.end()) return "";
    return absl::StrCat("is none of the values of ", parameter.name(), ": ", absl::StrJoin(values, ", "));
  }
  double number = 0;
  const bool is_number = absl::SimpleAtod(value, &number) && std::isfinite(number);
  double low = 0, high = 0;
  if (parameter.has_integer()) {
    low = static_cast<double>(parameter.integer().low());
    high = static_cast<double>(parameter.integer().high());
  } else {
    const v1::Range& range = parameter.has_uniform() ? parameter.uniform() : parameter.log_uniform();
    low = range.low();
    high = range.high();
  }
  int64_t integer = 0;
  if (parameter.has_integer() && !absl::SimpleAtoi(value, &integer)) return "must be an integer";
  if (!is_number || number < low || number > high) {
    return absl::StrCat("must be a number from ", NumberText(low), " to ", NumberText(high));
  }
  return "";
}

v1::Assignment Perturbed(const v1::Parameter& parameter, const v1::Assignment& current, bool up) {
  if (parameter.has_choice()) {
    const auto& values = parameter.choice().values();
    const auto at = std::find(values.begin(), values.end(), current.value()) - values.begin();
    const auto moved = std::clamp<std::ptrdiff_t>(at + (up ? 1 : -1), 0, values.size() - 1);
    return AssignmentOf(parameter, values.Get(static_cast<int>(moved)));
  }
  const double factor = up ? 1.2 : 0.8;
  if (parameter.has_integer()) {
    double moved = std::round(current.number() * factor);
    if (moved == current.number()) moved += up ? 1 : -1;
    return OfInteger(parameter, std::clamp(moved, static_cast<double>(parameter.integer().low()),
                                           static_cast<double>(parameter.integer().high())));
  }
  const v1::Range& range = parameter.has_uniform() ? parameter.uniform() : parameter.log_uniform();
  return OfNumber(parameter, std::clamp(current.number() * factor, range.low(), range.high()));
}

double Draw(uint64_t seed, const std::string& name, uint32_t number, uint32_t index) {
  const auto words = RandomStream(seed, kSearch, StreamOf(name)).Block(number, 0, index);
  return static_cast<double>(((uint64_t{words[0]} << 32) | words[1]) >> 11) * 0x1p-53;
}

std::vector<uint32_t> Shuffle(uint64_t seed, const std::string& name, uint32_t count) {
  std::vector<uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0u);
  for (uint32_t i = count; i > 1; --i) {  // Fisher and Yates.
    const auto other = static_cast<uint32_t>(Draw(seed, name, i, 1) * i);
    std::swap(order[i - 1], order[other]);
  }
  return order;
}

}  // namespace traind::core
