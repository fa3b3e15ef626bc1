// Dispatch and combine with a peer that says anything: one rank runs both with its own tokens, the other's block of routes, rows,
// outputs and fields are right until the input changes them. Both calls end in time, stay inside their memory and fail by a documented
// code; what a dispatch delivers names rows, tokens and gates that exist, in its order, and this rank's own as they are.
#include <vector>

#include "xccl/fuzz/fuzz_support.h"
#include "xccl/group/expert_parallel_impl.h"
#include "xccl/group/group_impl.h"

namespace switchyard::xccl::fuzz {
namespace {

constexpr uint32_t kNumStepsMax = 4;
constexpr uint32_t kNumSpoilsMax = 4;
constexpr uint32_t kSourceShift = 56;  // of the place of rows in a field's detail

CommunicatorConfig group_config() {
  CommunicatorConfig config = small_config();
  config.group = {1, 0, 1024};
  return config;
}

ExpertMap take_map(Input& input) {
  ExpertParallelSpec spec;
  spec.max_tokens = 1 + input.take<uint8_t>() % 5;
  spec.hidden = 1 + input.take<uint8_t>() % 12;
  spec.num_experts = 1 + input.take<uint8_t>() % 6;
  spec.top_k = 1 + input.take<uint8_t>() % std::min(4u, spec.num_experts);
  const uint8_t formats = input.take<uint8_t>();
  spec.activation = static_cast<RowFormat>(formats % 2);
  spec.dispatch_wire = static_cast<RowFormat>(std::min(2, formats % 2 + formats / 2 % 3));
  spec.combine_wire = static_cast<RowFormat>(formats / 8 % 3);
  spec.first_expert = {0, input.take<uint8_t>() % (spec.num_experts + 1), spec.num_experts};
  ExpertMap map;
  FUZZ_CHECK(ExpertMap::create(spec, 2, &map).ok());
  return map;
}

/// One rank's tokens, each with neighbouring experts, some left out.
struct Tokens {
  Tokens(Input& input, const ExpertParallelSpec& spec) : count(input.take<uint8_t>() % (spec.max_tokens + 1)) {
    for (uint32_t token = 0; token < count; ++token) {
      const uint8_t choice = input.take<uint8_t>();
      for (uint32_t k = 0; k < spec.top_k; ++k) {
        const bool is_none = (choice >> k & 1) != 0;
        ids.push_back(is_none ? -1 : static_cast<int32_t>((choice / 16 + k) % spec.num_experts));
      }
    }
  }

  uint32_t count;
  std::vector<int32_t> ids;  // [count][top_k]
};

class Run {
 public:
  explicit Run(Input& input)
      : input_(input), pair_(group_config()), self_(input.take<uint8_t>() % 2), peer_(1 - self_) {}

  void step() {
    const ExpertMap map = take_map(input_);
    if (!reopen(map)) return;
    const Tokens own(input_, map.spec());
    const Tokens theirs(input_, map.spec());
    publish(map, own, theirs);
    bool is_spoilt = spoil();
    DispatchResult here;
    if (!check(dispatch(own, &here), is_spoilt)) return;
    check_result(map, own, here);
    is_spoilt = spoil() || is_spoilt;
    (void)check(combine(own, here), is_spoilt);
  }

 private:
  static uint64_t word_of(uint64_t generation, uint64_t low) { return generation << kGroupGenerationShift | low; }
  GroupFields& fields() {
    const uint64_t at = pair_[self_].layout().group(0) + GroupLayout::fields(peer_);
    return *reinterpret_cast<GroupFields*>(pair_[self_].ctrl().data() + at);
  }
  GroupField& field(uint64_t round) { return fields().halves[round % kNumHalves]; }
  /// The peer's managed memory of a round.
  std::byte* half(uint64_t round) {
    const CtrlLayout& layout = pair_[peer_].layout();
    return pair_[peer_].ctrl().data() + layout.group(0) + layout.group_layout().half(round % kNumHalves);
  }

  bool reopen(const ExpertMap& map) {
    generation_ += 1;
    experts_.reset();
    std::unique_ptr<Rounds> rounds;
    const Status status = Rounds::open(pair_[self_], generations_, {0, generation_, {0, 1}}, &rounds);
    check_fault(status, {Code::kPeerDead});
    if (!status.ok()) return false;
    FUZZ_CHECK(
        ExpertParallel::open(std::make_shared<GroupImpl>(nullptr, std::move(rounds)), map.spec(), &experts_).ok());
    fields().control.word.store(word_of(generation_, 0));
    return true;
  }

  // ---- What the peer says ----

  void publish(const ExpertMap& map, const Tokens& own, const Tokens& theirs) {
    RoutePlan own_plan(map);
    RoutePlan their_plan(map);
    FUZZ_CHECK(own_plan.make(own.count, own.ids.data()).ok() && their_plan.make(theirs.count, theirs.ids.data()).ok());
    uint64_t num_outputs = 0;
    for (uint32_t expert = map.first_expert(peer_); expert < map.end_expert(peer_); ++expert)
      num_outputs += own_plan.num_pairs(expert) + their_plan.num_pairs(expert);
    num_experts_ = map.spec().num_experts;
    const uint64_t block_bytes = their_plan.write_block(self_, half(1));
    const uint64_t rows_at = 2 * RoutePlan::block_bytes_max(map.spec());
    publish_field(Operation::kDispatch, 1, map.packed(), block_bytes);
    field(1).body.detail =
        place_of(input_.take<uint8_t>() % 2 == 0 ? GroupSource::kManaged : GroupSource::kZc, rows_at);
    publish_field(Operation::kCombine, 2, map.packed(), num_outputs * map.combine_row_bytes());
  }

  static uint64_t place_of(GroupSource source, uint64_t offset) {
    return static_cast<uint64_t>(source) << kSourceShift | offset;
  }

  void publish_field(Operation operation, uint64_t round, uint64_t agreed, uint64_t num_bytes) {
    GroupField& to = field(round);
    to.body = GroupFieldBody{};
    to.body.operation = static_cast<uint16_t>(operation);
    to.body.agreed = agreed;
    to.body.source = GroupSource::kManaged;
    to.body.num_bytes = num_bytes;
    to.seq.store(word_of(generation_, round));
  }

  /// Was anything changed?
  bool spoil() {
    const uint32_t num_spoils = input_.take<uint8_t>() % (kNumSpoilsMax + 1);
    for (uint32_t i = 0; i < num_spoils; ++i) spoil_something();
    return num_spoils > 0;
  }

  void spoil_something() {
    switch (input_.take<uint8_t>() % 7) {
      case 0:
        return fields().control.word.store(word_of(generation_ + input_.take<uint8_t>() % 2, input_.take<uint8_t>()));
      case 1:
        return field(input_.take<uint8_t>())
            .seq.store(word_of(generation_ + input_.take<uint8_t>() % 2, input_.take<uint8_t>()));
      case 2:
        return patch(input_, reinterpret_cast<std::byte*>(&fields().halves), sizeof(GroupField) * kNumHalves);
      case 3:
        return set_word();
      case 4:
        return set_head();
      case 5:
        field(1).body.detail = place_of(static_cast<GroupSource>(input_.take<uint8_t>() % 6), input_.take<uint16_t>());
        return;
      default:
        return patch(input_, pair_[peer_].ctrl().data() + pair_[peer_].layout().group(0),
                     pair_[peer_].layout().group_layout().total_bytes());
    }
  }

  /// A small number somewhere in the block: a count, a token, a pair.
  void set_word() {
    const uint32_t value = input_.take<uint8_t>() % 4 == 0 ? input_.take<uint32_t>() : input_.take<uint8_t>();
    std::memcpy(half(1) + input_.take<uint8_t>() % 64 * sizeof(value), &value, sizeof(value));
  }

  /// Other numbers of tokens, rows and pairs, and the size that goes with them.
  void set_head() {
    const RouteHead head{input_.take<uint8_t>(), input_.take<uint8_t>(), input_.take<uint8_t>(), 0};
    std::memcpy(half(1), &head, sizeof(head));
    field(1).body.num_bytes = RoutePlan::block_bytes(num_experts_, head.num_rows, head.num_pairs);
  }

  // ---- The calls ----

  /// Rows are pulled one after the other, which looks at the time. What is not there already does not come.
  Deadline deadline(uint64_t round) {
    const bool is_there = field(round).seq.load() == word_of(generation_, round) &&
                          fields().control.word.load() == word_of(generation_, 0);
    return is_there ? deadline_in(std::chrono::seconds(10)) : at_once();
  }

  Status dispatch(const Tokens& own, DispatchResult* here) {
    const std::vector<std::byte> x(own.count * row_bytes_of(spec().activation, spec().hidden));
    return experts_->dispatch({0, own.count, x.data(), own.ids.data(), false}, deadline(1), here);
  }

  Status combine(const Tokens& own, const DispatchResult& here) {
    const RowFormat format = spec().combine_wire;
    const std::vector<std::byte> outputs(here.pairs.size() * row_bytes_of(format, spec().hidden));
    const std::vector<float> gates(own.ids.size(), 0.5f);
    std::vector<std::byte> y(own.count * row_bytes_of(spec().activation, spec().hidden));
    return experts_->combine({0, outputs.data(), format, false, gates.data(), nullptr, y.data()}, deadline(2));
  }

  const ExpertParallelSpec& spec() const { return experts_->spec(); }

  /// Returns whether the call succeeded: it must unless the peer told a lie.
  static bool check(const Status& status, bool is_spoilt) {
    check_fault(status,
                {Code::kTimeout, Code::kMismatch, Code::kStale, Code::kCorrupt, Code::kPeerDead, Code::kClosed,
                 Code::kInvalidArgument, Code::kIo, Code::kUnsupported, Code::kInternal, Code::kResourceExhausted});
    FUZZ_CHECK(status.ok() || is_spoilt);
    return status.ok();
  }

  void check_result(const ExpertMap& map, const Tokens& own, const DispatchResult& here) const {
    const uint32_t first = map.first_expert(self_);
    FUZZ_CHECK(here.expert_counts.size() == map.end_expert(self_) - first);
    uint64_t num_pairs = 0;
    uint64_t num_own = 0;
    for (uint32_t i = 0; i < here.expert_counts.size(); ++i) {
      FUZZ_CHECK(here.expert_counts[i] <= here.pairs.size() - num_pairs);
      num_own += check_pairs(own, here, here.pairs.subspan(num_pairs, here.expert_counts[i]), first + i);
      num_pairs += here.expert_counts[i];
    }
    FUZZ_CHECK(num_pairs == here.pairs.size());
    const auto is_here = [&](int32_t id) { return id >= 0 && map.member_of(static_cast<uint32_t>(id)) == self_; };
    FUZZ_CHECK(num_own == static_cast<uint64_t>(std::count_if(own.ids.begin(), own.ids.end(), is_here)));
  }

  /// Those of one expert; returns how many are of this rank.
  uint64_t check_pairs(const Tokens& own, const DispatchResult& here, std::span<const PairRef> pairs,
                       uint32_t expert) const {
    uint64_t num_own = 0;
    for (size_t i = 0; i < pairs.size(); ++i) {
      const PairRef& pair = pairs[i];
      FUZZ_CHECK(pair.member < 2 && pair.token < spec().max_tokens && pair.k < spec().top_k);
      const bool is_next = i == 0 || pairs[i - 1].member < pair.member ||
                           (pairs[i - 1].member == pair.member && pairs[i - 1].token < pair.token);
      FUZZ_CHECK(is_next);
      read_row(here.rows, pair.row);
      if (pair.member != self_) continue;
      FUZZ_CHECK(own.ids[pair.token * spec().top_k + pair.k] == static_cast<int32_t>(expert));
      num_own += 1;
    }
    return num_own;
  }

  /// AddressSanitizer knows where rows end.
  void read_row(const std::byte* rows, uint32_t row) const {
    std::vector<std::byte> copy(row_bytes_of(spec().dispatch_wire, spec().hidden));
    std::memcpy(copy.data(), rows + row * copy.size(), copy.size());
  }

  Input& input_;
  Pair pair_;
  const uint32_t self_;
  const uint32_t peer_;
  GroupGenerations generations_;
  std::unique_ptr<ExpertParallel> experts_;
  uint32_t generation_ = 0;
  uint32_t num_experts_ = 0;
};

}  // namespace
}  // namespace switchyard::xccl::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace switchyard::xccl::fuzz;
  Input input(data, size);
  Run run(input);
  for (uint32_t i = 0; i < kNumStepsMax && !input.is_empty(); ++i) run.step();
  return 0;
}
