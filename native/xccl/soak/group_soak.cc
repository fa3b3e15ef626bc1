// Calls of one group of all ranks: which call, how large and with which bytes follows from generation and number, so that every
// member can check what it gets. After a death the group is opened again in the generation that the board says. Rank 0 says how
// many calls may be begun, so that all members stop after the same one.
#include <cstring>

#include "xccl/expert_parallel.h"
#include "xccl/group.h"
#include "xccl/soak/traffic.h"

namespace switchyard::xccl::soak {
namespace {

constexpr uint32_t kNumBytesMax = 40'000;

// Dispatch and combine; two experts a rank.
constexpr uint32_t kNumTokensMax = 5;
constexpr uint32_t kHidden = 48;
constexpr uint32_t kTopK = 3;
constexpr uint32_t kNumOwnExperts = 2;

uint64_t calls_word(uint32_t generation, uint32_t num_calls) { return uint64_t{generation} << 32 | num_calls; }

/// What member `from` sends member `to` in a call; `to` is any number where all get the same.
std::vector<std::byte> contribution(uint64_t call_seed, uint32_t from, uint32_t to, size_t num_bytes) {
  Random random(call_seed * 4096 + from * 64 + to);
  std::vector<std::byte> bytes(num_bytes);
  for (std::byte& value : bytes) value = static_cast<std::byte>(random.next());
  return bytes;
}

/// The tokens of one rank in a call, and what comes of them: expert e makes e + 1 times its row. Small numbers, exact in fp32.
struct Tokens {
  Tokens(uint64_t call_seed, uint32_t rank, uint32_t num_experts) {
    Random random(call_seed * 64 + rank);
    num_tokens = random.below(kNumTokensMax + 1);
    for (uint32_t token = 0; token < num_tokens; ++token) {
      const uint32_t first = random.below(num_experts);
      float factor = 0;
      for (uint32_t k = 0; k < kTopK; ++k) {
        const bool is_none = random.below(4) == 0;
        const uint32_t expert = (first + k) % num_experts;
        gates.push_back(1.0f / static_cast<float>(1 << k));
        ids.push_back(is_none ? -1 : static_cast<int32_t>(expert));
        factor += is_none ? 0 : gates.back() * static_cast<float>(expert + 1);
      }
      for (uint32_t i = 0; i < kHidden; ++i) {
        x.push_back(static_cast<float>(random.below(64)));
        expected.push_back(x.back() * factor);
      }
    }
  }

  uint32_t num_tokens;
  std::vector<int32_t> ids;     // [num_tokens][kTopK]
  std::vector<float> gates;     // the same
  std::vector<float> x;         // [num_tokens][kHidden]
  std::vector<float> expected;  // the same
};

class GroupTraffic final : public Traffic {
 public:
  GroupTraffic(Actor& actor, uint32_t kind) : actor_(actor), kind_(kind) {}

  void step() override {
    if (!follow_generation()) return (void)std::this_thread::sleep_for(std::chrono::microseconds(200));
    if (actor_.rank() == 0) actor_.board().group_calls.store(calls_word(generation_, num_calls_ + 1));
    go_on();
  }

  bool settle() override { return !follow_generation() || !go_on(); }

 private:
  /// False while there is no group to call.
  bool follow_generation() {
    const uint32_t wanted = actor_.board().generation.load();
    if (wanted == generation_) return group_ != nullptr;
    std::vector<uint64_t> epochs;
    GroupSpec spec{0, wanted, {}};
    for (uint32_t rank = 0; rank < actor_.num_ranks(); ++rank) {
      epochs.push_back(actor_.board().ranks[rank].wanted_epoch.load());
      spec.ranks.push_back(rank);
      if (actor_.epoch_of(rank) != epochs[rank]) return false;
    }
    experts_.reset();
    group_.reset();
    generation_ = wanted;
    num_calls_ = 0;
    epochs_ = std::move(epochs);
    const int64_t start_ns = now_ns();
    Status status = actor_.member().open_group(spec, &group_);
    if (status.ok()) status = ExpertParallel::open(group_, expert_spec(), &experts_);
    if (!status.ok()) actor_.refused_by_group(kind_, status, epochs_, start_ns);
    return status.ok();
  }

  /// Makes the next call if it may be begun. False when it may not.
  bool go_on() {
    const uint64_t allowed = actor_.board().group_calls.load();
    if (allowed < calls_word(generation_, num_calls_ + 1) || allowed >> 32 != generation_) {
      std::this_thread::sleep_for(std::chrono::microseconds(50));
      return false;
    }
    num_calls_ += 1;
    const int64_t start_ns = now_ns();
    bool is_right = false;
    const Status status = call(&is_right);
    if (!status.ok()) {
      experts_.reset();
      group_.reset();
      actor_.refused_by_group(kind_, status, epochs_, start_ns);
    } else if (!is_right) {
      actor_.fail("group generation " + std::to_string(generation_) + " call " + std::to_string(num_calls_) +
                  ": wrong bytes");
    } else {
      for (uint32_t rank = 0; rank < actor_.num_ranks(); ++rank) actor_.passed(kind_, rank, epochs_[rank]);
    }
    return true;
  }

  Status call(bool* is_right) {
    const uint64_t seed = uint64_t{generation_} << 24 | num_calls_;
    Random random(seed);
    const uint32_t choice = random.below(6);
    const uint32_t limits[] = {9, 300, kNumBytesMax};
    const size_t num_bytes = random.below(limits[random.below(3)]);
    switch (choice) {
      case 0:
        return all_to_all(seed, num_bytes, is_right);
      case 1:
        return broadcast(seed, random.below(actor_.num_ranks()), num_bytes, is_right);
      case 2:
        return all_gather(seed, num_bytes, is_right);
      case 3:
        return all_reduce(seed, num_bytes / 4 * 4, is_right);
      case 4:
        return dispatch_and_combine(seed, is_right);
      default:
        *is_right = true;
        return group_->barrier(static_cast<uint32_t>(seed), soon());
    }
  }

  static Deadline soon() { return deadline_in(kPatience); }

  /// Each part is a little larger than the last.
  Status all_to_all(uint64_t seed, size_t num_bytes, bool* is_right) {
    const uint32_t own = actor_.rank();
    std::vector<std::vector<std::byte>> out;
    std::vector<std::vector<std::byte>> in(actor_.num_ranks());
    std::vector<std::span<const std::byte>> parts;
    std::vector<RecvPart> received;
    for (uint32_t rank = 0; rank < actor_.num_ranks(); ++rank) {
      out.push_back(contribution(seed, own, rank, num_bytes + rank));
      in[rank].resize(num_bytes + own);
      parts.push_back(out[rank]);
      received.push_back({in[rank]});
    }
    const Status status = group_->all_to_all({static_cast<uint32_t>(seed), parts, received, false}, soon());
    *is_right = true;
    for (uint32_t rank = 0; rank < actor_.num_ranks() && status.ok(); ++rank) {
      *is_right = *is_right && received[rank].num_bytes == num_bytes + own &&
                  in[rank] == contribution(seed, rank, own, num_bytes + own);
    }
    return status;
  }

  Status broadcast(uint64_t seed, uint32_t root, size_t num_bytes, bool* is_right) {
    const std::vector<std::byte> expected = contribution(seed, root, 0, num_bytes);
    std::vector<std::byte> bytes(num_bytes);
    if (root == actor_.rank()) bytes = expected;
    const Status status = group_->broadcast({static_cast<uint32_t>(seed), root, bytes, false}, soon());
    *is_right = bytes == expected;
    return status;
  }

  Status all_gather(uint64_t seed, size_t num_bytes, bool* is_right) {
    const std::vector<std::byte> mine = contribution(seed, actor_.rank(), 0, num_bytes);
    std::vector<std::byte> all(num_bytes * actor_.num_ranks());
    std::vector<std::byte> expected;
    for (uint32_t rank = 0; rank < actor_.num_ranks(); ++rank) {
      const std::vector<std::byte> part = contribution(seed, rank, 0, num_bytes);
      expected.insert(expected.end(), part.begin(), part.end());
    }
    const Status status = group_->all_gather({static_cast<uint32_t>(seed), mine, all, false}, soon());
    *is_right = all == expected;
    return status;
  }

  /// Of int32, whose sum does not depend on an order.
  Status all_reduce(uint64_t seed, size_t num_bytes, bool* is_right) {
    std::vector<std::byte> bytes = contribution(seed, actor_.rank(), 0, num_bytes);
    std::vector<uint32_t> expected(num_bytes / 4);
    for (uint32_t rank = 0; rank < actor_.num_ranks(); ++rank) {
      const std::vector<std::byte> part = contribution(seed, rank, 0, num_bytes);
      for (size_t i = 0; i < expected.size(); ++i) {
        uint32_t value = 0;
        std::memcpy(&value, part.data() + 4 * i, sizeof(value));
        expected[i] += value;
      }
    }
    const Status status =
        group_->all_reduce({static_cast<uint32_t>(seed), ElementType::kInt32, bytes, bytes, false}, soon());
    *is_right = num_bytes == 0 || std::memcmp(bytes.data(), expected.data(), num_bytes) == 0;
    return status;
  }

  uint32_t num_experts() const { return kNumOwnExperts * actor_.num_ranks(); }

  ExpertParallelSpec expert_spec() const {
    ExpertParallelSpec spec;
    spec.max_tokens = kNumTokensMax;
    spec.hidden = kHidden;
    spec.top_k = kTopK;
    spec.num_experts = num_experts();
    spec.activation = spec.dispatch_wire = spec.combine_wire = RowFormat::kFp32;
    return spec;
  }

  Status dispatch_and_combine(uint64_t seed, bool* is_right) {
    const Tokens tokens(seed, actor_.rank(), num_experts());
    const auto event = static_cast<uint32_t>(seed);
    DispatchResult here;
    const auto* x = reinterpret_cast<const std::byte*>(tokens.x.data());
    SWITCHYARD_RETURN_IF_ERROR(
        experts_->dispatch({event, tokens.num_tokens, x, tokens.ids.data(), false}, soon(), &here));
    const std::vector<float> outputs = outputs_of(here);
    std::vector<float> y(tokens.x.size());
    const Status status =
        experts_->combine({event, reinterpret_cast<const std::byte*>(outputs.data()), RowFormat::kFp32, false,
                           tokens.gates.data(), nullptr, reinterpret_cast<std::byte*>(y.data())},
                          soon());
    *is_right = y == tokens.expected;
    return status;
  }

  std::vector<float> outputs_of(const DispatchResult& here) const {
    std::vector<float> outputs;
    uint32_t expert = kNumOwnExperts * actor_.rank();
    auto pair = here.pairs.begin();
    for (const uint32_t count : here.expert_counts) {
      expert += 1;
      for (uint32_t i = 0; i < count; ++i, ++pair) {
        const float* row = reinterpret_cast<const float*>(here.rows) + pair->row * kHidden;
        for (uint32_t at = 0; at < kHidden; ++at) outputs.push_back(row[at] * static_cast<float>(expert));
      }
    }
    return outputs;
  }

  Actor& actor_;
  const uint32_t kind_;
  std::shared_ptr<Group> group_;
  std::unique_ptr<ExpertParallel> experts_;
  uint32_t generation_ = 0;
  uint32_t num_calls_ = 0;        // begun in this generation
  std::vector<uint64_t> epochs_;  // of the members when the group was opened
};

}  // namespace

std::unique_ptr<Traffic> make_group_traffic(Actor& actor, uint32_t kind) {
  return std::make_unique<GroupTraffic>(actor, kind);
}

}  // namespace switchyard::xccl::soak
