#include "xccl/broker/probe_desk.h"

namespace switchyard::xccl {

void ProbeDesk::answer(uint32_t rank, uint64_t id, const Pong& pong) {
  const std::lock_guard lock(mutex_);
  for (Ping& ping : pings_) {
    if (ping.id != id || ping.rank != rank || !ping.is_sent || ping.is_over) continue;
    ping.pong = pong;
    ping.pong.round_trip = std::chrono::steady_clock::now() - ping.sent;
    finish(ping, {});
  }
}

void ProbeDesk::fail(uint32_t rank, const Status& status) {
  const std::lock_guard lock(mutex_);
  for (Ping& ping : pings_) {
    if (ping.rank == rank && !ping.is_over) finish(ping, status);
  }
}

void ProbeDesk::close() {
  const std::lock_guard lock(mutex_);
  is_closed_ = true;
  for (Ping& ping : pings_) {
    if (!ping.is_over) finish(ping, closed());
  }
}

void ProbeDesk::finish(Ping& ping, const Status& status) {
  ping.status = status;
  ping.is_over = true;
  changed_.notify_all();
}

}  // namespace switchyard::xccl
