// Guesses next tokens by the MTP layer, once or repeatedly, for the main model to verify in its next forward (docs/numerics.md, "Drafts").
// Called by the core when a step has committed. Its layer's KV rows lie in the pool behind those of the main layers. A draft that is wrong
// or missing costs time and changes no answer, so whatever goes wrong here ends in fewer drafts.
#pragma once

#include <span>
#include <vector>

#include "executor/kv/kv_pool.h"
#include "executor/loop/sequence.h"
#include "executor/loop/token_sampler.h"
#include "executor/model/model.h"

namespace switchyard::executor {

/// Rows of a sequence that the main model has computed and the step has kept, the last ones before num_computed.
struct DraftRun {
  Sequence* sequence;
  const float* stream;  // [num_rows][hidden]: the residual stream after the main layers
  int num_rows;
  int num_drafts;  // to make now
};

/// What a drafter works with; all outlive it.
struct DrafterParts {
  const Model* model;
  const KvPool* kv;
  ExpertBackend* experts;  // of the MTP layer
  Workspace* workspace;
  TokenSampler* sampler;
};

class Drafter {
 public:
  /// max_rows: of all runs of a call together.
  Drafter(const DrafterParts& parts, int max_rows);

  /// Computes the MTP layer's KV rows of all runs, and sets the drafts of those that want some.
  void draft(std::span<const DraftRun> runs);

 private:
  void add_rows(const DraftRun& run, int num_rows);
  Status fill_cache();
  Status forward();
  void sample_front();
  void advance_front();
  KvLayerView kv_layer() const;
  template <typename Body>
  Status for_passes(Body body) const;

  DrafterParts parts_;
  size_t hidden_size_;
  std::vector<BatchRow> rows_;
  std::vector<float> hidden_;       // [rows][hidden]: what the layer takes, and after forward() what it gives
  std::vector<DraftRun> drafting_;  // sequences that want another draft; of the row at the same place in rows_
  std::vector<SampleRow> sample_rows_;
  std::vector<SampleResult> sampled_;
};

}  // namespace switchyard::executor
