// A2E and E2A with anything in fields and slots: rank 1 sends to rank 0, an expert (and in trampoline mode a forwarder), while the
// input changes words of both segments between the steps. Delivered views and answers must keep their promises.
#include <vector>

#include "xccl/coll/attention.h"
#include "xccl/coll/expert.h"
#include "xccl/fuzz/fuzz_support.h"

namespace switchyard::xccl::fuzz {
namespace {

constexpr uint32_t kRowBytes = 16;
constexpr uint32_t kNumStepsMax = 64;
constexpr uint64_t kAllRanks = 0b111;

enum class Step : uint8_t {
  kSend,
  kField,
  kSlot,
  kSeq,
  kServe,
  kWait,
  kAnswerField,
  kAnswerSlot,
  kPlacement,
  kNumSteps
};

CommunicatorConfig config_of(uint8_t choice) {
  CommunicatorConfig config = small_config();
  config.exchange = {.max_tokens = 4, .row_bytes = kRowBytes, .top_k = 3, .max_local_experts = 5};
  const bool is_trampoline = (choice & 1) != 0;
  const bool is_barrier = (choice & 2) != 0;
  config.exchange_plan.mode = is_trampoline ? ExchangeMode::kTrampoline : ExchangeMode::kDirect;
  config.exchange_plan.pace = is_barrier ? ExchangePace::kBarrier : ExchangePace::kDataflow;
  config.exchange_plan.attention_mask = 0b010;
  config.exchange_plan.expert_mask = 0b101;
  if (is_trampoline) config.exchange.max_parts = 2;
  return config;
}

class Run {
 public:
  explicit Run(Input& input)
      : input_(input), pair_(config_of(input.take<uint8_t>())), sender_(pair_[1]), expert_(pair_[0]) {}

  void step() {
    const auto kind = static_cast<Step>(input_.take<uint8_t>() % static_cast<uint8_t>(Step::kNumSteps));
    micro_batch_ = input_.take<uint8_t>() % kNumMicroBatches;
    switch (kind) {
      case Step::kSend:
        return send();
      case Step::kField:
        return patch(input_, reinterpret_cast<std::byte*>(&fields(0, 1).a2e[micro_batch_].body), sizeof(PairFieldBody));
      case Step::kSlot:
        return patch(input_, slot(0, pair_[0].layout().a2e_slot(1, micro_batch_)), lists_bytes());
      case Step::kSeq:
        return fields(0, 1).a2e[micro_batch_].seq.store(input_.take<uint8_t>());
      case Step::kServe:
        return serve();
      case Step::kWait:
        return wait();
      case Step::kAnswerField:
        return patch(input_, reinterpret_cast<std::byte*>(&fields(1, 0).e2a[micro_batch_]), sizeof(PairField));
      case Step::kAnswerSlot:
        return patch(input_, slot(1, pair_[1].layout().e2a_slot(0, micro_batch_)), sizeof(E2aRefusal));
      default:
        return expert_.set_placement(input_.take<uint8_t>() % 3, input_.take<uint8_t>() % 3);
    }
  }

 private:
  PairFields& fields(uint32_t rank, uint32_t writer) { return pair_[rank].fixed().pairs[writer]; }
  std::byte* slot(uint32_t rank, uint64_t offset) { return pair_[rank].ctrl().data() + offset; }
  uint64_t lists_bytes() { return pair_[0].layout().exchange_layout().rows_offset(); }

  void send() {
    static const std::array<std::byte, 4 * kRowBytes> rows{};
    static const std::array<uint32_t, 3> counts{1, 0, 2};
    static const std::array<uint32_t, 3> pairs{0, 1, 0};
    static const std::array<uint32_t, 2> row_index{3, 1};
    const A2ePart parts[] = {{0, counts, pairs, row_index}, {2, counts, pairs, row_index}};
    // Rank 2 is not linked: only a forwarder is given rows for it, and has to say that it is dead.
    const size_t num_parts = input_.take<uint8_t>() % 2 + size_t{1};
    A2eBatch batch;
    batch.event = {++num_sent_, 3, static_cast<uint8_t>(micro_batch_)};
    batch.placement_version = 1;
    batch.active_mask = kAllRanks;
    batch.rows = rows.data();
    batch.num_rows = 4;
    batch.row_bytes = kRowBytes;
    batch.parts = std::span(parts).first(num_parts);
    events_[micro_batch_] = batch.event;
    check_fault(sender_.send_all(batch, at_once(), nullptr),
                {Code::kTimeout, Code::kPeerDead, Code::kCorrupt, Code::kMismatch});
  }

  void serve() {
    std::vector<A2eView> views;
    check_fault(expert_.wait_any(at_once(), &views), {Code::kTimeout});
    for (const A2eView& view : views) {
      check_view(view);
      answer(view);
    }
  }

  void answer(const A2eView& view) {
    const std::vector<std::byte> rows(view.pair_rows.size() * view.row_bytes);
    switch (input_.take<uint8_t>() % 4) {
      case 0:
        return check_fault(expert_.reply(view, rows.data()), {Code::kPeerDead});
      case 1:
        return check_fault(expert_.fail(view, Code::kMismatch), {Code::kPeerDead});
      case 2:
        for (uint32_t pair = 0; pair < view.pair_rows.size(); ++pair)
          check_fault(expert_.reply_row(view, pair, rows.data()), {Code::kPeerDead});
        return check_fault(expert_.finish(view), {Code::kPeerDead});
      default:
        return;  // never ended
    }
  }

  void check_view(const A2eView& view) {
    uint64_t sum = 0;
    for (const uint32_t count : view.expert_counts) sum += count;
    FUZZ_CHECK(sum == view.pair_rows.size() && sum <= pair_[0].layout().exchange().max_pairs());
    FUZZ_CHECK(view.expert_counts.size() <= pair_[0].layout().exchange().max_local_experts);
    FUZZ_CHECK(view.row_bytes > 0 && view.row_bytes <= kRowBytes && view.traces.size() <= kNumTracesMax);
    FUZZ_CHECK(view.rank < 4 && view.event.micro_batch < kNumMicroBatches);
    for (const uint32_t row : view.pair_rows) FUZZ_CHECK(row < view.num_rows);
    check_inside(0, view.rows, uint64_t{view.num_rows} * view.row_bytes);
  }

  void wait() {
    const EventId& event = events_[micro_batch_];
    WaitReport report;
    const Status status = sender_.wait_all(event, at_once(), &report);
    check_fault(status,
                {Code::kTimeout, Code::kPeerDead, Code::kCorrupt, Code::kMismatch, Code::kInvalidArgument, Code::kStale,
                 Code::kClosed, Code::kResourceExhausted, Code::kIo, Code::kUnsupported, Code::kInternal});
    FUZZ_CHECK(report.failed_rank < static_cast<int32_t>(kNumRanksMax));
    if (!status.ok()) return;
    for (const uint32_t dest : {0u, 2u}) {
      const E2aView view = sender_.view(dest, static_cast<uint8_t>(micro_batch_));
      if (view.num_pairs > 0) check_inside(1, view.rows, uint64_t{view.num_pairs} * view.row_bytes);
    }
  }

  void check_inside(uint32_t rank, const std::byte* data, uint64_t num_bytes) {
    const std::span<const std::byte> all = pair_[rank].ctrl().span();
    FUZZ_CHECK(data >= all.data() && data + num_bytes <= all.data() + all.size());
  }

  Input& input_;
  Pair pair_;
  Attention sender_;
  Expert expert_;
  uint32_t micro_batch_ = 0;
  uint64_t num_sent_ = 0;
  EventId events_[kNumMicroBatches];
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
