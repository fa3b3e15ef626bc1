// Calls of a group whose sizes and bytes follow from a seed, so that every member can check what it gets. For the soak and the tests
// of deaths.
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#include "xccl/expert_parallel.h"
#include "xccl/group.h"
#include "xccl/test_support.h"

namespace switchyard::xccl::testing {

/// kCombine is a dispatch and its combine.
enum class CheckedCall : uint8_t {
  kBarrier,
  kBroadcast,
  kAllGather,
  kReduceScatter,
  kAllReduce,
  kAllToAll,
  kDispatch,
  kCombine,
  kNumCalls
};

/// Of one member in one dispatch.
struct ExpertSize {
  uint32_t max_tokens;
  uint32_t hidden;
};

inline constexpr uint32_t kCheckedTopK = 3;
inline constexpr uint32_t kNumOwnExperts = 2;

/// What member `from` sends member `to` in a call; `to` is any number where all get the same.
inline std::vector<std::byte> contribution(uint64_t seed, uint32_t from, uint32_t to, size_t num_bytes) {
  Random random(seed * 4096 + from * 64 + to);
  std::vector<std::byte> bytes(num_bytes);
  for (size_t at = 0; at < num_bytes; at += sizeof(uint64_t)) {
    const uint64_t value = random.next();
    std::memcpy(bytes.data() + at, &value, std::min(sizeof(value), num_bytes - at));
  }
  return bytes;
}

/// The tokens of one member in a call, and what comes of them: expert e makes e + 1 times its row. Small numbers, exact in fp32.
struct CheckedTokens {
  CheckedTokens(uint64_t seed, uint32_t member, uint32_t num_experts, ExpertSize size) {
    Random random(seed * 64 + member);
    num_tokens = random.below(size.max_tokens + 1);
    for (uint32_t token = 0; token < num_tokens; ++token) {
      const float factor = route(random, num_experts);
      for (uint32_t i = 0; i < size.hidden; ++i) {
        x.push_back(static_cast<float>(random.below(64)));
        expected.push_back(x.back() * factor);
      }
    }
  }

  /// How many of them visit an expert from first to end - 1, counted once an expert.
  uint64_t num_pairs(uint32_t first_expert, uint32_t end_expert) const {
    return static_cast<uint64_t>(std::ranges::count_if(ids, [&](int32_t id) {
      return id >= static_cast<int32_t>(first_expert) && id < static_cast<int32_t>(end_expert);
    }));
  }

  uint32_t num_tokens;
  std::vector<int32_t> ids;     // [num_tokens][kCheckedTopK]
  std::vector<float> gates;     // the same
  std::vector<float> x;         // [num_tokens][hidden]
  std::vector<float> expected;  // the same

 private:
  /// Chooses a token's experts and gates; returns what its row is multiplied by in the end.
  float route(Random& random, uint32_t num_experts) {
    const uint32_t first = random.below(num_experts);
    float factor = 0;
    for (uint32_t k = 0; k < kCheckedTopK; ++k) {
      const bool is_none = random.below(4) == 0;
      const uint32_t expert = (first + k) % num_experts;
      gates.push_back(1.0f / static_cast<float>(1 << k));
      ids.push_back(is_none ? -1 : static_cast<int32_t>(expert));
      factor += is_none ? 0 : gates.back() * static_cast<float>(expert + 1);
    }
    return factor;
  }
};

class CheckedCalls {
 public:
  /// `before_call` runs before each call of the library, when everything is ready for it.
  CheckedCalls(std::chrono::nanoseconds patience, ExpertSize size, std::function<void()> before_call = {})
      : patience_(patience), size_(size), before_call_(std::move(before_call)) {}

  Status open(Communicator& member, const GroupSpec& spec) {
    close();
    SWITCHYARD_RETURN_IF_ERROR(member.open_group(spec, &group_));
    ExpertParallelSpec experts;
    experts.max_tokens = size_.max_tokens;
    experts.hidden = size_.hidden;
    experts.top_k = kCheckedTopK;
    experts.num_experts = num_experts();
    experts.activation = experts.dispatch_wire = experts.combine_wire = RowFormat::kFp32;
    return ExpertParallel::open(group_, experts, &experts_);
  }
  void close() {
    experts_.reset();
    group_.reset();
  }

  /// Null before open().
  Group* group() const { return group_.get(); }
  void set_patience(std::chrono::nanoseconds patience) { patience_ = patience; }

  /// One call with about `num_bytes` from each member. *is_right is false if it succeeded with other bytes than it should.
  Status run(CheckedCall call, uint64_t seed, size_t num_bytes, bool* is_right) {
    *is_right = true;
    switch (call) {
      case CheckedCall::kBroadcast:
        return broadcast(seed, num_bytes, is_right);
      case CheckedCall::kAllGather:
        return all_gather(seed, num_bytes, is_right);
      case CheckedCall::kReduceScatter:
        return reduce_scatter(seed, num_bytes / 4 * 4, is_right);
      case CheckedCall::kAllReduce:
        return all_reduce(seed, num_bytes / 4 * 4, is_right);
      case CheckedCall::kAllToAll:
        return all_to_all(seed, num_bytes, is_right);
      case CheckedCall::kDispatch: {
        DispatchResult here;
        return dispatch(seed, tokens_of(seed, own()), &here, is_right);
      }
      case CheckedCall::kCombine:
        return dispatch_and_combine(seed, is_right);
      default:
        begin();
        return group_->barrier(event_of(seed), deadline());
    }
  }

 private:
  uint32_t own() const { return group_->member_idx(); }
  uint32_t num_members() const { return group_->num_members(); }
  uint32_t num_experts() const { return kNumOwnExperts * num_members(); }
  Deadline deadline() const { return deadline_in(patience_); }
  static uint32_t event_of(uint64_t seed) { return static_cast<uint32_t>(seed); }
  void begin() const {
    if (before_call_) before_call_();
  }

  /// Each part is a little larger than the last.
  Status all_to_all(uint64_t seed, size_t num_bytes, bool* is_right) {
    std::vector<std::vector<std::byte>> out;
    std::vector<std::vector<std::byte>> in(num_members());
    std::vector<std::span<const std::byte>> parts;
    std::vector<RecvPart> received;
    for (uint32_t member = 0; member < num_members(); ++member) {
      out.push_back(contribution(seed, own(), member, num_bytes + member));
      in[member].resize(num_bytes + own());
      parts.push_back(out[member]);
      received.push_back({in[member]});
    }
    begin();
    const Status status = group_->all_to_all({event_of(seed), parts, received, false}, deadline());
    for (uint32_t member = 0; member < num_members() && status.ok(); ++member) {
      *is_right = *is_right && received[member].num_bytes == num_bytes + own() &&
                  in[member] == contribution(seed, member, own(), num_bytes + own());
    }
    return status;
  }

  Status broadcast(uint64_t seed, size_t num_bytes, bool* is_right) {
    const auto root = static_cast<uint32_t>(seed % num_members());
    const std::vector<std::byte> expected = contribution(seed, root, 0, num_bytes);
    std::vector<std::byte> bytes(num_bytes);
    if (root == own()) bytes = expected;
    begin();
    const Status status = group_->broadcast({event_of(seed), group_->spec().ranks[root], bytes, false}, deadline());
    *is_right = !status.ok() || bytes == expected;
    return status;
  }

  Status all_gather(uint64_t seed, size_t num_bytes, bool* is_right) {
    const std::vector<std::byte> mine = contribution(seed, own(), 0, num_bytes);
    std::vector<std::byte> all(num_bytes * num_members());
    begin();
    const Status status = group_->all_gather({event_of(seed), mine, all, false}, deadline());
    for (uint32_t member = 0; member < num_members() && status.ok(); ++member) {
      const std::vector<std::byte> expected = contribution(seed, member, 0, num_bytes);
      *is_right = *is_right && std::ranges::equal(std::span(all).subspan(member * num_bytes, num_bytes), expected);
    }
    return status;
  }

  /// Sums of all members' contributions: of int32, so that they do not depend on an order.
  std::vector<uint32_t> sums_of(uint64_t seed, size_t num_bytes) const {
    std::vector<uint32_t> sums(num_bytes / 4);
    for (uint32_t member = 0; member < num_members(); ++member) {
      const std::vector<std::byte> part = contribution(seed, member, 0, num_bytes);
      for (size_t i = 0; i < sums.size(); ++i) {
        uint32_t value = 0;
        std::memcpy(&value, part.data() + 4 * i, sizeof(value));
        sums[i] += value;
      }
    }
    return sums;
  }

  Status reduce_scatter(uint64_t seed, size_t num_bytes, bool* is_right) {
    const size_t num_sums = num_bytes / 4;
    const size_t num_longer = num_sums % num_members();
    const size_t first = own() * (num_sums / num_members()) + std::min<size_t>(own(), num_longer);
    std::vector<uint32_t> out(num_sums / num_members() + (own() < num_longer ? 1 : 0));
    const std::vector<std::byte> in = contribution(seed, own(), 0, num_bytes);
    begin();
    const Status status = group_->reduce_scatter(
        {event_of(seed), ElementType::kInt32, in, std::as_writable_bytes(std::span(out)), false}, deadline());
    if (!status.ok()) return status;
    const std::vector<uint32_t> sums = sums_of(seed, num_bytes);
    *is_right = std::ranges::equal(out, std::span(sums).subspan(first, out.size()));
    return {};
  }

  Status all_reduce(uint64_t seed, size_t num_bytes, bool* is_right) {
    std::vector<uint32_t> numbers(num_bytes / 4);
    const std::span<std::byte> bytes = std::as_writable_bytes(std::span(numbers));
    std::ranges::copy(contribution(seed, own(), 0, num_bytes), bytes.begin());
    begin();
    const Status status = group_->all_reduce({event_of(seed), ElementType::kInt32, bytes, bytes, false}, deadline());
    if (status.ok()) *is_right = numbers == sums_of(seed, num_bytes);
    return status;
  }

  // ---- Dispatch and combine ----

  CheckedTokens tokens_of(uint64_t seed, uint32_t member) const {
    return CheckedTokens(seed, member, num_experts(), size_);
  }

  Status dispatch(uint64_t seed, const CheckedTokens& tokens, DispatchResult* here, bool* is_right) {
    const auto* x = reinterpret_cast<const std::byte*>(tokens.x.data());
    begin();
    const Status status =
        experts_->dispatch({event_of(seed), tokens.num_tokens, x, tokens.ids.data(), false}, deadline(), here);
    if (status.ok()) *is_right = has_arrived(seed, *here);
    return status;
  }

  /// Is everything there that the members have for the experts here, in its order?
  bool has_arrived(uint64_t seed, const DispatchResult& here) const {
    std::vector<CheckedTokens> tokens;
    uint64_t num_pairs = 0;
    const uint32_t first_expert = kNumOwnExperts * own();
    for (uint32_t member = 0; member < num_members(); ++member) {
      tokens.push_back(tokens_of(seed, member));
      num_pairs += tokens.back().num_pairs(first_expert, first_expert + kNumOwnExperts);
    }
    bool is_right = here.pairs.size() == num_pairs && here.expert_counts.size() == kNumOwnExperts;
    auto pair = here.pairs.begin();
    for (uint32_t i = 0; i < kNumOwnExperts && is_right; ++i) {
      for (uint32_t left = here.expert_counts[i]; left > 0 && is_right; --left, ++pair)
        is_right = is_pair(tokens[pair->member], *pair, first_expert + i, here.rows);
    }
    return is_right;
  }

  bool is_pair(const CheckedTokens& tokens, const PairRef& pair, uint32_t expert, const std::byte* rows) const {
    const size_t at = size_t{pair.token} * kCheckedTopK + pair.k;
    const size_t row_bytes = size_.hidden * sizeof(float);
    return pair.token < tokens.num_tokens && tokens.ids[at] == static_cast<int32_t>(expert) &&
           std::memcmp(rows + pair.row * row_bytes, tokens.x.data() + size_t{pair.token} * size_.hidden, row_bytes) ==
               0;
  }

  Status dispatch_and_combine(uint64_t seed, bool* is_right) {
    const CheckedTokens tokens = tokens_of(seed, own());
    DispatchResult here;
    SWITCHYARD_RETURN_IF_ERROR(dispatch(seed, tokens, &here, is_right));
    if (!*is_right) return {};
    const std::vector<float> outputs = outputs_of(here);
    std::vector<float> y(tokens.x.size());
    begin();
    const Status status =
        experts_->combine({event_of(seed), reinterpret_cast<const std::byte*>(outputs.data()), RowFormat::kFp32, false,
                           tokens.gates.data(), nullptr, reinterpret_cast<std::byte*>(y.data())},
                          deadline());
    *is_right = !status.ok() || y == tokens.expected;
    return status;
  }

  std::vector<float> outputs_of(const DispatchResult& here) const {
    std::vector<float> outputs;
    uint32_t expert = kNumOwnExperts * own();
    auto pair = here.pairs.begin();
    for (const uint32_t count : here.expert_counts) {
      expert += 1;
      for (uint32_t i = 0; i < count; ++i, ++pair) {
        const float* row = reinterpret_cast<const float*>(here.rows) + size_t{pair->row} * size_.hidden;
        for (uint32_t at = 0; at < size_.hidden; ++at) outputs.push_back(row[at] * static_cast<float>(expert));
      }
    }
    return outputs;
  }

  std::chrono::nanoseconds patience_;
  const ExpertSize size_;
  const std::function<void()> before_call_;
  std::shared_ptr<Group> group_;
  std::unique_ptr<ExpertParallel> experts_;
};

}  // namespace switchyard::xccl::testing
