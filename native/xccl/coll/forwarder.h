// The forwarder inside an expert rank (trampoline): passes the parts of its attention rank's bundles on to the other expert ranks
// and gathers their answers, in pair order, in the attention rank's E2A slot. Driven by Expert: it never waits, so no wait is
// cyclic. A part goes into this rank's own slot at its destination, which serves nobody else: a rank forwards for one only.
#pragma once

#include <array>

#include "xccl/coll/a2e_sender.h"
#include "xccl/coll/arrived_message.h"

namespace switchyard::xccl {

/// What an answer says when it is no success.
struct Refusal {
  Code code = Code::kOk;
  E2aRefusal detail{};
};

class Forwarder {
 public:
  explicit Forwarder(LocalRank& local)
      : local_(local),
        is_barrier_(local.config().exchange_plan.pace == ExchangePace::kBarrier),
        sender_(local, SoleUser::kExpert) {}

  /// Takes a bundle over: message and writer (of the attention rank's E2A slot) stay valid until end(). The part for this rank
  /// itself is the caller's.
  void begin(const ArrivedMessage& message, const SlotWriter& answer);
  /// Forwards what waits for a free slot and gathers what has come back. Cheap when nothing is under way.
  void progress();

  bool is_active(uint32_t micro_batch) const { return bundles_[micro_batch].message != nullptr; }
  /// All parts of others are answered, or one has failed and (kBarrier) all are sent: then refusal() says how, and the others' late
  /// answers will be dropped.
  bool is_settled(uint32_t micro_batch) const;
  const Refusal& refusal(uint32_t micro_batch) const { return bundles_[micro_batch].refusal; }
  /// A failure of the part for this rank itself.
  void set_refusal(uint32_t micro_batch, const Refusal& refusal);
  /// The bundle was answered or its attention rank is gone.
  void end(uint32_t micro_batch) { bundles_[micro_batch].message = nullptr; }

  ExchangeCounters counters() const { return sender_.counters(); }

 private:
  enum class PartState : uint8_t { kWaiting, kOut, kDone };

  struct Bundle {
    const ArrivedMessage* message = nullptr;
    const SlotWriter* answer = nullptr;
    uint32_t num_open = 0;     // parts of others without an answer
    uint32_t num_waiting = 0;  // of these, not sent yet
    Refusal refusal;
    std::array<PartState, kNumRanksMax> states{};  // by part
  };

  void send_parts(Bundle& bundle);
  Status write_part(const ArrivedMessage& message, const PartLists& part);
  void take_answers(uint32_t micro_batch);
  void finish_part(Bundle& bundle, uint32_t dest, const Answer& answer);
  void gather(const Bundle& bundle, const PartLists& part);

  LocalRank& local_;
  const bool is_barrier_;
  A2eSender sender_;
  std::array<Bundle, kNumMicroBatches> bundles_;
  std::array<uint64_t, kNumMicroBatches> out_{};  // bit r: a part is unanswered at rank r
};

}  // namespace switchyard::xccl
