// Communicator: joins this rank's memory, the book of peers, the broker and the two halves of the exchange behind api.h.
#include <algorithm>
#include <mutex>

#include "xccl/api.h"
#include "xccl/broker/prober.h"
#include "xccl/coll/attention.h"
#include "xccl/coll/exchange_plan.h"
#include "xccl/coll/expert.h"
#include "xccl/group/group_impl.h"
#include "xccl/link/event_text.h"
#include "xccl/link/op_timer.h"
#include "xccl/p2p/messenger_impl.h"
#include "xccl/telemetry/scope.h"

namespace switchyard::xccl {
namespace {

/// get() looks at deadline and death between pieces of this size.
constexpr uint64_t kGetPieceBytes = 1 << 20;

class CommunicatorImpl final : public Communicator, public std::enable_shared_from_this<CommunicatorImpl> {
 public:
  explicit CommunicatorImpl(std::unique_ptr<LocalRank> local);
  ~CommunicatorImpl() override { close(); }

  Status start() { return broker_.start(); }
  void close() override;
  const CommunicatorConfig& config() const override { return local_->config(); }

  Status expect_peer(const PeerSpec& peer) override;
  Status forget_peer(uint32_t rank) override;
  Status wait_linked(uint32_t rank, uint64_t epoch, Deadline deadline) override {
    return book_.wait_linked(rank, epoch, deadline);
  }
  std::vector<PeerInfo> peers() const override { return book_.list(); }
  uint64_t linked_epoch(uint32_t rank) const override;

  Status probe(uint32_t rank, Deadline deadline, ProbeReport* report) override {
    return Prober(*local_, book_, broker_, rank).run(deadline, report);
  }

  std::span<std::byte> app() override { return local_->app().span(); }
  std::span<std::byte> zc() override { return local_->zc().span(); }
  Status get(uint32_t rank, uint64_t epoch, uint64_t offset, std::span<std::byte> dst, Deadline deadline,
             OpTiming* timing) override;

  void progress() override { local_->progress(); }
  void set_busy(bool busy) override { local_->set_busy(busy); }
  void allow(std::chrono::milliseconds span) override { local_->allow(span); }

  Status pin_worker(uint32_t worker_idx) const override { return local_->workers().pin(worker_idx); }
  Status open_group(const GroupSpec& spec, std::shared_ptr<Group>* out) override;
  void switch_telemetry(bool on) override { local_->recorder().switch_to(on); }
  TelemetryReport telemetry() const override { return local_->recorder().report(); }
  uint64_t num_calls() const override { return local_->recorder().num_calls(); }
  CallRecords calls(CallRange range) const override { return local_->recorder().calls(range); }
  uint64_t num_core_moves() const override { return local_->workers().num_moves(); }

  AttentionEndpoint* attention() override { return local_->layout().has_exchange() ? &attention_ : nullptr; }
  ExpertEndpoint* expert() override { return local_->layout().has_exchange() ? &expert_ : nullptr; }
  Messenger* messenger() override { return local_->layout().has_rings() ? &messenger_ : nullptr; }

 private:
  Status explain_unlinked(uint32_t rank) const;
  Status copy_app(uint32_t rank, uint64_t epoch, uint64_t offset, std::span<std::byte> dst, Deadline deadline);
  Status get_piece(const LinkRef& link, uint32_t rank, uint64_t offset, std::span<std::byte> dst, Deadline deadline);

  // The order matters: the endpoints hold refs, the broker unmaps what nobody holds, the local rank's memory goes last.
  std::unique_ptr<LocalRank> local_;
  PeerBook book_;
  Broker broker_;
  Attention attention_;
  Expert expert_;
  GroupGenerations group_generations_;
  MessengerImpl messenger_;
  std::mutex close_mutex_;
};

CommunicatorImpl::CommunicatorImpl(std::unique_ptr<LocalRank> local)
    : local_(std::move(local)),
      book_(local_->config().rank, local_->config().max_ranks),
      broker_(*local_, book_),
      attention_(*local_),
      expert_(*local_),
      messenger_(*local_) {
  local_->explain_unlinked = [this](uint32_t rank) { return explain_unlinked(rank); };
  local_->report_corrupt = [this](uint32_t rank, uint64_t serial, std::string reason) {
    broker_.report_corrupt(rank, serial, std::move(reason));
  };
}

void CommunicatorImpl::close() {
  const std::lock_guard lock(close_mutex_);
  local_->begin_closing();
  book_.close();
  messenger_.close();
  broker_.stop();
}

Status CommunicatorImpl::expect_peer(const PeerSpec& peer) {
  SWITCHYARD_RETURN_IF_ERROR(book_.expect(peer));
  broker_.wake();
  return {};
}

Status CommunicatorImpl::forget_peer(uint32_t rank) {
  SWITCHYARD_RETURN_IF_ERROR(book_.forget(rank));
  broker_.wake();
  return {};
}

uint64_t CommunicatorImpl::linked_epoch(uint32_t rank) const {
  if (rank >= config().max_ranks) return 0;
  const LinkRef link = local_->peers().acquire(rank);
  return link ? link.target().epoch : 0;
}

Status CommunicatorImpl::explain_unlinked(uint32_t rank) const {
  if (local_->is_closing()) return {Code::kClosed, "the communicator is closed"};
  return book_.explain_unlinked(rank);
}

Status CommunicatorImpl::get(uint32_t rank, uint64_t epoch, uint64_t offset, std::span<std::byte> dst,
                             Deadline deadline, OpTiming* timing) {
  const OpTimer op_timer(timing);
  return count_call(local_->recorder(), {Primitive::kGet, rank}, [=, this](CallScope* scope) {
    if (scope) scope->set_bytes(dst.size());
    const PartTimer timer(scope, CallPart::kCopy);
    return copy_app(rank, epoch, offset, dst, deadline);
  });
}

Status CommunicatorImpl::copy_app(uint32_t rank, uint64_t epoch, uint64_t offset, std::span<std::byte> dst,
                                  Deadline deadline) {
  if (rank >= config().max_ranks) return {Code::kInvalidArgument, rank_text(rank) + " is not below max_ranks"};
  const LinkRef link = local_->peers().acquire(rank);
  if (!link) return explain_unlinked(rank);
  const LinkTarget& target = link.target();
  if (target.epoch != epoch) {
    return {Code::kStale,
            rank_text(rank) + " lives in epoch " + std::to_string(target.epoch) + ", not " + std::to_string(epoch)};
  }
  if (dst.size() > target.app_bytes || offset > target.app_bytes - dst.size()) {
    return {Code::kInvalidArgument, "get of [" + std::to_string(offset) + ", +" + std::to_string(dst.size()) +
                                        ") from " + rank_text(rank) + ", whose app area has " +
                                        std::to_string(target.app_bytes) + " bytes"};
  }
  for (uint64_t done = 0; done < dst.size(); done += kGetPieceBytes) {
    const uint64_t num_bytes = std::min<uint64_t>(kGetPieceBytes, dst.size() - done);
    SWITCHYARD_RETURN_IF_ERROR(get_piece(link, rank, offset + done, dst.subspan(done, num_bytes), deadline));
  }
  return link.is_live() ? Status() : explain_unlinked(rank);
}

Status CommunicatorImpl::get_piece(const LinkRef& link, uint32_t rank, uint64_t offset, std::span<std::byte> dst,
                                   Deadline deadline) {
  if (!link.is_live()) return explain_unlinked(rank);
  if (std::chrono::steady_clock::now() >= deadline)
    return {Code::kTimeout, "get from " + rank_text(rank) + ": the deadline passed"};
  local_->progress();
  return link.fabric().get(Area::kApp, offset, dst);
}

Status CommunicatorImpl::open_group(const GroupSpec& spec, std::shared_ptr<Group>* out) {
  std::unique_ptr<Rounds> rounds;
  SWITCHYARD_RETURN_IF_ERROR(Rounds::open(*local_, group_generations_, spec, &rounds));
  *out = std::make_shared<GroupImpl>(shared_from_this(), std::move(rounds));
  return {};
}

}  // namespace

Status Communicator::create(CommunicatorConfig config, std::shared_ptr<Communicator>* out) {
  SWITCHYARD_RETURN_IF_ERROR(check_exchange_plan(config.exchange_plan, config.exchange, config.max_ranks));
  std::unique_ptr<LocalRank> local;
  SWITCHYARD_RETURN_IF_ERROR(LocalRank::create(std::move(config), &local));
  auto made = std::make_shared<CommunicatorImpl>(std::move(local));
  SWITCHYARD_RETURN_IF_ERROR(made->start());
  *out = std::move(made);
  return {};
}

}  // namespace switchyard::xccl
