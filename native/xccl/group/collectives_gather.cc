// all_gather, of equal and of variable sizes: each member contributes the same bytes to all. What does not fit in a half takes
// several rounds; each contribution says how long it is in all, so the members know when the last round was.
#include <algorithm>

#include "base/plain_copy.h"
#include "xccl/group/collectives.h"
#include "xccl/group/collectives_source.h"

namespace switchyard::xccl {
namespace {

constexpr uint64_t kGatherChunkBytes = 2 << 20;

/// One member's next bytes. *is_last is cleared when more are to come.
Status take_part(Rounds& rounds, const Arrival& arrival, std::span<const std::byte> mine, RecvPart& part, bool is_equal,
                 bool* is_last) {
  const uint64_t total = arrival.detail;
  if (total > part.into.size()) {
    return rounds.mismatch(arrival.member, "contributes " + std::to_string(total) +
                                               " bytes where this rank has room for " +
                                               std::to_string(part.into.size()));
  }
  const uint64_t left = total - std::min(total, part.num_bytes);
  const bool is_other_total = is_equal && total != part.into.size();
  if (is_other_total || arrival.num_bytes > left || (arrival.num_bytes == 0 && left != 0)) {
    return rounds.corrupt(arrival.member, "contributes " + std::to_string(arrival.num_bytes) + " of " +
                                              std::to_string(left) + " bytes left");
  }
  const std::span<std::byte> into = part.into.subspan(part.num_bytes, arrival.num_bytes);
  if (arrival.member != rounds.self()) {
    SWITCHYARD_RETURN_IF_ERROR(rounds.pull(arrival, 0, into));
  } else if (part.into.data() != mine.data() && !into.empty()) {
    plain_copy(into.data(), mine.data() + part.num_bytes, into.size());
  }
  part.num_bytes += arrival.num_bytes;
  *is_last = *is_last && part.num_bytes == total;
  return {};
}

Status gather(Rounds& rounds, const CallTag& tag, const Source& source, std::span<const std::byte> mine,
              std::span<RecvPart> parts, Deadline deadline) {
  const bool is_equal = tag.agreed == mine.size();
  return rounds.call(tag, deadline, [&]() -> Status {
    const uint64_t chunk = std::min<uint64_t>(kGatherChunkBytes, rounds.half().size());
    for (RecvPart& part : parts) part.num_bytes = 0;
    uint64_t sent = 0;
    for (bool is_last = false; !is_last;) {
      const uint64_t num_bytes = source.is_zero_copy() ? mine.size() - sent : std::min(chunk, mine.size() - sent);
      SWITCHYARD_RETURN_IF_ERROR(publish_to_all(rounds, source.part(rounds.half(), 0, sent, num_bytes, mine.size())));
      sent += num_bytes;
      is_last = true;
      SWITCHYARD_RETURN_IF_ERROR(rounds.take_each([&](const Arrival& arrival) {
        return take_part(rounds, arrival, mine, parts[arrival.member], is_equal, &is_last);
      }));
    }
    return {};
  });
}

}  // namespace

Status group_all_gather(Rounds& rounds, const AllGatherArgs& args, Deadline deadline) {
  const uint64_t size = args.mine.size();
  if (args.all.size() != size * rounds.size()) {
    return invalid_call(Operation::kAllGather, "room for " + std::to_string(args.all.size()) + " bytes instead of " +
                                                   std::to_string(rounds.size()) + " times " + std::to_string(size));
  }
  Source source;
  SWITCHYARD_RETURN_IF_ERROR(Source::make(rounds, Operation::kAllGather, args.mine, args.is_zero_copy, &source));
  std::array<RecvPart, kNumRanksMax> parts;
  for (uint32_t member = 0; member < rounds.size(); ++member)
    parts[member].into = args.all.subspan(member * size, size);
  return gather(rounds, tag_of_size(Operation::kAllGather, args.event, size), source, args.mine,
                {parts.data(), rounds.size()}, deadline);
}

Status group_all_gather_variable(Rounds& rounds, const AllGatherVariableArgs& args, Deadline deadline) {
  if (args.parts.size() != rounds.size()) {
    return invalid_call(Operation::kAllGather,
                        std::to_string(args.parts.size()) + " parts for " + std::to_string(rounds.size()) + " members");
  }
  Source source;
  SWITCHYARD_RETURN_IF_ERROR(Source::make(rounds, Operation::kAllGather, args.mine, args.is_zero_copy, &source));
  return gather(rounds, tag_of_any_size(Operation::kAllGather, args.event), source, args.mine, args.parts, deadline);
}

}  // namespace switchyard::xccl
