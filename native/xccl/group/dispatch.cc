#include "xccl/group/dispatch.h"

#include <algorithm>
#include <numeric>

#include "xccl/group/row_convert.h"

namespace switchyard::xccl {
namespace {

Status invalid(const std::string& text) { return {Code::kInvalidArgument, "dispatch: " + text}; }

/// Where the rows lie, beside the block that is the contribution itself.
constexpr uint32_t kSourceShift = 56;

uint64_t pack_place(GroupSource source, uint64_t offset) {
  return static_cast<uint64_t>(source) << kSourceShift | offset;
}

}  // namespace

Dispatch::Dispatch(Rounds& rounds, const ExpertMap& map)
    : rounds_(rounds),
      map_(map),
      plan_(map),
      block_bytes_(RoutePlan::block_bytes_max(map.spec())),
      blocks_(std::make_unique_for_overwrite<uint32_t[]>(map.num_members() * block_bytes_ / 4)),
      rows_(std::make_unique_for_overwrite<std::byte[]>(map.num_members() * map.spec().max_tokens *
                                                        map.dispatch_row_bytes())),
      expert_counts_(map.end_expert(rounds.self()) - map.first_expert(rounds.self())),
      pairs_(std::make_unique_for_overwrite<PairRef[]>(map.num_members() * map.num_own_pairs_max())),
      total_counts_(map.spec().num_experts),
      first_output_(map.spec().num_experts) {}

Status Dispatch::check(const DispatchArgs& args) {
  const ExpertParallelSpec& spec = map_.spec();
  SWITCHYARD_RETURN_IF_ERROR(plan_.make(args.num_tokens, args.topk_ids));
  if (!args.is_zero_copy) return {};
  if (spec.activation != spec.dispatch_wire) return invalid("zero-copy rows must be in the wire format");
  Outgoing unused;
  if (rounds_.zero_copy({args.x, args.num_tokens * map_.dispatch_row_bytes()}, 0, &unused)) return {};
  return invalid("x is neither in app() nor in zc()");
}

Status Dispatch::run(const DispatchArgs& args) {
  SWITCHYARD_RETURN_IF_ERROR(publish(args));
  SWITCHYARD_RETURN_IF_ERROR(rounds_.take_each([this](const Arrival& arrival) { return take(arrival); }));
  add_up_counts();
  group_pairs();
  return {};
}

Status Dispatch::publish(const DispatchArgs& args) {
  const ExpertParallelSpec& spec = map_.spec();
  std::byte* half = rounds_.half().data();
  const uint64_t rows_at = map_.num_members() * block_bytes_;
  Outgoing rows = Outgoing::managed(rows_at, 0);
  if (args.is_zero_copy) {
    (void)rounds_.zero_copy({args.x, args.num_tokens * map_.dispatch_row_bytes()}, 0,
                            &rows);  // check() has seen that it can
  } else {
    for (uint32_t token = 0; token < args.num_tokens; ++token) {
      if (!plan_.is_routed(token)) continue;
      convert_row(args.x + token * row_bytes_of(spec.activation, spec.hidden), spec.activation, spec.dispatch_wire,
                  spec.hidden, half + rows_at + token * map_.dispatch_row_bytes());
    }
  }
  return rounds_.publish_each([&](uint32_t member) {
    const uint64_t at = member * block_bytes_;
    return Outgoing::managed(at, plan_.write_block(member, half + at), pack_place(rows.source, rows.offset));
  });
}

Status Dispatch::take(const Arrival& arrival) {
  SWITCHYARD_RETURN_IF_ERROR(read_block(arrival));
  const Block block = block_of(arrival.member);
  SWITCHYARD_RETURN_IF_ERROR(check_block(arrival.member, block));
  return pull_rows(arrival, block);
}

/// A private copy, whose head fits its size: the rest may be found in it.
Status Dispatch::read_block(const Arrival& arrival) {
  if (arrival.num_bytes < sizeof(RouteHead) || arrival.num_bytes > block_bytes_)
    return rounds_.corrupt(arrival.member, "routes of " + std::to_string(arrival.num_bytes) + " bytes");
  const std::span<std::byte> copy(reinterpret_cast<std::byte*>(block_data(arrival.member)), arrival.num_bytes);
  SWITCHYARD_RETURN_IF_ERROR(rounds_.pull(arrival, 0, copy));
  const RouteHead head = block_of(arrival.member).head;
  const uint64_t num_pairs_max = uint64_t{head.num_tokens} * map_.spec().top_k;
  if (head.num_tokens <= map_.spec().max_tokens && head.num_rows <= head.num_tokens &&
      head.num_pairs <= num_pairs_max &&
      RoutePlan::block_bytes(map_.spec().num_experts, head.num_rows, head.num_pairs) == arrival.num_bytes)
    return {};
  return rounds_.corrupt(arrival.member, "impossible routes: " + std::to_string(head.num_tokens) + " tokens, " +
                                             std::to_string(head.num_rows) + " rows, " +
                                             std::to_string(head.num_pairs) + " pairs");
}

Dispatch::Block Dispatch::block_of(uint32_t member) const {
  Block block;
  std::memcpy(&block.head, block_data(member), sizeof(block.head));
  block.counts = block_data(member) + sizeof(RouteHead) / 4;
  block.tokens = block.counts + map_.spec().num_experts;
  block.pairs = block.tokens + block.head.num_rows;
  return block;
}

Status Dispatch::check_block(uint32_t member, const Block& block) {
  const RouteHead& head = block.head;
  const auto is_count = [&](uint32_t count) { return count <= head.num_tokens; };
  const bool are_counts = std::all_of(block.counts, block.counts + map_.spec().num_experts, is_count);
  const uint64_t num_pairs = std::accumulate(block.counts + map_.first_expert(rounds_.self()),
                                             block.counts + map_.end_expert(rounds_.self()), uint64_t{0});
  const bool ascend = std::adjacent_find(block.tokens, block.pairs, std::greater_equal<>()) == block.pairs;
  const bool are_tokens = ascend && (head.num_rows == 0 || block.tokens[head.num_rows - 1] < head.num_tokens);
  const auto is_pair = [&](uint32_t pair) { return pair >> 4 < head.num_rows && (pair & 15) < map_.spec().top_k; };
  const bool are_pairs = std::all_of(block.pairs, block.pairs + head.num_pairs, is_pair);
  if (are_counts && num_pairs == head.num_pairs && are_tokens && are_pairs && do_pairs_ascend(block)) return {};
  return rounds_.corrupt(member, "impossible routes: " + std::to_string(head.num_pairs) + " pairs, counts of " +
                                     std::to_string(num_pairs) + ", or a token or pair out of range or order");
}

/// Each expert gets a token once, in the order of tokens. The counts are known to be those of the pairs.
bool Dispatch::do_pairs_ascend(const Block& block) const {
  const auto is_no_later_row = [](uint32_t pair, uint32_t next) { return pair >> 4 >= next >> 4; };
  const uint32_t* pair = block.pairs;
  for (uint32_t expert = map_.first_expert(rounds_.self()); expert < map_.end_expert(rounds_.self()); ++expert) {
    const uint32_t* end = pair + block.counts[expert];
    if (std::adjacent_find(pair, end, is_no_later_row) != end) return false;
    pair = end;
  }
  return true;
}

/// Rows of consecutive tokens lie side by side at both ends.
Status Dispatch::pull_rows(const Arrival& arrival, const Block& block) {
  const uint64_t row_bytes = map_.dispatch_row_bytes();
  Arrival rows;
  const auto source = static_cast<GroupSource>(arrival.detail >> kSourceShift);
  const uint64_t offset = arrival.detail & ((1ull << kSourceShift) - 1);
  SWITCHYARD_RETURN_IF_ERROR(rounds_.region(arrival.member, source, offset, block.head.num_tokens * row_bytes, &rows));
  std::byte* to = rows_.get() + uint64_t{arrival.member} * map_.spec().max_tokens * row_bytes;
  for (uint32_t row = 0, end = 0; row < block.head.num_rows; row = end) {
    for (end = row + 1; end < block.head.num_rows && block.tokens[end] == block.tokens[end - 1] + 1;) ++end;
    const uint64_t num_bytes = (end - row) * row_bytes;
    SWITCHYARD_RETURN_IF_ERROR(rounds_.pull(rows, block.tokens[row] * row_bytes, {to + row * row_bytes, num_bytes}));
  }
  return {};
}

/// An expert's outputs stand by member: this rank's behind those of the members before it.
void Dispatch::add_up_counts() {
  std::ranges::fill(total_counts_, 0);
  for (uint32_t member = 0; member < map_.num_members(); ++member) {
    const uint32_t* counts = block_of(member).counts;
    for (uint32_t expert = 0; expert < map_.spec().num_experts; ++expert) {
      if (member == rounds_.self()) first_output_[expert] = total_counts_[expert];
      total_counts_[expert] += counts[expert];
    }
  }
  for (uint32_t member = 0; member < map_.num_members(); ++member) {
    uint64_t num_before = 0;
    for (uint32_t expert = map_.first_expert(member); expert < map_.end_expert(member); ++expert) {
      first_output_[expert] += num_before;
      num_before += total_counts_[expert];
    }
  }
}

uint64_t Dispatch::num_outputs(uint32_t member) const {
  return std::accumulate(total_counts_.begin() + map_.first_expert(member),
                         total_counts_.begin() + map_.end_expert(member), uint64_t{0});
}

void Dispatch::group_pairs() {
  std::array<const uint32_t*, kNumRanksMax> next{};
  std::array<Block, kNumRanksMax> blocks;
  for (uint32_t member = 0; member < map_.num_members(); ++member) {
    blocks[member] = block_of(member);
    next[member] = blocks[member].pairs;
  }
  const uint32_t first = map_.first_expert(rounds_.self());
  PairRef* to = pairs_.get();
  for (uint32_t expert = first; expert < map_.end_expert(rounds_.self()); ++expert) {
    expert_counts_[expert - first] = static_cast<uint32_t>(total_counts_[expert]);
    for (uint32_t member = 0; member < map_.num_members(); ++member) {
      for (uint32_t i = 0; i < blocks[member].counts[expert]; ++i) {
        const uint32_t pair = *next[member]++;
        const uint32_t row = pair >> 4;
        *to++ = {member * map_.spec().max_tokens + row, member, blocks[member].tokens[row], pair & 15};
      }
    }
  }
  num_pairs_here_ = static_cast<uint64_t>(to - pairs_.get());
}

}  // namespace switchyard::xccl
