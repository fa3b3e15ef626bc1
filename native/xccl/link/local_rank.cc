#include "xccl/link/local_rank.h"

#include <unistd.h>

#include <algorithm>
#include <string>

#include "xccl/layout/shapes.h"
#include "xccl/link/progress.h"
#include "xccl/wait/doorbell.h"

namespace switchyard::xccl {
namespace {

constexpr size_t kSocketPathMax = 107;
constexpr size_t kNameMax = 63;
constexpr size_t kCompatibilityMax = 191;

Status invalid(const std::string& text) { return {Code::kInvalidArgument, text}; }

Status check_config(const CommunicatorConfig& config) {
  if (config.name.empty() || config.name.size() > kNameMax) return invalid("name: 1 to 63 bytes");
  if (config.max_ranks == 0 || config.max_ranks > kNumRanksMax) return invalid("max_ranks: 1 to 64");
  if (config.rank >= config.max_ranks) return invalid("rank: must be below max_ranks");
  if (config.epoch == 0) return invalid("epoch: must be above 0");
  if (config.socket_path.empty() || config.socket_path.size() > kSocketPathMax)
    return invalid("socket_path: 1 to 107 bytes");
  if (config.compatibility.size() > kCompatibilityMax) return invalid("compatibility: at most 191 bytes");
  if (config.liveness_timeout < std::chrono::milliseconds(10)) return invalid("liveness_timeout: at least 10 ms");
  if (config.app_bytes > kSegmentBytesMax || config.zc_bytes > kSegmentBytesMax)
    return invalid("app_bytes, zc_bytes: at most 1 TiB");
  if (config.num_copy_threads == 0 || config.num_copy_threads > 64) return invalid("num_copy_threads: 1 to 64");
  return check_shapes({config.exchange, config.ring, config.group}, config.max_ranks);
}

}  // namespace

LocalRank::LocalRank(CommunicatorConfig config)
    : config_(std::move(config)),
      layout_{{config_.exchange, config_.ring, config_.group}, config_.max_ranks},
      proofs_(config_.max_ranks),
      workers_(std::make_shared<PinnedWorkers>(config_.pin_cores)) {}

Status LocalRank::create(CommunicatorConfig config, std::unique_ptr<LocalRank>* out) {
  SWITCHYARD_RETURN_IF_ERROR(check_config(config));
  std::unique_ptr<LocalRank> made(new LocalRank(std::move(config)));
  SWITCHYARD_RETURN_IF_ERROR(made->make_segments());
  made->init_ctrl();
  SWITCHYARD_RETURN_IF_ERROR(made->link_to_self());
  made->recorder().switch_to(made->config().telemetry);
  *out = std::move(made);
  return {};
}

Status LocalRank::make_segments() {
  const PageChoice pages = config_.huge_pages == HugePages::kAuto ? PageChoice::kHugeIfAny : PageChoice::kSmall;
  const auto make = [pages](const char* label, uint64_t num_bytes, SegmentAccess access, Segment* out) {
    return Segment::create(label, num_bytes, access, out, pages);
  };
  SWITCHYARD_RETURN_IF_ERROR(make("switchyard-ctrl", layout_.total_bytes(), SegmentAccess::kPeersWrite, &ctrl_));
  SWITCHYARD_RETURN_IF_ERROR(make("switchyard-app", config_.app_bytes, SegmentAccess::kPeersRead, &app_));
  return make("switchyard-zc", config_.zc_bytes, SegmentAccess::kPeersWrite, &zc_);
}

void LocalRank::init_ctrl() {
  CtrlHeader& header = fixed().header;
  header.magic = kCtrlMagic;
  header.layout_version = kLayoutVersion;
  header.rank = config_.rank;
  header.epoch = config_.epoch;
  header.ctrl_bytes = layout_.total_bytes();
  header.app_bytes = config_.app_bytes;
  header.zc_bytes = config_.zc_bytes;
  header.max_ranks = config_.max_ranks;
  header.shapes = layout_.shapes;
  fixed().progress.cores.store(cores_of(config_.pin_cores), std::memory_order_relaxed);
  set_crowded(xccl::is_crowded(cores(), {}, config_.num_local_ranks));
  // Every sleep ends with progress(), which a busy rank owes its peers within the timeout.
  const auto idle_sleep = std::clamp<std::chrono::nanoseconds>(config_.liveness_timeout / 2, kSleepMax, kIdleSleepMax);
  for (uint32_t i = 0; i < kNumBells; ++i) {
    waiters_[i].bind(fixed().bells[i], config_.wait_policy, is_crowded_);
    waiters_[i].set_idle_sleep(idle_sleep);
  }
}

Status LocalRank::link_to_self() {
  SWITCHYARD_RETURN_IF_ERROR(fabric_create("self", {ctrl_.span(), app_.span(), zc_.span()}, &self_fabric_));
  const ProofHello own = begin_proof(config_.rank);
  MemoryReader reader = reader_of(getpid(), own);
  if (reader.pid != 0) reader.words = &offer_words(config_.rank);
  const PullTerms pull{reader, reader.pid != 0, own.nonce, cores()};
  peers_.publish(config_.rank, {self_fabric_.get(), config_.epoch, config_.app_bytes, layout_, pull});
  return {};
}

void LocalRank::progress() {
  progress_update(fixed().progress.word, [](ProgressWord word) { return word.next(word.is_busy(), 0); });
}

void LocalRank::set_busy(bool busy) {
  progress_update(fixed().progress.word, [busy](ProgressWord word) { return word.next(busy, 0); });
}

void LocalRank::allow(std::chrono::milliseconds span) {
  const uint64_t allowance_ms = span.count() > 0 ? static_cast<uint64_t>(span.count()) : 0;
  progress_update(fixed().progress.word, [=](ProgressWord word) { return word.next(word.is_busy(), allowance_ms); });
}

void LocalRank::begin_closing() {
  is_closing_.store(true, std::memory_order_seq_cst);
  peers_.retract(config_.rank);
  wake_all();
}

void LocalRank::wake_all() {
  for (Doorbell& bell : fixed().bells) doorbell_force(bell);
}

void LocalRank::reset_pair(uint32_t rank) {
  PairFields& fields = fixed().pairs[rank];
  for (uint32_t m = 0; m < kNumMicroBatches; ++m) {
    fields.a2e[m].seq.store(0, std::memory_order_release);
    fields.e2a[m].seq.store(0, std::memory_order_release);
  }
  if (layout_.has_rings()) reset_ring(rank);
  if (layout_.has_groups()) reset_groups(rank);
}

void LocalRank::reset_ring(uint32_t rank) {
  std::byte* ring = ctrl_.data() + layout_.ring(rank);
  auto* ack = reinterpret_cast<RingAck*>(ring);
  ack->taken_time.store(0, std::memory_order_relaxed);
  ack->seq.store(0, std::memory_order_release);
  for (uint32_t slot = 0; slot < layout_.shapes.ring.num_slots; ++slot)
    reinterpret_cast<RingField*>(ring + RingLayout::field(slot))->seq.store(0, std::memory_order_release);
}

RingBacklog LocalRank::ring_backlog(uint32_t rank) {
  RingBacklog backlog;
  if (!layout_.has_rings()) return backlog;
  backlog.num_taken = peers_.entry(rank).num_ring_taken.load(std::memory_order_relaxed);
  const std::byte* ring = ctrl_.data() + layout_.ring(rank);
  for (uint32_t slot = 0; slot < layout_.shapes.ring.num_slots; ++slot) {
    const auto* field = reinterpret_cast<const RingField*>(ring + RingLayout::field(slot));
    backlog.num_unread += field->seq.load(std::memory_order_relaxed) > backlog.num_taken;
  }
  return backlog;
}

void LocalRank::reset_groups(uint32_t rank) {
  for (uint32_t id = 0; id < layout_.shapes.group.num_groups; ++id) {
    std::byte* at = ctrl_.data() + layout_.group(id) + GroupLayout::fields(rank);
    auto& fields = *reinterpret_cast<GroupFields*>(at);
    fields.control.word.store(0, std::memory_order_release);
    for (GroupField& field : fields.halves) field.seq.store(0, std::memory_order_release);
  }
}

}  // namespace switchyard::xccl
