// The receiving half of a Messenger: takes messages out of the rings in this rank's segment, and pulls those that come by name. One
// thread at a time. Every field is checked before its values are used: impossible ones end the link (Corrupt).
#pragma once

#include <array>

#include "xccl/p2p/offer_reader.h"
#include "xccl/p2p/op_table.h"
#include "xccl/p2p/puller.h"
#include "xccl/p2p/ring_reader.h"

namespace switchyard::xccl {

class Receiver {
 public:
  Receiver(LocalRank& local, OpTable& table, Puller& puller)
      : local_(local), table_(table), puller_(puller), helper_(local), offer_reader_(local, helper_) {}

  /// Joins the helping thread.
  void stop() { helper_.stop(); }

  Status recv(uint32_t src, uint32_t event, std::span<std::byte> into, size_t* num_bytes, Deadline deadline,
              CallScope* scope);

  /// Can `src` be received from? Settles what was queued on an older link.
  Status prepare(uint32_t src);
  /// Queues an operation of the table, whose source is prepared, and advances it.
  void submit(AsyncOp& op);
  /// Advances all that is queued.
  void advance_queues();
  bool has_outstanding() const { return active_ranks_ != 0; }
  /// Takes an outstanding operation out of its queue.
  void withdraw(AsyncOp& op);

 private:
  struct Queue {
    OpList waiting;
    uint64_t serial = 0;  // of the link that they were queued on
  };

  Status open(uint32_t src, LinkRef* link);
  [[gnu::noinline]] Status receive(uint32_t src, uint32_t event, std::span<std::byte> into, size_t* num_bytes,
                                   Deadline deadline, CallScope* scope);
  bool comes_soon(const std::atomic<uint64_t>& seq, uint64_t awaited);
  Status run(ReceiveOp& op, const LinkRef& link, Deadline deadline);
  bool is_next(const ReceiveOp& op, const LinkRef& link);
  bool advance(ReceiveOp& op, const LinkRef& link, Status* fault);
  Status take_field(ReceiveOp& op, const LinkRef& link, bool* is_over);
  Status take_inline(ReceiveOp& op, const LinkRef& link, const RingBody& body);
  Status take_chunk(ReceiveOp& op, const LinkRef& link, const RingBody& body, bool* is_over);
  Status take_region(ReceiveOp& op, const LinkRef& link, const RingBody& body);
  Status pull_region(const LinkRef& link, Area area, uint64_t offset, std::span<std::byte> into, bool is_core_free);
  Status take_offer(ReceiveOp& op, const LinkRef& link, const RingBody& body);
  Status take_end(ReceiveOp& op, const LinkRef& link);
  Status drop_field(const LinkRef& link, uint32_t src, const RingBody& body);
  void give_up(const ReceiveOp& op);
  Status corrupt(uint32_t src, const LinkRef& link, const std::string& text);

  void advance_rank(uint32_t src);
  void advance_queue(uint32_t src, const LinkRef& link);

  LocalRank& local_;
  OpTable& table_;
  Puller& puller_;
  ReadHelper helper_;
  OfferReader offer_reader_;
  std::array<RingReader, kNumRanksMax> rings_;
  std::array<Queue, kNumRanksMax> queues_;
  uint64_t active_ranks_ = 0;  // bit r: queues_[r] is not empty
};

}  // namespace switchyard::xccl
