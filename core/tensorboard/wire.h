// TensorBoard's messages under short names, and records of them as bytes. Pure functions.
#pragma once

#include <google/protobuf/message.h>
#include <google/protobuf/timestamp.pb.h>

#include <cstdint>
#include <string>

#include "traind/internal/tensorboard/wire.pb.h"

namespace traind::tensorboard {

// What the file is made of.
using internal::tensorboard::Distribution;
using internal::tensorboard::Graph;
using internal::tensorboard::HyperParameters;
using internal::tensorboard::PrecisionRecall;
using internal::tensorboard::Record;
using internal::tensorboard::Summary;
using internal::tensorboard::Tensor;

// With maps in the order of their keys: the same message gives the same bytes.
std::string Bytes(const google::protobuf::Message& message);

// Since 1970.
double Seconds(const google::protobuf::Timestamp& time);

// The framed record, of this time in seconds since 1970 and of the job's event `sequence`; 0: of none.
std::string Framed(Record record, double time, const std::string& job_uid, int64_t sequence);

// The framed record that every file begins with.
std::string FramedVersion(double time, const std::string& job_uid);

}  // namespace traind::tensorboard
