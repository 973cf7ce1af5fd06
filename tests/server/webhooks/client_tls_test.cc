// Whom a webhook trusts: real handshakes with receivers that have such and such certificates.
#include "server/webhooks/client_tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "server/webhooks/post.h"
#include "tests/server/webhooks/receiver.h"
#include "tests/support/bytes.h"
#include "tests/support/certificates.h"
#include "tests/support/temporary_folder.h"

namespace traind::server {
namespace {

using ::testing::HasSubstr;

class WebhookTls : public ::testing::Test {
 protected:
  // What is said of a receiver with such a certificate, which is among those that are trusted; "": all is well.
  std::string Refusal(const TestCertificate& certificate, const std::string& host = "receiver.test",
                      int newest_tls = TLS1_3_VERSION) {
    Trust(certificate);
    return PostTo(certificate, host, newest_tls);
  }
  void Trust(const TestCertificate& certificate) {
    options_.ca_file = folder_ / "ca.pem";
    WriteBytes(options_.ca_file, certificate.cert);
  }
  std::string PostTo(const TestCertificate& certificate, const std::string& host, int newest_tls = TLS1_3_VERSION) {
    TestReceiver receiver(
        [this](ReceivedConnection& connection) {
          server_name_ = connection.ServerName();
          request_ = connection.ReadRequest();
          connection.Send("HTTP/1.1 204 Done\r\n\r\n");
        },
        {.certificate = &certificate, .newest_tls = newest_tls, .address = "127.0.0.1"});
    const auto target = ParseWebhookUrl(absl::StrCat("https://", host, ":", receiver.port(), "/hook"), false);
    EXPECT_TRUE(target.ok()) << target.status();
    return std::string(Post(*target, {}, "{}", options_, stop_).message());
  }

  const TemporaryFolder folder_;
  const core::Ending stop_;
  std::string server_name_, request_;
  PostOptions options_{.allow_private = true,
                       .timeout = absl::Hours(1),
                       .ca_file = "",
                       .resolver = [](const std::string&) -> absl::StatusOr<std::vector<std::string>> {
                         return std::vector<std::string>{"127.0.0.1"};
                       }};
};

TEST_F(WebhookTls, TakesTheNameThatItAskedFor) {
  const TestCertificate certificate = SelfSigned("authority", 30, "DNS:receiver.test,DNS:*.wild.test,DNS:half*.test");
  EXPECT_EQ(Refusal(certificate), "");
  EXPECT_EQ(server_name_, "receiver.test");
  EXPECT_THAT(request_, HasSubstr("POST /hook HTTP/1.1\r\nHost: receiver.test:"));
  EXPECT_EQ(Refusal(certificate, "Receiver.Test"), "");
  EXPECT_EQ(Refusal(certificate, "receiver.test."), "");
  EXPECT_EQ(server_name_, "receiver.test");
  EXPECT_EQ(Refusal(certificate, "a.wild.test"), "");
  for (const char* host :
       {"other.test", "a.receiver.test", "b.a.wild.test", "wild.test", "halfway.test", "authority"}) {
    EXPECT_EQ(Refusal(certificate, host), "its certificate is not taken: hostname mismatch") << host;
  }
}

TEST_F(WebhookTls, TakesTheAddressThatItAskedFor) {
  const TestCertificate certificate = SelfSigned("127.0.0.2", 30, "IP:127.0.0.1,IP:::1,DNS:127.0.0.3");
  EXPECT_EQ(Refusal(certificate, "127.0.0.1"), "");
  EXPECT_EQ(server_name_, "");  // RFC 6066: addresses are no server names.
}

TEST_F(WebhookTls, TakesNoOtherAddress) {
  EXPECT_EQ(Refusal(SelfSigned("127.0.0.1", 30, "IP:127.0.0.2,DNS:127.0.0.1"), "127.0.0.1"),
            "its certificate is not taken: IP address mismatch");
}

TEST_F(WebhookTls, TakesNoNameOfTheSubject) {
  EXPECT_EQ(Refusal(SelfSigned("receiver.test", 30, "")), "its certificate is not taken: hostname mismatch");
}

TEST_F(WebhookTls, TakesNoneThatHasExpired) {
  EXPECT_EQ(Refusal(SelfSigned("authority", -1, "DNS:receiver.test")),
            "its certificate is not taken: certificate has expired");
}

TEST_F(WebhookTls, TakesNoneOfOtherAuthorities) {
  Trust(SelfSigned("another"));
  const TestCertificate certificate = SelfSigned("authority", 30, "DNS:receiver.test");
  EXPECT_THAT(PostTo(certificate, "receiver.test"),
              ::testing::AllOf(HasSubstr("self-signed"), HasSubstr("--webhook-ca FILE")));
  options_.ca_file = "";  // The system's.
  EXPECT_THAT(PostTo(certificate, "receiver.test"), HasSubstr("self-signed"));
  EXPECT_EQ(request_, "");
}

TEST_F(WebhookTls, IsOfVersion12OrNewer) {
  const TestCertificate certificate = SelfSigned("authority", 30, "DNS:receiver.test");
  EXPECT_EQ(Refusal(certificate, "receiver.test", TLS1_2_VERSION), "");
  EXPECT_THAT(Refusal(certificate, "receiver.test", TLS1_1_VERSION), HasSubstr("the TLS handshake failed: "));
}

TEST_F(WebhookTls, SaysWhatIsNoTls) {
  for (const char* bytes : {"", "HTTP/1.1 400 Bad Request\r\n\r\n"}) {
    TestReceiver plain([bytes](ReceivedConnection& connection) {
      connection.Read();
      connection.Send(bytes);
    });
    const auto target = ParseWebhookUrl(absl::StrCat("https://receiver.test:", plain.port()), false);
    EXPECT_THAT(std::string(Post(*target, {}, "{}", options_, stop_).message()),
                HasSubstr("the TLS handshake failed: "));
  }
}

TEST_F(WebhookTls, WantsAuthoritiesInTheFile) {
  Trust(SelfSigned("authority"));
  EXPECT_EQ(CheckAuthorities(options_.ca_file), absl::OkStatus());
  WriteBytes(options_.ca_file, "no certificate");
  const absl::Status empty = CheckAuthorities(options_.ca_file);
  EXPECT_TRUE(absl::IsInvalidArgument(empty)) << empty;
  EXPECT_THAT(std::string(empty.message()), HasSubstr(absl::StrCat("--webhook-ca ", options_.ca_file)));
  EXPECT_TRUE(absl::IsInvalidArgument(CheckAuthorities(folder_ / "none")));
}

// It may lose them while the server runs.
TEST_F(WebhookTls, SaysThatTheFileIsGone) {
  options_.ca_file = folder_ / "none";
  EXPECT_THAT(PostTo(SelfSigned("authority"), "receiver.test"), HasSubstr("--webhook-ca " + options_.ca_file));
}

TEST_F(WebhookTls, WantsAuthoritiesOfTheSystem) {
  setenv("SSL_CERT_FILE", (folder_ / "none").c_str(), 1);
  setenv("SSL_CERT_DIR", absl::StrCat(folder_ / "no-folder", ":", folder_.path()).c_str(), 1);
  const absl::Status none = CheckAuthorities("");
  EXPECT_TRUE(absl::IsFailedPrecondition(none)) << none;
  EXPECT_THAT(std::string(none.message()), HasSubstr("install ca-certificates"));
  Trust(SelfSigned("authority"));  // Now the folder has a file.
  EXPECT_EQ(CheckAuthorities(""), absl::OkStatus());
  setenv("SSL_CERT_FILE", options_.ca_file.c_str(), 1);
  EXPECT_EQ(CheckAuthorities(""), absl::OkStatus());
  // And handshakes trust those.
  const TestCertificate certificate = SelfSigned("of the system", 30, "DNS:receiver.test");
  Trust(certificate);
  options_.ca_file = "";
  EXPECT_EQ(PostTo(certificate, "receiver.test"), "");
  unsetenv("SSL_CERT_FILE");
  unsetenv("SSL_CERT_DIR");
}

}  // namespace
}  // namespace traind::server
