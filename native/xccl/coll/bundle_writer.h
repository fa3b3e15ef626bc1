// Puts the head of a bundle together: a token's row once, whatever number of expert ranks it goes to, and for each of them which
// rows. Used by Attention in trampoline mode. The parts were checked.
#pragma once

#include <span>
#include <vector>

#include "xccl/coll/a2e_sender.h"

namespace switchyard::xccl {

class BundleWriter {
 public:
  explicit BundleWriter(const ExchangeShape& shape);

  /// Adds all lists to `head`, which holds the header. rows() and num_pairs() are the bundle's afterwards. InvalidArgument when the
  /// parts together have more rows or pairs than a slot.
  Status write(const A2eBatch& batch, std::span<const A2ePart> parts, HeadBuffer* head);

  std::span<const uint32_t> rows() const { return {rows_.data(), num_rows_}; }
  uint32_t num_pairs() const { return num_pairs_; }

 private:
  Status count(std::span<const A2ePart> parts);
  uint32_t bundle_row_of(uint32_t row);

  uint64_t max_pairs_;
  std::vector<uint32_t> rows_;         // [max_tokens]: the caller's row of each row of the bundle
  std::vector<uint32_t> bundle_rows_;  // [max_tokens]: the reverse, or kNoRow
  std::vector<uint32_t> refs_;         // [max_pairs]
  uint32_t num_rows_ = 0;
  uint32_t num_pairs_ = 0;
};

}  // namespace switchyard::xccl
