#include "core/train/checkpoint_writer.h"

#include <omp.h>
#include <sys/resource.h>

#include <algorithm>
#include <ctime>
#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/parallel.h"

namespace traind::core {
namespace {

constexpr int64_t kAlignment = Buffer::kAlignment / sizeof(float);
// Where the training uses every core: a tenth of one, rather than a half. On a free core it makes no difference.
constexpr int kNice = 10;

absl::Duration CpuOfThread() {
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return absl::DurationFromTimespec(used);
}

int64_t SizeOf(const std::string& dir, uint64_t step) {
  int64_t bytes = 0;
  if (const auto files = FindCheckpoint(dir, absl::StrCat(step)); files.ok()) {
    for (const auto& file : files->manifest.files()) bytes += file.size_bytes();
  }
  return bytes;
}

}  // namespace

CheckpointWriter::CheckpointWriter(const ParameterStore& store, std::string dir) : store_(store), dir_(std::move(dir)) {
  thread_ = std::thread([this] { Run(); });
}

CheckpointWriter::~CheckpointWriter() {
  AwaitEnd(absl::InfiniteDuration());
  {
    absl::MutexLock lock(&mutex_);
    state_of_thread_ = State::kEnding;
  }
  thread_.join();
}

std::vector<CheckpointWriter::Copied> CheckpointWriter::Place(const std::vector<Source>& sources, int64_t& end) const {
  std::vector<Copied> placed;
  for (const Source& source : sources) {
    const auto stored = static_cast<int64_t>(source.values.size());
    placed.push_back(
        {.name = source.name, .shape = source.shape, .like = source.like, .offset = end, .stored = stored});
    end += (stored + kAlignment - 1) / kAlignment * kAlignment;
  }
  return placed;
}

void CheckpointWriter::Copy(const std::vector<Source>& from, const std::vector<Copied>& to) {
  for (size_t i = 0; i < from.size(); ++i) {
    const float* values = from[i].values.data();
    float* copy = copy_.data<float>() + to[i].offset;
    ParallelFor(to[i].stored, 16 * kValueGrain,
                [&](int64_t begin, int64_t end, int) { std::copy(values + begin, values + end, copy + begin); });
  }
}

absl::Status CheckpointWriter::Hold(Content content) {
  int64_t end = 0;
  weights_ = Place(content.weights, end);
  state_ = Place(content.state, end);
  if (const size_t bytes = static_cast<size_t>(end) * sizeof(float); bytes > copy_.bytes()) {
    copy_ = Buffer();  // Never both.
    copy_ = Buffer(bytes);
    if (copy_.data() == nullptr) {
      return absl::ResourceExhaustedError(absl::StrCat("no memory for ", bytes, " bytes of a checkpoint"));
    }
  }
  Copy(content.weights, weights_);
  Copy(content.state, state_);
  for (auto* sources : {&content.weights, &content.state}) sources->clear();
  content_ = std::move(content);
  return absl::OkStatus();
}

void CheckpointWriter::Write() {
  absl::MutexLock lock(&mutex_);
  state_of_thread_ = State::kWanted;
}

bool CheckpointWriter::AwaitEnd(absl::Duration timeout) {
  absl::MutexLock lock(&mutex_);
  const auto ended = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return state_of_thread_ != State::kWanted; };
  return mutex_.AwaitWithTimeout(absl::Condition(&ended), timeout);
}

CheckpointWriter::Written CheckpointWriter::Take() {
  absl::MutexLock lock(&mutex_);
  state_of_thread_ = State::kIdle;
  return written_;
}

void CheckpointWriter::Run() {
  omp_set_num_threads(1);               // Of this thread alone.
  setpriority(PRIO_PROCESS, 0, kNice);  // Also of this thread alone, on Linux. Without it: slower, not wrong.
  const auto wanted = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return state_of_thread_ == State::kWanted || state_of_thread_ == State::kEnding;
  };
  for (;;) {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(&wanted));
      if (state_of_thread_ == State::kEnding) return;
    }
    Written written;
    try {
      written = Save();
    } catch (const std::exception& error) {
      written.status = absl::InternalError(absl::StrCat("a checkpoint cannot be written: ", error.what()));
    }
    absl::MutexLock lock(&mutex_);
    written_ = std::move(written);
    state_of_thread_ = State::kWritten;
  }
}

std::vector<TensorSource> CheckpointWriter::SourcesOf(const std::vector<Copied>& tensors, bool of_earlier,
                                                      std::vector<float>& values) const {
  std::vector<TensorSource> sources;
  for (const Copied& tensor : tensors) {
    sources.push_back({tensor.name, tensor.shape, [this, &tensor, &values, of_earlier] {
                         const float* copy = copy_.data<float>() + tensor.offset;
                         if (!of_earlier && tensor.like == nullptr) return absl::MakeConstSpan(copy, tensor.stored);
                         values.resize(Elements(tensor.shape));
                         if (of_earlier) {
                           content_.earlier->Read(*content_.earlier->Find(tensor.name), absl::MakeSpan(values));
                         } else {
                           store_.Get(*tensor.like, copy, absl::MakeSpan(values));
                         }
                         return absl::MakeConstSpan(values);
                       }});
  }
  return sources;
}

CheckpointWriter::Written CheckpointWriter::Save() {
  const absl::Duration before = CpuOfThread();
  std::vector<float> values;  // Of one tensor at a time.
  const auto weights = SourcesOf(weights_, content_.earlier != nullptr, values);
  const auto state = SourcesOf(state_, /*of_earlier=*/false, values);
  const auto preprocessing = core::SourcesOf(content_.preprocessing);
  Written written;
  written.status = SaveCheckpoint(
      dir_, {.manifest = content_.manifest, .weights = weights, .state = state, .preprocessing = preprocessing},
      content_.options);
  if (written.status.ok()) written.size_bytes = SizeOf(dir_, content_.manifest.step());
  written.cpu = CpuOfThread() - before;
  return written;
}

}  // namespace traind::core
