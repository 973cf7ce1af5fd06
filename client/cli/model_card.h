// A model card: what a job's record says of the model that it trained, as a README.md with YAML in front, which model
// hubs and people read. Pure; nothing in it that the record does not say.
#pragma once

#include <string>
#include <vector>

#include "traind/v1/checkpoint.pb.h"
#include "traind/v1/job.pb.h"
#include "traind/v1/training_service.pb.h"

namespace traind::client {

struct ModelCardParts {
  v1::Job job;                              // With its resolved_spec.
  v1::NetworkDescription network;           // Of that spec.
  std::vector<v1::Checkpoint> checkpoints;  // Oldest first.
  std::string server_version;               // That the card was made with.
};

std::string ModelCard(const ModelCardParts& parts);

}  // namespace traind::client
