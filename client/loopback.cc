#include "client/loopback.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace traind::client {

bool IsLoopback(absl::string_view target) {
  if (absl::StartsWith(target, "unix:") || absl::StartsWith(target, "unix-abstract:")) return true;
  for (const absl::string_view scheme : {"dns:///", "dns:", "ipv4:", "ipv6:"}) {
    if (absl::ConsumePrefix(&target, scheme)) break;
  }
  if (target == "[::1]" || absl::StartsWith(target, "[::1]:")) return true;
  const absl::string_view host = target.substr(0, target.find(':'));
  if (absl::EqualsIgnoreCase(host, "localhost")) return true;
  // Four numbers: "127.evil.example" is a name, not an address.
  const std::vector<absl::string_view> numbers = absl::StrSplit(host, '.');
  if (numbers.size() != 4 || numbers[0] != "127") return false;
  for (const absl::string_view text : numbers) {
    int number = 0;
    if (!absl::SimpleAtoi(text, &number) || number < 0 || number > 255) return false;
  }
  return true;
}

}  // namespace traind::client
