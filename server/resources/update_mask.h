// The update_mask of Update requests. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "core/base/errors.h"
#include "google/protobuf/field_mask.pb.h"

namespace traind::server {

// Violations of `field` for a mask without paths, and for each path that is none of those that may change.
void CheckUpdateMask(const google::protobuf::FieldMask& mask, const std::vector<std::string>& may_change,
                     const core::FieldErrors& field);

bool Updates(const google::protobuf::FieldMask& mask, const std::string& path);

}  // namespace traind::server
