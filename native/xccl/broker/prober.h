// Prober: how Communicator::probe() comes to its verdict. A pong within the deadline proves that the peer's process lives and that
// the connection is good, whatever its workers do; then what lies unread there is watched for a while. Used by the communicator,
// on the caller's thread; never by the broker's.
#pragma once

#include "xccl/broker/broker.h"
#include "xccl/link/progress.h"
#include "xccl/probe.h"

namespace switchyard::xccl {

class Prober {
 public:
  Prober(LocalRank& local, PeerBook& book, Broker& broker, uint32_t rank)
      : local_(local), book_(book), broker_(broker), rank_(rank) {}

  Status run(Deadline deadline, ProbeReport* report);

 private:
  struct Sample {
    Pong pong;
    uint32_t num_awaited = 0;

    uint32_t num_unread() const { return pong.num_unread + num_awaited; }
    bool has_taken_since(const Sample& before) const {
      return pong.num_taken != before.pong.num_taken || num_awaited < before.num_awaited;
    }
  };

  Status take_sample(Deadline deadline, Sample* out);
  Status watch(const Sample& first, Deadline deadline, Sample* last, bool* has_taken);

  LocalRank& local_;
  PeerBook& book_;
  Broker& broker_;
  const uint32_t rank_;
};

}  // namespace switchyard::xccl
