// The weights of a model in this process, packed, and one forward pass over a batch. Shared read-only by whatever runs it.
// Knows nothing of sequences, plans or processes.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "executor/blocks/attention_block.h"
#include "executor/blocks/batch.h"
#include "executor/blocks/ffn_block.h"
#include "executor/kv/kv_pool.h"
#include "executor/model/heartbeat.h"

namespace switchyard::executor {

/// Token embeddings: bf16 or GGUF's blocks where the file has that, else fp32.
class EmbeddingTable {
 public:
  Status load(const WeightStore& store, const std::string& name, int vocab_size, int hidden_size);
  /// Writes row `token` [hidden] as fp32.
  void lookup(int32_t token, float* out) const;

 private:
  int hidden_size_ = 0;
  RowTable rows_;
};

struct Layer {
  std::unique_ptr<AttentionBlock> attention;
  FfnBlock ffn;

  Status load(const ModelSpec& spec, const WeightStore& store, int layer);
};

/// The multi-token-prediction layer (docs/numerics.md, operation 11).
struct MtpLayer {
  std::vector<float> embed_norm;
  std::vector<float> hidden_norm;
  std::vector<float> head_norm;
  PackedMatrix join;  // [hidden, 2 * hidden]
  PackedMatrix head;  // [vocab, hidden]
  Layer layer;

  Status load(const ModelSpec& spec, const WeightStore& store);
};

class Model {
 public:
  /// Everything except routed experts. with_mtp also loads the MTP layer.
  static Status load(const ModelSpec& spec, const WeightStore& store, bool with_mtp,
                     std::shared_ptr<const Model>* model);

  const ModelSpec& spec() const { return spec_; }
  bool has_mtp() const { return mtp_.has_value(); }

  /// All main layers. rows: 1 .. ws->max_tokens, all tokens and positions in range. Leaves the residual stream in ws->residual.
  Status forward(std::span<const BatchRow> rows, const KvPool& kv, ExpertBackend* experts, Heartbeat* heartbeat,
                 Workspace* ws) const;

  /// model.norm: residual -> hidden, both [num_rows][hidden].
  void final_norm(ThreadPool* pool, const float* residual, float* hidden, int num_rows) const;

  /// hidden (after final_norm) [num_rows][hidden] -> logits [num_rows][vocab].
  void head(ThreadPool* pool, const float* hidden, float* logits, int num_rows) const;

  /// The MTP layer over rows whose `token` is the one after the row's own; hidden [rows][hidden], after final_norm or out of the MTP
  /// layer itself. Leaves its own hidden states, after shared_head.norm, in ws->normed. kv: of this layer.
  Status forward_mtp(std::span<const BatchRow> rows, const float* hidden, const KvLayerView& kv, ExpertBackend* experts,
                     Workspace* ws) const;

  /// The cache entries alone of such rows: for those from which nothing is drafted.
  void fill_mtp_cache(std::span<const BatchRow> rows, const float* hidden, const KvLayerView& kv, Workspace* ws) const;

  /// hidden (out of forward_mtp) [num_rows][hidden] -> logits [num_rows][vocab] of the token after the next.
  void mtp_head(ThreadPool* pool, const float* hidden, float* logits, int num_rows) const;

 private:
  Model(const ModelSpec& spec, const std::vector<float>& rope_divisors)
      : spec_(spec), rope_(spec.max_positions, spec.rope, rope_divisors) {}

  void join_mtp(std::span<const BatchRow> rows, const float* hidden, Workspace* ws) const;

  ModelSpec spec_;
  RopeTable rope_;
  EmbeddingTable embedding_;
  std::vector<Layer> layers_;
  std::vector<float> final_norm_;
  PackedMatrix head_;
  std::optional<MtpLayer> mtp_;
};

}  // namespace switchyard::executor
