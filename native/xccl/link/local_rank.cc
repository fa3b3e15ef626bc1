#include "xccl/link/local_rank.h"

#include <cstring>

#include "xccl/link/progress.h"
#include "xccl/wait/doorbell.h"

namespace switchyard::xccl {
namespace {

constexpr uint64_t kCtrlBytesMax = 1ull << 40;
constexpr size_t kSocketPathMax = 107;
constexpr size_t kNameMax = 63;
constexpr size_t kCompatibilityMax = 191;

Status invalid(const std::string& text) { return {Code::kInvalidArgument, text}; }

Status check_shape(const ExchangeShape& shape, uint32_t max_ranks) {
  if (shape == ExchangeShape{}) return {};
  if (shape.max_tokens == 0 || shape.row_bytes == 0 || shape.top_k == 0 || shape.max_local_experts == 0) {
    return invalid("exchange: all four sizes must be above 0, or all 0 for none");
  }
  if (shape.max_tokens > 1u << 16 || shape.row_bytes > 1u << 20 || shape.top_k > 256 ||
      shape.max_local_experts > 4096) {
    return invalid("exchange: at most 65536 tokens, 1 MiB a row, top_k 256, 4096 local experts");
  }
  const uint64_t num_bytes = CtrlLayout{shape, max_ranks}.total_bytes();
  if (num_bytes <= kCtrlBytesMax) return {};
  return invalid("exchange: slots of " + std::to_string(num_bytes) + " bytes for " + std::to_string(max_ranks) +
                 " ranks are over 1 TiB");
}

Status check_config(const CommunicatorConfig& config) {
  if (config.name.empty() || config.name.size() > kNameMax) return invalid("name: 1 to 63 bytes");
  if (config.max_ranks == 0 || config.max_ranks > kNumRanksMax) return invalid("max_ranks: 1 to 64");
  if (config.rank >= config.max_ranks) return invalid("rank: must be below max_ranks");
  if (config.epoch == 0) return invalid("epoch: must be above 0");
  if (config.socket_path.empty() || config.socket_path.size() > kSocketPathMax)
    return invalid("socket_path: 1 to 107 bytes");
  if (config.compatibility.size() > kCompatibilityMax) return invalid("compatibility: at most 191 bytes");
  if (config.liveness_timeout < std::chrono::milliseconds(10)) return invalid("liveness_timeout: at least 10 ms");
  if (config.app_bytes > kCtrlBytesMax || config.zc_bytes > kCtrlBytesMax)
    return invalid("app_bytes, zc_bytes: at most 1 TiB");
  return check_shape(config.exchange, config.max_ranks);
}

Status init_robust_mutex(pthread_mutex_t* mutex) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  const int error = pthread_mutex_init(mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
  return error == 0 ? Status() : Status(Code::kIo, std::string("pthread_mutex_init: ") + std::strerror(error));
}

}  // namespace

LocalRank::LocalRank(CommunicatorConfig config)
    : config_(std::move(config)), layout_{config_.exchange, config_.max_ranks} {}

Status LocalRank::create(CommunicatorConfig config, std::unique_ptr<LocalRank>* out) {
  SWITCHYARD_RETURN_IF_ERROR(check_config(config));
  std::unique_ptr<LocalRank> made(new LocalRank(std::move(config)));
  SWITCHYARD_RETURN_IF_ERROR(made->make_segments());
  SWITCHYARD_RETURN_IF_ERROR(made->init_ctrl());
  SWITCHYARD_RETURN_IF_ERROR(made->link_to_self());
  *out = std::move(made);
  return {};
}

Status LocalRank::make_segments() {
  SWITCHYARD_RETURN_IF_ERROR(
      Segment::create("switchyard-ctrl", layout_.total_bytes(), SegmentAccess::kPeersWrite, &ctrl_));
  SWITCHYARD_RETURN_IF_ERROR(Segment::create("switchyard-app", config_.app_bytes, SegmentAccess::kPeersRead, &app_));
  return Segment::create("switchyard-zc", config_.zc_bytes, SegmentAccess::kPeersWrite, &zc_);
}

Status LocalRank::init_ctrl() {
  CtrlHeader& header = fixed().header;
  header.magic = kCtrlMagic;
  header.layout_version = kLayoutVersion;
  header.rank = config_.rank;
  header.epoch = config_.epoch;
  header.ctrl_bytes = layout_.total_bytes();
  header.app_bytes = config_.app_bytes;
  header.zc_bytes = config_.zc_bytes;
  header.max_ranks = config_.max_ranks;
  header.max_tokens = config_.exchange.max_tokens;
  header.row_bytes = config_.exchange.row_bytes;
  header.top_k = config_.exchange.top_k;
  header.max_local_experts = config_.exchange.max_local_experts;
  for (uint32_t rank = 0; rank < config_.max_ranks; ++rank)
    SWITCHYARD_RETURN_IF_ERROR(init_robust_mutex(&fixed().alive[rank].mutex));
  return {};
}

Status LocalRank::link_to_self() {
  SWITCHYARD_RETURN_IF_ERROR(fabric_create("self", {ctrl_.span(), app_.span(), zc_.span()}, &self_fabric_));
  peers_.publish(config_.rank, {self_fabric_.get(), config_.epoch, config_.app_bytes, layout_.has_exchange()});
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
}

}  // namespace switchyard::xccl
