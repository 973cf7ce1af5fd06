// Those who get webhooks, well or badly behaved: a port of loopback where a script talks to each connection, in bytes,
// with TLS or without. Made of sockets and OpenSSL alone, so that the sender is held against something else.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/certificates.h"

namespace traind::server {

class ReceivedConnection {
 public:
  ReceivedConnection(int fd, SSL_CTX* context) : fd_(fd), tls_(context == nullptr ? nullptr : SSL_new(context)) {}
  ~ReceivedConnection() {
    SSL_free(tls_);
    close(fd_);
  }
  ReceivedConnection(const ReceivedConnection&) = delete;
  ReceivedConnection& operator=(const ReceivedConnection&) = delete;

  bool Accept() { return tls_ == nullptr || (SSL_set_fd(tls_, fd_) == 1 && SSL_accept(tls_) == 1); }
  // Empty: the other side has closed.
  std::string Read() {
    char part[16384];
    const int got = tls_ == nullptr ? static_cast<int>(recv(fd_, part, sizeof(part), 0))
                                    : SSL_read(tls_, part, static_cast<int>(sizeof(part)));
    return {part, static_cast<size_t>(got > 0 ? got : 0)};
  }
  // False: the other side has closed.
  bool Send(const std::string& bytes) {
    if (tls_ != nullptr) return SSL_write(tls_, bytes.data(), static_cast<int>(bytes.size())) > 0;
    return send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }
  void AwaitClose() {
    while (!Read().empty()) {
    }
  }
  // Headers and body, which has a Content-Length; what came of it before the other side closed.
  std::string ReadRequest() {
    std::string request;
    while (true) {
      const size_t head = request.find("\r\n\r\n");
      const size_t length = request.find("Content-Length: ");
      if (head != std::string::npos && length < head &&
          request.size() >= head + 4 + std::strtoul(request.c_str() + length + 16, nullptr, 10)) {
        return request;
      }
      const std::string more = Read();
      if (more.empty()) return request;
      request += more;
    }
  }
  // What TLS was asked for; "": nothing.
  std::string ServerName() const {
    const char* name = tls_ == nullptr ? nullptr : SSL_get_servername(tls_, TLSEXT_NAMETYPE_host_name);
    return name == nullptr ? "" : name;
  }
  // From any thread: reads and sends end.
  void Break() { shutdown(fd_, SHUT_RDWR); }

 private:
  const int fd_;
  SSL* const tls_;
};

class TestReceiver {
 public:
  using Script = std::function<void(ReceivedConnection&)>;
  struct Options {
    const TestCertificate* certificate = nullptr;  // None: no TLS.
    int newest_tls = TLS1_3_VERSION;
    const char* address = "127.0.0.1";
  };

  // Each connection has a thread on which the script runs, and is closed when it is done.
  explicit TestReceiver(Script script) : TestReceiver(std::move(script), Options()) {}
  TestReceiver(Script script, const Options& options) : script_(std::move(script)), context_(nullptr, SSL_CTX_free) {
    if (options.certificate != nullptr) UseTls(*options.certificate, options.newest_tls);
    const bool six = std::string(options.address).find(':') != std::string::npos;
    sockaddr_in6 address6 = {
        .sin6_family = AF_INET6, .sin6_port = 0, .sin6_flowinfo = 0, .sin6_addr = {}, .sin6_scope_id = 0};
    sockaddr_in address4 = {.sin_family = AF_INET, .sin_port = 0, .sin_addr = {}, .sin_zero = {}};
    inet_pton(AF_INET6, options.address, &address6.sin6_addr);
    inet_pton(AF_INET, options.address, &address4.sin_addr);
    auto* address = six ? reinterpret_cast<sockaddr*>(&address6) : reinterpret_cast<sockaddr*>(&address4);
    socklen_t size = six ? sizeof(address6) : sizeof(address4);
    fd_ = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd_, address, size) != 0) return;
    EXPECT_EQ(listen(fd_, 16), 0);
    EXPECT_EQ(getsockname(fd_, address, &size), 0);
    port_ = ntohs(six ? address6.sin6_port : address4.sin_port);
    acceptor_ = std::thread([this] { AcceptAll(); });
  }
  ~TestReceiver() {
    Stop();
    close(fd_);
  }
  // What scripts have seen may be read afterwards.
  void Stop() {
    shutdown(fd_, SHUT_RDWR);
    if (acceptor_.joinable()) acceptor_.join();
    for (const auto& connection : connections_) connection->Break();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  TestReceiver(const TestReceiver&) = delete;
  TestReceiver& operator=(const TestReceiver&) = delete;

  int port() const { return port_; }  // 0: this machine does not have the address.
  int connections() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return static_cast<int>(connections_.size());
  }

 private:
  void UseTls(const TestCertificate& certificate, int newest) {
    context_.reset(SSL_CTX_new(TLS_server_method()));
    const std::unique_ptr<BIO, int (*)(BIO*)> cert(BIO_new_mem_buf(certificate.cert.data(), -1), BIO_free);
    const std::unique_ptr<BIO, int (*)(BIO*)> key(BIO_new_mem_buf(certificate.key.data(), -1), BIO_free);
    const std::unique_ptr<X509, void (*)(X509*)> x509(PEM_read_bio_X509(cert.get(), nullptr, nullptr, nullptr),
                                                      X509_free);
    const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> pkey(
        PEM_read_bio_PrivateKey(key.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
    EXPECT_EQ(SSL_CTX_use_certificate(context_.get(), x509.get()), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey(context_.get(), pkey.get()), 1);
    if (newest < TLS1_2_VERSION) SSL_CTX_set_security_level(context_.get(), 0);
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context_.get(), newest);
  }
  void AcceptAll() {
    for (int fd = 0; (fd = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
      const std::lock_guard<std::mutex> lock(mutex_);
      ReceivedConnection& connection =
          *connections_.emplace_back(std::make_shared<ReceivedConnection>(fd, context_.get()));
      threads_.emplace_back([this, &connection] {
        sigset_t broken_pipe;  // OpenSSL writes without MSG_NOSIGNAL.
        sigemptyset(&broken_pipe);
        sigaddset(&broken_pipe, SIGPIPE);
        pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
        if (connection.Accept()) script_(connection);
        connection.Break();
      });
    }
  }

  const Script script_;
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
  int fd_ = -1;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::list<std::shared_ptr<ReceivedConnection>> connections_;
  std::list<std::thread> threads_;
  std::thread acceptor_;
};

// Reads the request and gives that answer.
inline TestReceiver::Script Answering(const std::string& answer) {
  return [answer](ReceivedConnection& connection) {
    connection.ReadRequest();
    connection.Send(answer);
  };
}

// Takes everything and never says a word.
inline void SaysNothing(ReceivedConnection& connection) { connection.AwaitClose(); }

// Reads the request, and sends the same for as long as it is taken.
inline TestReceiver::Script Repeating(const std::string& begin, const std::string& bytes) {
  return [begin, bytes](ReceivedConnection& connection) {
    connection.ReadRequest();
    connection.Send(begin);
    while (connection.Send(bytes)) {
    }
  };
}

}  // namespace traind::server
