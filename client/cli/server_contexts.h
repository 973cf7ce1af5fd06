// The servers that a person uses, by name, in a file of their own: $XDG_CONFIG_HOME/traind/contexts.json, or
// ~/.config/traind/contexts.json. It holds addresses and paths; a token stands in a file beside it. And the rules by
// which one server is chosen. Thread-compatible.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/credentials.h"

namespace traind::client {

struct ServerContext {
  std::string server = "";
  CredentialFiles files = {};

  bool operator==(const ServerContext&) const = default;
};

struct ServerContexts {
  std::string current = "";  // Used where nothing else names a server. Empty: none.
  std::map<std::string, ServerContext> by_name = {};

  bool operator==(const ServerContexts&) const = default;
};

// A variable of the environment; null: not set.
using GetVariable = std::function<const char*(const char* name)>;

// Where the file is. FAILED_PRECONDITION: the environment names no home.
absl::StatusOr<std::string> ContextsPath(const GetVariable& variable);
// Empty where there is no file. INVALID_ARGUMENT, with path and reason: it is not what WriteContexts writes.
absl::StatusOr<ServerContexts> ReadContexts(const std::string& path);
// Mode 0600, in a folder of mode 0700 that is made if absent; a crash leaves the old file or the new one.
absl::Status WriteContexts(const std::string& path, const ServerContexts& contexts);
// Any file that is for its owner only, as WriteContexts writes.
absl::Status WritePrivate(const std::string& path, const std::string& text);
// INVALID_ARGUMENT: a name is made of letters, digits, "-", "_" and ".", at most 64, and does not begin with ".".
absl::Status CheckContextName(const std::string& name);

// What the command line says of the server; empty: not given.
struct ServerFlags {
  std::string server = "";
  std::string context = "";
  CredentialFiles files = {};
};

struct ChosenServer {
  std::string server = "";
  CredentialFiles files = {};
  std::string context = "";  // Name of the context that it comes from; empty: from none.
};

// --server or --context; else TRAIND_SERVER or TRAIND_CONTEXT; else the current context; else this machine. Whoever
// names the server brings the credentials, so that none goes to another server: those of a context are changed by flags
// only, those of an address by flags, and where there are none by TRAIND_TLS, TRAIND_TLS_CA,
// TRAIND_TLS_CLIENT_CERT, TRAIND_TLS_CLIENT_KEY and TRAIND_TOKEN_FILE (TRAIND_TLS_CERT is the server's own).
// INVALID_ARGUMENT: a server and a context are both named. NOT_FOUND: the context.
absl::StatusOr<ChosenServer> ChooseServer(const ServerFlags& flags, const GetVariable& variable);

}  // namespace traind::client
