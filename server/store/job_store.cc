#include "server/store/job_store.h"

namespace traind::server {

v1::EventKind KindOf(const v1::Event& event) {
  switch (event.kind_case()) {
    case v1::Event::kState:
      return v1::STATE;
    case v1::Event::kTrain:
      return v1::TRAIN;
    case v1::Event::kEvaluation:
      return v1::EVALUATION;
    case v1::Event::kStatistics:
      return v1::STATISTICS;
    case v1::Event::kCheckpoint:
      return v1::CHECKPOINT;
    case v1::Event::kLog:
      return v1::LOG;
    case v1::Event::kPreprocessing:
      return v1::PREPROCESSING;
    case v1::Event::KIND_NOT_SET:
      break;
  }
  return v1::EVENT_KIND_UNSPECIFIED;
}

}  // namespace traind::server
