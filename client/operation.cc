#include "client/operation.h"

#include "client/errors.h"

namespace traind::client {

v1::OperationMetadata MetadataOf(const v1::Operation& operation) {
  v1::OperationMetadata metadata;
  operation.metadata().UnpackTo(&metadata);
  return metadata;
}

absl::Status ErrorOf(const v1::Operation& operation) {
  const rpc::Status& error = operation.error();
  return MakeStatus(error.code(), error.message(), error.SerializeAsString());
}

}  // namespace traind::client
