#include "server/webhooks/signature.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/stat.h>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/base/file.h"

namespace traind::server {

absl::StatusOr<std::string> ReadWebhookSecret(const std::string& path) {
  constexpr char kFlag[] = "--webhook-secret ";
  struct stat info = {};
  if (stat(path.c_str(), &info) == 0 && (info.st_mode & S_IRWXO) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(kFlag, path, ": every user of this machine can read it or write to it: chmod o= the file"));
  }
  const auto text = core::ReadFile(path, 4096);
  if (!text.ok()) return absl::Status(text.status().code(), absl::StrCat(kFlag, path, ": ", text.status().message()));
  absl::string_view secret = absl::StripAsciiWhitespace(*text);
  std::string key;
  // The length of the text: GCC 12 takes a look at that of `key` for a read beyond a short string's end.
  if (!absl::ConsumePrefix(&secret, "whsec_") || secret.size() < 32 || secret.size() > 88 ||
      !absl::Base64Unescape(secret, &key)) {
    return absl::InvalidArgumentError(absl::StrCat(
        kFlag, path, ": wants \"whsec_\" and the base64 of 24 to 64 bytes: ", "echo whsec_$(openssl rand -base64 32)"));
  }
  return key;
}

std::string SignWebhook(absl::string_view key, absl::string_view id, int64_t timestamp, absl::string_view body) {
  const std::string message = absl::StrCat(id, ".", timestamp, ".", body);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(message.data()),
       message.size(), digest, &size);
  return absl::StrCat("v1,", absl::Base64Escape(absl::string_view(reinterpret_cast<const char*>(digest), size)));
}

}  // namespace traind::server
