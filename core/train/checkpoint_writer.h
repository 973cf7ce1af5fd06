// Writes the checkpoints of a job beside its training. At the end of a step Hold copies what a checkpoint keeps, which
// is all that the training waits for; a thread of the writer's own brings the copy into the public layout, checks and
// writes it, at most one at a time. There is memory for one copy, so a second Hold replaces what was not written.
//
// Used by one thread. Its own thread takes one core at a lower priority than the training's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "core/plan/parameter_store.h"
#include "core/tensor/buffer.h"

namespace traind::core {

class CheckpointWriter {
 public:
  // A tensor of the checkpoint as it lies in memory now.
  struct Source {
    std::string name;
    Shape shape;                            // As it is written.
    absl::Span<const float> values;         // As they are stored, padding included.
    const StoredParameter* like = nullptr;  // Whose layout the values have; null: row-major.
  };
  struct Content {
    v1::CheckpointManifest manifest = {};
    std::vector<Source> weights = {};
    // If given, it holds the weights instead: tensors of this name and shape in a file of before.
    std::shared_ptr<const Safetensors> earlier = nullptr;
    std::vector<Source> state = {};
    std::vector<Tensor> preprocessing = {};
    SaveOptions options = {};  // `before_publish` is called by the writer's thread.
  };
  struct Written {
    absl::Status status;     // As SaveCheckpoint has it.
    absl::Duration cpu;      // What the writer's thread took from the training.
    int64_t size_bytes = 0;  // Of the checkpoint's files.
  };

  // `store` outlives the writer.
  CheckpointWriter(const ParameterStore& store, std::string dir);
  ~CheckpointWriter();  // Waits for what is being written; what is only held is lost.

  // Copies. Not while something is written. RESOURCE_EXHAUSTED: there is no memory for the copy.
  absl::Status Hold(Content content);
  // Begins to write what is held. It stays, so that it can be written again when that fails.
  void Write();
  // Whether Write has ended, waiting at most so long.
  bool AwaitEnd(absl::Duration timeout);
  // How it ended: call once, after it has.
  Written Take();

 private:
  // A source whose values are in copy_ from `offset` on.
  struct Copied {
    std::string name;
    Shape shape;
    const StoredParameter* like = nullptr;
    int64_t offset = 0;
    int64_t stored = 0;
  };

  std::vector<Copied> Place(const std::vector<Source>& sources, int64_t& end) const;
  void Copy(const std::vector<Source>& from, const std::vector<Copied>& to);
  std::vector<TensorSource> SourcesOf(const std::vector<Copied>& tensors, bool of_earlier,
                                      std::vector<float>& values) const;
  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  Written Save();

  const ParameterStore& store_;
  const std::string dir_;
  Buffer copy_;
  Content content_;  // Of what is held, without the values.
  std::vector<Copied> weights_;
  std::vector<Copied> state_;

  enum class State { kIdle, kWanted, kWritten, kEnding };
  absl::Mutex mutex_;
  State state_of_thread_ ABSL_GUARDED_BY(mutex_) = State::kIdle;
  Written written_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace traind::core
