// The files that are part of this program: what was embedded is what was built.
#include "server/http/pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <set>
#include <string>

#include "absl/strings/match.h"

namespace traind::server {
namespace {

std::string Gunzip(absl::string_view packed, size_t size) {
  constexpr int kGzip = 16 + MAX_WBITS;
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, kGzip), Z_OK);
  std::string plain(size + 1, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(plain.data());
  stream.avail_out = static_cast<uInt>(plain.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  EXPECT_EQ(stream.avail_in, 0u);
  plain.resize(stream.total_out);
  inflateEnd(&stream);
  return plain;
}

TEST(EmbeddedPages, AreWholeInBothForms) {
  std::set<absl::string_view> paths, hashes;
  for (const PageFile& file : EmbeddedPages()) {
    SCOPED_TRACE(std::string(file.path));
    EXPECT_TRUE(absl::StartsWith(file.path, "/"));
    EXPECT_EQ(Gunzip(file.packed, file.plain.size()), file.plain);
    EXPECT_EQ(file.hash.size(), 32u);
    EXPECT_TRUE(paths.insert(file.path).second);
    EXPECT_TRUE(hashes.insert(file.hash).second) << "two files are the same";
  }
  EXPECT_TRUE(paths.empty() || paths.count("/index.html") == 1);
}

}  // namespace
}  // namespace traind::server
