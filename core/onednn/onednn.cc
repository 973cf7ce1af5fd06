#include "core/onednn/onednn.h"

#include <algorithm>

namespace traind::core::onednn {

const dnnl::engine& Engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

Version LibraryVersion() {
  const dnnl_version_t* version = dnnl_version();
  return {.major = version->major, .minor = version->minor, .patch = version->patch};
}

std::string VersionString() {
  const Version version = LibraryVersion();
  return absl::StrCat(version.major, ".", version.minor, ".", version.patch);
}

std::string InstructionSet() {
  switch (dnnl_get_effective_cpu_isa()) {
    case dnnl_cpu_isa_sse41:
      return "sse41";
    case dnnl_cpu_isa_avx:
      return "avx";
    case dnnl_cpu_isa_avx2:
      return "avx2";
    case dnnl_cpu_isa_avx2_vnni:
      return "avx2_vnni";
    case dnnl_cpu_isa_avx512_core:
      return "avx512_core";
    case dnnl_cpu_isa_avx512_core_vnni:
      return "avx512_core_vnni";
    case dnnl_cpu_isa_avx512_core_bf16:
      return "avx512_core_bf16";
    case dnnl_cpu_isa_avx512_core_amx:
      return "avx512_core_amx";
    default:  // A later name, or an architecture with one set only.
      return absl::StrCat("isa_", static_cast<int>(dnnl_get_effective_cpu_isa()));
  }
}

bool SupportsBf16() {
  // The names are bit sets: each AVX-512 set contains those that came before it.
  const unsigned have = static_cast<unsigned>(dnnl_get_effective_cpu_isa());
  const unsigned need = static_cast<unsigned>(dnnl_cpu_isa_avx512_core_bf16);
  return (have & need) == need;
}

Desc Plain(const Dims& dims, Type type) {
  Dims strides(dims.size(), 1);
  for (size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * std::max<int64_t>(dims[i], 1);
  return Desc(dims, type, strides);
}

Desc Any(const Dims& dims, Type type) { return Desc(dims, type, dnnl::memory::format_tag::any); }

#if DNNL_VERSION_MAJOR < 3

Desc WithType(const Desc& desc, Type type) {
  Desc result = desc;
  result.data.data_type = dnnl::memory::convert_to_c(type);
  return result;
}

std::optional<Blocking> BlockingOf(const Desc& desc) {
  const dnnl_memory_desc_t& data = desc.data;
  if (data.format_kind != dnnl_blocked) return std::nullopt;
  const dnnl_blocking_desc_t& blocking = data.format_desc.blocking;
  const auto copy = [](const auto* from, int n) { return Dims(from, from + n); };
  return Blocking{.dims = copy(data.dims, data.ndims),
                  .padded_dims = copy(data.padded_dims, data.ndims),
                  .strides = copy(blocking.strides, data.ndims),
                  .inner_blocks = copy(blocking.inner_blks, blocking.inner_nblks),
                  .inner_dims = copy(blocking.inner_idxs, blocking.inner_nblks),
                  .offset = data.offset0};
}

#else

Desc WithType(const Desc& desc, Type type) {
  // 3.x has no setter. A layout without inner blocks is its strides; others are found among the named ones.
  const Dims dims = desc.get_dims();
  if (desc.get_inner_nblks() == 0) return Desc(dims, type, desc.get_strides());
  for (int tag = dnnl_format_tag_any + 1; tag < dnnl_format_tag_last; ++tag) {
    const auto named = static_cast<dnnl::memory::format_tag>(tag);
    const Desc candidate(dims, desc.get_data_type(), named, /*allow_empty=*/true);
    if (candidate.get(/*allow_empty=*/true) != nullptr && candidate == desc) return Desc(dims, type, named);
  }
  return Plain(dims, type);
}

std::optional<Blocking> BlockingOf(const Desc& desc) {
  if (desc.get_format_kind() != dnnl::memory::format_kind::blocked) return std::nullopt;
  return Blocking{.dims = desc.get_dims(),
                  .padded_dims = desc.get_padded_dims(),
                  .strides = desc.get_strides(),
                  .inner_blocks = desc.get_inner_blks(),
                  .inner_dims = desc.get_inner_idxs(),
                  .offset = desc.get_submemory_offset()};
}

#endif

bool SameLayout(const Desc& a, const Desc& b) {
  const std::optional<Blocking> one = BlockingOf(a), two = BlockingOf(b);
  if (!one || !two || one->dims != two->dims || one->padded_dims != two->padded_dims || one->offset != two->offset ||
      one->inner_blocks != two->inner_blocks || one->inner_dims != two->inner_dims) {
    return false;
  }
  for (size_t i = 0; i < one->strides.size(); ++i) {
    if (one->padded_dims[i] > 1 && one->strides[i] != two->strides[i]) return false;
  }
  return true;
}

}  // namespace traind::core::onednn
