#include "server/store/job_store.h"

namespace traind::server {

v1::EventKind KindOf(const v1::Event& event) {
  switch (event.kind_case()) {
    case v1::Event::kState:
      return v1::EVENT_KIND_STATE;
    case v1::Event::kTrain:
      return v1::EVENT_KIND_TRAIN;
    case v1::Event::kEvaluation:
      return v1::EVENT_KIND_EVALUATION;
    case v1::Event::kStatistics:
      return v1::EVENT_KIND_STATISTICS;
    case v1::Event::kCheckpoint:
      return v1::EVENT_KIND_CHECKPOINT;
    case v1::Event::kLog:
      return v1::EVENT_KIND_LOG;
    case v1::Event::kPreprocessing:
      return v1::EVENT_KIND_PREPROCESSING;
    case v1::Event::kData:
      return v1::EVENT_KIND_DATA;
    case v1::Event::kFinding:
      return v1::EVENT_KIND_FINDING;
    case v1::Event::kTest:
      return v1::EVENT_KIND_TEST;
    case v1::Event::KIND_NOT_SET:
      break;
  }
  return v1::EVENT_KIND_UNSPECIFIED;
}

}  // namespace traind::server
