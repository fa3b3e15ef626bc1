// Groups with anything in fields and managed areas: rank 0 calls an operation together with rank 1, whose publications of two rounds
// are right until the input changes them. Every call ends in time, stays inside its memory and fails by a documented code.
#include "xccl/fuzz/fuzz_support.h"
#include "xccl/group/collectives_tag.h"
#include "xccl/group/group_impl.h"

namespace switchyard::xccl::fuzz {
namespace {

constexpr uint32_t kNumCallsMax = 8;
constexpr uint32_t kNumPatchesMax = 4;
constexpr uint32_t kPartBytes = 256;
constexpr std::byte kUntouched{0xee};

enum class Call : uint8_t {
  kFence,
  kBarrier,
  kBroadcast,
  kAllGather,
  kAllGatherVariable,
  kAllReduce,
  kReduceScatter,
  kAllToAll,
  kNumCalls
};

CommunicatorConfig group_config() {
  CommunicatorConfig config = small_config();
  config.group = {1, 0, 128};
  return config;
}

CallTag tag_of(Call call, uint64_t num_bytes) {
  switch (call) {
    case Call::kFence:
      return {Operation::kFence};
    case Call::kBarrier:
      return {Operation::kBarrier};
    case Call::kBroadcast:
      return tag_of_root(Operation::kBroadcast, 0, num_bytes, 1);
    case Call::kAllGather:
      return tag_of_size(Operation::kAllGather, 0, num_bytes);
    case Call::kAllGatherVariable:
      return tag_of_any_size(Operation::kAllGather, 0);
    case Call::kAllReduce:
      return tag_of_type(Operation::kAllReduce, 0, num_bytes, ElementType::kFloat32);
    case Call::kReduceScatter:
      return tag_of_type(Operation::kReduceScatter, 0, num_bytes, ElementType::kInt32);
    default:
      return {Operation::kAllToAll};
  }
}

class Run {
 public:
  explicit Run(Input& input) : input_(input), pair_(group_config()) {}

  void step() {
    const auto call = static_cast<Call>(input_.take<uint8_t>() % static_cast<uint8_t>(Call::kNumCalls));
    // Whole pairs of elements, so that reductions take it.
    num_bytes_ = input_.take<uint8_t>() / 8 * 8;
    if (!reopen()) return;
    for (uint64_t round = 1; round <= 2; ++round) publish(tag_of(call, num_bytes_), round);
    for (uint32_t i = input_.take<uint8_t>() % (kNumPatchesMax + 1); i > 0; --i) spoil();
    std::array<std::byte, 2 * kPartBytes + 64> room;
    room.fill(kUntouched);
    const Status status = run(call, std::span(in_).first(num_bytes_), std::span(room).first(2 * num_bytes_));
    check_fault(status,
                {Code::kTimeout, Code::kMismatch, Code::kStale, Code::kCorrupt, Code::kPeerDead, Code::kClosed,
                 Code::kInvalidArgument, Code::kIo, Code::kUnsupported, Code::kInternal, Code::kResourceExhausted});
    for (size_t i = 2 * num_bytes_; i < room.size(); ++i) FUZZ_CHECK(room[i] == kUntouched);
  }

 private:
  static uint64_t word_of(uint64_t generation, uint64_t low) { return generation << kGroupGenerationShift | low; }
  GroupFields& fields() {
    const uint64_t at = pair_[0].layout().group(0) + GroupLayout::fields(1);
    return *reinterpret_cast<GroupFields*>(pair_[0].ctrl().data() + at);
  }

  bool reopen() {
    generation_ += 1;
    std::unique_ptr<Rounds> rounds;
    const Status status = Rounds::open(pair_[0], generations_, {0, generation_, {0, 1}}, &rounds);
    check_fault(status, {Code::kPeerDead});
    if (!status.ok()) return false;
    group_ = std::make_unique<GroupImpl>(nullptr, std::move(rounds));
    fields().control.word.store(word_of(generation_, 0));
    return true;
  }

  void publish(const CallTag& tag, uint64_t round) {
    GroupField& field = fields().halves[round % kNumHalves];
    field.body = GroupFieldBody{};
    field.body.operation = static_cast<uint16_t>(tag.operation);
    field.body.agreed = tag.agreed;
    field.body.source = static_cast<GroupSource>(input_.take<uint8_t>() % 4);
    field.body.num_bytes = input_.take<uint8_t>() % 8 != 0 ? num_bytes_ : input_.take<uint8_t>();
    field.body.detail = input_.take<uint8_t>() % 8 != 0 ? num_bytes_ : input_.take<uint8_t>();
    if (field.body.source != GroupSource::kInline) field.body.offset = input_.take<uint8_t>();
    field.seq.store(word_of(generation_, round));
  }

  void spoil() {
    switch (input_.take<uint8_t>() % 4) {
      case 0:
        return fields().control.word.store(word_of(generation_ + input_.take<uint8_t>() % 2, input_.take<uint8_t>()));
      case 1:
        return fields().halves[input_.take<uint8_t>() % kNumHalves].seq.store(
            word_of(generation_ + input_.take<uint8_t>() % 2, input_.take<uint8_t>()));
      case 2:
        return patch(input_, reinterpret_cast<std::byte*>(&fields().halves), sizeof(GroupField) * kNumHalves);
      default:
        return patch(input_, pair_[1].ctrl().data() + pair_[1].layout().group(0),
                     pair_[1].layout().group_layout().total_bytes());
    }
  }

  Status run(Call call, std::span<std::byte> in, std::span<std::byte> room) {
    const size_t half = in.size();
    switch (call) {
      case Call::kFence:
        return group_->fence(at_once());
      case Call::kBarrier:
        return group_->barrier(0, at_once());
      case Call::kBroadcast:
        return group_->broadcast({0, 1, room.first(half), false}, at_once());
      case Call::kAllGather:
        return group_->all_gather({0, in, room, false}, at_once());
      case Call::kAllReduce:
        return group_->all_reduce({0, ElementType::kFloat32, in, room.first(half), false}, at_once());
      case Call::kReduceScatter:
        return group_->reduce_scatter({0, ElementType::kInt32, in, room.first(half / 8 * 4), false}, at_once());
      default:
        return run_parts(call, in, room);
    }
  }

  Status run_parts(Call call, std::span<std::byte> in, std::span<std::byte> room) {
    const std::array<std::span<const std::byte>, 2> parts{in, in};
    std::array<RecvPart, 2> received{RecvPart{room.first(in.size())}, RecvPart{room.last(in.size())}};
    const Status status = call == Call::kAllToAll ? group_->all_to_all({0, parts, received, false}, at_once())
                                                  : group_->all_gather_variable({0, in, received, false}, at_once());
    if (status.ok()) FUZZ_CHECK(received[0].num_bytes <= in.size() && received[1].num_bytes <= in.size());
    return status;
  }

  Input& input_;
  Pair pair_;
  GroupGenerations generations_;
  std::unique_ptr<GroupImpl> group_;
  uint32_t generation_ = 0;
  uint64_t num_bytes_ = 0;
  std::array<std::byte, kPartBytes> in_{};
};

}  // namespace
}  // namespace switchyard::xccl::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace switchyard::xccl::fuzz;
  Input input(data, size);
  Run run(input);
  for (uint32_t i = 0; i < kNumCallsMax && !input.is_empty(); ++i) run.step();
  return 0;
}
