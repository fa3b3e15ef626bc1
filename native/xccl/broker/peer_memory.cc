#include "xccl/broker/peer_memory.h"

#include <string>

#include "xccl/layout/shapes.h"

namespace switchyard::xccl {
namespace {

bool is_same_header(const CtrlHeader& header, const Frame& hello) {
  return header.magic == kCtrlMagic && header.layout_version == hello.layout_version &&
         header.rank == hello.from_rank && header.epoch == hello.from_epoch && header.ctrl_bytes == hello.ctrl_bytes &&
         header.app_bytes == hello.app_bytes && header.zc_bytes == hello.zc_bytes &&
         header.max_ranks == hello.max_ranks;
}

Status impossible_sizes() { return {Code::kCorrupt, "the peer announced impossible segment sizes"}; }

Status check_sizes(const Frame& hello) {
  constexpr uint64_t kBytesMax = 1ull << 40;
  if (!check_shapes(hello.shapes, hello.max_ranks).ok()) return impossible_sizes();
  const uint64_t expected = CtrlLayout{hello.shapes, hello.max_ranks}.total_bytes();
  const bool is_possible = hello.ctrl_bytes == expected && expected >= sizeof(CtrlFixed) &&
                           hello.ctrl_bytes <= kBytesMax && hello.app_bytes <= kBytesMax && hello.zc_bytes <= kBytesMax;
  return is_possible ? Status() : impossible_sizes();
}

}  // namespace

Status adopt_peer_memory(const Frame& hello, std::vector<FileDescriptor>& fds, PeerMemory* out) {
  if (fds.size() != kNumSegments)
    return {Code::kCorrupt, "the peer sent " + std::to_string(fds.size()) + " descriptors instead of 3"};
  SWITCHYARD_RETURN_IF_ERROR(check_sizes(hello));
  PeerMemory memory;
  SWITCHYARD_RETURN_IF_ERROR(
      Segment::adopt(fds[0].release(), hello.ctrl_bytes, SegmentAccess::kPeersWrite, &memory.ctrl));
  SWITCHYARD_RETURN_IF_ERROR(Segment::adopt(fds[1].release(), hello.app_bytes, SegmentAccess::kPeersRead, &memory.app));
  SWITCHYARD_RETURN_IF_ERROR(Segment::adopt(fds[2].release(), hello.zc_bytes, SegmentAccess::kPeersWrite, &memory.zc));
  CtrlHeader header;
  copy_once(&header, memory.ctrl.data(), sizeof(header));
  if (!is_same_header(header, hello))
    return {Code::kCorrupt, "the peer's control segment does not begin with its own header"};
  *out = std::move(memory);
  return {};
}

}  // namespace switchyard::xccl
