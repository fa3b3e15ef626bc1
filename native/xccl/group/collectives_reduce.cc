// reduce_scatter and all_reduce: each element is added once, by D2's tree over the members, whatever the path; so all ranks have
// the same bits, and all sizes and splits give those of a serial sum in that order.
#include <algorithm>
#include <cstring>

#include "xccl/group/collectives.h"
#include "xccl/group/collectives_source.h"
#include "xccl/group/reduce_arrivals.h"

namespace switchyard::xccl {
namespace {

constexpr uint64_t kElementBytes = 4;
/// In one round each of n ranks reads n vectors, in two rounds two: below so many bytes more the second round costs more. Measured
/// (docs/xccl.md), up to the second bound.
constexpr uint64_t kExtraBytesMax = 96 << 10;
constexpr uint64_t kOneRoundBytesMax = 128 << 10;
/// What all_reduce handles in one pair of rounds.
constexpr uint64_t kAllReduceChunkBytes = 2 << 20;

struct Part {
  uint64_t first = 0;  // byte offset
  uint64_t num_bytes = 0;
};

/// The m-th of n nearly equal parts of whole units; the first ones are one unit longer.
Part part_of(uint64_t num_units, uint64_t unit_bytes, uint32_t n, uint32_t m) {
  const uint64_t base = num_units / n;
  const uint64_t num_longer = num_units % n;
  return {(m * base + std::min<uint64_t>(m, num_longer)) * unit_bytes, (base + (m < num_longer ? 1 : 0)) * unit_bytes};
}

Part scatter_part(uint64_t num_bytes, uint32_t n, uint32_t m) {
  return part_of(num_bytes / kElementBytes, kElementBytes, n, m);
}

/// Parts of whole cache lines, the last of them cut at the end.
Part gather_part(uint64_t num_bytes, uint32_t n, uint32_t m) {
  const Part part = part_of((num_bytes + kLineBytes - 1) / kLineBytes, kLineBytes, n, m);
  const uint64_t first = std::min(part.first, num_bytes);
  return {first, std::min(part.num_bytes, num_bytes - first)};
}

bool is_disjoint(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.empty() || b.empty() || a.data() + a.size() <= b.data() || b.data() + b.size() <= a.data();
}

/// `own` is the part of `in` that `out` may be.
Status check_reduce(Operation operation, const ReduceArgs& args, Part own) {
  if (args.type != ElementType::kFloat32 && args.type != ElementType::kInt32)
    return invalid_call(operation, "unknown element type");
  const auto place = reinterpret_cast<uintptr_t>(args.in.data()) | reinterpret_cast<uintptr_t>(args.out.data());
  if (place % kElementBytes != 0 || args.in.size() % kElementBytes != 0)
    return invalid_call(operation, "in and out must be whole elements at multiples of 4");
  if (args.out.size() != own.num_bytes) {
    return invalid_call(
        operation, "out has " + std::to_string(args.out.size()) + " bytes instead of " + std::to_string(own.num_bytes));
  }
  const bool is_in_place = args.out.data() == args.in.data() + own.first;
  return is_in_place || is_disjoint(args.in, args.out) ? Status()
                                                       : invalid_call(operation, "out overlaps another part of in");
}

// ---- reduce_scatter ----

/// Each other member's bytes from `done` on: all of them from a zero-copy source, else what one partition of the half has room
/// for. The detail says which.
Status publish_scatter(Rounds& rounds, const Source& source, uint64_t done) {
  std::array<Outgoing, kNumRanksMax> outgoing;
  for (uint32_t member = 0; member < rounds.size(); ++member) {
    outgoing[member].detail = source.is_zero_copy() ? 1 : 0;
    if (member == rounds.self()) continue;
    const Part part = scatter_part(source.size(), rounds.size(), member);
    const uint64_t at = std::min(done, part.num_bytes);
    const uint64_t left = part.num_bytes - at;
    const uint64_t num_bytes = source.is_zero_copy() ? left : std::min(left, rounds.partition_bytes());
    outgoing[member] =
        source.part(rounds.half(), rounds.partition(member), part.first + at, num_bytes, outgoing[member].detail);
  }
  return rounds.publish({outgoing.data(), rounds.size()});
}

Status reduce_scatter(Rounds& rounds, const ReduceArgs& args, const Source& source) {
  const uint64_t longest = scatter_part(args.in.size(), rounds.size(), 0).num_bytes;
  const std::byte* own = args.in.data() + scatter_part(args.in.size(), rounds.size(), rounds.self()).first;
  uint64_t done = 0;
  bool is_whole = false;
  do {
    SWITCHYARD_RETURN_IF_ERROR(publish_scatter(rounds, source, done));
    Arrivals arrivals;
    SWITCHYARD_RETURN_IF_ERROR(take_all(rounds, &arrivals));
    // All zero-copy: everything is there in the first round. Members see each other's mode, so they agree.
    is_whole = std::all_of(arrivals.begin(), arrivals.begin() + rounds.size(),
                           [](const Arrival& arrival) { return arrival.detail != 0; });
    const uint64_t at = std::min<uint64_t>(done, args.out.size());
    const uint64_t left = args.out.size() - at;
    const uint64_t num_bytes = is_whole ? left : std::min(left, rounds.partition_bytes());
    SWITCHYARD_RETURN_IF_ERROR(reduce_arrivals(rounds, arrivals, args.type, own + at, args.out.subspan(at, num_bytes)));
    done += rounds.partition_bytes();
  } while (!is_whole && done < longest);
  return {};
}

// ---- all_reduce ----

/// The same answer in all members: it follows from what they agree upon.
bool is_one_round(Rounds& rounds, uint64_t num_bytes) {
  const uint64_t num_extra = rounds.size() > 2 ? rounds.size() - 2 : 0;
  return num_bytes <= std::min<uint64_t>(kOneRoundBytesMax, rounds.half().size()) &&
         num_extra * num_bytes <= kExtraBytesMax;
}

Status all_reduce_in_one_round(Rounds& rounds, const ReduceArgs& args, const Source& source) {
  SWITCHYARD_RETURN_IF_ERROR(publish_to_all(rounds, source.part(rounds.half(), 0, 0, source.size())));
  Arrivals arrivals;
  SWITCHYARD_RETURN_IF_ERROR(take_all(rounds, &arrivals));
  return reduce_arrivals(rounds, arrivals, args.type, args.in.data(), args.out);
}

/// First round of a chunk: each other member is given its part of this rank's chunk.
Status publish_chunk(Rounds& rounds, const Source& source, uint64_t chunk_first, uint64_t chunk_bytes) {
  std::array<Outgoing, kNumRanksMax> outgoing;
  for (uint32_t member = 0; member < rounds.size(); ++member) {
    if (member == rounds.self()) continue;
    const Part part = gather_part(chunk_bytes, rounds.size(), member);
    outgoing[member] = source.part(rounds.half(), part.first, chunk_first + part.first, part.num_bytes);
  }
  return rounds.publish({outgoing.data(), rounds.size()});
}

/// Second round: this rank's sums are given to all.
Status reduce_and_publish(Rounds& rounds, const Arrivals& arrivals, ElementType type,
                          std::span<const std::byte> chunk) {
  const Part own = gather_part(chunk.size(), rounds.size(), rounds.self());
  const std::span<std::byte> sums = rounds.half().first(own.num_bytes);
  SWITCHYARD_RETURN_IF_ERROR(reduce_arrivals(rounds, arrivals, type, chunk.data() + own.first, sums));
  const bool is_small = sums.size() <= kGroupInlineBytesMax;
  return publish_to_all(rounds, is_small ? Outgoing::inline_bytes(sums) : Outgoing::managed(0, sums.size()));
}

/// Takes all sums before it writes any: until then a member may still read this rank's `in`, which `out` may be.
Status gather_sums(Rounds& rounds, std::span<std::byte> out) {
  Arrivals arrivals;
  SWITCHYARD_RETURN_IF_ERROR(take_all(rounds, &arrivals));
  for (uint32_t member = 0; member < rounds.size(); ++member) {
    const Part part = gather_part(out.size(), rounds.size(), member);
    SWITCHYARD_RETURN_IF_ERROR(rounds.pull(arrivals[member], 0, out.subspan(part.first, part.num_bytes)));
  }
  return {};
}

Status all_reduce_in_chunks(Rounds& rounds, const ReduceArgs& args, const Source& source) {
  const uint64_t chunk = std::min<uint64_t>(kAllReduceChunkBytes, rounds.half().size());
  for (uint64_t done = 0; done < args.in.size(); done += chunk) {
    const uint64_t num_bytes = std::min<uint64_t>(chunk, args.in.size() - done);
    SWITCHYARD_RETURN_IF_ERROR(publish_chunk(rounds, source, done, num_bytes));
    Arrivals arrivals;
    SWITCHYARD_RETURN_IF_ERROR(take_all(rounds, &arrivals));
    SWITCHYARD_RETURN_IF_ERROR(reduce_and_publish(rounds, arrivals, args.type, args.in.subspan(done, num_bytes)));
    SWITCHYARD_RETURN_IF_ERROR(gather_sums(rounds, args.out.subspan(done, num_bytes)));
  }
  return {};
}

}  // namespace

Status group_reduce_scatter(Rounds& rounds, const ReduceArgs& args, Deadline deadline) {
  constexpr Operation kThis = Operation::kReduceScatter;
  SWITCHYARD_RETURN_IF_ERROR(check_reduce(kThis, args, scatter_part(args.in.size(), rounds.size(), rounds.self())));
  Source source;
  SWITCHYARD_RETURN_IF_ERROR(Source::make(rounds, kThis, args.in, args.is_zero_copy, &source));
  return rounds.call(tag_of_type(kThis, args.event, args.in.size(), args.type), deadline,
                     [&] { return reduce_scatter(rounds, args, source); });
}

Status group_all_reduce(Rounds& rounds, const ReduceArgs& args, Deadline deadline) {
  constexpr Operation kThis = Operation::kAllReduce;
  SWITCHYARD_RETURN_IF_ERROR(check_reduce(kThis, args, {0, args.in.size()}));
  Source source;
  SWITCHYARD_RETURN_IF_ERROR(Source::make(rounds, kThis, args.in, args.is_zero_copy, &source));
  // In one round nobody would know when `in` may be changed, and `out` may be `in`: so the bytes are copied.
  const bool is_small = is_one_round(rounds, args.in.size());
  if (is_small) source = source.copied();
  return rounds.call(tag_of_type(kThis, args.event, args.in.size(), args.type), deadline, [&] {
    return is_small ? all_reduce_in_one_round(rounds, args, source) : all_reduce_in_chunks(rounds, args, source);
  });
}

}  // namespace switchyard::xccl
