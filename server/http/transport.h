// The bytes of one connection, with TLS or without. Everything runs on the connection's own executor; a callback is
// called once, later. An operation that takes longer than it may ends with an error.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/core/error.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace traind::server {

using IoError = boost::beast::error_code;

class Transport {
 public:
  using Done = std::function<void(IoError error)>;
  using Got = std::function<void(IoError error, size_t bytes)>;

  virtual ~Transport() = default;

  // First of all.
  virtual void Handshake(Done done) = 0;
  virtual void Read(boost::asio::mutable_buffer into, Got got) = 0;
  // All of the bytes, which last until `done` is called.
  virtual void Write(std::vector<boost::asio::const_buffer> bytes, Done done) = 0;
  // For all that is begun from now on, together.
  virtual void ExpireAfter(std::chrono::milliseconds patience) = 0;
  // Something may have come, or the other side gone: HasNews knows. Calls back with an error when it is forgotten.
  virtual void AwaitNews(Done done) = 0;
  virtual void ForgetNews() = 0;
  virtual bool HasNews() = 0;
  // Sends no more, and lets the other side read what was sent.
  virtual void EndSending() = 0;
  virtual void Close() = 0;

  virtual boost::asio::any_io_executor Executor() = 0;
  // Common name of the certificate that the other side has shown, and that TLS has verified; empty: none.
  virtual std::string CertificateName() = 0;
};

// Over a socket whose executor is a strand.
std::unique_ptr<Transport> PlainTransport(boost::asio::ip::tcp::socket socket);
std::unique_ptr<Transport> TlsTransport(boost::asio::ip::tcp::socket socket,
                                        std::shared_ptr<boost::asio::ssl::context> context);

}  // namespace traind::server
