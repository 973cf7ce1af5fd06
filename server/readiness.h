// Whether the server begins new work, and why not, in one place for health checks of gRPC, /readyz and GetServerInfo.
// Thread-safe.
#pragma once

#include <grpcpp/health_check_service_interface.h>

#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "core/base/ending.h"
#include "server/store/disk_reserve.h"

namespace traind::server {

class Readiness {
 public:
  // OK, or UNAVAILABLE with the reason.
  absl::Status Get() const;
  void Started();       // Until then: "the server is starting".
  void ShuttingDown();  // From then on, whatever else is.
  // OK: there is room.
  void SetDisk(absl::Status room);

 private:
  mutable absl::Mutex mu_;
  absl::Status phase_ ABSL_GUARDED_BY(mu_) = absl::UnavailableError("the server is starting");
  absl::Status disk_ ABSL_GUARDED_BY(mu_);
};

// Looks at the disk now and then, for as long as it lives. Health says NOT_SERVING while the disk is full: what is
// there can be read, cancelled and deleted, but nothing new is begun.
class DiskWatch {
 public:
  DiskWatch(DiskReserve* reserve, grpc::HealthCheckServiceInterface* health, Readiness* readiness);
  ~DiskWatch();

 private:
  void Run();

  DiskReserve* const reserve_;
  grpc::HealthCheckServiceInterface* const health_;
  Readiness* const readiness_;
  core::Ending ending_;
  std::thread thread_;
};

}  // namespace traind::server
