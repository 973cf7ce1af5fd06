#include "core/base/stored_spec.h"

namespace traind::core {

void CompleteStoredSpec(v1::JobSpec& resolved) {
  if (resolved.last_batch() != v1::LAST_BATCH_UNSPECIFIED) return;  // Newer ones say it always.
  resolved.set_last_batch(v1::LAST_BATCH_DROP);
  for (v1::Augmentation& augmentation : *resolved.mutable_data()->mutable_augmentation()) {
    if (augmentation.has_cutout()) augmentation.mutable_cutout()->set_fill(v1::Cutout::FILL_ZERO);
  }
}

}  // namespace traind::core
