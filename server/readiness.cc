#include "server/readiness.h"

#include <string>
#include <utility>

#include "absl/time/time.h"
#include "spdlog/spdlog.h"

namespace traind::server {
namespace {

constexpr absl::Duration kDiskLook = absl::Seconds(1);

}  // namespace

absl::Status Readiness::Get() const {
  absl::MutexLock lock(&mu_);
  return phase_.ok() ? disk_ : phase_;
}

void Readiness::Started() {
  absl::MutexLock lock(&mu_);
  phase_ = absl::OkStatus();
}

void Readiness::ShuttingDown() {
  absl::MutexLock lock(&mu_);
  phase_ = absl::UnavailableError("the server is shutting down");
}

void Readiness::SetDisk(absl::Status room) {
  absl::MutexLock lock(&mu_);
  disk_ = std::move(room);
}

DiskWatch::DiskWatch(DiskReserve* reserve, grpc::HealthCheckServiceInterface* health, Readiness* readiness)
    : reserve_(reserve), health_(health), readiness_(readiness), thread_([this] { Run(); }) {}

DiskWatch::~DiskWatch() {
  ending_.End();
  thread_.join();
}

void DiskWatch::Run() {
  bool healthy = true;
  do {
    const absl::Status room = reserve_->CheckRoom();
    readiness_->SetDisk(room);
    if (room.ok() != healthy) {
      healthy = room.ok();
      health_->SetServingStatus(healthy);
      if (healthy) spdlog::info("there is room on the disk again");
      if (!healthy) spdlog::error("nothing new is begun: {}", std::string(room.message()));
    }
  } while (!ending_.WaitFor(kDiskLook));
}

}  // namespace traind::server
