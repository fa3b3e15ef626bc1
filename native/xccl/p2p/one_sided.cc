#include "xccl/p2p/one_sided.h"

#include <string>

#include "xccl/wait/wait_on.h"

namespace switchyard::xccl {
namespace {

Status invalid(const std::string& text) { return {Code::kInvalidArgument, text}; }

std::string range_text(uint64_t offset, uint64_t num_bytes) {
  return std::to_string(num_bytes).append(" bytes at ").append(std::to_string(offset));
}

}  // namespace

LinkRef OneSided::acquire(uint32_t rank, SoleUser user) {
  return rank < local_.config().max_ranks ? local_.peers().acquire(rank, user) : LinkRef();
}

/// Why acquire() gave nothing.
Status OneSided::explain(uint32_t rank) const {
  if (rank >= local_.config().max_ranks) return invalid("rank " + std::to_string(rank) + " is not below max_ranks");
  return local_.explain_unlinked(rank);
}

// ---- Regions ----

Status OneSided::register_region(RegionArea area, uint64_t offset, uint64_t num_bytes, Region* out) const {
  const Region region{local_.config().epoch, offset, num_bytes, local_.config().rank, area};
  SWITCHYARD_RETURN_IF_ERROR(check_own(region));
  *out = region;
  return {};
}

Status OneSided::check_own(const Region& region) const {
  const CommunicatorConfig& config = local_.config();
  if (region.rank != config.rank) return invalid("the region lies in rank " + std::to_string(region.rank));
  if (region.epoch != config.epoch) {
    return {Code::kStale, "the region is of epoch " + std::to_string(region.epoch) + ", this is epoch " +
                              std::to_string(config.epoch)};
  }
  if (region.area != RegionArea::kApp && region.area != RegionArea::kZc) return invalid("unknown area of a region");
  const uint64_t area_bytes = region.area == RegionArea::kApp ? config.app_bytes : config.zc_bytes;
  if (region.num_bytes <= area_bytes && region.offset <= area_bytes - region.num_bytes) return {};
  return invalid("a region of " + range_text(region.offset, region.num_bytes) + " in an area of " +
                 std::to_string(area_bytes));
}

// ---- put ----

Status OneSided::put(uint32_t dest, uint64_t zc_offset, std::span<const std::byte> payload) {
  const LinkRef link = acquire(dest, SoleUser::kSender);
  if (!link) return explain(dest);
  return link.fabric().put(Area::kZc, zc_offset, payload);
}

Status OneSided::put_with_signal(uint32_t dest, uint64_t zc_offset, std::span<const std::byte> payload,
                                 uint64_t signal_offset, uint64_t value) {
  if (signal_offset % sizeof(uint64_t) != 0) return invalid("a signal's offset must be a multiple of 8");
  const LinkRef link = acquire(dest, SoleUser::kSender);
  if (!link) return explain(dest);
  const Signal signal{signal_offset, value, CtrlLayout::bell(bell_of(Bell::kSignal)), Area::kZc};
  return link.fabric().put_with_signal(zc_offset, payload, signal);
}

Status OneSided::wait_signal(uint32_t src, uint64_t signal_offset, uint64_t value, Deadline deadline) {
  const std::atomic<uint64_t>* word = signal_word(signal_offset);
  if (!word) {
    return invalid(range_text(signal_offset, sizeof(uint64_t)) + " are no aligned word of the zero-copy area's " +
                   std::to_string(local_.config().zc_bytes));
  }
  const LinkRef link = acquire(src, SoleUser::kReceiver);
  if (!link) return explain(src);
  const auto is_there = [&] { return word->load(std::memory_order_seq_cst) >= value; };
  const auto check = [&]() -> uint32_t { return is_there() || !link.is_live() ? 0 : 1; };
  if (!wait_on(local_.waiter(bell_of(Bell::kSignal)), deadline, check, [&] { local_.progress(); })) {
    return {Code::kTimeout, "rank " + std::to_string(src) + ": the signal at " + std::to_string(signal_offset) +
                                " is " + std::to_string(word->load(std::memory_order_relaxed)) + ", not " +
                                std::to_string(value) + ", at the deadline"};
  }
  return is_there() ? Status() : local_.explain_unlinked(src);
}

std::atomic<uint64_t>* OneSided::signal_word(uint64_t offset) const {
  const uint64_t zc_bytes = local_.config().zc_bytes;
  const bool is_inside = zc_bytes >= sizeof(uint64_t) && offset <= zc_bytes - sizeof(uint64_t);
  if (!is_inside || offset % sizeof(uint64_t) != 0) return nullptr;
  return reinterpret_cast<std::atomic<uint64_t>*>(local_.zc().data() + offset);
}

// ---- get ----

Status OneSided::get(const Region& region, std::span<std::byte> dst, Deadline deadline) {
  if (dst.size() > region.num_bytes) {
    return invalid("get of " + std::to_string(dst.size()) + " bytes from a region of " +
                   std::to_string(region.num_bytes));
  }
  const bool is_rank = region.rank < local_.config().max_ranks;
  const LinkRef link = is_rank ? local_.peers().acquire(region.rank) : LinkRef();
  if (!link) return explain(region.rank);
  if (link.target().epoch != region.epoch) {
    return {Code::kStale, "rank " + std::to_string(region.rank) + " lives in epoch " +
                              std::to_string(link.target().epoch) + ", the region is of " +
                              std::to_string(region.epoch)};
  }
  const Area area = region.area == RegionArea::kApp ? Area::kApp : Area::kZc;
  const Status status = puller_.pull(link, area, region.offset, dst, deadline);
  if (status.code() == Code::kPeerDead) return local_.explain_unlinked(region.rank);
  if (status.code() == Code::kTimeout)
    return {Code::kTimeout, "get from rank " + std::to_string(region.rank) + ": " + status.message()};
  return status;
}

}  // namespace switchyard::xccl
