#include "xccl/broker/handshake.h"

#include <cstring>
#include <utility>

namespace switchyard::xccl {
namespace {

constexpr std::chrono::milliseconds kHandshakeMax{2'000};

Status mismatch(const std::string& text) { return {Code::kMismatch, text}; }

/// A member without a part (all zero) pairs with everybody.
template <class Shape>
bool do_pair(const Shape& theirs, const Shape& own) {
  return theirs == Shape{} || own == Shape{} || theirs == own;
}

}  // namespace

bool is_dialer(const LocalRank& local, uint32_t peer_rank, uint64_t peer_epoch) {
  const CommunicatorConfig& own = local.config();
  return std::pair(own.epoch, own.rank) > std::pair(peer_epoch, peer_rank);
}

Status check_identity(const LocalRank& local, const Frame& frame) {
  const CommunicatorConfig& own = local.config();
  if (frame.layout_version != kLayoutVersion) {
    return mismatch("layout version " + std::to_string(frame.layout_version) + " instead of " +
                    std::to_string(kLayoutVersion));
  }
  if (std::memcmp(frame.nonce, own.nonce.data(), kNonceBytes) != 0) return mismatch("the nonce differs");
  const std::string name = frame_text(frame.communicator, sizeof(frame.communicator));
  if (name != own.name) return mismatch("communicator '" + name + "' instead of '" + own.name + "'");
  if (frame.max_ranks != own.max_ranks) return mismatch("max_ranks differ");
  const std::string compatibility = frame_text(frame.compatibility, sizeof(frame.compatibility));
  if (!compatibility.empty() && !own.compatibility.empty() && compatibility != own.compatibility) {
    return mismatch("numeric class '" + compatibility + "' and '" + own.compatibility + "' do not pair");
  }
  const Shapes& shapes = frame.shapes;
  if (!do_pair(shapes.exchange, own.exchange)) return mismatch("the exchange shapes differ");
  if (!do_pair(shapes.ring, own.ring)) return mismatch("the ring shapes differ");
  if (!do_pair(shapes.group, own.group)) return mismatch("the group shapes differ");
  return {};
}

HelloVerdict judge_hello(const LocalRank& local, const Frame& hello, const std::optional<PeerRecord>& record,
                         bool is_busy) {
  const CommunicatorConfig& own = local.config();
  const auto refused = [](Code code, std::string text) {
    return HelloVerdict{HandshakeState::kRefused, code, std::move(text)};
  };
  const auto retry = [](std::string text) {
    return HelloVerdict{HandshakeState::kRetry, Code::kPeerDead, std::move(text)};
  };
  const Status identity = check_identity(local, hello);
  if (!identity.ok()) return refused(identity.code(), identity.message());
  if (hello.to_rank != own.rank || hello.from_rank >= own.max_ranks || hello.from_rank == own.rank) {
    return refused(Code::kMismatch, "this is rank " + std::to_string(own.rank));
  }
  if (hello.to_epoch < own.epoch) return refused(Code::kStale, "this rank's epoch is " + std::to_string(own.epoch));
  if (hello.to_epoch > own.epoch) return retry("the old epoch still listens here");
  if (!record || hello.from_epoch > record->spec.epoch) return retry("not expected yet");
  if (hello.from_epoch < record->spec.epoch)
    return refused(Code::kStale, "epoch " + std::to_string(record->spec.epoch) + " is expected");
  if (is_dialer(local, hello.from_rank, hello.from_epoch))
    return refused(Code::kMismatch, "this rank is the one that dials");
  if (record->info.state == PeerState::kDead)
    return refused(Code::kStale, "this epoch was declared dead: " + record->info.reason);
  if (record->info.state == PeerState::kRefused) return refused(record->info.code, record->info.reason);
  return is_busy ? retry("the link to the old epoch has not ended yet") : HelloVerdict{};
}

Handshake::Handshake(const LocalRank& local, FileDescriptor connection, bool is_dialer, Stage stage)
    : local_(&local),
      connection_(std::move(connection)),
      is_dialer_(is_dialer),
      stage_(stage),
      deadline_(deadline_in(kHandshakeMax)) {}

Handshake Handshake::dial_side(const LocalRank& local, FileDescriptor connection, uint32_t rank, uint64_t epoch) {
  Handshake made(local, std::move(connection), true, Stage::kAwaitWelcome);
  made.rank_ = rank;
  made.epoch_ = epoch;
  // A failure shows as end of file at the next advance().
  (void)made.send(FrameKind::kHello);
  return made;
}

Handshake Handshake::listen_side(const LocalRank& local, FileDescriptor connection, Judge judge) {
  Handshake made(local, std::move(connection), false, Stage::kAwaitHello);
  made.judge_ = std::move(judge);
  return made;
}

void Handshake::advance(Deadline now) {
  if (!is_over()) state_ = next_state(now);
}

HandshakeState Handshake::next_state(Deadline now) {
  for (;;) {
    Frame frame{};
    std::vector<FileDescriptor> fds;
    switch (receive_frame(connection_, &frame, &fds)) {
      case Received::kNothing:
        if (now < deadline_) return HandshakeState::kGoingOn;
        return end(HandshakeState::kRetry, Code::kTimeout, "the peer did not answer the handshake");
      case Received::kEndOfFile:
        return end(HandshakeState::kRetry, Code::kPeerDead, "the peer ended the handshake");
      case Received::kGarbage:
        return refuse(HandshakeState::kRefused, Code::kCorrupt, "a malformed handshake frame");
      case Received::kFrame:
        break;
    }
    const HandshakeState state = on_frame(frame, fds);
    if (state != HandshakeState::kGoingOn) return state;
  }
}

HandshakeState Handshake::on_frame(const Frame& frame, std::vector<FileDescriptor>& fds) {
  if (frame.kind == FrameKind::kRefuse) {
    return end(frame.may_retry ? HandshakeState::kRetry : HandshakeState::kRefused, frame_code(frame),
               frame_text(frame.text, sizeof(frame.text)));
  }
  if (stage_ == Stage::kAwaitHello && frame.kind == FrameKind::kHello) return on_hello(frame);
  if (stage_ == Stage::kAwaitWelcome && frame.kind == FrameKind::kWelcome) return on_welcome(frame);
  if (stage_ == Stage::kAwaitSegments && frame.kind == FrameKind::kSegments) return on_segments(frame, fds);
  return refuse(HandshakeState::kRefused, Code::kCorrupt, "a handshake frame out of order");
}

HandshakeState Handshake::on_hello(const Frame& frame) {
  const HelloVerdict verdict = judge_(frame);
  // Who cannot prove the nonce says nothing about the rank that he claims to be, and what is said to another epoch of this rank
  // (whose socket had this path) nothing about this one.
  const CommunicatorConfig& own = local_->config();
  const bool is_member = std::memcmp(frame.nonce, own.nonce.data(), kNonceBytes) == 0;
  const bool is_for_us = frame.to_rank == own.rank && frame.to_epoch == own.epoch;
  if (is_member && is_for_us && frame.from_rank < own.max_ranks && frame.from_rank != own.rank) {
    rank_ = frame.from_rank;
    epoch_ = frame.from_epoch;
  }
  if (verdict.state != HandshakeState::kGoingOn) return refuse(verdict.state, verdict.code, verdict.reason);
  accept(frame);
  return after_sending(send(FrameKind::kWelcome), Stage::kAwaitSegments);
}

HandshakeState Handshake::on_welcome(const Frame& frame) {
  const Status identity = check_identity(*local_, frame);
  if (!identity.ok()) return refuse(HandshakeState::kRefused, identity.code(), identity.message());
  if (frame.from_rank != rank_ || frame.from_epoch != epoch_) {
    return refuse(
        HandshakeState::kRefused, Code::kMismatch,
        "the listener is rank " + std::to_string(frame.from_rank) + " epoch " + std::to_string(frame.from_epoch));
  }
  accept(frame);
  // From here on the listener may link and write at any moment, so giving up would burn this epoch: only the peer's
  // link_timeout ends the wait.
  deadline_ = Deadline::max();
  return after_sending(send(FrameKind::kSegments), Stage::kAwaitSegments);
}

HandshakeState Handshake::on_segments(const Frame& frame, std::vector<FileDescriptor>& fds) {
  const Status adopted = adopt_peer_memory(hello_, fds, &memory_);
  if (!adopted.ok()) return refuse(HandshakeState::kRefused, adopted.code(), adopted.message());
  may_offer_ = own_proof_.nonce != 0 && frame.can_pull != 0;
  if (is_dialer_) return HandshakeState::kLinked;
  const Status sent = send(FrameKind::kSegments);
  return sent.ok() ? HandshakeState::kLinked : end(HandshakeState::kRetry, Code::kPeerDead, sent.message());
}

HandshakeState Handshake::after_sending(Status sent, Stage next) {
  if (!sent.ok()) return end(HandshakeState::kRetry, Code::kPeerDead, sent.message());
  stage_ = next;
  return HandshakeState::kGoingOn;
}

/// The other side is who it has to be.
void Handshake::accept(const Frame& frame) {
  hello_ = frame;
  if (local_->config().pull_mode == PullMode::kOff) return;
  reader_ = reader_of(process_of(connection_), {frame.proof_address, frame.proof_nonce});
}

PullTerms Handshake::pull_terms() const { return {reader_, may_offer_, own_proof_.nonce, 0}; }

Status Handshake::send(FrameKind kind) {
  Frame frame = frame_from(*local_, kind, rank_, epoch_);
  // The first frame of either side.
  if (kind != FrameKind::kSegments) own_proof_ = local_->begin_proof(rank_);
  frame.proof_address = own_proof_.address;
  frame.proof_nonce = own_proof_.nonce;
  frame.can_pull = reader_.pid != 0;
  if (kind != FrameKind::kSegments) return send_frame(connection_, frame);
  return send_frame(connection_, frame, {local_->ctrl().fd(), local_->app().fd(), local_->zc().fd()});
}

HandshakeState Handshake::end(HandshakeState state, Code code, std::string reason) {
  code_ = code;
  reason_ = std::move(reason);
  return state;
}

HandshakeState Handshake::refuse(HandshakeState state, Code code, std::string reason) {
  const Frame frame = frame_with_text(*local_, FrameKind::kRefuse, code, reason, state == HandshakeState::kRetry);
  // The peer may be gone already; then there is nobody to tell.
  (void)send_frame(connection_, frame);
  return end(state, code, std::move(reason));
}

}  // namespace switchyard::xccl
