#include "core/tensorboard/wire.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/tensorboard/framing.h"

namespace traind::tensorboard {

std::string Bytes(const google::protobuf::Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return bytes;
}

double Seconds(const google::protobuf::Timestamp& time) {
  return static_cast<double>(time.seconds()) + 1e-9 * time.nanos();
}

std::string Framed(Record record, double time, const std::string& job_uid, int64_t sequence) {
  record.set_wall_time(time);
  record.mutable_source()->set_writer(absl::StrCat("traind ", job_uid, " ", sequence));
  std::string framed;
  AppendFramed(Bytes(record), framed);
  return framed;
}

std::string FramedVersion(double time, const std::string& job_uid) {
  Record version;
  version.set_file_version("brain.Event:2");
  return Framed(std::move(version), time, job_uid, 0);
}

}  // namespace traind::tensorboard
