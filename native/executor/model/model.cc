#include "executor/model/model.h"

#include <cstring>

#include "executor/blocks/shared_work.h"
#include "executor/blocks/vector_ops.h"

namespace switchyard::executor {

Status EmbeddingTable::load(const WeightStore& store, const std::string& name, int vocab_size, int hidden_size) {
  hidden_size_ = hidden_size;
  return store.load_table(name, vocab_size, hidden_size, &rows_);
}

void EmbeddingTable::lookup(int32_t token, float* out) const {
  const StoredLayout layout = stored_layout(rows_.type);
  const size_t row_bytes = hidden_size_ / layout.block_elements * layout.block_bytes;
  widen_stored(rows_.type, rows_.data.get() + token * row_bytes, hidden_size_, out);
}

Status Layer::load(const ModelSpec& spec, const WeightStore& store, int layer) {
  const std::string prefix = "model.layers." + std::to_string(layer);
  SWITCHYARD_RETURN_IF_ERROR(AttentionBlock::load(spec, store, prefix, layer, &attention));
  return ffn.load(spec, store, prefix, layer);
}

Status MtpLayer::load(const ModelSpec& s, const WeightStore& store) {
  const std::string prefix = "model.layers." + std::to_string(s.num_layers) + ".";
  SWITCHYARD_RETURN_IF_ERROR(store.load_vector(prefix + "enorm.weight", s.hidden_size, &embed_norm));
  SWITCHYARD_RETURN_IF_ERROR(store.load_vector(prefix + "hnorm.weight", s.hidden_size, &hidden_norm));
  SWITCHYARD_RETURN_IF_ERROR(store.load_vector(prefix + "shared_head.norm.weight", s.hidden_size, &head_norm));
  SWITCHYARD_RETURN_IF_ERROR(store.load_matrix(prefix + "eh_proj.weight", s.hidden_size, 2 * s.hidden_size, &join));
  SWITCHYARD_RETURN_IF_ERROR(store.load_matrix(prefix + "shared_head.head.weight", s.vocab_size, s.hidden_size, &head));
  return layer.load(s, store, s.num_layers);
}

Status Model::load(const ModelSpec& spec, const WeightStore& store, bool with_mtp, std::shared_ptr<const Model>* out) {
  SWITCHYARD_RETURN_IF_ERROR(check_model_spec(spec));
  if (with_mtp && spec.num_mtp_layers == 0) return {Code::kUnsupported, "the model has no MTP layer"};
  std::vector<float> divisors;
  if (spec.rope.scaling == RopeScaling::kTensor)
    SWITCHYARD_RETURN_IF_ERROR(store.load_vector("rope_freqs.weight", spec.rope.num_pairs(), &divisors));
  std::shared_ptr<Model> model(new Model(spec, divisors));
  SWITCHYARD_RETURN_IF_ERROR(
      model->embedding_.load(store, "model.embed_tokens.weight", spec.vocab_size, spec.hidden_size));
  model->layers_.resize(spec.num_layers);
  for (int i = 0; i < spec.num_layers; ++i) SWITCHYARD_RETURN_IF_ERROR(model->layers_[i].load(spec, store, i));
  SWITCHYARD_RETURN_IF_ERROR(store.load_vector("model.norm.weight", spec.hidden_size, &model->final_norm_));
  const char* head = spec.tie_word_embeddings ? "model.embed_tokens.weight" : "lm_head.weight";
  SWITCHYARD_RETURN_IF_ERROR(store.load_matrix(head, spec.vocab_size, spec.hidden_size, &model->head_));
  if (with_mtp) SWITCHYARD_RETURN_IF_ERROR(model->mtp_.emplace().load(spec, store));
  *out = std::move(model);
  return {};
}

Status Model::forward(std::span<const BatchRow> rows, const KvPool& kv, ExpertBackend* experts, Heartbeat* heartbeat,
                      Workspace* ws) const {
  const int n = static_cast<int>(rows.size());
  for (int i = 0; i < n; ++i)
    embedding_.lookup(rows[i].token, &ws->residual[static_cast<size_t>(i) * spec_.hidden_size]);
  for (int i = 0; i < spec_.num_layers; ++i) {
    heartbeat->progress();
    layers_[i].attention->forward(spec_, rows, kv.layer(i), rope_, ws);
    SWITCHYARD_RETURN_IF_ERROR(layers_[i].ffn.forward(spec_, n, experts, ws));
  }
  return {};
}

void Model::final_norm(ThreadPool* pool, const float* residual, float* hidden, int num_rows) const {
  shared_rmsnorm(pool, residual, final_norm_.data(), hidden, num_rows, spec_.hidden_size, spec_.rms_norm_eps);
}

void Model::head(ThreadPool* pool, const float* hidden, float* logits, int num_rows) const {
  shared_product(pool, head_, hidden, spec_.hidden_size, logits, spec_.vocab_size, num_rows);
}

/// What the layer begins with, into ws->residual.
void Model::join_mtp(std::span<const BatchRow> rows, const float* hidden, Workspace* ws) const {
  const int n = static_cast<int>(rows.size());
  const size_t size = spec_.hidden_size;
  for (int i = 0; i < n; ++i) {
    float* left = &ws->joined[2 * i * size];
    embedding_.lookup(rows[i].token, left);
    rmsnorm_rows(left, mtp_->embed_norm.data(), left, 1, spec_.hidden_size, spec_.rms_norm_eps);
    rmsnorm_rows(hidden + i * size, mtp_->hidden_norm.data(), left + size, 1, spec_.hidden_size, spec_.rms_norm_eps);
  }
  shared_product(ws->pool, mtp_->join, ws->joined.data(), 2 * size, ws->residual.data(), size, n);
}

void Model::fill_mtp_cache(std::span<const BatchRow> rows, const float* hidden, const KvLayerView& kv,
                           Workspace* ws) const {
  join_mtp(rows, hidden, ws);
  mtp_->layer.attention->fill_cache(spec_, rows, kv, rope_, ws);
}

Status Model::forward_mtp(std::span<const BatchRow> rows, const float* hidden, const KvLayerView& kv,
                          ExpertBackend* experts, Workspace* ws) const {
  const int n = static_cast<int>(rows.size());
  join_mtp(rows, hidden, ws);
  mtp_->layer.attention->forward(spec_, rows, kv, rope_, ws);
  SWITCHYARD_RETURN_IF_ERROR(mtp_->layer.ffn.forward(spec_, n, experts, ws));
  shared_rmsnorm(ws->pool, ws->residual.data(), mtp_->head_norm.data(), ws->normed.data(), n, spec_.hidden_size,
                 spec_.rms_norm_eps);
  return {};
}

void Model::mtp_head(ThreadPool* pool, const float* hidden, float* logits, int num_rows) const {
  shared_product(pool, mtp_->head, hidden, spec_.hidden_size, logits, spec_.vocab_size, num_rows);
}

}  // namespace switchyard::executor
