// The sending half of a Messenger: messages into the rings that lie in the peers' segments. One thread at a time. Knows nothing of
// receiving; waits only for the acknowledgements in its own segment.
#pragma once

#include <array>

#include "xccl/p2p/op_table.h"
#include "xccl/p2p/peer_ways.h"
#include "xccl/p2p/ring_writer.h"

namespace switchyard::xccl {

class Sender {
 public:
  Sender(LocalRank& local, OpTable& table) : local_(local), table_(table) {}

  Status send(uint32_t dest, uint32_t event, std::span<const std::byte> payload, Deadline deadline, SendMode mode,
              CallScope* scope);
  Status try_send(uint32_t dest, uint32_t event, std::span<const std::byte> payload);
  /// Runs an operation to its end.
  Status run(SendOp& op, Deadline deadline);

  /// Can `dest` be sent to? Settles what was queued on an older link.
  Status prepare(uint32_t dest);
  /// Queues an operation of the table, whose destination is prepared, and advances it.
  void submit(AsyncOp& op);
  /// Advances all that is queued.
  void advance_queues();
  bool has_outstanding() const { return active_ranks_ != 0; }
  /// Takes an outstanding operation out of its queue.
  void withdraw(AsyncOp& op);

 private:
  /// Operations to one rank: those not published wholly yet, then those that wait for their acknowledgement.
  struct Queue {
    OpList unpublished;
    OpList unacked;
    uint64_t serial = 0;  // of the link that they were queued on
    bool is_empty() const { return unpublished.is_empty() && unacked.is_empty(); }
  };

  Status open(uint32_t dest, LinkRef* link);
  [[gnu::noinline]] Status send_longer(uint32_t dest, uint32_t event, std::span<const std::byte> payload,
                                       Deadline deadline, SendMode mode, CallScope* scope);
  bool publish_all(SendOp& op, const LinkRef& link, Status* fault);
  Status publish_next(SendOp& op, RingWriter& ring, const LinkRef& link);
  Status decide(SendOp& op, const LinkRef& link);
  static bool has_choice(const SendOp& op, const LinkTarget& target);
  Status settle_timed(const SendOp& op, const LinkRef& link);
  Status publish_region(SendOp& op, RingWriter& ring, const LinkRef& link);
  Status publish_offer(SendOp& op, RingWriter& ring, Fabric& fabric);
  static void give_core(const RingWriter& ring);
  Status publish_chunk(SendOp& op, RingWriter& ring, Fabric& fabric);
  bool await_taken(const SendOp& op, const LinkRef& link, Status* fault);
  bool advance(SendOp& op, const LinkRef& link, Status* fault);
  Status refresh(uint32_t dest, uint32_t event, const LinkRef& link);
  void retract(const SendOp& op);
  void give_up(const SendOp& op);
  void finish(uint8_t idx, Status status);
  bool check_live(const SendOp& op, const LinkRef& link, Status* fault) const;

  void advance_queue(uint32_t dest, const LinkRef& link);
  void fail_queue(uint32_t dest, OpList& list);
  void advance_rank(uint32_t dest);

  LocalRank& local_;
  OpTable& table_;
  std::array<RingWriter, kNumRanksMax> rings_;
  std::array<PeerWays, kNumRanksMax> ways_;
  std::array<Queue, kNumRanksMax> queues_;
  uint64_t active_ranks_ = 0;  // bit r: queues_[r] is not empty
};
static_assert(kNumRanksMax <= 64);

}  // namespace switchyard::xccl
