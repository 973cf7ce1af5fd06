// Which data a model was trained on, and how other data is read by it. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/base/errors.h"
#include "core/tensor/tensor.h"
#include "traind/v1/dataset.pb.h"
#include "traind/v1/job.pb.h"
#include "traind/v1/model_service.pb.h"

namespace traind::core {

// Of the dataset as it is now. Names that take more than 1 MiB are left out: every record of a job would hold them.
v1::DataIdentity IdentityOf(const v1::Dataset& dataset);
// What the job was trained on. Of a job before 0.3, which has not written it down, `dataset`, the one that its spec
// names (null: there is none), if it is older than the job; otherwise it is not known.
std::optional<v1::DataIdentity> IdentityOf(const v1::Job& job, const v1::Dataset* dataset);

// What makes the dataset another one than the identity is of; empty: its splits (`splits`: these of them) have the
// bytes of then. "its split "train" had the checksum crc32:0a then, and has crc32:0b now".
std::string DifferenceOf(const v1::DataIdentity& trained_on, const v1::Dataset& dataset,
                         const std::vector<std::string>& splits = {});
// The splits that a job of this resolved spec reads.
std::vector<std::string> SplitsOf(const v1::DataSpec& data);
// FAILED_PRECONDITION: the dataset that the job's spec names is another one than when it was accepted, or than is
// known.
absl::Status CheckSameData(const v1::Job& job, const v1::Dataset& dataset);

// How a model reads a dataset.
struct DataMatch {
  std::vector<int32_t> class_of_label = {};  // The model's class of each label; empty: the label itself.
  std::vector<std::string> notes = {};       // What was taken for granted.
};
// Violations of `errors`, the scope of what names the dataset, say what the model cannot read: another shape, kind of
// numbers, labels or targets; features in another order; classes that it does not know. With names on both sides labels
// are matched by name, otherwise by number.
// Where the model's `targets` are its INPUT, labels and targets are not read.
DataMatch MatchData(const v1::DataIdentity& trained_on, const v1::Dataset& dataset, v1::TargetSource targets,
                    const FieldErrors& errors);

// Whether examples of the shape `given` can be read as `stored`: the same; images of another size; or as many numbers,
// where one of them is flat.
bool IsReadAs(const Shape& given, const Shape& stored);
// A violation of `errors` when the numbers of a request cannot be bytes, for a model that was trained on bytes: they
// lie outside of 0 to 255, or are fractions of 1.
void CheckScale(const v1::Examples& examples, const v1::DataIdentity& trained_on, const FieldErrors& errors);
// A warning when examples from `least` to `largest` are of another scale than those of training; else empty.
std::string ScaleWarning(const v1::DataIdentity& trained_on, float least, float largest);

}  // namespace traind::core
