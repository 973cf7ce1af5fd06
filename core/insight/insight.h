// Watches a job: from its events, in their order, to findings. A pure function of the log: a server that was killed
// gives it the stored events again (Recall) and goes on where it was.
//
// A rule that sees something in 3 of the newest 5 windows of its kind opens a finding, one for each rule and place;
// after 5 windows without a sight it is RESOLVED. A rule about layers only informs while the run improves as it should.
// A finding comes again when its state, its severity or its root changes, at most 8 times; of a job at most 64 come.
//
// A value: copies go their own ways. Thread-compatible.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "core/insight/resolve.h"
#include "traind/v1/event.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

class Insight {
 public:
  // Of a job with its specs and totals, which is accepted.
  static Insight Of(const v1::Job& job);

  // The next event of the log. Gives the FINDING events (and at most one LOG event) that follow it: with step and
  // epoch, without sequence and time.
  std::vector<v1::Event> Note(const v1::Event& event);
  // The same for an event that was stored before, with its findings.
  void Recall(const v1::Event& event);
  // Whether a finding that the worker itself has made is news.
  bool IsNews(const v1::Finding& finding) const;

 private:
  struct Watched;  // The job and its rules, which do not change.
  // What stands for a finding in the order of causes: family, place in the network, id.
  using Key = std::tuple<Family, int, std::string>;
  // One rule at one place.
  struct Tracked {
    v1::Finding finding;                  // As it is now, but for the fix; without a state before it is opened.
    std::shared_ptr<const v1::Fix> fix;   // Apart, because it may be large: copies of an Insight are to be cheap.
    v1::Finding told;                     // As it was told last, without the fix.
    v1::Finding::Severity severity = {};  // Before it is weighed.
    Weight weight = Weight::kUsual;
    uint32_t window = 0;  // A bit for each of the newest windows with a sight, the newest one lowest.
    uint32_t looked = 0;  // Windows since the first sight, at most 5.
    int times_told = 0;
  };

  void Begin(const v1::Event& event);
  void Update(const v1::Event& event);
  View ViewOf(Source source, const v1::Event& event) const;
  void Look(Source source, const v1::Event& event);
  void LookBy(const std::string& name, const Rule& rule, const View& view);
  Tracked& Track(const std::string& rule, const Sighting& sighting, uint64_t step);
  void Judge(const v1::Event& event);
  const Tracked* CauseOfOverflow() const;
  void Settle();
  void Hear(const v1::Finding& finding);
  static void TakeFix(v1::Finding& finding, Tracked& tracked);
  Key KeyOf(const v1::Finding& finding) const;
  std::vector<v1::Event> Tell(const v1::Event& event);

  std::shared_ptr<const Watched> watched_;
  History history_;
  std::shared_ptr<const v1::DataProfile> data_;
  bool begun_ = false;
  bool improves_ = true;
  int doubts_ = 0;        // Stretches in a row that say otherwise.
  int64_t num_told_ = 0;  // Findings.
  bool full_ = false;     // More were found.
  std::map<Key, Tracked> findings_;
};

// What rules see in the spec, before anything runs; WARNING or worse come first.
std::vector<v1::Finding> SpecFindings(const Facts& facts, const Rules& rules);
// What rules about initialization and activations see in the first report of statistics of a network that nothing has
// trained.
std::vector<v1::Finding> FreshFindings(const Facts& facts, const Rules& rules, const v1::StatisticsReport& statistics);
// As Job.warnings has it: `layer "hidden": ...; use kaiming`.
std::string WarningText(const v1::Finding& finding);

}  // namespace traind::core
