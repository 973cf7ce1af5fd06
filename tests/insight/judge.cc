#include "tests/insight/judge.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <map>
#include <tuple>
#include <utility>

#include "client/fix.h"
#include "core/graph/graph.h"
#include "core/insight/insight.h"
#include "core/insight/resolve.h"

namespace traind::insight {
namespace {

bool IsBad(v1::Finding::Severity severity) { return severity >= v1::Finding::SEVERITY_WARNING; }

// The order of causes: by family, then by the place in the network.
class Order {
 public:
  explicit Order(const v1::Job& job) {
    core::FieldErrors::Root ignored;
    v1::InsightSpec all;
    for (const auto& [name, rule] : core::ResolveInsight(all, ignored.scope())) families_[name] = rule->traits().family;
    v1::Network network = job.resolved_spec().network();
    const auto graph = core::Graph::Build(network, ignored.scope());
    for (const core::Node& node : graph->nodes()) places_.emplace(node.name, static_cast<int>(places_.size()));
  }

  std::tuple<core::Family, int, std::string> operator()(const v1::Finding& finding) const {
    std::string layer =
        finding.has_tensor() ? finding.tensor().substr(0, finding.tensor().rfind('.')) : finding.layer();
    const auto family = families_.find(finding.rule());
    const auto place = places_.find(layer);
    return {family == families_.end() ? core::Family::kAlone : family->second,
            place == places_.end() ? std::numeric_limits<int>::max() : place->second, finding.id()};
  }

 private:
  std::map<std::string, core::Family> families_;
  std::map<std::string, int> places_;
};

void Hear(const v1::Event& event, std::map<std::string, Told>& told) {
  const v1::Finding& finding = event.finding();
  Told& one = told[finding.id()];
  const bool bad = IsBad(finding.severity()) && finding.state() == v1::Finding::STATE_OPEN;
  if (!one.warned_at.has_value() && (bad || finding.warned())) one.warned_at = finding.warned() ? 0 : event.step();
  if (bad || finding.warned()) one.was_root = finding.root().empty();
  one.worst = std::max(one.worst, finding.severity());
  const v1::Fix fix = one.finding.fix();
  one.finding = finding;
  if (fix.has_mask()) *one.finding.mutable_fix() = fix;
}

std::string LayerOf(const v1::Finding& finding) {
  return finding.has_tensor() ? finding.tensor().substr(0, finding.tensor().rfind('.')) : finding.layer();
}

uint64_t VisibleAt(const Run& run, const Recording& recording) {
  if (run.fault->seen == Seen::kAtOnce) return 0;
  double best = std::numeric_limits<double>::infinity();
  uint64_t at = 0;
  for (const v1::Event& event : recording.events) {
    if (!event.has_evaluation()) continue;
    if (run.fault->seen == Seen::kFirstEvaluation) return event.step();
    if (event.evaluation().loss() < best) at = event.step();
    best = std::min(best, event.evaluation().loss());
  }
  return at;
}

}  // namespace

bool Heard::Warned() const { return FirstWarning().has_value(); }

std::optional<uint64_t> Heard::FirstWarning() const {
  std::optional<uint64_t> first;
  for (const Told& one : findings) {
    if (one.warned_at.has_value()) first = std::min(first.value_or(*one.warned_at), *one.warned_at);
  }
  return first;
}

std::vector<const Told*> Heard::Roots() const {
  std::vector<const Told*> roots;
  for (const Told& one : findings) {
    if (one.warned_at.has_value() && one.was_root) roots.push_back(&one);
  }
  return roots;
}

Heard Listen(const Recording& recording, const v1::InsightSpec& insight) {
  v1::Job job = recording.job;
  *job.mutable_resolved_spec()->mutable_insight() = insight;
  core::Insight watching = core::Insight::Of(job);
  Heard heard;
  std::map<std::string, Told> told;
  for (const v1::Event& event : recording.events) {
    if (event.has_finding()) {  // The trainer's own: a server stores it when it is news.
      if (!watching.IsNews(event.finding())) continue;
      Hear(event, told);
    }
    const auto begin = std::chrono::steady_clock::now();
    const std::vector<v1::Event> made = watching.Note(event);
    const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    heard.seconds += took;
    ++heard.events;
    if (event.has_statistics()) heard.report_seconds += took;
    heard.reports += event.has_statistics() ? 1 : 0;
    for (const v1::Event& one : made) {
      if (one.has_finding()) Hear(one, told);
    }
  }
  for (auto& [id, one] : told) heard.findings.push_back(std::move(one));
  const Order order(job);
  std::sort(heard.findings.begin(), heard.findings.end(),
            [&](const Told& a, const Told& b) { return order(a.finding) < order(b.finding); });
  return heard;
}

Verdict JudgeFault(const Run& run, const Recording& recording, const Heard& heard) {
  Verdict verdict;
  const auto first = heard.FirstWarning();
  verdict.noticed = first.has_value();
  const std::vector<const Told*> roots = heard.Roots();
  const auto& rules = run.fault->rules;
  verdict.named = std::any_of(roots.begin(), roots.end(), [&](const Told* root) {
    return std::find(rules.begin(), rules.end(), root->finding.rule()) != rules.end();
  });
  const auto& layers = run.job.layers;
  if (!layers.empty()) {
    verdict.layer_right =
        !roots.empty() && std::find(layers.begin(), layers.end(), LayerOf(roots.front()->finding)) != layers.end();
  }
  if (first.has_value()) {
    const uint64_t visible = VisibleAt(run, recording);
    verdict.late = *first > visible ? *first - visible : 0;
  }
  return verdict;
}

std::optional<v1::JobSpec> Mended(const Recording& recording, const v1::Finding& finding) {
  if (finding.fix().mask().paths().empty()) return std::nullopt;
  return client::ApplyFix(recording.job.spec(), finding.fix()).value();  // A mask of no field ends the program.
}

}  // namespace traind::insight
