#include "xccl/group/all_to_all.h"

#include <algorithm>

#include "base/plain_copy.h"

#include "xccl/layout/small_bytes.h"
#include "xccl/link/event_text.h"

namespace switchyard::xccl {
namespace {

/// What a member may ask for at most: a larger number was made up.
constexpr uint64_t kNumRoundsMax = 1ull << 32;

void copy_part(std::byte* to, std::span<const std::byte> part) {
  if (part.size() > kSmallBytesMax) return plain_copy(to, part.data(), part.size());
  small_store(to, small_load(part.data(), part.size()), part.size());
}

[[gnu::cold]] Status invalid(const std::string& text) { return {Code::kInvalidArgument, "all-to-all: " + text}; }

/// One call. Every round carries the next piece of each part; the number of rounds is what the member with the largest part
/// needs, which all learn from the first.
class AllToAll {
 public:
  AllToAll(Rounds& rounds, const AllToAllArgs& args) : rounds_(rounds), args_(args) {}

  Status check();
  Status run();

 private:
  uint64_t piece_bytes_max() const { return args_.is_zero_copy ? ~0ull : rounds_.partition_bytes(); }
  Outgoing piece(uint32_t member, uint64_t round, std::byte* half) const;
  Status run_round(uint64_t round, uint64_t* num_rounds);
  Status take(const Arrival& arrival);
  [[gnu::cold]] Status impossible_rounds(const Arrival& arrival);
  [[gnu::cold]] Status too_large(const Arrival& arrival);
  void copy_to_self();

  Rounds& rounds_;
  const AllToAllArgs& args_;
  uint64_t num_needed_ = 1;
  bool must_wait_for_pulls_ = false;
};

Status AllToAll::check() {
  const uint32_t self = rounds_.self();
  if (args_.parts.size() != rounds_.size() || args_.received.size() != rounds_.size())
    return invalid("one part and one place to receive for each of " + std::to_string(rounds_.size()) + " members");
  if (args_.parts[self].size() > args_.received[self].into.size()) {
    return invalid("the part for this rank itself has " + std::to_string(args_.parts[self].size()) +
                   " bytes, the place for it " + std::to_string(args_.received[self].into.size()));
  }
  uint64_t num_bytes_max = 0;
  for (uint32_t member = 0; member < rounds_.size(); ++member) {
    const std::span<const std::byte> part = args_.parts[member];
    args_.received[member].num_bytes = 0;
    if (member != self) num_bytes_max = std::max<uint64_t>(num_bytes_max, part.size());
    Outgoing unused;
    if (!args_.is_zero_copy || part.empty() || rounds_.zero_copy(part, 0, &unused)) continue;
    return invalid("the part for " + rank_text(rounds_.rank(member)) + " is neither in app() nor in zc()");
  }
  if (num_bytes_max > piece_bytes_max()) num_needed_ = (num_bytes_max - 1) / piece_bytes_max() + 1;
  // An empty round behind what members pull: who publishes it has pulled everything.
  must_wait_for_pulls_ = args_.is_zero_copy && args_.is_free_on_return && num_bytes_max > kGroupInlineBytesMax;
  if (must_wait_for_pulls_) num_needed_ += 1;
  return num_needed_ <= kNumRoundsMax ? Status() : invalid("over 2^32 rounds of partition_bytes");
}

Status AllToAll::run() {
  uint64_t num_rounds = 1;
  for (uint64_t round = 0; round < num_rounds; ++round) SWITCHYARD_RETURN_IF_ERROR(run_round(round, &num_rounds));
  return {};
}

Status AllToAll::run_round(uint64_t round, uint64_t* num_rounds) {
  std::byte* half = rounds_.half().data();
  SWITCHYARD_RETURN_IF_ERROR(rounds_.publish_each([&](uint32_t member) { return piece(member, round, half); }));
  if (must_wait_for_pulls_ && round == 0) rounds_.let_neighbours_publish();
  copy_to_self();
  return rounds_.take_each([&](const Arrival& arrival) -> Status {
    if (arrival.detail == 0 || arrival.detail > kNumRoundsMax) return impossible_rounds(arrival);
    *num_rounds = std::max(*num_rounds, arrival.detail);
    return take(arrival);
  });
}

/// What of a part travels in this round, put where it is pulled from.
Outgoing AllToAll::piece(uint32_t member, uint64_t round, std::byte* half) const {
  const auto part = member == rounds_.self() ? std::span<const std::byte>() : args_.parts[member];
  // A part that the field has room for is whole in the first round.
  if (round == 0 && part.size() <= kGroupInlineBytesMax) return Outgoing::inline_bytes(part, num_needed_);
  const uint64_t num_sent =
      round < num_needed_ ? std::min<uint64_t>(part.size(), round * piece_bytes_max()) : part.size();
  const auto bytes = part.subspan(num_sent, std::min<uint64_t>(part.size() - num_sent, piece_bytes_max()));
  if (bytes.size() <= kGroupInlineBytesMax) return Outgoing::inline_bytes(bytes, num_needed_);
  Outgoing outgoing = Outgoing::managed(rounds_.partition(member), bytes.size(), num_needed_);
  if (args_.is_zero_copy) {
    (void)rounds_.zero_copy(bytes, num_needed_, &outgoing);  // check() has seen that it can
  } else {
    plain_copy(half + outgoing.offset, bytes.data(), bytes.size());
  }
  return outgoing;
}

void AllToAll::copy_to_self() {
  const std::span<const std::byte> part = args_.parts[rounds_.self()];
  RecvPart& received = args_.received[rounds_.self()];
  if (received.num_bytes == part.size()) return;
  copy_part(received.into.data(), part);
  received.num_bytes = part.size();
}

Status AllToAll::take(const Arrival& arrival) {
  if (arrival.num_bytes == 0) return {};
  RecvPart& part = args_.received[arrival.member];
  if (arrival.num_bytes > part.into.size() - part.num_bytes) return too_large(arrival);
  SWITCHYARD_RETURN_IF_ERROR(rounds_.pull(arrival, 0, part.into.subspan(part.num_bytes, arrival.num_bytes)));
  part.num_bytes += arrival.num_bytes;
  return {};
}

Status AllToAll::impossible_rounds(const Arrival& arrival) {
  return rounds_.corrupt(arrival.member, "needs " + std::to_string(arrival.detail) + " rounds");
}

Status AllToAll::too_large(const Arrival& arrival) {
  const RecvPart& part = args_.received[arrival.member];
  return rounds_.mismatch(arrival.member, "sends " + std::to_string(part.num_bytes) + " + " +
                                              std::to_string(arrival.num_bytes) + " bytes where there is room for " +
                                              std::to_string(part.into.size()));
}

}  // namespace

Status all_to_all(Rounds& rounds, const AllToAllArgs& args, Deadline deadline) {
  AllToAll call(rounds, args);
  SWITCHYARD_RETURN_IF_ERROR(call.check());
  return rounds.call({Operation::kAllToAll, args.event}, deadline, [&] { return call.run(); });
}

}  // namespace switchyard::xccl
