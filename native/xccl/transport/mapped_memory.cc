#include "xccl/transport/mapped_memory.h"

#include <atomic>
#include <string>

#include "base/plain_copy.h"
#include "xccl/layout/small_bytes.h"
#include "xccl/wait/doorbell.h"

namespace switchyard::xccl {
namespace {

const char* area_name(Area area) {
  constexpr const char* names[] = {"ctrl", "app", "zc"};
  return names[static_cast<size_t>(area)];
}

Status out_of_bounds(Area area, uint64_t offset, uint64_t num_bytes) {
  std::string text = std::to_string(num_bytes);
  text.append(" bytes at ")
      .append(std::to_string(offset))
      .append(" are outside the peer's ")
      .append(area_name(area))
      .append(" area");
  return {Code::kInvalidArgument, text};
}

}  // namespace

std::byte* MappedMemory::at(Area area, uint64_t offset, uint64_t num_bytes) const {
  const std::span<std::byte>& span = area == Area::kCtrl ? memory_.ctrl : area == Area::kZc ? memory_.zc : memory_.app;
  if (num_bytes > span.size() || offset > span.size() - num_bytes) return nullptr;
  return span.data() + offset;
}

Status MappedMemory::put(Area area, uint64_t offset, std::span<const std::byte> src) const {
  if (area == Area::kApp) return {Code::kInvalidArgument, "peers cannot write the app area"};
  std::byte* to = at(area, offset, src.size());
  if (!to) return out_of_bounds(area, offset, src.size());
  plain_copy(to, src.data(), src.size());
  return {};
}

Status MappedMemory::get(Area area, uint64_t offset, std::span<std::byte> dst) const {
  const std::byte* from = at(area, offset, dst.size());
  if (!from) return out_of_bounds(area, offset, dst.size());
  plain_copy(dst.data(), from, dst.size());
  memory_order_point();
  return {};
}

/// The shortest messages come this way: everything is checked first, then stored at once.
Status MappedMemory::put_with_signal(uint64_t offset, std::span<const std::byte> src, const Signal& signal) const {
  if (signal.area == Area::kApp) return {Code::kInvalidArgument, "peers cannot write the app area"};
  std::byte* to = at(signal.area, offset, src.size());
  std::byte* word = at(signal.area, signal.word_offset, sizeof(uint64_t));
  std::byte* bell = at(Area::kCtrl, signal.bell_offset, sizeof(Doorbell));
  if (!to) return out_of_bounds(signal.area, offset, src.size());
  if (!word) return out_of_bounds(signal.area, signal.word_offset, sizeof(uint64_t));
  if (!bell) return out_of_bounds(Area::kCtrl, signal.bell_offset, sizeof(Doorbell));
  if (src.size() <= kSmallBytesMax) {
    small_store(to, small_load(src.data(), src.size()), src.size());
  } else {
    plain_copy(to, src.data(), src.size());
  }
  signal_mapped(*reinterpret_cast<std::atomic<uint64_t>*>(word), signal.value, *reinterpret_cast<Doorbell*>(bell));
  return {};
}

}  // namespace switchyard::xccl
