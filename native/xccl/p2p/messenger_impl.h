// The Messenger behind messenger.h: joins sender, receiver, one-sided calls and the table of asynchronous operations. Made by the
// communicator when it has rings.
#pragma once

#include "xccl/p2p/one_sided.h"
#include "xccl/p2p/receiver.h"
#include "xccl/p2p/sender.h"

namespace switchyard::xccl {

class MessengerImpl final : public Messenger {
 public:
  explicit MessengerImpl(LocalRank& local)
      : local_(local),
        table_(local.recorder()),
        puller_(local),
        sender_(local, table_),
        receiver_(local, table_, puller_),
        one_sided_(local, puller_) {}

  /// Joins the copy threads and the helping one; calls fail as the communicator is closing.
  void close() {
    puller_.stop();
    receiver_.stop();
  }

  Status send(uint32_t dest, uint32_t event, std::span<const std::byte> payload, Deadline deadline, SendMode mode,
              OpTiming* timing) override;
  Status try_send(uint32_t dest, uint32_t event, std::span<const std::byte> payload) override {
    return count_call(local_.recorder(), {Primitive::kSend, dest, {event}}, [=, this](CallScope* scope) {
      if (scope) scope->set_bytes(payload.size());
      return sender_.try_send(dest, event, payload);
    });
  }
  Status send_zero_copy(uint32_t dest, uint32_t event, const Region& region, Deadline deadline,
                        OpTiming* timing) override;
  Status recv(uint32_t src, uint32_t event, std::span<std::byte> into, size_t* num_bytes, Deadline deadline,
              OpTiming* timing) override;

  Status send_async(uint32_t dest, uint32_t event, std::span<const std::byte> payload, uint64_t user_data,
                    OperationId* id, SendMode mode) override;
  Status send_zero_copy_async(uint32_t dest, uint32_t event, const Region& region, uint64_t user_data,
                              OperationId* id) override;
  Status recv_async(uint32_t src, uint32_t event, std::span<std::byte> into, uint64_t user_data,
                    OperationId* id) override;
  size_t poll(std::span<Completion> out) override;
  Status wait(OperationId id, Deadline deadline, Completion* out) override;
  Status cancel(OperationId id) override;

  Status register_region(RegionArea area, uint64_t offset, uint64_t num_bytes, Region* out) const override {
    return one_sided_.register_region(area, offset, num_bytes, out);
  }
  Status put(uint32_t dest, uint64_t zc_offset, std::span<const std::byte> payload) override {
    return counted_part({Primitive::kPut, dest}, payload.size(), CallPart::kCopy,
                        [=, this] { return one_sided_.put(dest, zc_offset, payload); });
  }
  Status put_with_signal(uint32_t dest, uint64_t zc_offset, std::span<const std::byte> payload, uint64_t signal_offset,
                         uint64_t value) override;
  Status wait_signal(uint32_t src, uint64_t signal_offset, uint64_t value, Deadline deadline) override;
  Status get(const Region& region, std::span<std::byte> dst, Deadline deadline) override {
    return counted_part({Primitive::kGet, region.rank}, dst.size(), CallPart::kCopy,
                        [=, this] { return one_sided_.get(region, dst, deadline); });
  }

 private:
  Status submit_send(const SendOp& send, uint64_t user_data, OperationId* id);
  Status open_operation(uint64_t user_data, AsyncOp** out);
  void advance();

  /// Is the call to be timed or counted?
  bool is_observed(const OpTiming* timing) const { return timing || local_.recorder().is_on(); }
  [[gnu::noinline]] Status send_observed(uint32_t dest, uint32_t event, std::span<const std::byte> payload,
                                         Deadline deadline, SendMode mode, OpTiming* timing);
  [[gnu::noinline]] Status recv_observed(uint32_t src, uint32_t event, std::span<std::byte> into, size_t* num_bytes,
                                         Deadline deadline, OpTiming* timing);
  [[gnu::noinline]] Status put_with_signal_observed(uint32_t dest, uint64_t zc_offset,
                                                    std::span<const std::byte> payload, uint64_t signal_offset,
                                                    uint64_t value);
  [[gnu::noinline]] Status wait_signal_observed(uint32_t src, uint64_t signal_offset, uint64_t value,
                                                Deadline deadline);
  /// A call that is all of one part.
  template <class Call>
  Status counted_part(CallName name, uint64_t num_bytes, CallPart part, Call call) {
    return count_call(local_.recorder(), name, [=](CallScope* scope) {
      if (!scope) return call();
      scope->set_bytes(num_bytes);
      const PartTimer timer(scope, part);
      return call();
    });
  }

  LocalRank& local_;
  OpTable table_;
  Puller puller_;
  Sender sender_;
  Receiver receiver_;
  OneSided one_sided_;
};

}  // namespace switchyard::xccl
