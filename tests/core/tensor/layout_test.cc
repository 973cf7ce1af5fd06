#include "core/tensor/layout.h"

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "core/onednn/primitives.h"
#include "gtest/gtest.h"

namespace traind::core {
namespace {

using onednn::Desc;
using onednn::Dims;
using onednn::Type;
using Tag = dnnl::memory::format_tag;

struct Case {
  const char* name;
  Dims dims;
  Tag tag;
  int64_t width;
  int64_t blocks;
};

class LayoutTest : public testing::TestWithParam<Case> {};

TEST_P(LayoutTest, KnowsWidthAndBlocks) {
  const Case& c = GetParam();
  for (const Type type : {Type::f32, Type::bf16}) {
    const std::optional<Layout> layout = Layout::Of(Desc(c.dims, type, c.tag));
    ASSERT_TRUE(layout.has_value());
    int64_t spatial = 1;
    for (size_t i = 2; i < c.dims.size(); ++i) spatial *= c.dims[i];
    EXPECT_EQ(layout->type, type);
    EXPECT_EQ(layout->batch, c.dims[0]);
    EXPECT_EQ(layout->channels, c.dims[1]);
    EXPECT_EQ(layout->spatial, spatial);
    EXPECT_EQ(layout->width, c.width);
    EXPECT_EQ(layout->blocks, c.blocks);
    EXPECT_EQ(layout->padded(), c.width * c.blocks != c.dims[1]);
  }
}

// The library itself puts known numbers into the layout; the five-index form must find each of them, and zeros in the
// padding.
TEST_P(LayoutTest, FindsEveryElementWhereTheLibraryPutsIt) {
  const Case& c = GetParam();
  const Desc desc(c.dims, Type::f32, c.tag);
  const Layout layout = *Layout::Of(desc);
  ASSERT_EQ(layout.stored_elements() * 4, static_cast<int64_t>(desc.get_size()));
  std::vector<float> plain(layout.elements());
  for (size_t i = 0; i < plain.size(); ++i) plain[i] = static_cast<float>(i + 1);
  std::vector<float> stored(layout.stored_elements(), -1.0f);
  const auto reorder = onednn::Reorder(onednn::Plain(c.dims, Type::f32), desc);
  ASSERT_TRUE(reorder.ok()) << reorder.status();
  dnnl::stream stream(onednn::Engine());
  dnnl::memory scratchpad(reorder->desc.scratchpad_desc(), onednn::Engine());
  const auto primitive = onednn::MakePrimitive(reorder->desc);
  ASSERT_TRUE(primitive.ok()) << primitive.status();
  primitive->execute(stream,
                     {{DNNL_ARG_FROM, dnnl::memory(onednn::Plain(c.dims, Type::f32), onednn::Engine(), plain.data())},
                      {DNNL_ARG_TO, dnnl::memory(desc, onednn::Engine(), stored.data())},
                      {DNNL_ARG_SCRATCHPAD, scratchpad}});
  stream.wait();

  for (int64_t n = 0; n < layout.batch; ++n) {
    for (int64_t block = 0; block < layout.blocks; ++block) {
      for (int64_t s = 0; s < layout.spatial; ++s) {
        for (int64_t k = 0; k < layout.width; ++k) {
          const int64_t channel = block * layout.width + k;
          const int64_t at = ((n * layout.blocks + block) * layout.spatial + s) * layout.width + k;
          const bool real = k < layout.block_width(block);
          EXPECT_EQ(real, channel < layout.channels);
          const float expected =
              real ? static_cast<float>((n * layout.channels + channel) * layout.spatial + s + 1) : 0.0f;
          ASSERT_EQ(stored[at], expected) << "n " << n << " channel " << channel << " s " << s;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Formats, LayoutTest,
    testing::Values(Case{"nc", {3, 7}, Tag::nc, 7, 1}, Case{"one_feature", {3, 1}, Tag::nc, 1, 1},
                    Case{"nchw", {2, 5, 3, 4}, Tag::nchw, 1, 5}, Case{"nhwc", {2, 5, 3, 4}, Tag::nhwc, 5, 1},
                    Case{"nChw4c", {2, 8, 3, 4}, Tag::nChw4c, 4, 2}, Case{"nChw8c", {2, 8, 3, 4}, Tag::nChw8c, 8, 1},
                    Case{"nChw16c", {2, 32, 3, 4}, Tag::nChw16c, 16, 2},
                    Case{"nChw16c_3_channels", {2, 3, 3, 4}, Tag::nChw16c, 16, 1},
                    Case{"nChw16c_17_channels", {2, 17, 3, 4}, Tag::nChw16c, 16, 2},
                    Case{"nChw8c_17_channels", {1, 17, 2, 2}, Tag::nChw8c, 8, 3},
                    Case{"one_pixel", {2, 17, 1, 1}, Tag::nChw16c, 16, 2},
                    Case{"plain_one_pixel", {2, 17, 1, 1}, Tag::nchw, 17, 1},
                    Case{"batch_of_one", {1, 5, 3, 4}, Tag::nchw, 1, 5}, Case{"ncw", {2, 5, 6}, Tag::ncw, 1, 5},
                    Case{"nwc", {2, 5, 6}, Tag::nwc, 5, 1}, Case{"nCw16c", {2, 20, 6}, Tag::nCw16c, 16, 2}),
    [](const auto& parameter) { return std::string(parameter.param.name); });

TEST(LayoutOfOthers, IsUnknown) {
  EXPECT_FALSE(Layout::Of(Desc({2, 8}, Type::u8, Tag::nc)).has_value());
  EXPECT_FALSE(Layout::Of(Desc({8}, Type::f32, Tag::a)).has_value());
  EXPECT_FALSE(Layout::Of(onednn::Any({2, 8, 3, 3}, Type::f32)).has_value());
  EXPECT_FALSE(Layout::Of(Desc({4, 8}, Type::f32, Tag::ba)).has_value());  // Transposed.
  EXPECT_FALSE(Layout::Of(Desc({2, 8, 3, 4}, Type::f32, Tag::nchw).permute_axes({0, 1, 3, 2})).has_value());
  EXPECT_FALSE(Layout::Of(Desc({2, 8, 3, 4}, Type::f32, Dims{200, 25, 5, 1})).has_value());  // With gaps.
  EXPECT_FALSE(Layout::Of(Desc({16, 16, 3, 3}, Type::f32, Tag::OIhw16i16o)).has_value());
  // A part of a larger tensor.
  const Desc whole({2, 32, 3, 3}, Type::f32, Tag::nChw16c);
  EXPECT_FALSE(Layout::Of(whole.submemory_desc({2, 16, 3, 3}, {0, 16, 0, 0})).has_value());
}

}  // namespace
}  // namespace traind::core
