// barrier and broadcast. A broadcast's root decides by what it contributes how many rounds there are: a zero-copy source is
// one, others stream through the halves: while the members pull a chunk, the root writes the next one.
#include <algorithm>

#include "xccl/group/collectives.h"
#include "xccl/group/collectives_source.h"

namespace switchyard::xccl {
namespace {

/// Measured (docs/xccl.md): from 512 KiB on it does not matter, smaller ones pay for their rounds.
constexpr uint64_t kBroadcastChunkBytes = 2 << 20;

Status find_member(const Rounds& rounds, uint32_t rank, uint32_t* member) {
  const std::vector<uint32_t>& ranks = rounds.spec().ranks;
  const auto found = std::find(ranks.begin(), ranks.end(), rank);
  if (found == ranks.end())
    return invalid_call(Operation::kBroadcast, "root " + std::to_string(rank) + " is no member");
  *member = static_cast<uint32_t>(found - ranks.begin());
  return {};
}

/// The root's contribution of this round: the next part of `bytes`, of which *done are there.
Status take_chunk(Rounds& rounds, const Arrival& arrival, std::span<std::byte> bytes, uint64_t* done) {
  const uint64_t left = bytes.size() - *done;
  if (arrival.num_bytes > left || (arrival.num_bytes == 0 && left != 0)) {
    return rounds.corrupt(arrival.member, "broadcasts " + std::to_string(arrival.num_bytes) + " of " +
                                              std::to_string(left) + " bytes left");
  }
  if (arrival.member != rounds.self())
    SWITCHYARD_RETURN_IF_ERROR(rounds.pull(arrival, 0, bytes.subspan(*done, arrival.num_bytes)));
  *done += arrival.num_bytes;
  return {};
}

}  // namespace

Status group_barrier(Rounds& rounds, uint32_t event, Deadline deadline) {
  return rounds.call({Operation::kBarrier, event}, deadline, [&]() -> Status {
    SWITCHYARD_RETURN_IF_ERROR(publish_to_all(rounds, {}));
    return rounds.take_each([](const Arrival&) { return Status(); });
  });
}

Status group_broadcast(Rounds& rounds, const BroadcastArgs& args, Deadline deadline) {
  uint32_t root = 0;
  SWITCHYARD_RETURN_IF_ERROR(find_member(rounds, args.root, &root));
  const bool is_root = root == rounds.self();
  Source source;
  SWITCHYARD_RETURN_IF_ERROR(
      Source::make(rounds, Operation::kBroadcast, args.bytes, args.is_zero_copy && is_root, &source));
  const CallTag tag = tag_of_root(Operation::kBroadcast, args.event, args.bytes.size(), args.root);
  return rounds.call(tag, deadline, [&]() -> Status {
    const uint64_t chunk = std::min<uint64_t>(kBroadcastChunkBytes, rounds.half().size());
    uint64_t done = 0;
    do {
      const uint64_t left = args.bytes.size() - done;
      const uint64_t num_bytes = source.is_zero_copy() ? left : std::min(chunk, left);
      const Outgoing mine = is_root ? source.part(rounds.half(), 0, done, num_bytes) : Outgoing();
      SWITCHYARD_RETURN_IF_ERROR(publish_to_all(rounds, mine));
      SWITCHYARD_RETURN_IF_ERROR(rounds.take_each([&](const Arrival& arrival) -> Status {
        return arrival.member == root ? take_chunk(rounds, arrival, args.bytes, &done) : Status();
      }));
    } while (done < args.bytes.size());
    return {};
  });
}

}  // namespace switchyard::xccl
