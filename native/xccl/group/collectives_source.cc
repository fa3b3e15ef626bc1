#include "xccl/group/collectives_source.h"

#include <algorithm>

#include "base/plain_copy.h"

namespace switchyard::xccl {

Status Source::make(const Rounds& rounds, Operation operation, std::span<const std::byte> bytes, bool is_zero_copy,
                    Source* out) {
  if (bytes.size() > kCollectiveBytesMax)
    return invalid_call(operation, std::to_string(bytes.size()) + " bytes are over 256 TiB");
  out->bytes_ = bytes;
  out->is_zero_copy_ = is_zero_copy && !bytes.empty();
  if (!out->is_zero_copy_ || rounds.zero_copy(bytes, 0, &out->whole_)) return {};
  return invalid_call(operation, "zero copy of bytes that are not inside app() or zc()");
}

Source Source::copied() const {
  Source source = *this;
  source.is_zero_copy_ = false;
  return source;
}

Outgoing Source::part(std::span<std::byte> half, uint64_t half_offset, uint64_t offset, uint64_t num_bytes,
                      uint64_t detail) const {
  const std::span<const std::byte> bytes = bytes_.subspan(offset, num_bytes);
  if (num_bytes <= kGroupInlineBytesMax) return Outgoing::inline_bytes(bytes, detail);
  if (is_zero_copy_) return {whole_.source, whole_.offset + offset, num_bytes, nullptr, detail};
  plain_copy(half.data() + half_offset, bytes.data(), num_bytes);
  return Outgoing::managed(half_offset, num_bytes, detail);
}

Status publish_to_all(Rounds& rounds, const Outgoing& outgoing) {
  return rounds.publish_each([&](uint32_t) -> const Outgoing& { return outgoing; });
}

Status take_all(Rounds& rounds, Arrivals* out) {
  return rounds.take_each([out](const Arrival& arrival) -> Status {
    (*out)[arrival.member] = arrival;
    return {};
  });
}

}  // namespace switchyard::xccl
