#include "server/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>

#include <chrono>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "core/data/dataset_dir.h"
#include "server/services/dataset_service.h"
#include "server/services/model_service.h"
#include "server/services/operation_service.h"
#include "server/services/training_service.h"
#include "server/store/disk_reserve.h"
#include "server/store/sqlite_job_store.h"
#include "server/store/upload_store.h"
#include "spdlog/spdlog.h"

namespace traind::server {
namespace {

// Predict takes 4 MiB of values, chunks are 1 MiB, networks are text: 8 MiB has room for all.
constexpr int kMaxRequestBytes = 8 << 20;
// A bound on what one client can hold; far above the streams of any client that we know.
constexpr int kMaxStreamsOfAConnection = 1024;
// Quick calls wait for the disk now and then: a few threads keep the others going.
constexpr int kQuickThreads = 4;
// What calls get to end after the workers have.
constexpr absl::Duration kCallPatience = absl::Seconds(2);
// An upload to which nothing was added for so long is abandoned.
constexpr absl::Duration kUploadLifetime = absl::Hours(7 * 24);
constexpr absl::Duration kDiskLook = absl::Seconds(1);

// Health says NOT_SERVING while the disk is full: what is there can be read, cancelled and deleted, but nothing new is
// begun.
class DiskWatch {
 public:
  DiskWatch(DiskReserve* reserve, grpc::HealthCheckServiceInterface* health)
      : reserve_(reserve), health_(health), thread_([this] { Run(); }) {}
  ~DiskWatch() {
    {
      absl::MutexLock lock(&mu_);
      ending_ = true;
    }
    thread_.join();
  }

 private:
  void Run() {
    for (bool healthy = true;;) {
      const absl::Status room = reserve_->CheckRoom();
      if (room.ok() != healthy) {
        healthy = room.ok();
        health_->SetServingStatus(healthy);
        if (healthy) spdlog::info("there is room on the disk again");
        if (!healthy) spdlog::error("nothing new is begun: {}", std::string(room.message()));
      }
      absl::MutexLock lock(&mu_);
      if (mu_.AwaitWithTimeout(absl::Condition(&ending_), kDiskLook)) return;
    }
  }

  DiskReserve* const reserve_;
  grpc::HealthCheckServiceInterface* const health_;
  absl::Mutex mu_;
  bool ending_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace

// In the order in which they are made; destroyed the other way round.
struct Server::Parts {
  std::unique_ptr<DataFolder> folder;
  std::unique_ptr<DiskReserve> reserve;
  std::unique_ptr<SqliteJobStore> store;
  std::unique_ptr<EventLog> log;
  std::unique_ptr<Budget> budget;
  std::unique_ptr<JobManager> jobs;
  std::unique_ptr<OperationManager> operations;
  std::unique_ptr<TaskRunner> tasks;
  std::unique_ptr<Executor> quick;
  std::unique_ptr<Executor> making, planning, asking, files, removing;
  std::unique_ptr<TrainingService> training;
  std::unique_ptr<DatasetService> datasets;
  std::unique_ptr<ModelService> models;
  std::unique_ptr<OperationService> operation_service;
  std::unique_ptr<grpc::Server> grpc;
  int port = 0;
  std::unique_ptr<DiskWatch> disk_watch;
};

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Config& config, Launcher* launcher) {
  auto parts = std::make_unique<Parts>();
  auto folder = DataFolder::Open(config.data_dir);
  if (!folder.ok()) return folder.status();
  parts->folder = *std::move(folder);
  if (absl::Status status = core::RemoveUnfinishedImports(parts->folder->path() + "/datasets"); !status.ok()) {
    return status;
  }
  if (absl::Status status = UploadStore::RemoveAbandoned(*parts->folder, absl::Now() - kUploadLifetime); !status.ok()) {
    return status;
  }
  parts->reserve = DiskReserve::Open(parts->folder->path());
  auto store = SqliteJobStore::Open({.path = parts->folder->Database(), .reserve = parts->reserve.get()});
  if (!store.ok()) return store.status();
  parts->store = *std::move(store);
  parts->log = std::make_unique<EventLog>(parts->store.get());
  parts->budget = std::make_unique<Budget>(Capacity{.threads = config.threads, .memory_bytes = config.memory_limit});
  JobManager::Options options;
  options.max_restarts = config.max_restarts;
  options.check_room = [reserve = parts->reserve.get()] { return reserve->CheckRoom(); };
  auto jobs = JobManager::Start(options, parts->store.get(), parts->log.get(), parts->folder.get(), launcher,
                                parts->budget.get());
  if (!jobs.ok()) return jobs.status();
  parts->jobs = *std::move(jobs);
  auto operations = OperationManager::Start({}, parts->store.get(), parts->folder.get(), launcher, parts->budget.get());
  if (!operations.ok()) return operations.status();
  parts->operations = *std::move(operations);
  parts->tasks =
      std::make_unique<TaskRunner>(launcher, parts->budget.get(), Budget::Lane::kCalls, config.max_evaluations);
  parts->quick = std::make_unique<Executor>(kQuickThreads);
  // Each task waits on a thread; of every other kind there is one that others cannot take, and two for whoever is
  // first.
  const auto threads = std::make_shared<SharedThreads>(config.max_evaluations + 6, 5);
  size_t kind = 0;
  for (std::unique_ptr<Executor>* executor :
       {&parts->making, &parts->planning, &parts->asking, &parts->files, &parts->removing}) {
    *executor = std::make_unique<Executor>(threads, kind++);
  }
  const Backend backend{.store = parts->store.get(),
                        .log = parts->log.get(),
                        .folder = parts->folder.get(),
                        .jobs = parts->jobs.get(),
                        .default_threads = config.default_threads,
                        .tasks = parts->tasks.get(),
                        .operations = parts->operations.get(),
                        .quick = parts->quick.get(),
                        .making = parts->making.get(),
                        .planning = parts->planning.get(),
                        .asking = parts->asking.get(),
                        .files = parts->files.get(),
                        .removing = parts->removing.get()};
  parts->training = std::make_unique<TrainingService>(backend);
  parts->datasets = std::make_unique<DatasetService>(backend, config.dataset_roots);
  parts->models = std::make_unique<ModelService>(backend);
  parts->operation_service = std::make_unique<OperationService>(backend);

  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  builder.AddListeningPort(config.listen, grpc::InsecureServerCredentials(), &parts->port);
  builder.RegisterService(parts->training.get());
  builder.RegisterService(parts->datasets.get());
  builder.RegisterService(parts->models.get());
  builder.RegisterService(parts->operation_service.get());
  builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
  builder.SetMaxSendMessageSize(-1);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // A port in use is an error, not a lottery.
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsOfAConnection);
  // A client that has vanished is found within a minute; clients may ping every 10 s, with or without a call.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 40'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  parts->grpc = builder.BuildAndStart();
  auto server = std::unique_ptr<Server>(new Server(std::move(parts)));
  if (server->parts_->grpc == nullptr) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", config.listen, "; is another server there?"));
  }
  // Health checks may ask for the whole server ("") or for one service by its name.
  for (const char* service : {v1::TrainingService::service_full_name(), v1::DatasetService::service_full_name(),
                              v1::ModelService::service_full_name(), v1::OperationService::service_full_name()}) {
    server->parts_->grpc->GetHealthCheckService()->SetServingStatus(service, true);
  }
  server->parts_->disk_watch =
      std::make_unique<DiskWatch>(server->parts_->reserve.get(), server->parts_->grpc->GetHealthCheckService());
  return server;
}

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Server::~Server() {
  if (parts_->jobs != nullptr) Shutdown(absl::ZeroDuration());
}

int Server::port() const { return parts_->port; }

std::shared_ptr<grpc::Channel> Server::InProcessChannel() { return parts_->grpc->InProcessChannel({}); }

void Server::Shutdown(absl::Duration patience) {
  parts_->disk_watch.reset();
  if (parts_->grpc != nullptr) parts_->grpc->GetHealthCheckService()->SetServingStatus(false);
  parts_->operations->Shutdown();
  parts_->jobs->Shutdown(patience);
  parts_->log->Close();
  if (parts_->grpc != nullptr) {
    // Calls that have not ended by then are cancelled; their handlers still run to their ends.
    parts_->grpc->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(kCallPatience));
    parts_->grpc->Wait();
  }
  for (std::unique_ptr<Executor>* executor :
       {&parts_->making, &parts_->planning, &parts_->asking, &parts_->files, &parts_->removing}) {
    executor->reset();
  }
  parts_->quick.reset();
  parts_->grpc.reset();
  parts_->operations.reset();
  parts_->jobs.reset();
}

}  // namespace traind::server
