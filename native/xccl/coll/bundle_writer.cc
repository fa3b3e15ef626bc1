#include "xccl/coll/bundle_writer.h"

#include <algorithm>

namespace switchyard::xccl {
namespace {

constexpr uint32_t kNoRow = UINT32_MAX;

}  // namespace

BundleWriter::BundleWriter(const ExchangeShape& shape)
    : max_pairs_(shape.max_pairs()),
      rows_(shape.max_parts != 0 ? shape.max_tokens : 0),
      bundle_rows_(rows_.size()),
      refs_(shape.max_parts != 0 ? shape.max_pairs() : 0) {}

Status BundleWriter::write(const A2eBatch& batch, std::span<const A2ePart> parts, HeadBuffer* head) {
  SWITCHYARD_RETURN_IF_ERROR(count(parts));
  std::fill_n(bundle_rows_.begin(), batch.num_rows, kNoRow);
  num_rows_ = 0;
  size_t num_refs = 0;
  for (const A2ePart& part : parts) {
    const A2ePartHead part_head{part.dest, static_cast<uint32_t>(part.expert_counts.size()),
                                static_cast<uint32_t>(part.row_index.size()),
                                static_cast<uint32_t>(part.pair_rows.size())};
    head->add(std::span(&part_head, 1));
    for (const uint32_t row : part.row_index) refs_[num_refs++] = bundle_row_of(row);
  }
  for (const A2ePart& part : parts) head->add(part.expert_counts);
  head->add(std::span<const uint32_t>(refs_.data(), num_refs));
  for (const A2ePart& part : parts) head->add(part.pair_rows);
  return {};
}

Status BundleWriter::count(std::span<const A2ePart> parts) {
  uint64_t num_refs = 0;
  uint64_t num_pairs = 0;
  for (const A2ePart& part : parts) {
    num_refs += part.row_index.size();
    num_pairs += part.pair_rows.size();
  }
  if (num_refs > max_pairs_ || num_pairs > max_pairs_)
    return {Code::kInvalidArgument, "A2E batch: more than max_tokens * top_k rows or pairs over all parts"};
  num_pairs_ = static_cast<uint32_t>(num_pairs);
  return {};
}

uint32_t BundleWriter::bundle_row_of(uint32_t row) {
  if (bundle_rows_[row] == kNoRow) {
    bundle_rows_[row] = num_rows_;
    rows_[num_rows_++] = row;
  }
  return bundle_rows_[row];
}

}  // namespace switchyard::xccl
