// The least of an HTTP client, over loopback.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>

namespace traind {

// A connection to the port; -1: nobody listens there.
inline int ConnectTo(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return fd;
  close(fd);
  return -1;
}

// Sends the bytes and gives all that comes until the server closes the connection. It may close before it has read all.
inline std::string SendBytes(int port, const std::string& bytes) {
  const int fd = ConnectTo(port);
  EXPECT_GE(fd, 0) << "nobody listens on port " << port;
  send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  std::string answer;
  char part[4096];
  for (ssize_t got = 0; (got = read(fd, part, sizeof(part))) > 0;) answer.append(part, static_cast<size_t>(got));
  close(fd);
  return answer;
}

// The answer with its headers.
inline std::string HttpGet(int port, const std::string& path, const std::string& method = "GET") {
  return SendBytes(port, method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
}

}  // namespace traind
