// ProbeDesk: where callers' threads leave questions to peers' brokers (pings) and wait for the answers. The broker's thread sends
// them and brings the answers; everything under one mutex, held for moments.
#pragma once

#include <condition_variable>
#include <list>
#include <mutex>

#include "xccl/link/progress.h"
#include "xccl/types.h"

namespace switchyard::xccl {

/// What a pong says of the one who sends it, about the one who asked. Untrusted: it only ever decides what a report says.
struct Pong {
  uint64_t num_taken = 0;   // chunks taken from the asker's ring, ever
  uint32_t num_unread = 0;  // chunks in it that are not taken
  ProgressWord word;
  std::chrono::nanoseconds round_trip{0};
};

class ProbeDesk {
 public:
  struct Ping {
    uint64_t id = 0;
    uint32_t rank = 0;
    Status status{Code::kTimeout, "no answer to a ping before the deadline"};
    bool is_sent = false;
    bool is_over = false;
    Deadline sent{};
    Pong pong{};
  };

  /// Waits for the answer. `wake_broker` is called once the ping lies here. Timeout, PeerDead, Closed.
  template <class Wake>
  Status ask(uint32_t rank, Deadline deadline, Pong* out, Wake&& wake_broker) {
    std::unique_lock lock(mutex_);
    if (is_closed_) return closed();
    const auto ping = pings_.insert(pings_.end(), Ping{});
    ping->id = ++last_id_;
    ping->rank = rank;
    lock.unlock();
    wake_broker();
    lock.lock();
    changed_.wait_until(lock, deadline, [&] { return ping->is_over; });
    Status status = ping->status;
    *out = ping->pong;
    pings_.erase(ping);
    return status;
  }

  // Broker only.
  /// Calls send(rank, id) for every ping that is not sent yet; a status that is not OK is its answer.
  template <class Send>
  void send_all(Send&& send) {
    const std::lock_guard lock(mutex_);
    for (Ping& ping : pings_) {
      if (ping.is_sent || ping.is_over) continue;
      ping.is_sent = true;
      ping.sent = std::chrono::steady_clock::now();
      const Status status = send(ping.rank, ping.id);
      if (!status.ok()) finish(ping, status);
    }
  }
  /// An id that nobody asked this rank under, or no longer, is ignored.
  void answer(uint32_t rank, uint64_t id, const Pong& pong);
  /// The link to a rank is over.
  void fail(uint32_t rank, const Status& status);
  void close();

 private:
  static Status closed() { return {Code::kClosed, "the communicator is closed"}; }
  void finish(Ping& ping, const Status& status);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Ping> pings_;
  uint64_t last_id_ = 0;
  bool is_closed_ = false;
};

}  // namespace switchyard::xccl
