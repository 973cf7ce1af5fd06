#include "server/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>

#include <chrono>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/data/dataset_dir.h"
#include "server/accounts/account_store.h"
#include "server/accounts/quota_book.h"
#include "server/http/http_server.h"
#include "server/readiness.h"
#include "server/retention/retention.h"
#include "server/rpc/call_observer.h"
#include "server/rpc/inner_port.h"
#include "server/rpc/listener.h"
#include "server/rpc/proxies.h"
#include "server/sandbox/sandbox.h"
#include "server/services/access_gate.h"
#include "server/services/auth_service.h"
#include "server/services/dataset_service.h"
#include "server/services/model_service.h"
#include "server/services/operation_service.h"
#include "server/services/owned_bytes.h"
#include "server/services/quota_report.h"
#include "server/services/resource_owners.h"
#include "server/services/server_info.h"
#include "server/services/server_service.h"
#include "server/services/training_service.h"
#include "server/store/disk_reserve.h"
#include "server/store/sqlite_job_store.h"
#include "server/store/sweep_store.h"
#include "server/sweeps/sweep_manager.h"
#include "server/sweeps/sweep_service.h"
#include "server/telemetry/audit_log.h"
#include "server/telemetry/http_endpoint.h"
#include "server/telemetry/metrics.h"
#include "server/tensorboard/live_event_files.h"
#include "server/tls/credentials.h"
#include "server/webhooks/webhooks.h"
#include "spdlog/spdlog.h"

namespace traind::server {
namespace {

// Quick calls wait for the disk now and then: a few threads keep the others going.
constexpr int kQuickThreads = 4;
constexpr int64_t kEventCacheBytes = 1 << 20;  // Of one job.
// What calls get to end after the workers have.
constexpr absl::Duration kCallPatience = absl::Seconds(2);

// An address that strangers can reach takes a way to know callers: users, or certificates of clients.
absl::Status CheckStrangers(const Config& config, AccountStore& accounts) {
  const bool http = !config.http_listen.empty() && !IsLoopback(config.http_listen);
  const std::string& address = http ? config.http_listen : config.listen;
  if (IsLoopback(address) || !config.tls.client_ca.empty()) return absl::OkStatus();
  const auto empty = accounts.IsEmpty();
  if (!empty.ok() || !*empty) return empty.status();
  if (config.insecure) {
    spdlog::warn("--insecure: there are no users; whoever reaches {} is an administrator", address);
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat(http ? "--http-listen " : "--listen ", address,
                   " can be reached from other machines, and there are no users: everybody would be an administrator. "
                   "`traind token create NAME --role admin --data-dir ",
                   config.data_dir, "` makes the first one; or give --tls-client-ca, or say --insecure"));
}

// Says which layers of the sandbox workers have. FAILED_PRECONDITION: one is `required` and missing.
absl::StatusOr<v1::WorkerSandbox> TellSandbox(bool required) {
  const std::vector<SandboxLayer> layers = ProbeSandbox();
  const std::string missing = MissingLayers(layers);
  spdlog::info("workers are closed off by: {}", ActiveLayers(layers));
  if (!missing.empty() && required) return absl::FailedPreconditionError("--require-sandbox: " + missing);
  if (!missing.empty()) {
    spdlog::warn("the sandbox of workers is incomplete. {}. Import only files that you trust", missing);
  }
  v1::WorkerSandbox sandbox;
  for (const SandboxLayer& layer : layers) {
    if (layer.active) {
      sandbox.add_active(layer.name);
    } else {
      sandbox.add_missing(absl::StrCat(layer.name, ": ", layer.detail));
    }
  }
  return sandbox;
}

}  // namespace

// In the order in which they are made; destroyed the other way round.
struct Server::Parts {
  // The steps of Server::Start.
  absl::Status Observe(const Config& config);
  absl::Status OpenStore(const Config& config);
  absl::Status StartWork(const Config& config, Launcher* launcher);
  Backend MakeBackend(const Config& config);
  absl::Status MakeServices(const Config& config, ServerFacts facts);
  absl::Status MakeRetention(const Config& config, const Backend& backend);
  absl::Status Listen(const Config& config);
  absl::Status ListenForBrowsers(const Config& config);

  Readiness readiness;
  Metrics metrics;
  std::unique_ptr<HttpEndpoint> endpoint;
  std::unique_ptr<AuditLog> audit;
  std::unique_ptr<TlsCredentials> tls;  // Null: none.
  std::unique_ptr<DataFolder> folder;
  std::unique_ptr<DiskReserve> reserve;
  std::unique_ptr<SqliteJobStore> store;
  std::unique_ptr<SweepStore> sweep_store;
  std::unique_ptr<Webhooks> webhooks;  // Null: none.
  std::unique_ptr<AccountStore> accounts;
  std::unique_ptr<QuotaBook> quotas;
  std::unique_ptr<OwnedBytes> bytes;
  std::unique_ptr<EventLog> log;
  std::unique_ptr<Budget> budget;
  std::unique_ptr<JobManager> jobs;
  std::unique_ptr<OperationManager> operations;
  std::unique_ptr<TaskRunner> tasks;
  std::unique_ptr<Executor> quick;
  std::unique_ptr<Executor> making, planning, asking, files, removing;
  std::unique_ptr<Places> watchers;
  std::unique_ptr<AccessGate> gate;
  std::vector<Entrance> entrances;  // Of each executor.
  std::unique_ptr<TrainingService> training;
  std::unique_ptr<DatasetService> datasets;
  std::unique_ptr<ModelService> models;
  std::unique_ptr<OperationService> operation_service;
  std::unique_ptr<ServerTrialJobs> trial_jobs;
  std::unique_ptr<SweepManager> sweeps;
  std::unique_ptr<SweepService> sweep_service;
  std::unique_ptr<AuthService> auth;
  std::unique_ptr<StorageCounter> counter;
  std::unique_ptr<Retention> retention;
  std::unique_ptr<ServerService> server_service;
  std::unique_ptr<Listener> listener;
  std::unique_ptr<grpc::Server> grpc;
  std::unique_ptr<DiskWatch> disk_watch;
  std::unique_ptr<InnerPort> inner;  // Null: there is no port for browsers.
  std::unique_ptr<HttpServer> http;
  std::unique_ptr<LiveEventFiles> event_files;  // Null: none.
};

// The port of --metrics-listen, the file of --audit-log, the certificate.
absl::Status Server::Parts::Observe(const Config& config) {
  if (!config.audit_log.empty()) {
    auto opened = AuditLog::Open(config.audit_log, {}, &metrics);
    if (!opened.ok()) return opened.status();
    audit = *std::move(opened);
  }
  if (!config.metrics_listen.empty()) {
    auto started = HttpEndpoint::Start(config.metrics_listen, {.metrics = [this] { return metrics.Text(); },
                                                               .ready = [this] { return readiness.Get(); }});
    if (!started.ok()) return started.status();
    endpoint = *std::move(started);
  }
  if (!config.tls.enabled()) return absl::OkStatus();
  auto started = TlsCredentials::Start(config.tls);
  if (!started.ok()) return started.status();
  tls = *std::move(started);
  return absl::OkStatus();
}

absl::Status Server::Parts::OpenStore(const Config& config) {
  auto opened = DataFolder::Open(config.data_dir);
  if (!opened.ok()) return opened.status();
  folder = *std::move(opened);
  const absl::Status swept = core::RemoveUnfinishedImports(folder->path() + "/datasets");
  if (!swept.ok()) return swept;
  reserve = DiskReserve::Open(folder->path());
  auto jobs_and_events =
      SqliteJobStore::Open({.path = folder->Database(), .reserve = reserve.get(), .metrics = &metrics});
  if (!jobs_and_events.ok()) return jobs_and_events.status();
  store = *std::move(jobs_and_events);
  auto sweeps_of_jobs = SweepStore::Open(folder->Database());
  if (!sweeps_of_jobs.ok()) return sweeps_of_jobs.status();
  sweep_store = *std::move(sweeps_of_jobs);
  Webhooks::Options told;
  told.urls = config.webhooks;
  told.secret_file = config.webhook_secret;
  told.post.allow_private = config.webhook_allow_private;
  told.post.ca_file = config.webhook_ca;
  auto opened_webhooks = Webhooks::Open(told, folder->Database(), &metrics);
  if (!opened_webhooks.ok()) return opened_webhooks.status();
  webhooks = *std::move(opened_webhooks);
  auto users = AccountStore::Open(folder->Database());
  if (!users.ok()) return users.status();
  accounts = *std::move(users);
  if (absl::Status status = CheckStrangers(config, *accounts); !status.ok()) return status;
  if (config.quota.ByteSizeLong() > 0 && accounts->IsEmpty().value_or(false)) {
    spdlog::warn("--quota holds for users, and there are none: everybody may have everything until there are");
  }
  quotas = std::make_unique<QuotaBook>(accounts.get(), config.quota);
  bytes = std::make_unique<OwnedBytes>(folder.get(), quotas.get());
  folder->SetWatch(
      {.may_publish = [this](auto collection, const std::string& made) { return bytes->CheckNew(collection, made); },
       .changed = [this](auto collection, auto id) { bytes->Refresh(collection, id); }});
  return bytes->CountAll();
}

absl::Status Server::Parts::StartWork(const Config& config, Launcher* launcher) {
  log = std::make_unique<EventLog>(store.get(), kEventCacheBytes, &metrics);
  budget = std::make_unique<Budget>(Capacity{.threads = config.threads, .memory_bytes = config.memory_limit});
  JobManager::Options options;
  options.max_restarts = config.max_restarts;
  options.metrics = &metrics;
  options.check_room = [this] { return reserve->CheckRoom(); };
  options.quota_of = [this](const std::string& owner) { return std::as_const(*quotas).Of(owner); };
  auto manager = JobManager::Start(options, store.get(), log.get(), folder.get(), launcher, budget.get());
  if (!manager.ok()) return manager.status();
  jobs = *std::move(manager);
  auto long_work = OperationManager::Start({}, store.get(), folder.get(), launcher, budget.get());
  if (!long_work.ok()) return long_work.status();
  operations = *std::move(long_work);
  tasks = std::make_unique<TaskRunner>(launcher, budget.get(), Budget::Lane::kCalls, config.max_evaluations);
  return absl::OkStatus();
}

Backend Server::Parts::MakeBackend(const Config& config) {
  quick = std::make_unique<Executor>(kQuickThreads);
  // Each task waits on a thread; of every other kind there is one that others cannot take, and two for whoever is
  // first.
  const auto threads = std::make_shared<SharedThreads>(config.max_evaluations + 6, 5);
  size_t kind = 0;
  for (std::unique_ptr<Executor>* executor : {&making, &planning, &asking, &files, &removing}) {
    *executor = std::make_unique<Executor>(threads, kind++);
  }
  watchers = std::make_unique<Places>(config.limits.max_watchers);
  gate = std::make_unique<AccessGate>(
      accounts.get(), OwnersIn(store.get(), folder.get(), operations.get(), sweep_store.get()), quotas.get());
  for (Executor* executor : {quick.get(), making.get(), planning.get(), asking.get(), files.get(), removing.get()}) {
    entrances.emplace_back(*executor, gate.get());
  }
  return {.store = store.get(),
          .log = log.get(),
          .folder = folder.get(),
          .jobs = jobs.get(),
          .default_threads = config.default_threads,
          .tasks = tasks.get(),
          .operations = operations.get(),
          .watchers = watchers.get(),
          .quotas = quotas.get(),
          .bytes = bytes.get(),
          .quick = &entrances[0],
          .making = &entrances[1],
          .planning = &entrances[2],
          .asking = &entrances[3],
          .files = &entrances[4],
          .removing = &entrances[5],
          .sweeps = sweep_store.get()};
}

absl::Status Server::Parts::MakeRetention(const Config& config, const Backend& backend) {
  auto policy = ParseRetention(config.retain);
  if (!policy.ok()) return policy.status();
  counter = std::make_unique<StorageCounter>(backend, reserve.get());
  Retention::Options options;
  options.policy = *std::move(policy);
  options.plan_only = config.retain_plan;
  retention = std::make_unique<Retention>(std::move(options), backend, counter.get(), datasets->uploads(), &metrics,
                                          audit.get());
  return absl::OkStatus();
}

absl::Status Server::Parts::MakeServices(const Config& config, ServerFacts facts) {
  const Backend backend = MakeBackend(config);
  training = std::make_unique<TrainingService>(backend);
  datasets = std::make_unique<DatasetService>(backend, config.dataset_roots);
  models = std::make_unique<ModelService>(backend);
  operation_service = std::make_unique<OperationService>(backend);
  trial_jobs = std::make_unique<ServerTrialJobs>(backend);
  auto taken_up = SweepManager::Start({}, sweep_store.get(), store.get(), trial_jobs.get());
  if (!taken_up.ok()) return taken_up.status();
  sweeps = *std::move(taken_up);
  sweep_service = std::make_unique<SweepService>(backend, sweeps.get());
  const QuotaReport report{.book = quotas.get(), .jobs = jobs.get(), .store = store.get(), .bytes = bytes.get()};
  auth = std::make_unique<AuthService>(accounts.get(), backend.quick,
                                       [report](const std::string& user) { return report.Of(user); });
  facts.budget = budget.get();
  facts.reserve = reserve.get();
  facts.metrics = &metrics;
  facts.ready = [this] { return readiness.Get(); };
  if (absl::Status status = MakeRetention(config, backend); !status.ok()) return status;
  facts.storage = [this](const Caller& caller, bool plan) {
    return DescribeStorage(*counter, *retention, caller, plan);
  };
  if (tls != nullptr) facts.certificate_expiry = [this] { return tls->expiry(); };
  server_service = std::make_unique<ServerService>(backend, facts);
  metrics.AddSource([backend, facts, report, users = accounts.get()](Samples& samples) {
    report.AddSamples(*users, samples);
    backend.jobs->AddSamples(samples);
    AddServerSamples(DescribeServer(backend, facts), samples);
  });
  return absl::OkStatus();
}

absl::Status Server::Parts::Listen(const Config& config) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  auto opened = Listener::Listen(config.listen, config.limits.max_connections);
  if (!opened.ok()) return opened.status();
  listener = *std::move(opened);
  auto acceptor = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      tls != nullptr ? tls->ForPort() : grpc::InsecureServerCredentials());
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> inner_acceptor;
  if (!config.http_listen.empty()) {
    auto port = InnerPort::Listen();
    if (!port.ok()) return port.status();
    inner = *std::move(port);
    inner_acceptor = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, grpc::InsecureServerCredentials());
  }
  const std::initializer_list<grpc::Service*> services = {training.get(),          datasets.get(), models.get(),
                                                          operation_service.get(), auth.get(),     server_service.get(),
                                                          sweep_service.get()};
  for (grpc::Service* service : services) builder.RegisterService(service);
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> observers;
  auto proxies = Proxies::Parse(config.trusted_proxies);
  if (!proxies.ok()) return proxies.status();
  observers.push_back(std::make_unique<CallObserver>(&metrics, audit.get(), *std::move(proxies)));
  builder.experimental().SetInterceptorCreators(std::move(observers));
  ApplyPortLimits(config.limits, builder);
  grpc = builder.BuildAndStart();
  if (grpc == nullptr) {
    return absl::InternalError("gRPC does not start; its own lines in the log say why");
  }
  listener->Serve(std::move(acceptor));
  if (inner != nullptr) inner->Serve(std::move(inner_acceptor));
  metrics.AddSource([this](Samples& samples) {
    if (webhooks != nullptr) {
      samples.Gauge({"traind_webhooks_waiting", "State changes that webhooks have not taken yet"},
                    static_cast<double>(webhooks->waiting()));
    }
    samples.Gauge({"traind_connections", "Open connections of clients"}, listener->connections());
  });
  // Health checks may ask for the whole server ("") or for one service by its name.
  for (const char* service : {v1::TrainingService::service_full_name(), v1::DatasetService::service_full_name(),
                              v1::ModelService::service_full_name(), v1::OperationService::service_full_name(),
                              v1::AuthService::service_full_name(), v1::ServerService::service_full_name(),
                              v1::SweepService::service_full_name()}) {
    grpc->GetHealthCheckService()->SetServingStatus(service, true);
  }
  disk_watch = std::make_unique<DiskWatch>(reserve.get(), grpc->GetHealthCheckService(), &readiness);
  if (absl::Status status = ListenForBrowsers(config); !status.ok()) return status;
  readiness.Started();
  return absl::OkStatus();
}

absl::Status Server::Parts::ListenForBrowsers(const Config& config) {
  if (config.http_listen.empty()) return absl::OkStatus();
  auto started = HttpServer::Start({.address = config.http_listen,
                                    .names = config.http_names,
                                    .tls = tls.get(),
                                    .files = EmbeddedPages(),
                                    .channel = inner->MakeChannel()});
  if (!started.ok()) return started.status();
  http = *std::move(started);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Config& config, Launcher* launcher) {
  auto sandbox = TellSandbox(config.require_sandbox);
  if (!sandbox.ok()) return sandbox.status();
  ServerFacts facts;
  facts.start_time = absl::Now();
  facts.sandbox = *std::move(sandbox);
  auto server = std::unique_ptr<Server>(new Server(std::make_unique<Parts>()));
  Parts& parts = *server->parts_;
  absl::Status status = parts.Observe(config);  // First: probes are answered while a long start goes on.
  if (status.ok()) status = parts.OpenStore(config);
  if (status.ok()) status = parts.StartWork(config, launcher);
  if (!status.ok()) return status;
  status = parts.MakeServices(config, std::move(facts));
  if (status.ok()) status = parts.Listen(config);
  if (!status.ok()) return status;
  parts.retention->Start();
  if (!config.tensorboard_dir.empty()) {
    parts.event_files = std::make_unique<LiveEventFiles>(parts.store.get(), config.tensorboard_dir);
    parts.event_files->Start();
  }
  if (parts.webhooks != nullptr) parts.webhooks->Start();
  return server;
}

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Server::~Server() {
  if (parts_->jobs != nullptr) Shutdown(absl::ZeroDuration());
}

int Server::port() const { return parts_->listener->port(); }
int Server::connections() const { return parts_->listener->connections(); }

int Server::metrics_port() const { return parts_->endpoint == nullptr ? 0 : parts_->endpoint->port(); }

int Server::http_port() const { return parts_->http == nullptr ? 0 : parts_->http->port(); }

std::shared_ptr<grpc::Channel> Server::InProcessChannel() { return parts_->grpc->InProcessChannel({}); }

void Server::Shutdown(absl::Duration patience) {
  parts_->readiness.ShuttingDown();
  parts_->disk_watch.reset();
  if (parts_->retention != nullptr) parts_->retention->Stop();
  if (parts_->grpc != nullptr) parts_->grpc->GetHealthCheckService()->SetServingStatus(false);
  if (parts_->sweeps != nullptr) parts_->sweeps->Shutdown();
  if (parts_->operations != nullptr) parts_->operations->Shutdown();  // Null after a start that got no further.
  parts_->jobs->Shutdown(patience);
  parts_->event_files.reset();
  parts_->log->Close();
  if (parts_->webhooks != nullptr) parts_->webhooks->Stop();
  if (parts_->grpc != nullptr) {
    // Calls that have not ended by then are cancelled; their handlers still run to their ends.
    parts_->grpc->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(kCallPatience));
    parts_->grpc->Wait();
  }
  parts_->http.reset();  // Now, so that browsers were told how their calls have ended.
  parts_->metrics.RemoveSources();
  for (std::unique_ptr<Executor>* executor :
       {&parts_->making, &parts_->planning, &parts_->asking, &parts_->files, &parts_->removing}) {
    executor->reset();
  }
  parts_->quick.reset();
  parts_->grpc.reset();
  parts_->operations.reset();
  parts_->sweeps.reset();
  parts_->jobs.reset();
}

}  // namespace traind::server
