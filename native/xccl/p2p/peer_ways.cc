#include "xccl/p2p/peer_ways.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "xccl/p2p/read_helper.h"

namespace switchyard::xccl {
namespace {

/// Which power of two from `from` on, the last one for all that is larger.
template <size_t kNumSizes>
WayChoice& choice_at(std::array<WayChoice, kNumSizes>& choices, uint64_t num_bytes, uint64_t from) {
  return choices[std::min<size_t>(std::bit_width(num_bytes / from) - 1, kNumSizes - 1)];
}

}  // namespace

PeerWays::PeerWays() { regions_.fill(WayChoice(Way::kSpecial)); }

WayChoice& PeerWays::choice_of(const Kind& kind) {
  if (kind.is_region) return choice_at(regions_, kind.num_bytes, kHelpedBytesMin);
  if (kind.is_helped) return helped_;
  return choice_at(alone_, kind.num_bytes, kPullBytesMin);
}

void PeerWays::note(std::optional<uint64_t> peer_ns) {
  const auto [kind, way, chunk, own_ns] = std::exchange(timed_, {});
  if (!peer_ns) return;
  uint64_t spent_ns = own_ns + *peer_ns;
  if (way == Way::kSpecial && !kind.is_region) spent_ns += *peer_ns / 2;
  choice_of(kind).note(way, static_cast<float>(spent_ns) / static_cast<float>(kind.num_bytes));
}

}  // namespace switchyard::xccl
