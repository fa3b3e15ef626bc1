// One A2E message as the receiver holds it: field, header and lists are private copies, made once and then checked, so that the
// sender cannot change them afterwards; rows stay in the slot and are opaque. Used by Expert and Forwarder.
#pragma once

#include <span>
#include <vector>

#include "xccl/link/local_rank.h"

namespace switchyard::xccl {

/// The rows and pairs for one expert rank. `refs` names the slot's row for each row of the part; it is empty where they are the
/// same (messages that are no bundle).
struct PartLists {
  uint32_t rank = 0;
  uint32_t pair_base = 0;  // pairs of earlier parts: where this part's answer begins
  std::span<uint32_t> counts;
  std::span<uint32_t> refs;
  std::span<uint32_t> pairs;
};

class ArrivedMessage {
 public:
  /// Allocates for the largest message of the shape.
  explicit ArrivedMessage(const ExchangeShape& shape);

  /// Reads the slot that `sender` has published. False when anything in it cannot be; sizes may be read only after true.
  bool read(LocalRank& local, uint32_t sender, uint64_t sender_epoch, uint32_t micro_batch);

  const EventId& event() const { return event_; }
  const A2eSlotHeader& header() const { return header_; }
  uint32_t num_rows() const { return body_.num_rows; }
  uint32_t num_pairs() const { return body_.num_pairs; }
  const std::byte* rows() const { return rows_; }
  bool is_bundle() const { return header_.kind == MessageKind::kBundle; }
  /// One part unless it is a bundle.
  std::span<PartLists> parts() { return {parts_.data(), num_parts_}; }
  std::span<const PartLists> parts() const { return {parts_.data(), num_parts_}; }

 private:
  bool check_body(const ExchangeShape& shape, uint32_t micro_batch) const;
  bool check_header(const LocalRank& local, uint32_t sender, uint64_t sender_epoch) const;
  bool read_single(const ExchangeShape& shape, uint32_t own_rank, const std::byte* lists);
  bool read_bundle(const LocalRank& local, const std::byte* lists);
  bool cut_parts(const LocalRank& local, uint64_t* num_words);
  bool check_part(const PartLists& part) const;

  PairFieldBody body_{};
  A2eSlotHeader header_{};
  EventId event_;
  const std::byte* rows_ = nullptr;
  size_t num_parts_ = 0;
  std::vector<A2ePartHead> heads_;  // [max_parts]
  std::vector<PartLists> parts_;    // [max_parts or 1]
  std::vector<uint32_t> words_;     // counts, refs, pairs
};

}  // namespace switchyard::xccl
