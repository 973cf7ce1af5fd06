#include "server/rpc/inner_caller.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace traind::server {
namespace {

constexpr size_t kSecretBytes = 32;

const std::string& InnerSecret() {
  static const std::string* const kSecret = [] {
    auto* secret = new std::string(kSecretBytes, '\0');
    // Without one nobody is believed.
    if (RAND_bytes(reinterpret_cast<unsigned char*>(secret->data()), kSecretBytes) != 1) secret->clear();
    return secret;
  }();
  return *kSecret;
}

}  // namespace

std::string EncodeInnerCaller(const InnerCaller& caller) {
  return absl::StrCat(InnerSecret(), caller.peer, absl::string_view("\0", 1), caller.certificate_name);
}

std::optional<InnerCaller> InnerCallerOf(const grpc::ServerContextBase& call) {
  const auto found = call.client_metadata().find(kInnerCallerKey);
  if (found == call.client_metadata().end()) return std::nullopt;
  const absl::string_view value(found->second.data(), found->second.size());
  const std::string& secret = InnerSecret();
  if (secret.empty() || value.size() < secret.size()) return std::nullopt;
  if (CRYPTO_memcmp(value.data(), secret.data(), secret.size()) != 0) return std::nullopt;
  const absl::string_view caller = value.substr(kSecretBytes);
  const size_t end = caller.find('\0');
  if (end == absl::string_view::npos) return std::nullopt;
  return InnerCaller{std::string(caller.substr(0, end)), std::string(caller.substr(end + 1))};
}

std::string PeerOf(const grpc::ServerContextBase& call) {
  auto caller = InnerCallerOf(call);
  return caller.has_value() ? std::move(caller->peer) : call.peer();
}

}  // namespace traind::server
