// Broker: the one background thread of a communicator. It holds the words by which peers notice this process's death,
// listens and dials, shakes hands, watches the peers' liveness, and wakes this rank's sleepers when something is wrong.
// Callers' threads talk to it through the PeerBook and wake(); it never touches payload.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "xccl/broker/alive_words.h"
#include "xccl/broker/link.h"
#include "xccl/broker/peer_book.h"
#include "xccl/broker/unix_socket.h"
#include "xccl/wait/core_watch.h"

struct pollfd;

namespace switchyard::xccl {

class Broker {
 public:
  Broker(LocalRank& local, PeerBook& book);
  ~Broker();

  /// Binds the socket and starts the thread.
  Status start();
  /// Makes the thread look at the book again.
  void wake();
  /// Ends all links with a farewell, removes the socket, joins. Idempotent.
  void stop();
  /// Asks a peer's broker for a sign of life. Timeout, PeerDead, Closed. From any thread but the broker's.
  Status ping(uint32_t rank, Deadline deadline, Pong* out);
  /// What a peer wrote into this rank's own segment is impossible: ends the link if it is still this one. From any thread.
  void report_corrupt(uint32_t rank, uint64_t serial, std::string reason);

 private:
  struct Fault {
    uint32_t rank;
    uint64_t serial;
    std::string reason;
  };
  struct Dial {
    uint64_t epoch = 0;
    Deadline next{};
    std::chrono::milliseconds backoff{0};
  };

  /// What a poll found readable; links by rank.
  struct Ready {
    bool listener = false;
    uint64_t links = 0;
  };

  void run();
  void follow_book(Deadline now);
  void follow_record(uint32_t rank, const std::optional<PeerRecord>& record, Deadline now);
  void maybe_dial(const PeerRecord& record, Deadline now);
  void schedule_redial(uint32_t rank, Deadline now);
  Ready wait_for_events(Deadline now);
  int poll_ms(Deadline now) const;
  void accept_all();
  void advance_handshakes(Deadline now);
  void finish_handshake(Handshake& handshake, Deadline now);
  void read_links(uint64_t ranks);
  void send_pings();
  void judge_links(Deadline now);
  void watch_cores(Deadline now);
  void survey_cores();
  void take_faults();
  void advance_links();
  void end_link(Link& link, const LinkEnd& why);
  void announce(const std::optional<PeerInfo>& change);
  bool has_handshake(uint32_t rank) const;
  void close_all();

  LocalRank& local_;
  PeerBook& book_;
  AliveWords alive_words_;
  FileDescriptor listener_;
  FileDescriptor event_;
  std::array<std::unique_ptr<Link>, kNumRanksMax> links_;
  std::vector<Handshake> handshakes_;
  std::array<Dial, kNumRanksMax> dials_;
  Deadline last_tick_;
  bool has_judged_ = true;  // the last tick saw a peer that has to progress
  ProbeDesk desk_;
  const CoreMeter core_meter_;
  CoreWatch core_watch_;
  std::mutex faults_mutex_;
  std::vector<Fault> faults_;
  std::atomic<bool> is_stopping_{false};
  std::thread thread_;
};

}  // namespace switchyard::xccl
