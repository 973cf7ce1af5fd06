#include "server/services/watch_request.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/resources/request_bounds.h"
#include "traind/v1/event.pb.h"

namespace traind::server {
namespace {

std::string SomeLayers(const v1::Network& network) {
  constexpr int kMost = 50;
  std::vector<absl::string_view> names;
  for (int i = 0; i < std::min(network.layers_size(), kMost); ++i) names.push_back(network.layers(i).name());
  return absl::StrCat(absl::StrJoin(names, ", "), network.layers_size() > kMost ? ", ..." : "");
}

}  // namespace

void CheckWatchRequest(const v1::WatchJobRequest& request, const core::FieldErrors& errors) {
  CheckRepeatedFields(request, errors);
  for (int i = 0; i < std::min(request.kinds_size(), kMostItems); ++i) {
    const bool known = v1::EventKind_IsValid(request.kinds(i)) && request.kinds(i) != v1::EVENT_KIND_UNSPECIFIED;
    if (!known) errors.At("kinds", i).Add("is not a kind of event");
  }
  if (request.after_sequence() < 0) errors.At("after_sequence").Add("must not be negative");
}

void CheckLayersOf(const std::string& job, const google::protobuf::RepeatedPtrField<std::string>& layers,
                   const v1::Network& network, const core::FieldErrors& errors) {
  absl::flat_hash_set<absl::string_view> known;
  for (const v1::Layer& layer : network.layers()) known.insert(layer.name());
  for (int i = 0; i < layers.size(); ++i) {
    if (known.contains(layers[i])) continue;
    const bool first = errors.count() == 0;
    errors.At("layers", i)
        .Add(absl::StrCat(job, " has no layer \"", layers[i], "\"", first ? "; it has: " + SomeLayers(network) : ""));
  }
}

}  // namespace traind::server
