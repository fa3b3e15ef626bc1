// ExpertMap: the checked shape of one ExpertParallel: which member has which expert, and the sizes that follow. Immutable; used by
// dispatch and combine.
#pragma once

#include "xccl/expert_parallel.h"

namespace switchyard::xccl {

class ExpertMap {
 public:
  static Status create(ExpertParallelSpec spec, uint32_t num_members, ExpertMap* out);

  const ExpertParallelSpec& spec() const { return spec_; }
  uint32_t member_of(uint32_t expert) const { return member_of_[expert]; }
  uint32_t first_expert(uint32_t member) const { return spec_.first_expert[member]; }
  uint32_t end_expert(uint32_t member) const { return spec_.first_expert[member + 1]; }
  uint32_t num_members() const { return static_cast<uint32_t>(spec_.first_expert.size()) - 1; }
  uint64_t num_own_pairs_max() const { return uint64_t{spec_.max_tokens} * spec_.top_k; }
  uint64_t dispatch_row_bytes() const { return row_bytes_of(spec_.dispatch_wire, spec_.hidden); }
  uint64_t combine_row_bytes() const { return row_bytes_of(spec_.combine_wire, spec_.hidden); }

  /// The scalars of the spec, for members to agree upon, and what to say of them.
  uint64_t packed() const;
  static std::string packed_text(uint64_t packed);

 private:
  ExpertParallelSpec spec_;
  std::vector<uint32_t> member_of_;
};

}  // namespace switchyard::xccl
