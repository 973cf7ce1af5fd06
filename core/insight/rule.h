// What every rule of insight is: a pure function from what a job has reported to what is wrong with it. One rule is one
// message in insight.proto (its thresholds), one .cc file here that registers itself, and one test. A rule keeps no
// state: core/insight/insight.h calls it for each window, and decides what of it becomes a finding.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/registry.h"
#include "core/insight/facts.h"
#include "core/insight/history.h"
#include "traind/v1/event.pb.h"
#include "traind/v1/finding.pb.h"
#include "traind/v1/insight.pb.h"

namespace traind::core {

// What explains what: a finding hangs on an open one of an earlier family.
enum class Family : uint8_t {
  kNonFinite,
  kData,
  kNetwork,
  kInitialization,
  kRate,
  kActivation,
  kGradient,
  kLoss,
  kAlone,  // Neither explains others nor is explained.
};

// What makes a window of a rule.
enum class Source : uint8_t {
  kSpec,        // The job as it was submitted: once.
  kData,        // The DataProfile: once.
  kTrain,       // A stretch of TRAIN events (history.h).
  kEvaluation,  // An evaluation.
  kStatistics,  // A report of statistics.
};

struct RuleTraits {
  Family family;
  uint32_t slide = 0;  // Of lecture 10.
  // It warns only when the run does not improve as it should, else it informs. A rule about layers does.
  bool unless_improving = false;
  // One sight is enough, and it stays.
  bool at_once = false;
  // Numbers can grow beyond all bounds by it: what is known of it before the first step explains what is not finite.
  bool may_overflow = false;
};

// All that a rule may look at. What a source does not have is null.
struct View {
  Source source = Source::kSpec;
  uint64_t step = 0;
  const Facts& facts;
  const History& history;
  const v1::DataProfile* data = nullptr;
  const v1::StatisticsReport* statistics = nullptr;   // Of kStatistics; not thinned.
  const v1::EvaluationMetrics* evaluation = nullptr;  // Of kEvaluation.
};

// How a sighting bears on the severity that it has (InsightSpec.warn_while_improving leaves all as they are).
enum class Weight : uint8_t {
  kUsual,  // As its rule is: RuleTraits::unless_improving.
  kPlain,  // So plain that it warns although the run improves.
  kMild,   // It only informs, however the run goes.
};

// Something that is wrong in this window.
struct Sighting {
  v1::Finding finding;  // place, severity (default WARNING), cause, fix, and of the evidence what was compared.
  Weight weight = Weight::kUsual;

  Sighting& At(const Node& layer);
  Sighting& AtTensor(const std::string& tensor);
  Sighting& Is(v1::Finding::Severity severity);
  Sighting& Weighs(Weight how_much);
  Sighting& Measured(const std::string& quantity, double value, v1::Evidence::Relation relation, double threshold);
  // A fix in words alone.
  Sighting& Words(const std::string& words);
};

class Rule {
 public:
  explicit Rule(RuleTraits traits) : traits_(traits) {}
  virtual ~Rule() = default;
  const RuleTraits& traits() const { return traits_; }

  // Whether windows of this kind are looked at.
  virtual bool Reads(Source source) const = 0;
  virtual void Look(const View& view, std::vector<Sighting>& found) const = 0;

 private:
  const RuleTraits traits_;
};

// For the rules' own files: a sighting with its sentence.
Sighting& Add(std::vector<Sighting>& found, std::string cause);

// A rule with one source and `look(config, view, found)`, so that a rule's file is its thresholds and one function.
template <class Config>
class SimpleRule final : public Rule {
 public:
  using Function = void (*)(const Config& config, const View& view, std::vector<Sighting>& found);
  SimpleRule(RuleTraits traits, Source source, Config config, Function look)
      : Rule(traits), source_(source), config_(std::move(config)), look_(look) {}

  bool Reads(Source source) const override { return source == source_; }
  void Look(const View& view, std::vector<Sighting>& found) const override { look_(config_, view, found); }

 private:
  const Source source_;
  const Config config_;
  const Function look_;
};

// How a run goes, by which rules about layers warn or inform.
enum class Course : uint8_t { kUnknown, kGood, kBad };

// The loss of the best answer that does not look at the example: the entropy of the classes for a loss with a softmax,
// the variance of the targets, or of one-hot rows, for mean_squared_error. Nullopt: the loss is another, or the data is
// not known.
std::optional<double> ConstantAnswerLoss(const View& view);
// The loss that a run has to get below to have learned something: the first one, or that of the best constant answer,
// where that is less. Only once there is a TRAIN event.
double LossToBeat(const View& view);
// After `after_share` of the job (at most an epoch) and 6 stretches at least; before that it is kUnknown unless good.
Course CourseOf(const View& view);
// Whether the job is past its first `share`, or its first epoch.
bool PastBeginning(const View& view, double share);

}  // namespace traind::core
