#include "xccl/copy/copy_bytes.h"

#include "base/plain_copy.h"
#include "xccl/copy/copy_variants.h"

namespace switchyard::xccl {

void copy_stream_ref(std::byte* dst, const std::byte* src, size_t num_bytes) { plain_copy(dst, src, num_bytes); }

StreamCopy stream_copy_of(Isa isa) { return isa == Isa::kScalar ? copy_stream_ref : copy_stream_avx2; }

void copy_bytes(void* dst, const void* src, size_t num_bytes, CopyPath path) {
  static const StreamCopy stream = stream_copy_of(available_isas().back());
  auto* to = static_cast<std::byte*>(dst);
  const auto* from = static_cast<const std::byte*>(src);
  path == CopyPath::kStream ? stream(to, from, num_bytes) : plain_copy(to, from, num_bytes);
}

}  // namespace switchyard::xccl
