#include "addon/executor_convert.h"

#include "addon/js_error.h"
#include "addon/js_writer.h"

namespace switchyard::addon {

using namespace executor;

// ---- JavaScript to native ----

ModelSpec read_model_spec(const JsReader& js) {
  ModelSpec spec;
  if (js.text("family") != "deepseek-v3") js.refuse("family", "'deepseek-v3'");
  spec.vocab_size = js.integer("vocabSize", 0);
  spec.hidden_size = js.integer("hiddenSize", 0);
  spec.num_layers = js.integer("numLayers", 0);
  spec.num_dense_layers = js.integer("numDenseLayers", 0);
  spec.num_heads = js.integer("numHeads", 0);
  spec.q_lora_rank = js.integer("qLoraRank", 0);
  spec.kv_lora_rank = js.integer("kvLoraRank", 0);
  spec.qk_nope_head_dim = js.integer("qkNopeHeadDim", 0);
  spec.qk_rope_head_dim = js.integer("qkRopeHeadDim", 0);
  spec.v_head_dim = js.integer("vHeadDim", 0);
  spec.intermediate_size = js.integer("intermediateSize", 0);
  spec.moe_intermediate_size = js.integer("moeIntermediateSize", 0);
  spec.num_experts = js.integer("numExperts", 0);
  spec.num_experts_per_token = js.integer("numExpertsPerToken", 0);
  spec.num_shared_experts = js.integer("numSharedExperts", 0);
  spec.num_expert_groups = js.integer("numExpertGroups", 0);
  spec.num_topk_groups = js.integer("numTopkGroups", 0);
  spec.routed_scaling_factor = static_cast<float>(js.number("routedScalingFactor"));
  spec.norm_topk_prob = js.boolean("normTopkProb");
  spec.rope_theta = js.number("ropeTheta");
  spec.rms_norm_eps = static_cast<float>(js.number("rmsNormEps"));
  spec.max_positions = js.integer("maxPositions", 0);
  spec.num_mtp_layers = js.integer("numMtpLayers", 0);
  spec.num_slices = js.integer("numSlices", 0);
  return spec;
}

static Dtype read_dtype(const JsReader& js) {
  const std::string name = js.text("dtype");
  if (name == "BF16") return Dtype::kBf16;
  if (name == "F16") return Dtype::kF16;
  if (name == "F32") return Dtype::kF32;
  js.refuse("dtype", "'BF16', 'F16' or 'F32'");
}

WeightPlan read_weight_plan(const JsReader& js) {
  WeightPlan plan;
  plan.digest = js.text("digest");
  for (const JsReader& tensor : js.objects("tensors")) {
    const std::vector<int32_t> shape = tensor.integers("shape");
    plan.tensors.push_back({tensor.text("name"), tensor.text("file"), tensor.size("offset"), tensor.size("bytes"), read_dtype(tensor),
                            std::vector<int64_t>(shape.begin(), shape.end())});
  }
  return plan;
}

static SamplingParams read_sampling(const JsReader& js) {
  SamplingParams params;
  params.temperature = static_cast<float>(js.number("temperature"));
  params.top_k = js.integer("topK", 0);
  params.top_p = static_cast<float>(js.number("topP"));
  params.min_p = static_cast<float>(js.number("minP"));
  params.seed = js.big("seed");
  params.logprobs = js.boolean("logprobs");
  params.top_logprobs = js.integer("topLogprobs", 0, kMaxTopLogprobs);
  return params;
}

static KvSource read_kv_source(const JsReader& js) {
  KvSource source;
  source.rank = js.integer("rank", 0);
  source.epoch = js.big("epoch");
  source.region_offset = js.big("regionOffset");
  source.generation_offset = js.big("generationOffset");
  source.block_bytes = js.size("blockBytes");
  source.layout_version = js.integer("layoutVersion", 0);
  source.blocks = js.integers("blocks");
  source.generations = js.bigs("generations");
  source.num_tokens = js.integer("numTokens", 0);
  return source;
}

static SequenceSpec read_sequence(const JsReader& js) {
  SequenceSpec spec;
  spec.seq_id = js.big("seqId");
  spec.tokens = js.integers("tokens");
  spec.num_computed = js.integer("numComputed", 0);
  spec.blocks = js.integers("blocks");
  if (const auto source = js.object_or_null("source")) spec.source = read_kv_source(*source);
  spec.sampling = read_sampling(js.object("sampling"));
  spec.max_new_tokens = js.integer("maxNewTokens", 1);
  spec.stop_token_ids = js.integers("stopTokenIds");
  spec.hold = js.boolean("hold");
  if (const auto trace = js.object_or_null("trace")) {
    trace->hex("traceId", spec.trace.emplace().trace_id, sizeof(TraceTag::trace_id));
    trace->hex("spanId", spec.trace->span_id, sizeof(TraceTag::span_id));
  }
  return spec;
}

Plan read_plan(const JsReader& js) {
  Plan plan;
  plan.master_epoch = js.big("masterEpoch");
  plan.plan_seq = js.big("planSeq");
  plan.max_prefill_tokens = js.integer("maxPrefillTokens", 0);
  for (const JsReader& sequence : js.objects("add")) plan.add.push_back(read_sequence(sequence));
  for (const JsReader& grant : js.objects("grant")) plan.grant.push_back({grant.big("seqId"), grant.integers("blocks")});
  plan.remove = js.bigs("remove");
  plan.resume = js.boolean("resume");
  return plan;
}

void check_policy(Napi::Env env, const std::string& policy) {
  if (policy != "fp32") throw_status(env, {Code::kInvalidArgument, "policy must be 'fp32', it is '" + policy + "'"});
}

// ---- Native to JavaScript ----

static napi_value write_token(const JsWriter& js, const StepToken& token) {
  napi_value result = js.object();
  js.set(result, "seqId", js.big(token.seq_id));
  js.set(result, "position", js.number(token.position));
  js.set(result, "tokenId", js.number(token.token.token_id));
  js.set(result, "logprob", js.number(token.token.logprob));
  js.set(result, "topTokenIds", js.array(token.token.top_ids, [&](int32_t id) { return js.number(id); }));
  js.set(result, "topLogprobs", js.array(token.token.top_logprobs, [&](float logprob) { return js.number(logprob); }));
  return result;
}

static napi_value write_finished(const JsWriter& js, const FinishedSequence& finished) {
  napi_value result = js.object();
  js.set(result, "seqId", js.big(finished.seq_id));
  js.set(result, "reason", js.text(finished.reason == FinishReason::kStop ? "stop" : "length"));
  return result;
}

static napi_value write_failed(const JsWriter& js, const FailedSequence& failed) {
  napi_value result = js.object();
  js.set(result, "seqId", js.big(failed.seq_id));
  js.set(result, "code", js.text(code_name(failed.status.code())));
  js.set(result, "message", js.text(failed.status.message()));
  return result;
}

static napi_value write_fault(const JsWriter& js, const StepFault& fault) {
  napi_value result = js.object();
  js.set(result, "rank", js.number(fault.rank));
  js.set(result, "code", js.text(code_name(fault.status.code())));
  js.set(result, "message", js.text(fault.status.message()));
  return result;
}

static napi_value write_timing(const JsWriter& js, const StepTiming& timing) {
  napi_value result = js.object();
  js.set(result, "startUnixNs", js.signed_big(timing.start_unix_ns));
  js.set(result, "durationNs", js.signed_big(timing.duration_ns));
  js.set(result, "numDecodeRows", js.number(timing.num_decode_rows));
  js.set(result, "numPrefillRows", js.number(timing.num_prefill_rows));
  js.set(result, "a2eNs", js.signed_big(timing.a2e_ns));
  js.set(result, "e2aWaitNs", js.signed_big(timing.e2a_wait_ns));
  js.set(result, "pullStartUnixNs", js.signed_big(timing.pull_start_unix_ns));
  js.set(result, "pullNs", js.signed_big(timing.pull_ns));
  js.set(result, "pullBytes", js.number(static_cast<double>(timing.pull_bytes)));
  js.set(result, "tracedSeqIds", js.array(timing.traced_seq_ids, [&](uint64_t id) { return js.big(id); }));
  return result;
}

static napi_value write_event(const JsWriter& js, const StepEvent& event) {
  const auto big = [&](uint64_t id) { return js.big(id); };
  napi_value result = js.object();
  js.set(result, "masterEpoch", js.big(event.master_epoch));
  js.set(result, "appliedPlanSeq", js.big(event.applied_plan_seq));
  js.set(result, "step", js.big(event.step));
  js.set(result, "tokens", js.array(event.tokens, [&](const StepToken& token) { return write_token(js, token); }));
  js.set(result, "finished", js.array(event.finished, [&](const FinishedSequence& finished) { return write_finished(js, finished); }));
  js.set(result, "starved", js.array(event.starved, big));
  js.set(result, "pulled", js.array(event.pulled, big));
  js.set(result, "failed", js.array(event.failed, [&](const FailedSequence& failed) { return write_failed(js, failed); }));
  js.set(result, "fault", event.fault ? write_fault(js, *event.fault) : js.null());
  js.set(result, "timing", event.timing ? write_timing(js, *event.timing) : js.null());
  return result;
}

napi_value write_step_events(napi_env env, const std::vector<StepEvent>& events) {
  const JsWriter js(env);
  return js.array(events, [&](const StepEvent& event) { return write_event(js, event); });
}

}  // namespace switchyard::addon
