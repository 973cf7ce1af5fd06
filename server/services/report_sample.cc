#include "server/services/report_sample.h"

#include <algorithm>
#include <utility>

#include "server/services/report_layers.h"

namespace traind::server {

size_t ReportSample::Room() const { return std::clamp(kMostBytes / largest_, size_t{2}, std::max(most_, size_t{2})); }

void ReportSample::Add(const v1::Event& event) {
  if (most_ == 0 || !event.has_statistics()) return;
  v1::Series::Report report;
  *report.mutable_statistics() = OfLayers(event.statistics(), layers_);
  if (report.statistics().layers().empty()) return;
  report.set_step(event.step());
  largest_ = std::max(largest_, report.ByteSizeLong());
  newest_ = report;
  if (seen_++ % stride_ != 0) return;
  kept_.push_back(std::move(report));
  while (kept_.size() > 2 * Room()) {
    stride_ *= 2;
    for (size_t i = 0; 2 * i < kept_.size(); ++i) std::swap(kept_[i], kept_[2 * i]);
    kept_.resize((kept_.size() + 1) / 2);
  }
}

std::vector<v1::Series::Report> ReportSample::Take() const {
  std::vector<v1::Series::Report> all = kept_, taken;
  if (!all.empty() && newest_.step() != all.back().step()) all.push_back(newest_);
  const size_t count = std::min({all.size(), Room(), std::max(most_, size_t{1})});
  for (size_t i = 0; i < count; ++i)
    taken.push_back(all[count == 1 ? all.size() - 1 : i * (all.size() - 1) / (count - 1)]);
  return taken;
}

}  // namespace traind::server
