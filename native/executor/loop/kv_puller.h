// Copies claimed KV blocks into granted ones at step boundaries, a bounded number of bytes each time, and proves by the generations read
// afterwards that the source was not reused meanwhile (D1, steps 3 and 4).
#pragma once

#include "executor/kv/kv_pool.h"
#include "executor/kv/kv_reader.h"
#include "executor/loop/sequence.h"

namespace switchyard::executor {

class KvPuller {
 public:
  KvPuller(KvPool* pool, KvReader* reader) : pool_(pool), reader_(reader) {}

  /// Copies on until the sequence's pull is complete or `budget` (bytes, reduced by what was copied) is used up. Complete: spec.source is
  /// reset. An error is final for the sequence: STALE when a generation differs, MISMATCH for another layout, or the reader's.
  Status advance(Sequence* sequence, int64_t* budget);

 private:
  Status check_layout(const KvSource& source) const;
  Status check_generations(const KvSource& source) const;

  KvPool* pool_;
  KvReader* reader_;
};

}  // namespace switchyard::executor
