#include "core/train/members.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/job/job_memory.h"

namespace traind::core {
namespace {

absl::Status MakePlan(const InferenceRequest& request, bool sampling, Member& member) {
  const Model& model = member.trained.model;
  PlanOptions options = PlanOptionsFor(request.spec, {});
  options.batch = member.batch;
  options.sampling = sampling;
  auto plan = Plan::Make(*model.graph, *model.store, options);
  if (!plan.ok()) return plan.status();
  member.plan = *std::move(plan);
  absl::Status status = LoadWeights(request.weights_path, *model.store).status();
  return status.ok() ? member.plan->RefreshParameters() : status;
}

absl::Status CheckTogether(const Members& members) {
  const Member& first = *members.front();
  for (size_t i = 1; i < members.size(); ++i) {
    const Member& other = *members[i];
    if (other.plan->outputs() != first.plan->outputs() ||
        other.trained.model.loss->output_meaning() != first.trained.model.loss->output_meaning()) {
      return absl::InvalidArgumentError(
          absl::StrCat("member ", i, " of the ensemble has other outputs than the first"));
    }
    if (other.views->count() != first.views->count()) {
      return absl::InvalidArgumentError(absl::StrCat("test_time: member ", i,
                                                     " of the ensemble looks at an example in ", other.views->count(),
                                                     " ways, the first in ", first.views->count()));
    }
  }
  return absl::OkStatus();
}

}  // namespace

InferenceRequest RequestOf(const InferenceRequest& request, const InferenceRequest::Network& network) {
  InferenceRequest alone = request;
  alone.spec = network.spec;
  alone.weights_path = network.weights_path;
  alone.preprocessing_path = network.preprocessing_path;
  alone.others.clear();
  return alone;
}

absl::StatusOr<Members> MakeMembers(const InferenceRequest& request, const Shape& shape, const v1::TestTime& test_time,
                                    int64_t batch) {
  batch = std::min<int64_t>(batch, request.spec.batch_size());
  std::vector<InferenceRequest> requests = {request};
  for (const InferenceRequest::Network& network : request.others) {
    requests.push_back(RequestOf(request, network));
    batch = std::min<int64_t>(batch, network.spec.batch_size());
  }
  Members members;
  for (const InferenceRequest& one : requests) {
    auto trained = TrainedModel::Make(one);
    if (!trained.ok()) return trained.status();
    auto member = std::make_unique<Member>(Member{.trained = *std::move(trained), .batch = batch});
    auto views = member->trained.input.LooksAt(shape, test_time);
    if (!views.ok()) return views.status();
    member->views.emplace(*std::move(views));
    const absl::Status status = MakePlan(one, test_time.dropout_samples() > 0, *member);
    if (!status.ok()) return status;
    members.push_back(std::move(member));
  }
  if (absl::Status status = CheckTogether(members); !status.ok()) return status;
  return members;
}

}  // namespace traind::core
