#include "xccl/broker/prober.h"

#include <algorithm>
#include <thread>

namespace switchyard::xccl {
namespace {

using std::chrono::milliseconds;

/// A peer that takes nothing for this long, though something lies there, is saturated.
constexpr milliseconds kWatchMax{50};
constexpr milliseconds kLookEvery{2};

}  // namespace

Status Prober::run(Deadline deadline, ProbeReport* report) {
  *report = ProbeReport{};
  if (rank_ >= local_.config().max_ranks || (rank_ != local_.config().rank && !book_.find(rank_)))
    return {Code::kInvalidArgument, "probe: rank " + std::to_string(rank_) + " is not expected"};
  Sample first;
  Sample last;
  bool has_taken = false;
  Status status = take_sample(deadline, &first);
  if (status.ok()) status = watch(first, deadline, &last, &has_taken);
  if (status.code() == Code::kClosed) return status;
  report->round_trip = first.pong.round_trip;
  if (!status.ok()) {
    report->code = status.code();
    report->reason = status.message();
    return {};
  }
  report->num_unread = last.num_unread();
  report->is_busy = last.pong.word.is_busy();
  report->has_progressed = last.pong.word.bits != first.pong.word.bits;
  report->state = has_taken || last.num_unread() == 0 ? ProbeState::kHealthy : ProbeState::kSaturated;
  if (report->state == ProbeState::kSaturated)
    report->reason = "rank " + std::to_string(rank_) + " answers, but takes none of the " +
                     std::to_string(report->num_unread) + " messages that lie there";
  return {};
}

/// Until something was taken, or nothing lies unread (at once where that is so from the start), or it has watched long enough.
Status Prober::watch(const Sample& first, Deadline deadline, Sample* last, bool* has_taken) {
  const Deadline end = std::min(deadline, deadline_in(kWatchMax));
  *last = first;
  while (last->num_unread() > 0 && !*has_taken && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(kLookEvery);
    SWITCHYARD_RETURN_IF_ERROR(take_sample(deadline, last));
    *has_taken = last->has_taken_since(first);
  }
  return {};
}

Status Prober::take_sample(Deadline deadline, Sample* out) {
  if (rank_ != local_.config().rank) {
    SWITCHYARD_RETURN_IF_ERROR(broker_.ping(rank_, deadline, &out->pong));
  } else {
    const RingBacklog backlog = local_.ring_backlog(rank_);
    out->pong = {backlog.num_taken, backlog.num_unread, local_.progress_word()};
  }
  // What the peer says is checked like all else: a ring has no more than its slots.
  out->pong.num_unread = std::min(out->pong.num_unread, local_.layout().shapes.ring.num_slots);
  out->num_awaited = local_.peers().entry(rank_).num_awaited();
  return {};
}

}  // namespace switchyard::xccl
