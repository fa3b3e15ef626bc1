// Point to point with anything in the rings: rank 1 sends to rank 0 while the input changes fields, slots and acknowledgements
// between the steps. Every receive ends in time, stays inside its memory and fails by a code that is documented.
#include "xccl/fuzz/fuzz_support.h"
#include "xccl/p2p/messenger_impl.h"

namespace switchyard::xccl::fuzz {
namespace {

constexpr uint32_t kNumStepsMax = 64;
constexpr uint32_t kRoomBytes = 512;
constexpr std::byte kUntouched{0xee};

enum class Step : uint8_t {
  kSend,
  kSendRegion,
  kRing,
  kSeq,
  kAck,
  kReceive,
  kReceiveLater,
  kPoll,
  kCancel,
  kOffer,
  kRetraction,
  kNonce,
  kNumSteps
};

CommunicatorConfig ring_config(Input& input) {
  CommunicatorConfig config = small_config();
  config.ring = {4, 64};
  config.pull_mode = input.take<uint8_t>() % 2 == 0 ? PullMode::kAlways : PullMode::kOff;
  return config;
}

class Run {
 public:
  explicit Run(Input& input) : input_(input), pair_(ring_config(input)), receiver_(pair_[0]), sender_(pair_[1]) {}
  ~Run() {
    // Operations that are still outstanding own memory of this object.
    for (const OperationId& id : later_) (void)receiver_.cancel(id);
  }

  void step() {
    switch (static_cast<Step>(input_.take<uint8_t>() % static_cast<uint8_t>(Step::kNumSteps))) {
      case Step::kSend:
        return send();
      case Step::kSendRegion:
        return send_region();
      case Step::kRing:
        return patch(input_, ring(0, 1), pair_[0].layout().ring_layout().total_bytes());
      case Step::kSeq:
        return set_word(ring(0, 1) + RingLayout::field(input_.take<uint8_t>() % 4));
      case Step::kAck:
        return set_word(ring(1, 0) + RingLayout::ack_offset());
      case Step::kReceive:
        return receive();
      case Step::kReceiveLater:
        return receive_later();
      case Step::kPoll:
        return poll();
      case Step::kOffer:
        return offer();
      case Step::kRetraction:
        return pair_[1].offer_words(0).retraction(input_.take<uint8_t>() % 4).store(input_.take<uint64_t>());
      case Step::kNonce:
        return pair_[1].offer_words(0).nonce.store(input_.take<uint64_t>());
      default:
        if (!later_.empty()) (void)receiver_.cancel(later_[input_.take<uint8_t>() % later_.size()]);
    }
  }

 private:
  std::byte* ring(uint32_t rank, uint32_t writer) {
    return pair_[rank].ctrl().data() + pair_[rank].layout().ring(writer);
  }
  void set_word(std::byte* word) {
    reinterpret_cast<std::atomic<uint64_t>*>(word)->store(input_.take<uint8_t>(), std::memory_order_seq_cst);
  }
  uint32_t event() { return input_.take<uint8_t>() % 2; }

  void send() {
    static const std::array<std::byte, kRoomBytes> bytes{};
    const size_t num_bytes = input_.take<uint16_t>() % kRoomBytes;
    check_fault(sender_.send(0, event(), std::span(bytes).first(num_bytes), at_once(), SendMode::kBuffered, nullptr),
                {Code::kTimeout, Code::kPeerDead, Code::kCorrupt});
  }

  /// The memory outlives the offer, as an operation's must.
  void offer() {
    static const std::array<std::byte, kRoomBytes> bytes{};
    OperationId id;
    const size_t num_bytes = input_.take<uint16_t>() % kRoomBytes;
    check_fault(sender_.send_async(0, event(), std::span(bytes).first(num_bytes), 0, &id, SendMode::kBuffered),
                {Code::kPeerDead, Code::kCorrupt, Code::kResourceExhausted});
    if (!later_sends_.empty() && num_bytes % 4 == 0) (void)sender_.cancel(later_sends_.back());
    later_sends_.push_back(id);
  }

  void send_region() {
    Region region;
    FUZZ_CHECK(sender_.register_region(RegionArea::kZc, 8, input_.take<uint8_t>(), &region).ok());
    OperationId id;
    check_fault(sender_.send_zero_copy_async(0, event(), region, 0, &id),
                {Code::kPeerDead, Code::kCorrupt, Code::kResourceExhausted});
  }

  void receive() {
    std::array<std::byte, kRoomBytes + 64> room;
    room.fill(kUntouched);
    size_t num_bytes = 0;
    const size_t capacity = input_.take<uint16_t>() % kRoomBytes;
    const Status status = receiver_.recv(1, event(), std::span(room).first(capacity), &num_bytes, at_once(), nullptr);
    check_receive(status);
    FUZZ_CHECK(num_bytes <= capacity);
    for (size_t i = capacity; i < room.size(); ++i) FUZZ_CHECK(room[i] == kUntouched);
  }

  void receive_later() {
    OperationId id;
    const Status status = receiver_.recv_async(1, event(), room_, 7, &id);
    check_fault(status, {Code::kPeerDead, Code::kCorrupt, Code::kResourceExhausted});
    if (status.ok()) later_.push_back(id);
  }

  void poll() {
    std::array<Completion, 4> done;
    const size_t num_done = receiver_.poll(done);
    FUZZ_CHECK(num_done <= done.size());
    for (size_t i = 0; i < num_done; ++i) {
      FUZZ_CHECK(done[i].user_data == 7 && done[i].peer == 1 && done[i].num_bytes <= room_.size());
      if (done[i].status.code() != Code::kClosed) check_receive(done[i].status);
      FUZZ_CHECK(std::erase(later_, done[i].id) == 1);
    }
    (void)sender_.poll(done);
  }

  void check_receive(const Status& status) {
    check_fault(status, {Code::kTimeout, Code::kMismatch, Code::kInvalidArgument, Code::kCorrupt, Code::kPeerDead});
    FUZZ_CHECK(status.code() != Code::kCorrupt || pair_.num_reports > 0);
  }

  Input& input_;
  Pair pair_;
  MessengerImpl receiver_;
  MessengerImpl sender_;
  std::array<std::byte, kRoomBytes> room_{};
  std::vector<OperationId> later_;
  std::vector<OperationId> later_sends_;
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
