// Handshake: one connection from the first frame to two swapped sets of segments (frames.h has the picture). A state machine
// that the broker feeds with frames; it sends its own frames, never waits, and says what became of it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "xccl/broker/frames.h"
#include "xccl/broker/peer_book.h"
#include "xccl/broker/peer_memory.h"
#include "xccl/broker/unix_socket.h"

namespace switchyard::xccl {

/// kRetry: nothing is wrong for good. kRefused: this pair of epochs will never link; code and reason say why.
enum class HandshakeState : uint8_t { kGoingOn, kLinked, kRetry, kRefused };

/// What the listener decides about a kHello.
struct HelloVerdict {
  HandshakeState state = HandshakeState::kGoingOn;
  Code code = Code::kOk;
  std::string reason;
};

/// Everything that both sides check in the other's kHello or kWelcome: versions, nonce, names, sizes, classes.
Status check_identity(const LocalRank& local, const Frame& frame);

/// The listener's decision by ranks and epochs. `record` is what is known of the dialer; `is_busy` says that its old link still lives.
HelloVerdict judge_hello(const LocalRank& local, const Frame& hello, const std::optional<PeerRecord>& record,
                         bool is_busy);

/// True when this rank dials that peer: of a pair the larger (epoch, rank) does, so a newcomer dials all living members.
bool is_dialer(const LocalRank& local, uint32_t peer_rank, uint64_t peer_epoch);

class Handshake {
 public:
  using Judge = std::function<HelloVerdict(const Frame& hello)>;

  /// Dialer: sends kHello.
  static Handshake dial_side(const LocalRank& local, FileDescriptor connection, uint32_t rank, uint64_t epoch);
  /// Listener: waits for kHello.
  static Handshake listen_side(const LocalRank& local, FileDescriptor connection, Judge judge);

  /// Call when the connection is readable or the deadline may have passed.
  void advance(Deadline now);

  HandshakeState state() const { return state_; }
  bool is_over() const { return state_ != HandshakeState::kGoingOn; }
  const FileDescriptor& connection() const { return connection_; }
  /// kNumRanksMax until the kHello was accepted.
  uint32_t rank() const { return rank_; }
  uint64_t epoch() const { return epoch_; }
  Code code() const { return code_; }
  const std::string& reason() const { return reason_; }

  // After kLinked.
  FileDescriptor take_connection() { return std::move(connection_); }
  PeerMemory take_memory() { return std::move(memory_); }
  const Frame& hello() const { return hello_; }
  PullTerms pull_terms() const;

 private:
  enum class Stage : uint8_t { kAwaitHello, kAwaitWelcome, kAwaitSegments };

  Handshake(const LocalRank& local, FileDescriptor connection, bool is_dialer, Stage stage);
  HandshakeState next_state(Deadline now);
  HandshakeState on_frame(const Frame& frame, std::vector<FileDescriptor>& fds);
  HandshakeState on_hello(const Frame& frame);
  HandshakeState on_welcome(const Frame& frame);
  HandshakeState on_segments(const Frame& frame, std::vector<FileDescriptor>& fds);
  HandshakeState end(HandshakeState state, Code code, std::string reason);
  HandshakeState refuse(HandshakeState state, Code code, std::string reason);
  void accept(const Frame& frame);
  HandshakeState after_sending(Status sent, Stage next);
  Status send(FrameKind kind);

  const LocalRank* local_;
  FileDescriptor connection_;
  bool is_dialer_;
  Stage stage_;
  Deadline deadline_;
  Judge judge_;
  uint32_t rank_ = kNumRanksMax;
  uint64_t epoch_ = 0;
  Frame hello_{};
  ProofHello own_proof_;
  MemoryReader reader_;
  bool may_offer_ = false;
  PeerMemory memory_;
  HandshakeState state_ = HandshakeState::kGoingOn;
  Code code_ = Code::kOk;
  std::string reason_;
};

}  // namespace switchyard::xccl
