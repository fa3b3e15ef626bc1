#include "xccl/p2p/puller.h"

#include <algorithm>

namespace switchyard::xccl {
namespace {

/// For one thread about 100 us.
constexpr uint64_t kPieceBytes = 1 << 20;

}  // namespace

Status Puller::pull(const LinkRef& link, Area area, uint64_t offset, std::span<std::byte> dst, Deadline deadline) {
  const CopyPath path = path_of(dst.size());
  const uint64_t piece_bytes = kPieceBytes * local_.config().num_copy_threads;
  for (uint64_t done = 0; done < dst.size(); done += piece_bytes) {
    const uint64_t num_bytes = std::min<uint64_t>(piece_bytes, dst.size() - done);
    SWITCHYARD_RETURN_IF_ERROR(pull_piece(link.fabric(), area, offset + done, dst.subspan(done, num_bytes), path));
    if (!link.is_live()) return {Code::kPeerDead, "the link ended during a copy"};
    if (num_bytes < piece_bytes) break;
    local_.progress();
    if (std::chrono::steady_clock::now() >= deadline && done + num_bytes < dst.size())
      return {Code::kTimeout, "the deadline passed after " + std::to_string(done + num_bytes) + " bytes"};
  }
  return {};
}

Status Puller::pull_piece(Fabric& fabric, Area area, uint64_t offset, std::span<std::byte> dst, CopyPath path) {
  const std::byte* from = fabric.map(area, offset, dst.size());
  if (!from) return fabric.get(area, offset, dst);
  pool_.copy(dst.data(), from, dst.size(), path);
  return {};
}

}  // namespace switchyard::xccl
