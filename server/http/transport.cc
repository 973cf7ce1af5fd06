#include "server/http/transport.h"

#include <openssl/x509.h>
#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <cerrno>
#include <utility>

#include "server/tls/openssl.h"

namespace traind::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;

beast::tcp_stream& TcpOf(beast::tcp_stream& stream) { return stream; }
beast::tcp_stream& TcpOf(beast::ssl_stream<beast::tcp_stream>& stream) { return stream.next_layer(); }

// What is the same with TLS and without.
template <class Stream>
class StreamTransport : public Transport {
 public:
  template <class... Arguments>
  explicit StreamTransport(Arguments&&... arguments) : stream_(std::forward<Arguments>(arguments)...) {}

  void Read(asio::mutable_buffer into, Got got) override { stream_.async_read_some(into, std::move(got)); }
  void Write(std::vector<asio::const_buffer> bytes, Done done) override {
    asio::async_write(stream_, std::move(bytes), [done = std::move(done)](IoError error, size_t) { done(error); });
  }
  void ExpireAfter(std::chrono::milliseconds patience) override { Tcp().expires_after(patience); }
  void AwaitNews(Done done) override { Tcp().socket().async_wait(asio::ip::tcp::socket::wait_read, std::move(done)); }
  void ForgetNews() override {
    IoError ignored;
    Tcp().socket().cancel(ignored);
  }
  bool HasNews() override {
    char next = 0;
    const ssize_t got = recv(Tcp().socket().native_handle(), &next, 1, MSG_PEEK | MSG_DONTWAIT);
    return got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
  }
  void EndSending() override {
    IoError ignored;
    Tcp().socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  }
  void Close() override { Tcp().close(); }
  asio::any_io_executor Executor() override { return Tcp().get_executor(); }

 protected:
  beast::tcp_stream& Tcp() { return TcpOf(stream_); }

  Stream stream_;
};

class Plain final : public StreamTransport<beast::tcp_stream> {
 public:
  using StreamTransport::StreamTransport;
  void Handshake(Done done) override {
    asio::post(Executor(), [done = std::move(done)] { done({}); });
  }
  std::string CertificateName() override { return ""; }
};

// The last common name, as gRPC takes it.
std::string CommonName(X509* certificate) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  std::string name;
  for (int i = -1; (i = X509_NAME_get_index_by_NID(subject, NID_commonName, i)) >= 0;) {
    unsigned char* text = nullptr;
    const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i)));
    if (size >= 0) name.assign(reinterpret_cast<const char*>(text), static_cast<size_t>(size));
    OPENSSL_free(text);
  }
  return name.find('\0') == std::string::npos ? name : "";
}

class Tls final : public StreamTransport<beast::ssl_stream<beast::tcp_stream>> {
 public:
  Tls(asio::ip::tcp::socket socket, std::shared_ptr<asio::ssl::context> context)
      : StreamTransport(std::move(socket), *context), context_(std::move(context)) {}

  void Handshake(Done done) override { stream_.async_handshake(asio::ssl::stream_base::server, std::move(done)); }
  std::string CertificateName() override {
    const Certificate certificate(SSL_get1_peer_certificate(stream_.native_handle()));
    return certificate == nullptr ? "" : CommonName(certificate.get());
  }

 private:
  const std::shared_ptr<asio::ssl::context> context_;
};

}  // namespace

std::unique_ptr<Transport> PlainTransport(asio::ip::tcp::socket socket) {
  return std::make_unique<Plain>(std::move(socket));
}

std::unique_ptr<Transport> TlsTransport(asio::ip::tcp::socket socket, std::shared_ptr<asio::ssl::context> context) {
  return std::make_unique<Tls>(std::move(socket), std::move(context));
}

}  // namespace traind::server
