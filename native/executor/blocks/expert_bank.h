// The weights of routed experts, or of the FFNs of a dense model, that this process holds, and their computation.
// Called by LocalExperts and by the expert server.
#pragma once

#include <functional>
#include <vector>

#include "executor/blocks/gated_ffn.h"
#include "executor/model_spec.h"

namespace switchyard::executor {

/// Layers [first, end); the MTP layer comes behind the main ones.
struct LayerRange {
  int first;
  int end;
};

class ExpertBank {
 public:
  /// Loads the experts that `holds` accepts, of those layers of the range that have some.
  Status load(const ModelSpec& spec, const WeightStore& store, LayerRange range,
              const std::function<bool(int expert)>& holds);

  bool holds(int layer, int expert) const;

  /// x, y: [num_rows][hidden] without gaps. Grows its scratch to the largest num_rows seen; one caller at a time.
  void run(ThreadPool* pool, int layer, int expert, const float* x, float* y, int num_rows);

 private:
  int intermediate_size_ = 0;
  std::vector<std::vector<GatedFfn>> layers_;  // [layer][expert]; empty where there are none
  std::vector<float> gate_up_;
  std::vector<float> activated_;
};

}  // namespace switchyard::executor
