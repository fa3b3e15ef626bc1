// Write into one slot or metadata field of a peer's control segment: straight into its memory where the fabric maps it (resolved
// once a link), by put otherwise. Used by both halves of the exchange. The callers have checked sizes against the shape that the
// slot was made for.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/prefetch.h"
#include "base/status.h"
#include "xccl/layout/ctrl_layout.h"
#include "xccl/transport/fabric.h"
#include "xccl/wait/doorbell.h"

namespace switchyard::xccl {

/// Of one slot, what is fetched ahead of its use: as many lines as a core waits for side by side in a few rounds.
inline constexpr uint64_t kFetchedBytesMax = 4096;

/// Rows rows + index[i] * row_bytes, in the order of the index.
struct RowGather {
  const std::byte* rows = nullptr;
  uint32_t row_bytes = 0;
  std::span<const uint32_t> index;
};

/// copy(offset, from, num_bytes) for each run of rows that lie side by side in source and destination.
template <class Copy>
void for_each_run(const RowGather& gather, Copy&& copy) {
  const size_t num_rows = gather.index.size();
  for (size_t first = 0; first < num_rows;) {
    size_t end = first + 1;
    while (end < num_rows && gather.index[end] == gather.index[end - 1] + 1) ++end;
    copy(uint64_t{first} * gather.row_bytes, gather.rows + uint64_t{gather.index[first]} * gather.row_bytes,
         uint64_t{end - first} * gather.row_bytes);
    first = end;
  }
}

class SlotWriter {
 public:
  SlotWriter() = default;
  SlotWriter(Fabric& fabric, uint64_t base, uint64_t num_bytes)
      : fabric_(&fabric), base_(base), mapped_(fabric.map(Area::kCtrl, base, num_bytes)) {}

  /// Begins to fetch what will be written for writing: at a time when the other side does not read it any more.
  void fetch(uint64_t num_bytes) const {
    if (mapped_) prefetch_range_for_write(mapped_, std::min(num_bytes, kFetchedBytesMax));
  }

  Status write(uint64_t offset, std::span<const std::byte> src) const {
    if (!mapped_) return fabric_->put(Area::kCtrl, base_ + offset, src);
    if (!src.empty()) std::memcpy(mapped_ + offset, src.data(), src.size());
    return {};
  }

  Status write_rows(uint64_t offset, const RowGather& gather) const {
    Status status;
    for_each_run(gather, [&](uint64_t at, const std::byte* from, uint64_t num_bytes) {
      if (mapped_) {
        std::memcpy(mapped_ + offset + at, from, num_bytes);
      } else if (status.ok()) {
        status = fabric_->put(Area::kCtrl, base_ + offset + at, {from, num_bytes});
      }
    });
    return status;
  }

 private:
  Fabric* fabric_ = nullptr;
  uint64_t base_ = 0;
  std::byte* mapped_ = nullptr;
};

/// Publishes what was written to a slot: one metadata field and the bell that its reader may sleep on.
class FieldWriter {
 public:
  FieldWriter() = default;
  FieldWriter(Fabric& fabric, uint64_t field, uint64_t bell)
      : fabric_(&fabric),
        offset_(field),
        bell_offset_(bell),
        field_(reinterpret_cast<PairField*>(fabric.map(Area::kCtrl, field, sizeof(PairField)))),
        bell_(reinterpret_cast<Doorbell*>(fabric.map(Area::kCtrl, bell, sizeof(Doorbell)))) {}

  Status publish(const PairFieldBody& body, uint64_t seq) const {
    if (!field_ || !bell_) {
      return fabric_->put_with_signal(offset_ + offsetof(PairField, body), std::as_bytes(std::span(&body, 1)),
                                      {offset_ + offsetof(PairField, seq), seq, bell_offset_});
    }
    field_->body = body;
    signal_mapped(field_->seq, seq, *bell_);
    return {};
  }

 private:
  Fabric* fabric_ = nullptr;
  uint64_t offset_ = 0;
  uint64_t bell_offset_ = 0;
  PairField* field_ = nullptr;
  Doorbell* bell_ = nullptr;
};

}  // namespace switchyard::xccl
