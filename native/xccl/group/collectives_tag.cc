#include "xccl/group/collectives_tag.h"

#include <iterator>

namespace switchyard::xccl {
namespace {

constexpr uint32_t kRootShift = 48;
constexpr uint32_t kTypeShift = 56;
constexpr uint64_t kAnySize = 1ull << 60;

/// `agreed` may be a peer's: anything.
std::string text_of(uint64_t agreed) {
  constexpr const char* kTypes[] = {"", " of float32", " of int32"};
  if (agreed == kAnySize) return "variable sizes";
  const uint64_t root = agreed >> kRootShift & 0xff;
  const uint64_t type = agreed >> kTypeShift;
  std::string text = std::to_string(agreed & kCollectiveBytesMax) + " bytes";
  text += type < std::size(kTypes) ? kTypes[type] : " of an unknown type";
  return root == 0 ? text : text + " from root " + std::to_string(root - 1);
}

}  // namespace

CallTag tag_of_any_size(Operation operation, uint32_t event) { return {operation, event, kAnySize, text_of}; }

CallTag tag_of_size(Operation operation, uint32_t event, uint64_t num_bytes) {
  return {operation, event, num_bytes, text_of};
}

CallTag tag_of_root(Operation operation, uint32_t event, uint64_t num_bytes, uint32_t root_rank) {
  return {operation, event, num_bytes | (root_rank + 1ull) << kRootShift, text_of};
}

CallTag tag_of_type(Operation operation, uint32_t event, uint64_t num_bytes, ElementType type) {
  return {operation, event, num_bytes | (static_cast<uint64_t>(type) + 1) << kTypeShift, text_of};
}

Status invalid_call(Operation operation, const std::string& text) {
  return {Code::kInvalidArgument, std::string(operation_name(static_cast<uint16_t>(operation))) + ": " + text};
}

}  // namespace switchyard::xccl
