#include "client/cli/server_contexts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/client.h"
#include "client/file.h"
#include "client/suggest.h"

namespace traind::client {
namespace {

constexpr size_t kLargestContexts = 1 << 20;
constexpr size_t kLongestName = 64;
constexpr mode_t kPrivateFolder = 0700;
constexpr mode_t kPrivateFile = 0600;

struct PathField {
  const char* name;
  std::string CredentialFiles::*path;
};
constexpr PathField kPaths[] = {{"tls_ca", &CredentialFiles::tls_ca},
                                {"tls_cert", &CredentialFiles::tls_cert},
                                {"tls_key", &CredentialFiles::tls_key},
                                {"token_file", &CredentialFiles::token_file}};

// nlohmann's exceptions end in ReadContexts.
ServerContext FromJson(const nlohmann::json& json) {
  ServerContext context;
  context.server = json.at("server").get<std::string>();
  context.files.tls = json.value("tls", false);
  for (const PathField& field : kPaths) context.files.*field.path = json.value(field.name, "");
  return context;
}

nlohmann::json ToJson(const ServerContext& context) {
  nlohmann::json json = {{"server", context.server}};
  if (context.files.tls) json["tls"] = true;
  for (const PathField& field : kPaths) {
    if (!(context.files.*field.path).empty()) json[field.name] = context.files.*field.path;
  }
  return json;
}

std::string Variable(const GetVariable& variable, const char* name) {
  const char* value = variable(name);
  return value == nullptr ? "" : value;
}

CredentialFiles FromEnvironment(const GetVariable& variable) {
  const std::string tls = Variable(variable, "TRAIND_TLS");
  return {.tls = !tls.empty() && tls != "0" && tls != "false",
          .tls_ca = Variable(variable, "TRAIND_TLS_CA"),
          .tls_cert = Variable(variable, "TRAIND_TLS_CLIENT_CERT"),
          .tls_key = Variable(variable, "TRAIND_TLS_CLIENT_KEY"),
          .token_file = Variable(variable, "TRAIND_TOKEN_FILE")};
}

CredentialFiles Overridden(CredentialFiles files, const CredentialFiles& by) {
  files.tls = files.tls || by.tls;
  for (const PathField& field : kPaths) {
    if (!(by.*field.path).empty()) files.*field.path = by.*field.path;
  }
  return files;
}

absl::StatusOr<ChosenServer> FromContext(const ServerContexts& contexts, const std::string& name,
                                         const ServerFlags& flags) {
  const auto found = contexts.by_name.find(name);
  if (found != contexts.by_name.end()) {
    return ChosenServer{
        .server = found->second.server, .files = Overridden(found->second.files, flags.files), .context = name};
  }
  std::vector<std::string> known;
  for (const auto& [other, context] : contexts.by_name) known.push_back(other);
  return absl::NotFoundError(
      absl::StrCat("there is no context \"", name, "\"; ",
                   known.empty() ? "`trainctl context add` makes one" : Known("contexts", name, known)));
}

}  // namespace

absl::Status CheckContextName(const std::string& name) {
  const auto good = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
  };
  if (!name.empty() && name.size() <= kLongestName && name[0] != '.' && std::all_of(name.begin(), name.end(), good)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", name, "\": a context's name has 1 to 64 letters, digits, - _ and ., and begins with no ."));
}

absl::StatusOr<std::string> ContextsPath(const GetVariable& variable) {
  constexpr char kFile[] = "/traind/contexts.json";
  // The XDG specification ignores paths that are not absolute.
  if (const std::string config = Variable(variable, "XDG_CONFIG_HOME"); !config.empty() && config[0] == '/') {
    return config + kFile;
  }
  if (const std::string home = Variable(variable, "HOME"); !home.empty()) return home + "/.config" + kFile;
  return absl::FailedPreconditionError("neither XDG_CONFIG_HOME nor HOME says where contexts are kept");
}

absl::StatusOr<ServerContexts> ReadContexts(const std::string& path) {
  ServerContexts contexts;
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0 && errno == ENOENT) return contexts;
  const auto text = ReadText(path, kLargestContexts);
  if (!text.ok()) return text.status();
  try {
    const nlohmann::json json = nlohmann::json::parse(*text);
    contexts.current = json.value("current", "");
    for (const auto& [name, context] : json.at("contexts").items()) contexts.by_name[name] = FromJson(context);
  } catch (const nlohmann::json::exception& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " cannot be read (", error.what(), "): mend or remove it, or name a server with --server"));
  }
  return contexts;
}

absl::Status WritePrivate(const std::string& path, const std::string& text) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(folder).parent_path(), error);
  if (mkdir(folder.c_str(), kPrivateFolder) != 0 && errno != EEXIST) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot make ", folder));
  }
  const std::string fresh = absl::StrCat(path, ".", getpid());
  const int descriptor = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, kPrivateFile);
  if (descriptor < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot create ", fresh));
  const bool written = fchmod(descriptor, kPrivateFile) == 0 &&
                       write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       fsync(descriptor) == 0;
  absl::Status status = written ? absl::OkStatus() : absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", fresh));
  close(descriptor);
  if (status.ok()) status = RenameDurably(fresh, path);
  if (!status.ok()) unlink(fresh.c_str());
  return status;
}

absl::Status WriteContexts(const std::string& path, const ServerContexts& contexts) {
  nlohmann::json json = {{"current", contexts.current}, {"contexts", nlohmann::json::object()}};
  for (const auto& [name, context] : contexts.by_name) json["contexts"][name] = ToJson(context);
  return WritePrivate(path, json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

absl::StatusOr<ChosenServer> ChooseServer(const ServerFlags& flags, const GetVariable& variable) {
  const bool by_flag = !flags.server.empty() || !flags.context.empty();
  const std::string server = by_flag ? flags.server : Variable(variable, "TRAIND_SERVER");
  const std::string context = by_flag ? flags.context : Variable(variable, "TRAIND_CONTEXT");
  if (!server.empty() && !context.empty()) {
    return absl::InvalidArgumentError(
        by_flag ? "--server and --context both name a server; give one"
                : "TRAIND_SERVER and TRAIND_CONTEXT both name a server; set one, or give --server or --context");
  }
  const auto path = server.empty() ? ContextsPath(variable) : absl::StatusOr<std::string>("");
  if (!context.empty() && !path.ok()) return path.status();
  ServerContexts contexts;
  if (server.empty() && path.ok()) {
    auto read = ReadContexts(*path);
    if (!read.ok()) return read.status();
    contexts = *std::move(read);
  }
  const std::string& chosen = context.empty() ? contexts.current : context;
  if (!chosen.empty()) return FromContext(contexts, chosen, flags);
  return ChosenServer{.server = server.empty() ? ClientOptions().server : server,
                      .files = Overridden(FromEnvironment(variable), flags.files),
                      .context = ""};
}

}  // namespace traind::client
