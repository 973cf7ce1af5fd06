// traind-fuzz [--inputs N | --seconds S] [--seed N] [--target NAME] CORPUS: gives every target its corpus and inputs
// made from it. Ends at the first fault with the input in ./fuzz-TARGET-SEED-NUMBER. With --seconds an input may take 1
// s of CPU time for each megabyte (at least 1 s), and 64 MiB more memory than the program had before; with --inputs
// there is no such limit, so that a slow machine is no fault.
#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "google/protobuf/text_format.h"
#include "tests/fuzz/mutate.h"
#include "tests/fuzz/targets.h"
#include "tests/support/bytes.h"
#include "tests/support/temporary_folder.h"

namespace traind::fuzz {
namespace {

constexpr double kSecondsPerMegabyte = 1;
constexpr int64_t kMemory = int64_t{64} << 20;

struct Options {
  int64_t inputs = 200;
  double seconds = 0;  // Of all targets together; 0: count inputs.
  uint64_t seed = 1;
  std::string target;
  std::string corpus;
};

// Peak memory since Forget, from the kernel.
int64_t PeakMemory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmHWM:", 0) == 0) return std::atoll(line.c_str() + 6) << 10;
  }
  return 0;
}
void ForgetPeak() {
  malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << "5";
}

double CpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

class Fuzzer {
 public:
  Fuzzer(const Target& target, const Options& options) : target_(target), options_(options), random_(options.seed) {
    for (const auto& entry : std::filesystem::directory_iterator(options.corpus + "/" + target.name)) {
      files_.push_back(entry.path());
    }
    std::sort(files_.begin(), files_.end());
    for (const std::string& file : files_) corpus_.push_back(Read(file));
  }

  // False: there was a fault.
  bool Run(double seconds) {
    for (const std::string& input : corpus_)
      Once(input, /*measured=*/false);  // What is loaded once is no input's fault.
    for (const std::string& input : corpus_) {
      if (!Once(input, seconds > 0)) return false;
    }
    const absl::Time end = absl::Now() + absl::Seconds(seconds);
    for (int64_t n = 0; seconds > 0 ? absl::Now() < end : n < options_.inputs; ++n) {
      if (!Once(Made(), seconds > 0)) return false;
    }
    std::printf("%-17s %8lld inputs, at most %.2f s and %lld KiB\n", target_.name, static_cast<long long>(count_),
                slowest_, static_cast<long long>(largest_ >> 10));
    return true;
  }

 private:
  std::string Read(const std::string& file) const {
    const std::string bytes = ReadBytes(file);
    if (target_.message == nullptr || !file.ends_with(".textproto")) return bytes;
    const auto message = target_.message();
    if (!google::protobuf::TextFormat::ParseFromString(bytes, message.get())) {
      std::fprintf(stderr, "%s is no %s\n", file.c_str(), message->GetTypeName().c_str());
      std::exit(2);
    }
    return message->SerializeAsString();
  }

  std::string Made() {
    const bool as_bytes = target_.message == nullptr || random_() % 4 == 0;
    if (as_bytes) return MutateBytes(corpus_, random_);
    const auto message = target_.message();
    message->ParsePartialFromString(corpus_[random_() % corpus_.size()]);
    MutateMessage(*message, random_);
    return message->SerializePartialAsString();
  }

  bool Once(const std::string& input, bool measured) {
    ++count_;
    // Whatever ends the program leaves the input behind.
    const std::string kept = absl::StrCat("fuzz-", target_.name, "-", options_.seed, "-", count_);
    if (count_ > static_cast<int64_t>(2 * corpus_.size())) WriteBytes(kept, input);
    const TemporaryFolder folder(TemporaryFolder::Place::kMemory);
    if (measured) ForgetPeak();
    const int64_t idle = PeakMemory();
    const double begin = CpuSeconds();
    target_.run(input, folder.path());
    const double took = CpuSeconds() - begin;
    const int64_t memory = PeakMemory() - idle;
    slowest_ = std::max(slowest_, took);
    if (measured) largest_ = std::max(largest_, memory);
    const double most = kSecondsPerMegabyte * std::max(1.0, static_cast<double>(input.size()) / (1 << 20));
    if (measured && (took > most || memory > kMemory)) {
      WriteBytes(kept, input);
      std::fprintf(stderr, "%s: %zu bytes took %.2f s (at most %.2f) and %lld KiB (at most %lld): %s\n", target_.name,
                   input.size(), took, most, static_cast<long long>(memory >> 10),
                   static_cast<long long>(kMemory >> 10), kept.c_str());
      return false;
    }
    std::filesystem::remove(kept);
    return true;
  }

  const Target& target_;
  const Options& options_;
  std::mt19937_64 random_;
  std::vector<std::string> files_;
  std::vector<std::string> corpus_;
  int64_t count_ = 0;
  double slowest_ = 0;
  int64_t largest_ = 0;
};

int Main(int argc, char** argv) {
  Options options;
  bool unknown = false;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    if (flag == "--inputs") {
      options.inputs = std::atoll(value);
    } else if (flag == "--seconds") {
      options.seconds = std::atof(value);
    } else if (flag == "--seed") {
      options.seed = std::strtoull(value, nullptr, 10);
    } else if (flag == "--target") {
      options.target = value;
    } else {
      if (flag.front() != '-') options.corpus = flag;
      unknown |= flag.front() == '-';
      continue;
    }
    ++i;
  }
  int64_t chosen = 0;
  for (const Target& target : Targets()) chosen += options.target.empty() || options.target == target.name;
  if (unknown || chosen == 0 || options.corpus.empty()) {
    std::fprintf(stderr, "usage: traind-fuzz [--inputs N | --seconds S] [--seed N] [--target NAME] CORPUS\n");
    return 2;
  }
  for (const Target& target : Targets()) {
    if (!options.target.empty() && options.target != target.name) continue;
    if (!Fuzzer(target, options).Run(options.seconds / static_cast<double>(chosen))) return 1;
  }
  return 0;
}

}  // namespace
}  // namespace traind::fuzz

int main(int argc, char** argv) { return traind::fuzz::Main(argc, argv); }
