#include "xccl/coll/arrived_message.h"

#include <algorithm>

namespace switchyard::xccl {
namespace {

bool all_below(std::span<const uint32_t> values, size_t limit) {
  return std::all_of(values.begin(), values.end(), [limit](uint32_t value) { return value < limit; });
}

}  // namespace

ArrivedMessage::ArrivedMessage(const ExchangeShape& shape)
    : heads_(shape.max_parts),
      parts_(std::max(shape.max_parts, 1u)),
      words_((ExchangeLayout{shape}.rows_offset() - ExchangeLayout::lists_offset()) / sizeof(uint32_t)) {}

bool ArrivedMessage::read(LocalRank& local, uint32_t sender, uint64_t sender_epoch, uint32_t micro_batch) {
  const CtrlLayout& layout = local.layout();
  const std::byte* slot = local.ctrl().data() + layout.a2e_slot(sender, micro_batch);
  num_parts_ = 0;
  rows_ = slot + layout.exchange_layout().rows_offset();
  copy_once(&body_, &local.fixed().pairs[sender].a2e[micro_batch].body, sizeof(body_));
  event_ = {body_.step, body_.layer, static_cast<uint8_t>(micro_batch)};
  if (!check_body(layout.exchange(), micro_batch)) return false;
  copy_once(&header_, slot, sizeof(header_));
  if (!check_header(local, sender, sender_epoch)) return false;
  const std::byte* lists = slot + ExchangeLayout::lists_offset();
  return is_bundle() ? read_bundle(local, lists) : read_single(layout.exchange(), local.config().rank, lists);
}

bool ArrivedMessage::check_body(const ExchangeShape& shape, uint32_t micro_batch) const {
  return body_.direction == Direction::kA2e && body_.micro_batch == micro_batch && body_.num_rows <= shape.max_tokens &&
         body_.num_pairs <= shape.max_pairs();
}

bool ArrivedMessage::check_header(const LocalRank& local, uint32_t sender, uint64_t sender_epoch) const {
  const ExchangeShape& shape = local.layout().exchange();
  const bool is_forwarded = header_.kind == MessageKind::kForwarded;
  const bool is_known = is_forwarded || header_.kind == MessageKind::kDirect || (is_bundle() && shape.max_parts != 0);
  const bool is_own = header_.origin_rank == sender && header_.origin_epoch == sender_epoch;
  return header_.sender_rank == sender && header_.sender_epoch == sender_epoch && is_known &&
         header_.origin_rank < local.config().max_ranks && (is_forwarded || is_own) && header_.row_bytes > 0 &&
         header_.row_bytes <= shape.row_bytes && header_.num_traces <= kNumTracesMax;
}

bool ArrivedMessage::read_single(const ExchangeShape& shape, uint32_t own_rank, const std::byte* lists) {
  const uint32_t num_counts = body_.detail;
  if (num_counts > shape.max_local_experts) return false;
  copy_once(words_.data(), lists, sizeof(uint32_t) * (uint64_t{num_counts} + body_.num_pairs));
  parts_[0] = {own_rank, 0, {words_.data(), num_counts}, {}, {words_.data() + num_counts, body_.num_pairs}};
  num_parts_ = 1;
  return check_part(parts_[0]);
}

bool ArrivedMessage::read_bundle(const LocalRank& local, const std::byte* lists) {
  if (body_.detail > heads_.size()) return false;
  num_parts_ = body_.detail;
  copy_once(heads_.data(), lists, num_parts_ * sizeof(A2ePartHead));
  uint64_t num_words = 0;
  if (!cut_parts(local, &num_words)) return false;
  copy_once(words_.data(), lists + num_parts_ * sizeof(A2ePartHead), num_words * sizeof(uint32_t));
  const std::span<const PartLists> all = parts();
  return std::all_of(all.begin(), all.end(), [this](const PartLists& part) { return check_part(part); });
}

/// The spans of all parts, after checking that they fit: the lists lie one kind after the other, in part order.
bool ArrivedMessage::cut_parts(const LocalRank& local, uint64_t* num_words) {
  const ExchangeShape& shape = local.layout().exchange();
  uint64_t num_counts = 0;
  uint64_t num_refs = 0;
  uint64_t num_pairs = 0;
  uint64_t seen_ranks = 0;
  for (size_t i = 0; i < num_parts_; ++i) {
    const A2ePartHead& head = heads_[i];
    if (head.rank >= local.config().max_ranks || head.num_counts > shape.max_local_experts) return false;
    if ((seen_ranks >> head.rank & 1) != 0) return false;
    seen_ranks |= uint64_t{1} << head.rank;
    num_counts += head.num_counts;
    num_refs += head.num_rows;
    num_pairs += head.num_pairs;
  }
  if (num_refs > shape.max_pairs() || num_pairs != body_.num_pairs) return false;
  *num_words = num_counts + num_refs + num_pairs;
  uint32_t* counts = words_.data();
  uint32_t* refs = counts + num_counts;
  uint32_t* pairs = refs + num_refs;
  uint32_t pair_base = 0;
  for (size_t i = 0; i < num_parts_; ++i) {
    const A2ePartHead& head = heads_[i];
    parts_[i] = {head.rank, pair_base, {counts, head.num_counts}, {refs, head.num_rows}, {pairs, head.num_pairs}};
    counts += head.num_counts;
    refs += head.num_rows;
    pairs += head.num_pairs;
    pair_base += head.num_pairs;
  }
  return true;
}

bool ArrivedMessage::check_part(const PartLists& part) const {
  uint64_t sum = 0;
  for (const uint32_t count : part.counts) sum += count;
  const size_t num_rows = is_bundle() ? part.refs.size() : body_.num_rows;
  return sum == part.pairs.size() && all_below(part.pairs, num_rows) && all_below(part.refs, body_.num_rows);
}

}  // namespace switchyard::xccl
