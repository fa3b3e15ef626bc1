#include "xccl/broker/peer_book.h"

#include <utility>

namespace switchyard::xccl {
namespace {

std::string name_of(uint32_t rank, uint64_t epoch) {
  return "rank " + std::to_string(rank) + " (epoch " + std::to_string(epoch) + ")";
}

bool may_move(PeerState from, PeerState to) {
  if (from == PeerState::kExpected) return to != PeerState::kExpected;
  return from == PeerState::kLinked && to == PeerState::kDead;
}

}  // namespace

PeerBook::PeerBook(uint32_t own_rank, uint32_t max_ranks) : own_rank_(own_rank), max_ranks_(max_ranks) {}

Status PeerBook::check_rank(uint32_t rank) const {
  if (rank < max_ranks_ && rank != own_rank_) return {};
  return {Code::kInvalidArgument,
          "rank " + std::to_string(rank) + ": must be below max_ranks and another than this rank"};
}

Status PeerBook::expect(const PeerSpec& spec) {
  SWITCHYARD_RETURN_IF_ERROR(check_rank(spec.rank));
  if (spec.epoch == 0) return {Code::kInvalidArgument, "epoch: must be above 0"};
  if (spec.socket_path.empty() || spec.socket_path.size() > 107)
    return {Code::kInvalidArgument, "socket_path: 1 to 107 bytes"};
  std::lock_guard lock(mutex_);
  if (is_closed_) return {Code::kClosed, "the communicator is closed"};
  std::optional<PeerRecord>& record = records_[spec.rank];
  if (record && spec.epoch == record->spec.epoch) return {};
  if (record && spec.epoch < record->spec.epoch) {
    return {Code::kStale, "epoch " + std::to_string(spec.epoch) + " is older than the known " +
                              name_of(spec.rank, record->spec.epoch)};
  }
  record = PeerRecord{
      spec, {spec.rank, spec.epoch, PeerState::kExpected, Code::kOk, ""}, deadline_in(spec.link_timeout), ""};
  changed_.notify_all();
  return {};
}

Status PeerBook::forget(uint32_t rank) {
  SWITCHYARD_RETURN_IF_ERROR(check_rank(rank));
  std::lock_guard lock(mutex_);
  records_[rank].reset();
  changed_.notify_all();
  return {};
}

std::optional<PeerRecord> PeerBook::find(uint32_t rank) const {
  std::lock_guard lock(mutex_);
  return records_[rank];
}

std::vector<PeerInfo> PeerBook::list() const {
  std::lock_guard lock(mutex_);
  std::vector<PeerInfo> all;
  for (const std::optional<PeerRecord>& record : records_) {
    if (record) all.push_back(record->info);
  }
  return all;
}

std::optional<PeerInfo> PeerBook::settle(uint32_t rank, uint64_t epoch, PeerState state, Code code,
                                         std::string reason) {
  std::lock_guard lock(mutex_);
  std::optional<PeerRecord>& record = records_[rank];
  if (!record || record->spec.epoch != epoch || !may_move(record->info.state, state)) return std::nullopt;
  record->info.state = state;
  record->info.code = code;
  record->info.reason = std::move(reason);
  changed_.notify_all();
  return record->info;
}

void PeerBook::note_refusal(uint32_t rank, std::string text) {
  std::lock_guard lock(mutex_);
  if (records_[rank]) records_[rank]->last_refusal = std::move(text);
}

bool PeerBook::is_settled(uint32_t rank, uint64_t epoch) const {
  const std::optional<PeerRecord>& record = records_[rank];
  return is_closed_ || !record || record->spec.epoch != epoch || record->info.state != PeerState::kExpected;
}

Status PeerBook::status_of(uint32_t rank, uint64_t epoch) const {
  const std::optional<PeerRecord>& record = records_[rank];
  if (is_closed_) return {Code::kClosed, "the communicator is closed"};
  if (!record) return {Code::kInvalidArgument, "rank " + std::to_string(rank) + " is not expected"};
  if (record->spec.epoch != epoch)
    return {Code::kStale, name_of(rank, epoch) + " is not the expected epoch " + std::to_string(record->spec.epoch)};
  const PeerInfo& info = record->info;
  const std::string text = name_of(rank, epoch) + ": " + info.reason;
  if (info.state == PeerState::kDead) return {Code::kPeerDead, text};
  if (info.state == PeerState::kRefused) return {info.code, text};
  if (info.state == PeerState::kLinked) return {};
  const std::string why = record->last_refusal.empty() ? "" : " (last refusal: " + record->last_refusal + ")";
  return {Code::kTimeout, name_of(rank, epoch) + " is not linked yet" + why};
}

Status PeerBook::wait_linked(uint32_t rank, uint64_t epoch, Deadline deadline) {
  SWITCHYARD_RETURN_IF_ERROR(check_rank(rank));
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [&] { return is_settled(rank, epoch); });
  return status_of(rank, epoch);
}

Status PeerBook::explain_unlinked(uint32_t rank) const {
  SWITCHYARD_RETURN_IF_ERROR(check_rank(rank));
  std::lock_guard lock(mutex_);
  if (is_closed_) return {Code::kClosed, "the communicator is closed"};
  const std::optional<PeerRecord>& record = records_[rank];
  if (!record) return {Code::kInvalidArgument, "rank " + std::to_string(rank) + " is not expected"};
  const std::string reason = record->info.reason.empty() ? "not linked" : record->info.reason;
  return {Code::kPeerDead, name_of(rank, record->spec.epoch) + ": " + reason};
}

void PeerBook::close() {
  std::lock_guard lock(mutex_);
  is_closed_ = true;
  changed_.notify_all();
}

}  // namespace switchyard::xccl
