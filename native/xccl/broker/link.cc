#include "xccl/broker/link.h"

#include <sys/socket.h>

#include <utility>

#include "xccl/transport/providers.h"

namespace switchyard::xccl {
namespace {

constexpr int kNumFramesAtOnce = 64;

}  // namespace

Link::Link(LocalRank& local, Handshake& handshake, std::function<void()> on_verdict, Deadline now)
    : local_(local),
      rank_(handshake.rank()),
      epoch_(handshake.epoch()),
      connection_(handshake.take_connection()),
      memory_(handshake.take_memory()),
      fabric_(shm_fabric_create({memory_.ctrl.span(), memory_.app.span(), memory_.zc.span()})),
      monitor_(local.config().liveness_timeout, now) {
  AliveLine& alive = memory_.fixed().alive[local.config().rank];
  const CtrlLayout layout{handshake.hello().shapes, handshake.hello().max_ranks};
  watcher_ = std::make_unique<DeathWatcher>(alive.word, std::move(on_verdict));
  PullTerms pull = handshake.pull_terms();
  pull.cores = cores();
  if (layout.has_rings()) {
    pull.reader.alive = &alive;
    pull.reader.words = OfferWords::of(memory_.ctrl.data(), layout, local.config().rank);
  } else {
    pull.reader = {};
  }
  local_.peers().publish(rank_, {fabric_.get(), epoch_, memory_.app.size(), layout, pull});
  serial_ = local_.peers().entry(rank_).live_serial.load();
  local_.wake_all();
}

Link::~Link() { unmap(); }

LinkEnd Link::on_readable(ProbeDesk& desk) {
  // A peer that talks without end must not keep the broker here.
  for (int i = 0; i < kNumFramesAtOnce; ++i) {
    Frame frame{};
    std::vector<FileDescriptor> fds;
    switch (receive_frame(connection_, &frame, &fds)) {
      case Received::kNothing:
        return {};
      case Received::kEndOfFile:
        is_end_of_file_ = true;
        return LinkEnd::dead("its connection ended");
      case Received::kGarbage:
        return LinkEnd::peer_corrupt("rank " + std::to_string(rank_) + " sent a malformed frame");
      case Received::kFrame:
        break;
    }
    LinkEnd end = on_frame(frame, desk);
    if (end.is_over()) return end;
  }
  return {};
}

LinkEnd Link::on_frame(const Frame& frame, ProbeDesk& desk) {
  switch (frame.kind) {
    case FrameKind::kPing:
      answer_ping(frame.ping_id);
      return {};
    case FrameKind::kPong:
      desk.answer(rank_, frame.ping_id, {frame.num_taken, frame.num_unread, {frame.progress}});
      return {};
    case FrameKind::kFarewell:
      return farewell_of(frame);
    default:
      return LinkEnd::peer_corrupt("rank " + std::to_string(rank_) + " sent a frame out of turn");
  }
}

Status Link::send_ping(uint64_t ping_id) {
  return send_frame(connection_, frame_with_ping(local_, FrameKind::kPing, ping_id));
}

void Link::answer_ping(uint64_t ping_id) {
  const RingBacklog backlog = local_.ring_backlog(rank_);
  Frame pong = frame_with_ping(local_, FrameKind::kPong, ping_id);
  pong.num_taken = backlog.num_taken;
  pong.num_unread = backlog.num_unread;
  pong.progress = local_.progress_word().bits;
  // Fails when the peer is gone, or does not read: it then gets no answer.
  (void)send_frame(connection_, pong);
}

/// Corrupt in a farewell means this rank's own memory or words, Timeout that this rank stood still.
LinkEnd Link::farewell_of(const Frame& frame) {
  const std::string reason = "it left: " + frame_text(frame.text, sizeof(frame.text));
  switch (frame_code(frame)) {
    case Code::kCorrupt:
      return LinkEnd::own_corrupt(reason);
    case Code::kTimeout:
      return LinkEnd::own_hung(reason);
    default:
      return LinkEnd::dead(reason);
  }
}

LinkEnd Link::check_liveness(Deadline now, bool has_overslept) {
  switch (watcher_->verdict()) {
    case DeathWatcher::Verdict::kOwnerDied:
      return LinkEnd::dead("its process ended");
    case DeathWatcher::Verdict::kOwnerLetGo:
      return LinkEnd::dead("it closed");
    case DeathWatcher::Verdict::kBroken:
      return LinkEnd::peer_corrupt("the alive word of rank " + std::to_string(rank_) + " is damaged");
    default:
      break;
  }
  if (has_overslept) monitor_.forgive(now);
  const ProgressWord word{memory_.fixed().progress.word.load(std::memory_order_acquire)};
  const bool is_awaited = local_.peers().entry(rank_).num_awaited() > 0;
  must_progress_ = word.is_busy() || is_awaited;
  if (!monitor_.is_hung(word, is_awaited, now)) return {};
  return LinkEnd::peer_hung("rank " + std::to_string(rank_) + " stands still (no progress for " +
                            std::to_string(local_.config().liveness_timeout.count()) + " ms)");
}

void Link::end(const LinkEnd& why) {
  local_.peers().retract(rank_);
  local_.wake_all();
  watcher_->request_stop();
  // Fails when the peer is gone: then nobody needs to know.
  (void)send_frame(connection_, frame_with_text(local_, FrameKind::kFarewell, why.told_code, why.reason, false));
  phase_ = LinkPhase::kDraining;
}

void Link::advance() {
  if (phase_ == LinkPhase::kDraining && !watcher_->is_done()) watcher_->request_stop();
  if (phase_ == LinkPhase::kDraining && local_.peers().is_unused(rank_) && watcher_->is_done()) {
    unmap();
    shutdown(connection_.get(), SHUT_WR);
    phase_ = LinkPhase::kQuiet;
  }
  if (phase_ == LinkPhase::kQuiet && is_end_of_file_) phase_ = LinkPhase::kOver;
}

void Link::unmap() {
  watcher_.reset();
  fabric_.reset();
  memory_ = PeerMemory{};
}

}  // namespace switchyard::xccl
