#include "executor/model/evaluate.h"

#include <algorithm>
#include <numeric>

#include "executor/blocks/local_experts.h"
#include "executor/model/model.h"

namespace switchyard::executor {
namespace {

constexpr int kBlockTokens = 16;

Status check_tokens(const ModelSpec& spec, std::span<const int32_t> tokens, bool mtp) {
  if (tokens.empty() || tokens.size() > static_cast<size_t>(spec.max_positions)) {
    return {Code::kInvalidArgument, "tokens must hold 1 to " + std::to_string(spec.max_positions) + " ids"};
  }
  if (mtp && tokens.size() < 2) return {Code::kInvalidArgument, "mtp needs at least two tokens"};
  for (const int32_t token : tokens) {
    if (token < 0 || token >= spec.vocab_size)
      return {Code::kInvalidArgument, "token id " + std::to_string(token) + " is not in the vocabulary"};
  }
  return {};
}

/// Chunks of rows through all layers: hidden [rows][hidden] after the final norm, logits [rows][vocab].
Status run_chunks(const Model& model, std::span<const BatchRow> rows, const KvPool& kv, ExpertBackend* experts,
                  Workspace* ws, float* hidden, float* logits) {
  const ModelSpec& spec = model.spec();
  Heartbeat none;
  for (size_t first = 0; first < rows.size(); first += ws->max_tokens) {
    const size_t count = std::min<size_t>(ws->max_tokens, rows.size() - first);
    SWITCHYARD_RETURN_IF_ERROR(model.forward(rows.subspan(first, count), kv, experts, &none, ws));
    float* chunk_hidden = hidden + first * spec.hidden_size;
    model.final_norm(ws->pool, ws->residual.data(), chunk_hidden, static_cast<int>(count));
    model.head(ws->pool, chunk_hidden, logits + first * spec.vocab_size, static_cast<int>(count));
  }
  return {};
}

}  // namespace

Status evaluate(const ModelSpec& spec, const WeightStore& store, std::span<const int32_t> tokens, int chunk_tokens,
                bool mtp, int num_threads, Evaluation* result) {
  SWITCHYARD_RETURN_IF_ERROR(check_model_spec(spec));
  SWITCHYARD_RETURN_IF_ERROR(check_tokens(spec, tokens, mtp));
  std::shared_ptr<const Model> model;
  SWITCHYARD_RETURN_IF_ERROR(Model::load(spec, store, mtp, &model));
  ExpertBank bank;
  SWITCHYARD_RETURN_IF_ERROR(bank.load(spec, store, {0, spec.num_layers + (mtp ? 1 : 0)}, [](int) { return true; }));
  ThreadPool pool(num_threads);
  LocalExperts experts(spec, std::move(bank), &pool);

  const int n = static_cast<int>(tokens.size());
  const int num_blocks = (n + kBlockTokens - 1) / kBlockTokens;
  std::vector<int32_t> blocks(num_blocks);
  std::iota(blocks.begin(), blocks.end(), 0);
  std::unique_ptr<KvPool> kv;
  SWITCHYARD_RETURN_IF_ERROR(KvPool::create(spec.num_layers, CacheLayout(spec), num_blocks, kBlockTokens, {}, &kv));
  Workspace ws(spec, mtp ? n : std::min(n, chunk_tokens), &pool);
  std::vector<BatchRow> rows(n);
  for (int i = 0; i < n; ++i) rows[i] = {tokens[i], i, blocks.data(), true};
  std::vector<float> hidden(static_cast<size_t>(n) * spec.hidden_size);
  result->logits.resize(static_cast<size_t>(n) * spec.vocab_size);
  SWITCHYARD_RETURN_IF_ERROR(run_chunks(*model, rows, *kv, &experts, &ws, hidden.data(), result->logits.data()));
  if (!mtp) return {};

  std::unique_ptr<KvPool> mtp_kv;
  SWITCHYARD_RETURN_IF_ERROR(KvPool::create(1, CacheLayout(spec), num_blocks, kBlockTokens, {}, &mtp_kv));
  rows.resize(n - 1);
  for (int i = 0; i < n - 1; ++i) rows[i] = {tokens[i + 1], i, blocks.data()};
  result->mtp_logits.resize(static_cast<size_t>(n - 1) * spec.vocab_size);
  SWITCHYARD_RETURN_IF_ERROR(model->forward_mtp(rows, hidden.data(), mtp_kv->layer(0), &experts, &ws));
  model->mtp_head(&pool, ws.normed.data(), result->mtp_logits.data(), n - 1);
  return {};
}

}  // namespace switchyard::executor
