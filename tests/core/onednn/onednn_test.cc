#include "core/onednn/onednn.h"

#include "absl/strings/match.h"
#include "core/onednn/desc.h"
#include "gtest/gtest.h"

namespace traind::core::onednn {
namespace {

using Tag = dnnl::memory::format_tag;

TEST(Library, IsTheVersionOfItsHeadersOrLater) {
  const Version headers{.major = DNNL_VERSION_MAJOR, .minor = DNNL_VERSION_MINOR, .patch = 0};
  EXPECT_GE(LibraryVersion(), headers);
  EXPECT_EQ(LibraryVersion().major, headers.major);
  EXPECT_TRUE(absl::StrContains(VersionString(), "."));
}

TEST(Library, Bf16GoesWithTheInstructionSet) {
  const std::string name = InstructionSet();
  EXPECT_FALSE(name.empty());
  if (name == "avx2" || name == "avx512_core") {
    EXPECT_FALSE(SupportsBf16());
  }
  if (name == "avx512_core_bf16" || name == "avx512_core_amx") {
    EXPECT_TRUE(SupportsBf16());
  }
}

TEST(Descriptors, PlainIsRowMajor) {
  const auto blocking = BlockingOf(Plain({2, 3, 4, 5}, Type::f32));
  ASSERT_TRUE(blocking.has_value());
  EXPECT_EQ(blocking->strides, (Dims{60, 20, 5, 1}));
  EXPECT_EQ(blocking->padded_dims, (Dims{2, 3, 4, 5}));
  EXPECT_TRUE(blocking->inner_blocks.empty());
  EXPECT_EQ(Plain({2, 3, 4, 5}, Type::f32), Desc({2, 3, 4, 5}, Type::f32, Tag::nchw));
}

TEST(Descriptors, BlockingTellsPaddingAndInnerBlocks) {
  const auto blocking = BlockingOf(Desc({2, 17, 4, 5}, Type::f32, Tag::nChw16c));
  ASSERT_TRUE(blocking.has_value());
  EXPECT_EQ(blocking->dims, (Dims{2, 17, 4, 5}));
  EXPECT_EQ(blocking->padded_dims, (Dims{2, 32, 4, 5}));
  EXPECT_EQ(blocking->inner_blocks, (Dims{16}));
  EXPECT_EQ(blocking->inner_dims, (Dims{1}));
}

TEST(Descriptors, AnyHasNoBlocking) { EXPECT_FALSE(BlockingOf(Any({2, 3}, Type::f32)).has_value()); }

TEST(Descriptors, WithTypeKeepsTheLayout) {
  for (const Tag tag : {Tag::nchw, Tag::nhwc, Tag::nChw16c}) {
    const Desc f32({2, 17, 4, 5}, Type::f32, tag);
    EXPECT_EQ(WithType(f32, Type::bf16), Desc({2, 17, 4, 5}, Type::bf16, tag));
    EXPECT_EQ(WithType(WithType(f32, Type::bf16), Type::f32), f32);
  }
  const Desc weights({32, 32, 3, 3}, Type::bf16, Tag::OIhw8i16o2i);
  EXPECT_EQ(WithType(weights, Type::f32), Desc({32, 32, 3, 3}, Type::f32, Tag::OIhw8i16o2i));
}

// What decides whether a bfloat16 copy of weights is element by element; some kernels' layouts have no name.
TEST(Descriptors, SameLayoutLooksAtPlacesAlone) {
  const Desc blocked({32, 32, 3, 3}, Type::bf16, Tag::OIhw8i16o2i);
  EXPECT_TRUE(SameLayout(blocked, Desc({32, 32, 3, 3}, Type::f32, Tag::OIhw8i16o2i)));
  EXPECT_FALSE(SameLayout(blocked, Desc({32, 32, 3, 3}, Type::f32, Tag::OIhw16i16o)));
  EXPECT_FALSE(SameLayout(blocked, Plain({32, 32, 3, 3}, Type::f32)));
  EXPECT_FALSE(SameLayout(Plain({2, 3}, Type::f32), Plain({3, 2}, Type::f32)));
  EXPECT_FALSE(SameLayout(Plain({2, 3}, Type::f32), Desc({2, 3}, Type::f32, Tag::ba)));
  EXPECT_FALSE(SameLayout(Any({2, 3}, Type::f32), Any({2, 3}, Type::f32)));
  // A dimension of one has no stride that matters.
  EXPECT_TRUE(SameLayout(Plain({4, 1, 3}, Type::f32), Desc({4, 1, 3}, Type::f32, Dims{3, 100, 1})));
}

TEST(Guard, TurnsExceptionsIntoStatuses) {
  EXPECT_TRUE(Guard("nothing", [] {}).ok());
  const absl::Status unimplemented =
      Guard("this", [] { throw dnnl::error(dnnl_unimplemented, "could not create a primitive"); });
  EXPECT_TRUE(absl::IsUnimplemented(unimplemented));
  EXPECT_EQ(unimplemented.message(), "oneDNN: this: could not create a primitive");
  EXPECT_TRUE(absl::IsResourceExhausted(Guard("this", [] { throw dnnl::error(dnnl_out_of_memory, "m"); })));
  EXPECT_TRUE(absl::IsInternal(Guard("this", [] { throw dnnl::error(dnnl_invalid_arguments, "m"); })));
}

}  // namespace
}  // namespace traind::core::onednn
