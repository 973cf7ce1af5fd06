// The least of a browser: connections over which bytes are sent as they are, and answers read as HTTP/1.1 has them. And
// the files that tests serve.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/http/grpc_web.h"
#include "server/http/pages.h"
#include "tests/support/http.h"

namespace traind::server {

struct BrowserAnswer {
  int status = 0;                             // 0: the connection was closed instead.
  std::map<std::string, std::string> fields;  // By names in lower case.
  std::string body;                           // Without the frames of chunks.
  bool whole = false;                         // It came to its end.
};

class Browser {
 public:
  explicit Browser(int port) : fd_(ConnectTo(port)) { EXPECT_GE(fd_, 0) << "nobody listens on port " << port; }
  ~Browser() { Close(); }
  Browser(const Browser&) = delete;
  Browser& operator=(const Browser&) = delete;

  // False: the other side has closed.
  bool Send(const std::string& bytes) {
    size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t part = send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (part <= 0) return false;
      sent += static_cast<size_t>(part);
    }
    return true;
  }
  // The next answer, whole; `head_only`: of HEAD.
  BrowserAnswer Read(bool head_only = false) {
    BrowserAnswer answer = ReadHead();
    if (answer.status == 0) return answer;
    if (answer.fields.count("transfer-encoding") > 0) {
      while (ReadChunk(answer)) {
      }
    } else if (!head_only && answer.fields.count("content-length") > 0) {
      answer.body = Take(std::strtoul(answer.fields["content-length"].c_str(), nullptr, 10), &answer.whole);
    } else {
      answer.whole = true;
    }
    return answer;
  }
  BrowserAnswer ReadHead() {
    BrowserAnswer answer;
    const std::string head = TakeUntil("\r\n\r\n");
    if (head.empty()) return answer;
    const std::vector<std::string> lines = absl::StrSplit(head, "\r\n");
    answer.status = std::atoi(lines[0].substr(9, 3).c_str());
    for (size_t i = 1; i < lines.size(); ++i) {
      const std::pair<std::string, std::string> field = absl::StrSplit(lines[i], absl::MaxSplits(": ", 1));
      answer.fields[absl::AsciiStrToLower(field.first)] = field.second;
    }
    return answer;
  }
  // Adds the next chunk to the body; false: that was the end.
  bool ReadChunk(BrowserAnswer& answer) {
    const std::string line = TakeUntil("\r\n");
    if (line.empty()) return false;
    const size_t size = std::strtoul(line.c_str(), nullptr, 16);
    bool whole = false;
    answer.body += Take(size, &whole);
    TakeUntil("\r\n");
    answer.whole = whole && size == 0;
    return whole && size > 0;
  }
  // All that comes until the other side closes.
  std::string ReadToEnd() {
    while (Receive()) {
    }
    return std::move(received_);
  }
  bool HasMore() {
    pollfd come = {.fd = fd_, .events = POLLIN, .revents = 0};
    return !received_.empty() || poll(&come, 1, 0) > 0;
  }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  int fd() const { return fd_; }

 private:
  bool Receive() {
    char part[16384];
    const ssize_t got = read(fd_, part, sizeof(part));
    if (got > 0) received_.append(part, static_cast<size_t>(got));
    return got > 0;
  }
  // Empty, too, where the end came first.
  std::string TakeUntil(const std::string& mark) {
    size_t end = 0;
    while ((end = received_.find(mark)) == std::string::npos) {
      if (!Receive()) return "";
    }
    std::string taken = received_.substr(0, end);
    received_.erase(0, end + mark.size());
    return taken;
  }
  std::string Take(size_t size, bool* whole) {
    while (received_.size() < size && Receive()) {
    }
    *whole = received_.size() >= size;
    std::string taken = received_.substr(0, size);
    received_.erase(0, size);
    return taken;
  }

  int fd_;
  std::string received_;
};

inline const std::string kHost = "Host: localhost:8080\r\n";

inline std::string GetText(const std::string& path, const std::string& fields = "") {
  return absl::StrCat("GET ", path, " HTTP/1.1\r\n", kHost, fields, "\r\n");
}

inline std::string PostText(const std::string& path, const std::string& body, const std::string& fields) {
  return absl::StrCat("POST ", path, " HTTP/1.1\r\n", kHost, fields, "Content-Length: ", body.size(), "\r\n\r\n", body);
}

// What our page sends with each call.
inline const std::string kOurs = "X-Grpc-Web: 1\r\nContent-Type: application/grpc-web+proto\r\n";

template <class Message>
std::string CallText(const std::string& method, const Message& request, const std::string& fields = kOurs) {
  const std::string message = request.SerializeAsString();
  return PostText(method, FrameHead(message.size()) + message, fields);
}

// An answer of gRPC-Web, taken apart.
struct WebAnswer {
  std::vector<std::string> messages;
  std::map<std::string, std::string> trailers;
};
inline WebAnswer Unframe(absl::string_view body) {
  WebAnswer answer;
  while (body.size() >= kFrameHeadBytes) {
    size_t size = 0;
    for (size_t i = 1; i < kFrameHeadBytes; ++i) size = size << 8 | static_cast<unsigned char>(body[i]);
    const bool trailers = body[0] == '\x80';
    const std::string content(body.substr(kFrameHeadBytes, size));
    EXPECT_EQ(content.size(), size);
    body.remove_prefix(kFrameHeadBytes + content.size());
    EXPECT_TRUE(answer.trailers.empty()) << "nothing comes behind the trailers";
    if (!trailers) {
      answer.messages.push_back(content);
      continue;
    }
    for (const absl::string_view line : absl::StrSplit(content, "\r\n", absl::SkipEmpty())) {
      answer.trailers.insert(absl::StrSplit(line, absl::MaxSplits(": ", 1)));
    }
  }
  EXPECT_TRUE(body.empty()) << "a frame is cut";
  return answer;
}

inline std::vector<PageFile> SmallPages() {
  return {{.path = "/index.html", .plain = "<!doctype html>page", .packed = "packed page", .hash = "abc"},
          {.path = "/app.js", .plain = "run()", .packed = "packed script", .hash = "def"}};
}

}  // namespace traind::server
