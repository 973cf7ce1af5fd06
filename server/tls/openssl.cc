#include "server/tls/openssl.h"

#include <openssl/err.h>

namespace traind::server {

std::string TakeOpensslError() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return reason == nullptr ? "unknown error" : reason;
}

}  // namespace traind::server
