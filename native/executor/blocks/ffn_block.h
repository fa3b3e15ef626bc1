// The feed-forward half of a layer, norm and residual sum included: dense, or a mixture of experts (docs/numerics.md, 7 to 9).
// Whether routed experts, or the FFN of a dense model, are local or remote is the backend's matter.
#pragma once

#include <string>
#include <vector>

#include "executor/blocks/batch.h"
#include "executor/blocks/expert_backend.h"
#include "executor/blocks/gated_ffn.h"
#include "kernels/router/router.h"

namespace switchyard::executor {

class FfnBlock {
 public:
  /// prefix: "model.layers.3" of layer 3. What the backend runs is not loaded here.
  Status load(const ModelSpec& spec, const WeightStore& store, const std::string& prefix, int layer);

  /// ws->residual [num_rows][hidden] += ffn(rmsnorm(residual)).
  Status forward(const ModelSpec& spec, int num_rows, ExpertBackend* experts, Workspace* ws) const;

 private:
  const std::byte* prepare_rows(const ModelSpec& spec, int num_rows, Workspace* ws) const;
  ProductInput shared_input(const ModelSpec& spec, int num_rows, Workspace* ws) const;
  Status forward_unit(const ModelSpec& spec, int num_rows, ExpertBackend* experts, Workspace* ws) const;
  Status forward_moe(const ModelSpec& spec, int num_rows, ExpertBackend* experts, Workspace* ws) const;
  Status load_moe(const ModelSpec& spec, const WeightStore& store, const std::string& mlp);
  void forward_shared(const ModelSpec& spec, int num_rows, Workspace* ws) const;
  void combine(const ModelSpec& spec, int num_rows, Workspace* ws) const;
  void route_rows(const ModelSpec& spec, int num_rows, Workspace* ws) const;

  int layer_ = 0;
  bool is_moe_ = false;
  std::vector<float> norm_;
  GatedFfn always_on_;            // the dense FFN of a model with experts, or the shared expert
  PackedMatrix gate_;             // [num_experts, hidden]
  std::vector<float> gate_bias_;  // empty without
  PackedMatrix shared_gate_;      // [1, hidden], empty without
};

}  // namespace switchyard::executor
