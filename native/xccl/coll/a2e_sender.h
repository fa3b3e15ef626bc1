// A2eSender: the sender's side of its slot pairs: writes messages into A2E slots of other ranks and takes their answers from its own
// segment. Used by Attention (rows for experts or for the forwarder) and by Forwarder (parts of bundles). It knows which slot
// is free, but never waits. One thread at a time.
#pragma once

#include <array>
#include <atomic>
#include <new>
#include <string>
#include <vector>

#include "xccl/coll/slot_writer.h"
#include "xccl/link/local_rank.h"

namespace switchyard::xccl {

/// The head of a message, put together in private memory and written at once.
class HeadBuffer {
 public:
  explicit HeadBuffer(uint64_t capacity) : bytes_(capacity) {}
  /// An empty header, to be filled in.
  A2eSlotHeader& start() {
    size_ = sizeof(A2eSlotHeader);
    return *new (bytes_.data()) A2eSlotHeader{};
  }
  template <class T>
  void add(std::span<const T> values) {
    if (values.empty()) return;
    std::memcpy(bytes_.data() + size_, values.data(), values.size_bytes());
    size_ += values.size_bytes();
  }
  std::span<const std::byte> bytes() const { return {bytes_.data(), size_}; }

 private:
  std::vector<std::byte> bytes_;
  size_t size_ = 0;
};

/// What became of a message.
enum class AnswerState : uint8_t {
  kMissing,
  kComplete,
  kRefused,     // with a code and an E2aRefusal
  kGone,        // the link has ended
  kSequence,    // impossible sequence number; reported to the broker
  kMalformed,   // impossible field
  kOtherEvent,  // the answer to another event
  kPairCount,   // another number of pairs than was asked for
};

struct Answer {
  AnswerState state = AnswerState::kMissing;
  Code code = Code::kOk;
  E2aRefusal refusal{};  // kRefused
  EventId event{};       // kOtherEvent
  uint64_t value = 0;    // kSequence, kPairCount: what was found

  bool is_fault() const { return state > AnswerState::kComplete; }
};

class A2eSender {
 public:
  /// kLost: sent over a link that was replaced before the answer came; its event is kept until it was asked for.
  enum class SlotState : uint8_t { kFree, kSent, kAnswered, kLost };

  /// One (destination, micro-batch): its slot pair carries one exchange at a time.
  struct Slot {
    SlotState state = SlotState::kFree;
    uint64_t num_sent = 0;  // since the link began: the E2A field's seq when this one is answered
    EventId event;
    uint64_t placement_version = 0;
    uint32_t num_pairs = 0;
    uint32_t row_bytes = 0;
    uint64_t num_bytes = 0;  // of the A2E slot that were used
    bool is_prompt = false;  // the last answers were in when they were looked for
  };

  /// Everything that is sent besides the head.
  struct Message {
    EventId event;
    uint64_t placement_version = 0;
    uint32_t num_pairs = 0;
    uint32_t detail = 0;  // PairFieldBody::detail
    RowGather rows;
  };

  /// `user`: whose thread it is.
  A2eSender(LocalRank& local, SoleUser user)
      : local_(local), user_(user), rows_offset_(local.layout().exchange_layout().rows_offset()), head_(rows_offset_) {}

  Slot& slot(uint32_t dest, uint32_t micro_batch) { return dests_[dest].slots[micro_batch]; }
  const Slot& slot(uint32_t dest, uint32_t micro_batch) const { return dests_[dest].slots[micro_batch]; }

  /// A new link begins with fresh slots on both sides; what the old one still owed is lost. Unsupported when the rank has none.
  Status follow_link(uint32_t dest, const LinkRef& link);

  /// For the next send().
  HeadBuffer& head() { return head_; }
  /// Writes head and rows into the slot, which is not kSent, and publishes them. Under a ref to the link that was followed.
  Status send(uint32_t dest, const Message& message);

  /// True when take() would find kMissing.
  bool is_missing(uint32_t dest, uint32_t micro_batch) const;
  /// Begins to fetch an answer that is in: for a thread that will take it soon and has something else to do before. To look
  /// whether it is in costs a line's way, so that is not done where it always was; a guess that fails costs the expert some lines.
  void fetch_answer(uint32_t dest, uint32_t micro_batch);
  /// Looks for the answer of a slot that is not kFree. A complete one makes it kAnswered; any fault frees it.
  Answer take(uint32_t dest, uint32_t micro_batch);
  /// The rows of an answered slot, in this rank's memory.
  const std::byte* rows(uint32_t dest, uint32_t micro_batch) const {
    return local_.ctrl().data() + local_.layout().e2a_slot(dest, micro_batch);
  }

  ExchangeCounters counters() const {
    return {num_sent_.load(std::memory_order_relaxed), num_received_.load(std::memory_order_relaxed)};
  }

 private:
  struct Dest {
    uint64_t serial = 0;  // of the link that the slots' counts belong to
    std::array<SlotWriter, kNumMicroBatches> writers;
    std::array<FieldWriter, kNumMicroBatches> fields;
    std::array<Slot, kNumMicroBatches> slots;
  };

  Status publish(Dest& to, uint32_t dest, const Message& message);
  Answer take_published(uint32_t dest, Slot& slot);
  Answer check_answer(uint32_t dest, const Slot& slot) const;
  PairField& answer_field(uint32_t rank, uint32_t micro_batch) const {
    return local_.fixed().pairs[rank].e2a[micro_batch];
  }

  LocalRank& local_;
  const SoleUser user_;
  const uint64_t rows_offset_;
  HeadBuffer head_;
  std::array<Dest, kNumRanksMax> dests_;
  std::atomic<uint64_t> num_sent_{0};
  std::atomic<uint64_t> num_received_{0};
};

/// What an endpoint tells about a fault besides its code: the rank to blame, and text.
uint32_t blamed_rank_of(const Answer& answer, uint32_t dest);
std::string text_of(const Answer& answer, uint32_t dest, const A2eSender::Slot& slot);

}  // namespace switchyard::xccl
