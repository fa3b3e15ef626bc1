// Calls of one group of all ranks: which call, how large and with which bytes follows from generation and number, so that every
// member can check what it gets. After a death the group is opened again in the generation that the board says. Rank 0 says how
// many calls may be begun, so that all members stop after the same one.
#include "xccl/group/checked_calls_support.h"
#include "xccl/soak/traffic.h"

namespace switchyard::xccl::soak {
namespace {

using testing::CheckedCall;
using testing::CheckedCalls;

constexpr uint32_t kNumBytesMax = 40'000;
constexpr testing::ExpertSize kExpertSize{5, 48};

uint64_t calls_word(uint32_t generation, uint32_t num_calls) { return uint64_t{generation} << 32 | num_calls; }

class GroupTraffic final : public Traffic {
 public:
  GroupTraffic(Actor& actor, uint32_t kind) : actor_(actor), kind_(kind), calls_(kPatience, kExpertSize) {}

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
    if (wanted == generation_) return calls_.group() != nullptr;
    std::vector<uint64_t> epochs;
    GroupSpec spec{0, wanted, {}};
    for (uint32_t rank = 0; rank < actor_.num_ranks(); ++rank) {
      epochs.push_back(actor_.board().ranks[rank].wanted_epoch.load());
      spec.ranks.push_back(rank);
      if (actor_.epoch_of(rank) != epochs[rank]) return false;
    }
    generation_ = wanted;
    num_calls_ = 0;
    epochs_ = std::move(epochs);
    const int64_t start_ns = now_ns();
    const Status status = calls_.open(actor_.member(), spec);
    if (!status.ok()) give_up(status, start_ns);
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
      give_up(status, start_ns);
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
    const auto choice = static_cast<CheckedCall>(random.below(static_cast<uint32_t>(CheckedCall::kNumCalls)));
    const uint32_t limits[] = {9, 300, kNumBytesMax};
    return calls_.run(choice, seed, random.below(limits[random.below(3)]), is_right);
  }

  void give_up(const Status& status, int64_t start_ns) {
    calls_.close();
    actor_.refused_by_group(kind_, status, epochs_, start_ns);
  }

  Actor& actor_;
  const uint32_t kind_;
  CheckedCalls calls_;
  uint32_t generation_ = 0;
  uint32_t num_calls_ = 0;        // begun in this generation
  std::vector<uint64_t> epochs_;  // of the members when the group was opened
};

}  // namespace

std::unique_ptr<Traffic> make_group_traffic(Actor& actor, uint32_t kind) {
  return std::make_unique<GroupTraffic>(actor, kind);
}

}  // namespace switchyard::xccl::soak
