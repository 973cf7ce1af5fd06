#include "tests/insight/data.h"

#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numbers>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/data/dataset_dir.h"
#include "tests/support/file_formats.h"

namespace traind::insight {
namespace {

constexpr int kTrain = 2000, kTest = 500;  // Examples.
constexpr char kFashionFolder[] = "/usr/share/datasets/fashion-mnist/";

struct Examples {
  std::vector<int64_t> shape;  // Of one.
  bool bytes = false;
  std::vector<float> x;  // [count, shape], bytes as 0 to 255.
  std::vector<int32_t> labels;
  std::vector<float> targets;  // In place of labels.
  int64_t count() const { return static_cast<int64_t>(labels.empty() ? targets.size() : labels.size()); }
};

// The numbers are the same with every standard library: its distributions are not.
class Draw {
 public:
  explicit Draw(uint32_t seed) : engine_(seed) {}
  double Uniform(double low, double high) { return low + (high - low) * (engine_() * 0x1p-32); }
  int Index(int count) { return static_cast<int>(Uniform(0, count)); }
  double Normal() {
    const double radius = std::sqrt(-2 * std::log(1 - Uniform(0, 1)));
    return radius * std::cos(2 * std::numbers::pi * Uniform(0, 1));
  }

 private:
  std::mt19937 engine_;
};

absl::StatusOr<std::string> Unzip(const std::string& name, size_t offset, size_t bytes) {
  const std::string path = kFashionFolder + name;
  const gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) return absl::NotFoundError(absl::StrCat(path, " is not there: install dataset-fashion-mnist"));
  std::string data(offset + bytes, '\0');
  const int got = gzread(file, data.data(), static_cast<unsigned>(data.size()));
  gzclose(file);
  if (got != static_cast<int>(data.size())) return absl::DataLossError(absl::StrCat(path, " is too short"));
  return data.substr(offset);
}

absl::StatusOr<Examples> Fashion(bool train, Series series) {
  const int count = train ? kTrain : kTest;
  const size_t first = series == Series::kTuning ? 0 : count;
  const std::string stem = train ? "train" : "t10k";
  const auto images = Unzip(stem + "-images-idx3-ubyte.gz", 16 + 784 * first, size_t{784} * count);
  if (!images.ok()) return images.status();
  const auto labels = Unzip(stem + "-labels-idx1-ubyte.gz", 8 + first, count);
  if (!labels.ok()) return labels.status();
  Examples made = {.shape = {1, 28, 28}, .bytes = true, .x = {}, .labels = {}, .targets = {}};
  for (const char pixel : *images) made.x.push_back(static_cast<uint8_t>(pixel));
  for (const char label : *labels) made.labels.push_back(label);
  return made;
}

// Rows of five pixels, the highest bit left.
constexpr int kFont[10][7] = {{0x0E, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0E}, {0x04, 0x0C, 0x04, 0x04, 0x04, 0x04, 0x0E},
                              {0x0E, 0x11, 0x01, 0x02, 0x04, 0x08, 0x1F}, {0x1F, 0x02, 0x04, 0x02, 0x01, 0x11, 0x0E},
                              {0x02, 0x06, 0x0A, 0x12, 0x1F, 0x02, 0x02}, {0x1F, 0x10, 0x1E, 0x01, 0x01, 0x11, 0x0E},
                              {0x06, 0x08, 0x10, 0x1E, 0x11, 0x11, 0x0E}, {0x1F, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08},
                              {0x0E, 0x11, 0x11, 0x0E, 0x11, 0x11, 0x0E}, {0x0E, 0x11, 0x11, 0x0F, 0x01, 0x02, 0x0C}};

double Ink(int digit, int row, int column) {
  if (row < 0 || row >= 7 || column < 0 || column >= 5) return 0;
  return (kFont[digit][row] >> (4 - column)) & 1;
}

// Between the pixels of the font, linearly.
double InkAt(int digit, double row, double column) {
  const int r = static_cast<int>(std::floor(row)), c = static_cast<int>(std::floor(column));
  const double down = row - r, right = column - c;
  return (1 - down) * ((1 - right) * Ink(digit, r, c) + right * Ink(digit, r, c + 1)) +
         down * ((1 - right) * Ink(digit, r + 1, c) + right * Ink(digit, r + 1, c + 1));
}

Examples Digits(int count, Draw draw) {
  constexpr int kSide = 16;
  Examples made = {.shape = {1, kSide, kSide}, .bytes = true, .x = {}, .labels = {}, .targets = {}};
  for (int i = 0; i < count; ++i) {
    const int digit = draw.Index(10);
    const double turn = draw.Uniform(-0.3, 0.3), size = draw.Uniform(1.3, 2.0);
    const double right = draw.Uniform(-2, 2), down = draw.Uniform(-2, 2), weight = draw.Uniform(120, 230);
    for (int y = 0; y < kSide; ++y) {
      for (int x = 0; x < kSide; ++x) {
        const double dx = (x - 7.5 - right) / size, dy = (y - 7.5 - down) / size;
        const double ink =
            InkAt(digit, 3 - dx * std::sin(turn) + dy * std::cos(turn), 2 + dx * std::cos(turn) + dy * std::sin(turn));
        made.x.push_back(static_cast<float>(std::clamp(weight * ink + 25 * std::abs(draw.Normal()), 0.0, 255.0)));
      }
    }
    made.labels.push_back(digit);
  }
  return made;
}

Examples Blobs(int count, Draw draw, Series series) {
  constexpr int kFeatures = 16, kClasses = 6;
  constexpr double kNoise = 1.1;
  Draw fixed(series == Series::kTuning ? 11 : 12);  // The same clouds for both splits.
  double centre[kClasses][kFeatures], scale[kFeatures];
  for (double& one : scale) one = std::pow(10, fixed.Uniform(0, 2));
  for (auto& row : centre) {
    for (double& one : row) one = fixed.Normal();
  }
  Examples made = {.shape = {kFeatures}, .bytes = false, .x = {}, .labels = {}, .targets = {}};
  for (int i = 0; i < count; ++i) {
    const int label = draw.Index(kClasses);
    for (int f = 0; f < kFeatures; ++f) {
      made.x.push_back(static_cast<float>(scale[f] * (3 + centre[label][f] + kNoise * draw.Normal())));
    }
    made.labels.push_back(label);
  }
  return made;
}

Examples Circles(int count, Draw draw) {
  Examples made = {.shape = {2}, .bytes = false, .x = {}, .labels = {}, .targets = {}};
  for (int i = 0; i < count; ++i) {
    const int label = draw.Index(3);
    const double radius = label + 1 + 0.2 * draw.Normal(), angle = draw.Uniform(0, 2 * std::numbers::pi);
    made.x.push_back(static_cast<float>(10 * (5 + radius * std::cos(angle))));
    made.x.push_back(static_cast<float>(10 * (-8 + radius * std::sin(angle))));
    made.labels.push_back(label);
  }
  return made;
}

Examples Friedman(int count, Draw draw) {
  constexpr double kMean = 14.4, kDeviation = 4.9;  // Of the function, about.
  Examples made = {.shape = {10}, .bytes = false, .x = {}, .labels = {}, .targets = {}};
  for (int i = 0; i < count; ++i) {
    double x[10];
    for (double& one : x) one = draw.Uniform(0, 1);
    const double y = 10 * std::sin(std::numbers::pi * x[0] * x[1]) + 20 * (x[2] - 0.5) * (x[2] - 0.5) + 10 * x[3] +
                     5 * x[4] + draw.Normal();
    for (const double one : x) made.x.push_back(static_cast<float>(30 + 20 * one));
    made.targets.push_back(static_cast<float>((y - kMean) / kDeviation));
  }
  return made;
}

absl::StatusOr<Examples> Plain(Data data, bool train, Series series) {
  const int count = train ? kTrain : kTest;
  const uint32_t drawn_before = series == Series::kTuning ? 0 : 100;
  const Draw draw(drawn_before + (train ? 1 : 2));
  switch (data) {
    case Data::kFashion:
      return Fashion(train, series);
    case Data::kDigits:
      return Digits(count, draw);
    case Data::kBlobs:
      return Blobs(count, draw, series);
    case Data::kCircles:
      return Circles(count, draw);
    case Data::kRegression:
      return Friedman(count, draw);
  }
  return absl::InternalError("no such data");
}

void LeaveFewOfAllButTheFirst(Examples& of) {
  const int64_t width = static_cast<int64_t>(of.x.size()) / of.count();
  Examples left = {.shape = of.shape, .bytes = of.bytes, .x = {}, .labels = {}, .targets = {}};
  std::vector<int> seen(of.labels.size());
  for (int64_t i = 0; i < of.count(); ++i) {
    if (of.labels[i] != 0 && seen[of.labels[i]]++ % 30 != 0) continue;
    left.x.insert(left.x.end(), of.x.begin() + i * width, of.x.begin() + (i + 1) * width);
    left.labels.push_back(of.labels[i]);
  }
  of = std::move(left);
}

template <class T>
void Shuffle(std::vector<T>& values, Draw draw) {
  for (size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[draw.Index(static_cast<int>(i))]);
}

template <class T>
void Redraw(std::vector<T>& values, double share, Draw draw) {
  const std::vector<T> all = values;
  for (T& one : values) {
    if (draw.Uniform(0, 1) < share) one = all[draw.Index(static_cast<int>(all.size()))];
  }
}

void ShiftInputs(Examples& of) {
  const size_t width = of.x.size() / static_cast<size_t>(of.count());
  for (size_t f = 0; f < width; ++f) {
    double sum = 0, squares = 0;
    for (size_t i = f; i < of.x.size(); i += width) {
      sum += of.x[i];
      squares += double{of.x[i]} * of.x[i];
    }
    const double n = static_cast<double>(of.count()), deviation = std::sqrt(squares / n - sum * sum / n / n);
    for (size_t i = f; i < of.x.size(); i += width) {
      of.x[i] = static_cast<float>(of.bytes ? std::min(255.0, of.x[i] + 127.0) : of.x[i] + 2 * deviation);
    }
  }
}

void Apply(Change change, bool train, Examples& to) {
  const Draw draw(3);
  switch (change) {
    case Change::kNone:
      return;
    case Change::kLabelsShuffled:
      if (train) Shuffle(to.labels, draw);
      if (train) Shuffle(to.targets, draw);
      return;
    case Change::kLabelsShifted:
      if (train && !to.labels.empty()) std::rotate(to.labels.begin(), to.labels.begin() + 1, to.labels.end());
      if (train && !to.targets.empty()) std::rotate(to.targets.begin(), to.targets.begin() + 1, to.targets.end());
      return;
    case Change::kLabelsNoisy:
      if (train && !to.labels.empty()) Redraw(to.labels, 0.6, draw);
      if (train && !to.targets.empty()) Redraw(to.targets, 0.6, draw);
      return;
    case Change::kImbalanced:
      if (train) LeaveFewOfAllButTheFirst(to);
      return;
    case Change::kOneClass:
      if (train) std::fill(to.labels.begin(), to.labels.end(), 0);
      return;
    case Change::kTestShifted:
      if (!train) ShiftInputs(to);
      return;
    case Change::kTargetsScaled:
      for (float& target : to.targets) target *= 1000;
      return;
  }
}

double VarianceOf(const std::vector<float>& values) {
  double sum = 0, squares = 0;
  for (const float one : values) {
    sum += one;
    squares += double{one} * one;
  }
  const double n = static_cast<double>(values.size());
  return values.empty() ? 0 : squares / n - sum * sum / n / n;
}

// The two files of a split, which the import reads.
absl::Status WriteSplit(const Examples& of, const std::string& stem) {
  std::vector<int64_t> dims = of.shape;
  dims.insert(dims.begin(), of.count());
  const std::vector<uint8_t> bytes(of.bytes ? std::vector<uint8_t>(of.x.begin(), of.x.end()) : std::vector<uint8_t>());
  const std::string x = of.bytes ? NpyOf(bytes, dims) : NpyOf(of.x, dims);
  const std::string y = of.labels.empty() ? NpyOf(of.targets, {of.count(), 1}) : NpyOf(of.labels);
  if (absl::Status status = core::WriteFile(stem + ".x.npy", x); !status.ok()) return status;
  return core::WriteFile(stem + ".y.npy", y);
}

}  // namespace

std::string NameOf(Data data) {
  constexpr const char* kNames[] = {"fashion", "digits", "blobs", "circles", "regression"};
  return kNames[static_cast<int>(data)];
}

std::string NameOf(Change change) {
  constexpr const char* kNames[] = {"clean",      "shuffled",  "shifted",      "noisy",
                                    "imbalanced", "one-class", "test-shifted", "targets-scaled"};
  return kNames[static_cast<int>(change)];
}

bool IsImage(Data data) { return data == Data::kFashion || data == Data::kDigits; }
bool HasClasses(Data data) { return data != Data::kRegression; }
int NumClasses(Data data) {
  constexpr int kClasses[] = {10, 10, 6, 3, 1};
  return kClasses[static_cast<int>(data)];
}

absl::StatusOr<Made> MakeData(Data data, Change change, const std::string& folder, Series series) {
  const std::string id = absl::StrCat(series == Series::kTuning ? "" : "held-out-", NameOf(data), "-", NameOf(change));
  const std::string dir = absl::StrCat(folder, "/", id);
  v1::ImportDatasetRequest request;
  request.set_dataset_id(id);
  Made made = {.dataset = {}, .dir = dir};
  const bool there = std::filesystem::exists(dir);
  for (const bool train : {true, false}) {
    if (there && (train || HasClasses(data))) continue;
    auto examples = Plain(data, train, series);
    if (!examples.ok()) return examples.status();
    Apply(change, train, *examples);
    if (!train) made.target_variance = VarianceOf(examples->targets);
    if (there) continue;
    const std::string name = train ? "train" : "test", stem = absl::StrCat(dir, ".", name);
    if (absl::Status status = WriteSplit(*examples, stem); !status.ok()) return status;
    v1::SplitSource& split = *request.add_splits();
    split.set_name(name);
    split.mutable_examples()->set_path(stem + ".x.npy");
    split.mutable_labels()->set_path(stem + ".y.npy");
  }
  if (!there) {
    core::ImportOptions options;
    options.resolve = [](const v1::DataFile& file) { return absl::StatusOr<std::string>(file.path()); };
    options.dir = dir;
    if (auto imported = core::ImportDataset(request, options); !imported.ok()) return imported.status();
    for (const v1::SplitSource& split : request.splits()) {
      for (const std::string& path : {split.examples().path(), split.labels().path()}) {
        if (absl::Status status = core::RemoveAll(path); !status.ok()) return status;
      }
    }
  }
  auto dataset = core::LoadDataset(dir);
  if (!dataset.ok()) return dataset.status();
  made.dataset = *std::move(dataset);
  return made;
}

}  // namespace traind::insight
