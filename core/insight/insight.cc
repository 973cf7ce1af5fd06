#include "core/insight/insight.h"

#include <algorithm>
#include <bitset>
#include <limits>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

namespace traind::core {
namespace {

constexpr uint32_t kWindows = 5;
constexpr uint32_t kAllWindows = (1u << kWindows) - 1;
constexpr int kOpens = 3;     // Sights among them.
constexpr int kMostTold = 8;  // Times that a finding comes.
constexpr int64_t kMostFindings = 64;
constexpr int kDoubtsToWarn = 2;  // Stretches.
constexpr int kDoubtsToInform = 5;
constexpr int kNowhere = std::numeric_limits<int>::max();  // Behind all layers: those say more.

int SeenIn(uint32_t window) { return static_cast<int>(std::bitset<32>(window).count()); }

std::string PlaceOf(const v1::Finding& finding) {
  switch (finding.place_case()) {
    case v1::Finding::kLayer:
      return finding.layer();
    case v1::Finding::kTensor:
      return finding.tensor();
    case v1::Finding::kSplit:
      return finding.split();
    case v1::Finding::PLACE_NOT_SET:
      break;
  }
  return "";
}

std::string IdOf(const std::string& rule, const v1::Finding& finding) {
  const std::string place = PlaceOf(finding);
  return place.empty() ? rule : absl::StrCat(rule, "/", place);
}

// Whether watchers have to hear of it again.
bool Differs(const v1::Finding& a, const v1::Finding& b) {
  return a.state() != b.state() || a.severity() != b.severity() || a.root() != b.root();
}

}  // namespace

struct Insight::Watched {
  v1::JobSpec spec, given;
  std::unique_ptr<Graph> graph;
  Rules rules;
  Facts facts;
  absl::flat_hash_map<std::string, int> layers;
  absl::flat_hash_map<std::string, const Rule*> by_name;

  // Null: nothing looks for it.
  const Rule* Find(const std::string& rule) const {
    const auto found = by_name.find(rule);
    return found == by_name.end() ? nullptr : found->second;
  }
};

Insight Insight::Of(const v1::Job& job) {
  Insight insight;
  auto watched = std::make_shared<Watched>();
  watched->spec = job.resolved_spec();
  watched->given = job.spec();
  FieldErrors::Root accepted;
  watched->rules = ResolveInsight(*watched->spec.mutable_insight(), accepted.scope());
  for (const auto& [name, rule] : watched->rules) watched->by_name[name] = rule.get();
  if (watched->spec.insight().profile() != v1::InsightSpec::PROFILE_OFF) {
    v1::Network network = watched->spec.network();
    watched->graph = Graph::Build(network, accepted.scope());
  }
  if (watched->graph == nullptr) return insight;
  for (const Node& node : watched->graph->nodes()) {
    watched->layers.emplace(node.name, static_cast<int>(watched->layers.size()));
  }
  const bool labels = watched->spec.data().targets() != v1::TARGET_SOURCE_INPUT;
  watched->facts = {.graph = watched->graph.get(),
                    .batch = watched->spec.batch_size(),
                    .spec = &watched->spec,
                    .given = &watched->given,
                    .dataset = job.dataset(),
                    .classes = labels ? job.trained_on().num_classes() : 0,
                    .class_names = {job.trained_on().class_names().begin(), job.trained_on().class_names().end()},
                    .element_type = job.trained_on().element_type(),
                    .steps_per_epoch = job.progress().steps_per_epoch(),
                    .total_steps = job.progress().total_steps(),
                    .continues = !job.forked_from().empty() || watched->spec.has_initial_weights()};
  insight.watched_ = std::move(watched);
  return insight;
}

std::vector<v1::Event> Insight::Note(const v1::Event& event) {
  if (watched_ == nullptr) return {};
  Update(event);
  return Tell(event);
}

void Insight::Recall(const v1::Event& event) {
  if (watched_ == nullptr) return;
  Update(event);
  // Then the log has the line that says so.
  full_ = full_ || (num_told_ >= kMostFindings && std::any_of(findings_.begin(), findings_.end(), [](const auto& one) {
                      return one.second.times_told == 0 && one.second.finding.state() == v1::Finding::STATE_OPEN;
                    }));
}

bool Insight::IsNews(const v1::Finding& finding) const {
  if (watched_ == nullptr || watched_->Find(finding.rule()) == nullptr) return false;
  const auto known = findings_.find(KeyOf(finding));
  if (known == findings_.end()) return num_told_ < kMostFindings;
  return known->second.finding.state() != v1::Finding::STATE_OPEN && known->second.times_told < kMostTold;
}

void Insight::Update(const v1::Event& event) {
  if (!begun_) Begin(event);
  switch (event.kind_case()) {
    case v1::Event::kData:
      data_ = std::make_shared<const v1::DataProfile>(event.data());
      Look(Source::kData, event);
      break;
    case v1::Event::kTrain:
      if (!history_.Add(event.step(), event.train(), event.timing())) return;
      Judge(event);
      Look(Source::kTrain, event);
      break;
    case v1::Event::kEvaluation:
      history_.Add(event.step(), event.evaluation());
      Look(Source::kEvaluation, event);
      break;
    case v1::Event::kStatistics:
      if (event.statistics().thinned()) return;
      Look(Source::kStatistics, event);
      break;
    case v1::Event::kFinding:
      Hear(event.finding());
      break;
    default:
      return;
  }
  Settle();
}

void Insight::Begin(const v1::Event& event) {
  begun_ = true;
  Look(Source::kSpec, event);
  Settle();
}

View Insight::ViewOf(Source source, const v1::Event& event) const {
  return {.source = source,
          .step = source == Source::kSpec || source == Source::kData ? 0 : event.step(),
          .facts = watched_->facts,
          .history = history_,
          .data = data_.get(),
          .statistics = source == Source::kStatistics ? &event.statistics() : nullptr,
          .evaluation = source == Source::kEvaluation ? &event.evaluation() : nullptr};
}

void Insight::Look(Source source, const v1::Event& event) {
  const View view = ViewOf(source, event);
  for (const auto& [name, rule] : watched_->rules) {
    if (rule->Reads(source)) LookBy(name, *rule, view);
  }
}

void Insight::LookBy(const std::string& name, const Rule& rule, const View& view) {
  const bool at_once = rule.traits().at_once;
  std::vector<Sighting> found;
  rule.Look(view, found);
  for (auto& [key, tracked] : findings_) {
    if (at_once || tracked.finding.rule() != name) continue;
    tracked.window = (tracked.window << 1) & kAllWindows;
    tracked.looked = std::min(tracked.looked + 1, kWindows);
  }
  for (const Sighting& sighting : found) {
    Tracked& tracked = Track(name, sighting, view.step);
    tracked.finding.set_slide(rule.traits().slide);
    tracked.window = at_once ? kAllWindows : tracked.window | 1;
    v1::Evidence& evidence = *tracked.finding.mutable_evidence();
    evidence.set_seen(view.step == 0 ? 0 : std::min<uint32_t>(SeenIn(tracked.window), tracked.looked));
    evidence.set_windows(view.step == 0 ? 0 : tracked.looked);
    if (view.source == Source::kSpec) tracked.finding.set_warned(tracked.severity >= v1::Finding::SEVERITY_WARNING);
  }
  for (auto it = findings_.begin(); it != findings_.end();) {
    Tracked& tracked = it->second;
    v1::Finding& finding = tracked.finding;
    const bool gone = finding.rule() == name && tracked.window == 0;
    if (finding.rule() == name && SeenIn(tracked.window) >= kOpens) finding.set_state(v1::Finding::STATE_OPEN);
    if (gone && finding.state() == v1::Finding::STATE_OPEN) finding.set_state(v1::Finding::STATE_RESOLVED);
    const bool never_told = gone && tracked.times_told == 0;
    it = never_told ? findings_.erase(it) : std::next(it);
  }
}

Insight::Tracked& Insight::Track(const std::string& rule, const Sighting& sighting, uint64_t step) {
  v1::Finding seen = sighting.finding;
  seen.set_rule(rule);
  seen.set_id(IdOf(rule, seen));
  const auto [entry, is_new] = findings_.try_emplace(KeyOf(seen));
  Tracked& tracked = entry->second;
  const bool again = tracked.finding.state() != v1::Finding::STATE_OPEN && tracked.window == 0;
  if (is_new || again) tracked.looked = 1;
  seen.set_first_step(is_new || again ? step : tracked.finding.first_step());
  seen.set_last_step(step);
  seen.set_state(tracked.finding.state());
  // What is resolved stays as it was told until it opens again.
  if (seen.state() == v1::Finding::STATE_RESOLVED) seen.set_severity(tracked.finding.severity());
  seen.set_root(tracked.finding.root());
  seen.set_warned(tracked.finding.warned());
  tracked.severity = sighting.finding.severity();
  tracked.weight = sighting.weight;
  TakeFix(seen, tracked);
  tracked.finding = std::move(seen);
  return tracked;
}

void Insight::TakeFix(v1::Finding& finding, Tracked& tracked) {
  tracked.fix = finding.has_fix() ? std::make_shared<const v1::Fix>(std::move(*finding.mutable_fix())) : nullptr;
  finding.clear_fix();
}

// A run is taken to improve until it is known that it does not.
void Insight::Judge(const v1::Event& event) {
  const Course course = CourseOf(ViewOf(Source::kTrain, event));
  const bool doubt = course == (improves_ ? Course::kBad : Course::kGood);
  doubts_ = doubt ? doubts_ + 1 : 0;
  if (doubts_ < (improves_ ? kDoubtsToWarn : kDoubtsToInform)) return;
  improves_ = !improves_;
  doubts_ = 0;
}

// What makes numbers overflow and was known before the first step, where there is a number that is not finite: the root
// then, though it stands behind it. Null: nothing.
const Insight::Tracked* Insight::CauseOfOverflow() const {
  const auto open = [](const Tracked& one) { return one.finding.state() == v1::Finding::STATE_OPEN; };
  const auto rule = [&](const Tracked& one) { return watched_->Find(one.finding.rule()); };
  const bool overflows = std::any_of(findings_.begin(), findings_.end(), [&](const auto& one) {
    return open(one.second) && rule(one.second) != nullptr && rule(one.second)->traits().family == Family::kNonFinite;
  });
  if (!overflows) return nullptr;
  for (const auto& [key, one] : findings_) {
    if (!open(one) || rule(one) == nullptr || !rule(one)->traits().may_overflow) continue;
    if (one.finding.warned() || (one.finding.first_step() == 0 && one.severity >= v1::Finding::SEVERITY_WARNING)) {
      return &one;
    }
  }
  return nullptr;
}

// Severities and roots as they are now. In the order of `findings_` causes come before what they explain.
void Insight::Settle() {
  const Tracked* root = CauseOfOverflow();
  std::map<std::string, const Tracked*> first_of_rule;
  for (auto& [key, tracked] : findings_) {
    v1::Finding& finding = tracked.finding;
    if (finding.state() != v1::Finding::STATE_OPEN) continue;
    const Rule* rule = watched_->Find(finding.rule());
    if (rule == nullptr) continue;
    const RuleTraits& traits = rule->traits();
    const bool excused = traits.unless_improving && improves_ && tracked.weight != Weight::kPlain && &tracked != root;
    const bool informs =
        (excused || tracked.weight == Weight::kMild) && !watched_->spec.insight().warn_while_improving();
    finding.set_severity(informs ? v1::Finding::SEVERITY_INFO : tracked.severity);
    finding.clear_root();
    if (traits.family == Family::kAlone) continue;
    const Tracked*& same = first_of_rule.try_emplace(finding.rule(), &tracked).first->second;
    if (finding.severity() > same->finding.severity()) same = &tracked;  // A warning does not hang on what informs.
    const bool explained = root != nullptr && root->finding.rule() != finding.rule();
    if (explained) {
      finding.set_root(root->finding.id());
    } else if (same != &tracked) {
      finding.set_root(same->finding.id());
    }
    if (root == nullptr && finding.severity() >= v1::Finding::SEVERITY_WARNING) root = &tracked;
  }
}

// As it was stored, or as the worker makes it.
void Insight::Hear(const v1::Finding& finding) {
  Tracked& tracked = findings_[KeyOf(finding)];
  if (tracked.times_told++ == 0) ++num_told_;
  tracked.severity = std::max(tracked.severity, finding.severity());
  tracked.finding = finding;
  TakeFix(tracked.finding, tracked);
  tracked.told = tracked.finding;
  if (tracked.looked == 0) tracked.window = kAllWindows;
}

Insight::Key Insight::KeyOf(const v1::Finding& finding) const {
  const Rule* rule = watched_->Find(finding.rule());
  std::string layer = PlaceOf(finding);
  if (finding.has_tensor()) layer = layer.substr(0, layer.rfind('.'));
  const auto place = watched_->layers.find(layer);
  return {rule == nullptr ? Family::kAlone : rule->traits().family,
          place == watched_->layers.end() ? kNowhere : place->second, finding.id()};
}

std::vector<v1::Event> Insight::Tell(const v1::Event& event) {
  std::vector<v1::Event> events;
  const auto add = [&]() -> v1::Event& {
    v1::Event& next = events.emplace_back();
    next.set_step(event.step());
    next.set_epoch(event.epoch());
    return next;
  };
  for (auto& [key, tracked] : findings_) {
    if (tracked.finding.state() == v1::Finding::STATE_UNSPECIFIED || !Differs(tracked.finding, tracked.told)) continue;
    if (tracked.times_told >= kMostTold) continue;
    if (tracked.times_told == 0 && num_told_ >= kMostFindings) {
      if (std::exchange(full_, true)) continue;
      auto& log = *add().mutable_log();
      log.set_level(v1::LogLine::LEVEL_WARNING);
      log.set_text(absl::StrCat("more than ", kMostFindings, " findings: the others are not told"));
      continue;
    }
    if (tracked.times_told++ == 0) ++num_told_;
    tracked.told = tracked.finding;
    v1::Finding& finding = *add().mutable_finding();
    finding = tracked.finding;
    if (tracked.fix != nullptr) *finding.mutable_fix() = *tracked.fix;
  }
  return events;
}

namespace {

// Adds what a rule sees in one window, of which there is no other.
void LookOnce(const std::string& name, const Rule& rule, const View& view, std::vector<v1::Finding>& findings) {
  std::vector<Sighting> found;
  rule.Look(view, found);
  for (Sighting& sighting : found) {
    sighting.finding.set_rule(name);
    findings.push_back(std::move(sighting.finding));
  }
}

}  // namespace

std::vector<v1::Finding> SpecFindings(const Facts& facts, const Rules& rules) {
  std::vector<v1::Finding> findings;
  const History none;
  for (const auto& [name, rule] : rules) {
    if (!rule->Reads(Source::kSpec)) continue;
    LookOnce(name, *rule, {.source = Source::kSpec, .facts = facts, .history = none}, findings);
  }
  return findings;
}

std::vector<v1::Finding> FreshFindings(const Facts& facts, const Rules& rules, const v1::StatisticsReport& statistics) {
  std::vector<v1::Finding> findings;
  const History none;
  const View view = {
      .source = Source::kStatistics, .step = 1, .facts = facts, .history = none, .statistics = &statistics};
  for (const auto& [name, rule] : rules) {
    const Family family = rule->traits().family;
    if (!rule->Reads(Source::kStatistics)) continue;
    if (family == Family::kInitialization || family == Family::kActivation) LookOnce(name, *rule, view, findings);
  }
  return findings;
}

std::string WarningText(const v1::Finding& finding) {
  return absl::StrCat(finding.has_layer() ? absl::StrCat("layer \"", finding.layer(), "\": ") : "", finding.cause(),
                      finding.fix().words().empty() ? "" : "; ", finding.fix().words());
}

}  // namespace traind::core
