// What a message is about. Pure.
#pragma once

#include <string>

#include "google/protobuf/message.h"

namespace traind::server {

// The name of the resource that a request or an answer names: its `name`, `parent` or `operation`, or those of the job,
// dataset or model in it; of a request that makes something, the name that this is to have ("jobs/{job_id}"). As it was
// given, cut at 200 bytes: nobody has checked it. Empty: none.
std::string ResourceOf(const google::protobuf::Message& message);

}  // namespace traind::server
