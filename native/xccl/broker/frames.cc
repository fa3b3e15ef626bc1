#include "xccl/broker/frames.h"

#include <algorithm>
#include <cstring>

namespace switchyard::xccl {
namespace {

void copy_text(char* field, size_t field_bytes, std::string_view text) {
  const size_t num_bytes = std::min(text.size(), field_bytes - 1);
  std::memcpy(field, text.data(), num_bytes);
}

/// For a peer that knows by the connection whom it talks to.
Frame short_frame(const LocalRank& local, FrameKind kind) {
  Frame frame{};
  frame.magic = kCtrlMagic;
  frame.layout_version = kLayoutVersion;
  frame.kind = kind;
  frame.from_rank = local.config().rank;
  frame.from_epoch = local.config().epoch;
  return frame;
}

}  // namespace

Frame frame_from(const LocalRank& local, FrameKind kind, uint32_t to_rank, uint64_t to_epoch) {
  const CommunicatorConfig& config = local.config();
  Frame frame = short_frame(local, kind);
  frame.to_rank = to_rank;
  frame.to_epoch = to_epoch;
  std::memcpy(frame.nonce, config.nonce.data(), kNonceBytes);
  frame.ctrl_bytes = local.ctrl().size();
  frame.app_bytes = local.app().size();
  frame.zc_bytes = local.zc().size();
  frame.shapes = local.layout().shapes;
  frame.max_ranks = config.max_ranks;
  copy_text(frame.communicator, sizeof(frame.communicator), config.name);
  copy_text(frame.compatibility, sizeof(frame.compatibility), config.compatibility);
  return frame;
}

Frame frame_with_ping(const LocalRank& local, FrameKind kind, uint64_t ping_id) {
  Frame frame = short_frame(local, kind);
  frame.ping_id = ping_id;
  return frame;
}

Frame frame_with_text(const LocalRank& local, FrameKind kind, Code code, std::string_view text, bool may_retry) {
  Frame frame = short_frame(local, kind);
  frame.code = static_cast<uint32_t>(code);
  frame.may_retry = may_retry;
  copy_text(frame.text, sizeof(frame.text), text);
  return frame;
}

Code frame_code(const Frame& frame) {
  const bool is_known = frame.code > 0 && frame.code <= static_cast<uint32_t>(Code::kInternal);
  return is_known ? static_cast<Code>(frame.code) : Code::kInternal;
}

std::string frame_text(const char* field, size_t field_bytes) { return {field, strnlen(field, field_bytes)}; }

}  // namespace switchyard::xccl
