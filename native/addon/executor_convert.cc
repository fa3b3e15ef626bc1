#include "addon/executor_convert.h"

#include "addon/js_writer.h"

namespace switchyard::addon {

using namespace executor;

// ---- JavaScript to native ----

static RopeScaling read_scaling_type(const Fields& js) {
  return choice_field<RopeScaling>(js, "type",
                                   {{"default", RopeScaling::kDefault},
                                    {"linear", RopeScaling::kLinear},
                                    {"dynamic", RopeScaling::kDynamic},
                                    {"yarn", RopeScaling::kYarn},
                                    {"llama3", RopeScaling::kLlama3},
                                    {"tensor", RopeScaling::kTensor}});
}

static void read_rope_scaling(const Fields& js, RopeShape* rope) {
  rope->scaling = read_scaling_type(js);
  if (rope->scaling == RopeScaling::kDefault || rope->scaling == RopeScaling::kTensor) return;
  rope->factor = js.real("factor");
  if (rope->scaling == RopeScaling::kLinear) return;
  rope->original_max_positions = int_field(js, "originalMaxPositions", 1);
  if (rope->scaling == RopeScaling::kYarn) {
    rope->beta_fast = js.real("betaFast");
    rope->beta_slow = js.real("betaSlow");
    rope->attention_factor = static_cast<float>(js.real("attentionFactor"));
    rope->truncate = js.boolean("truncate");
  }
  if (rope->scaling == RopeScaling::kLlama3) {
    rope->low_freq_factor = js.real("lowFreqFactor");
    rope->high_freq_factor = js.real("highFreqFactor");
  }
}

static void read_attention(const Fields& js, ModelSpec* spec) {
  spec->attention =
      choice_field<AttentionKind>(js, "attention", {{"mla", AttentionKind::kMla}, {"gqa", AttentionKind::kGqa}});
  spec->num_heads = int_field(js, "numHeads", 0);
  spec->num_kv_heads = int_field(js, "numKvHeads", 0);
  spec->head_dim = int_field(js, "headDim", 0);
  spec->v_head_dim = int_field(js, "vHeadDim", 0);
  spec->q_lora_rank = int_field(js, "qLoraRank", 0);
  spec->kv_lora_rank = int_field(js, "kvLoraRank", 0);
  spec->qk_nope_head_dim = int_field(js, "qkNopeHeadDim", 0);
  spec->qk_rope_head_dim = int_field(js, "qkRopeHeadDim", 0);
  spec->latent_norm_eps = static_cast<float>(js.real("latentNormEps"));
  spec->has_split_kv_b = js.boolean("hasSplitKvB");
  spec->qk_norm =
      choice_field<QkNorm>(js, "qkNorm", {{"none", QkNorm::kNone}, {"head", QkNorm::kHead}, {"full", QkNorm::kFull}});
  spec->has_qkv_bias = js.boolean("hasQkvBias");
  spec->has_output_bias = js.boolean("hasOutputBias");
  spec->attention_scale_factor = js.real("attentionScaleFactor");
  spec->sliding_window = int_field(js, "slidingWindow", 0);
  spec->sliding_layers = int_list(js, "slidingLayers");
  spec->rope.rotary_dim = int_field(js, "rotaryDim", 0);
  spec->rope.theta = js.real("ropeTheta");
  spec->rope.is_interleaved = js.boolean("ropeInterleaved");
  read_rope_scaling(js.object("ropeScaling"), &spec->rope);
}

static void read_ffn(const Fields& js, ModelSpec* spec) {
  spec->intermediate_size = int_field(js, "intermediateSize", 0);
  spec->has_ffn_bias = js.boolean("hasFfnBias");
  spec->moe_intermediate_size = int_field(js, "moeIntermediateSize", 0);
  spec->num_experts = int_field(js, "numExperts", 0);
  spec->num_experts_per_token = int_field(js, "numExpertsPerToken", 0);
  spec->num_shared_experts = int_field(js, "numSharedExperts", 0);
  spec->shared_intermediate_size = int_field(js, "sharedIntermediateSize", 0);
  spec->has_shared_expert_gate = js.boolean("hasSharedExpertGate");
  spec->router =
      choice_field<RouterScore>(js, "router", {{"sigmoid", RouterScore::kSigmoid}, {"softmax", RouterScore::kSoftmax}});
  spec->has_router_bias = js.boolean("hasRouterBias");
  spec->group_score = choice_field<GroupScore>(js, "groupScore",
                                               {{"top2-sum", GroupScore::kTwoLargest}, {"max", GroupScore::kLargest}});
  spec->num_expert_groups = int_field(js, "numExpertGroups", 0);
  spec->num_topk_groups = int_field(js, "numTopkGroups", 0);
  spec->routed_scaling_factor = static_cast<float>(js.real("routedScalingFactor"));
  spec->norm_topk_prob = js.boolean("normTopkProb");
}

ModelSpec read_model_spec(const Fields& js) {
  ModelSpec spec;
  spec.vocab_size = int_field(js, "vocabSize", 0);
  spec.hidden_size = int_field(js, "hiddenSize", 0);
  spec.num_layers = int_field(js, "numLayers", 0);
  spec.num_dense_layers = int_field(js, "numDenseLayers", 0);
  spec.extra_dense_layers = int_list(js, "extraDenseLayers");
  spec.tie_word_embeddings = js.boolean("tieWordEmbeddings");
  spec.rms_norm_eps = static_cast<float>(js.real("rmsNormEps"));
  spec.max_positions = int_field(js, "maxPositions", 0);
  spec.num_mtp_layers = int_field(js, "numMtpLayers", 0);
  read_attention(js, &spec);
  read_ffn(js, &spec);
  spec.num_slices = int_field(js, "numSlices", 0);
  return spec;
}

StoredType read_stored_type(const Fields& js) {
  using enum StoredType;
  return choice_field<StoredType>(js, "dtype",
                                  {{"BF16", kBf16},
                                   {"F16", kF16},
                                   {"F32", kF32},
                                   {"F8_E4M3", kF8E4m3},
                                   {"I8", kI8},
                                   {"Q8_0", kQ8_0},
                                   {"Q4_0", kQ4_0},
                                   {"Q4_1", kQ4_1},
                                   {"Q5_0", kQ5_0},
                                   {"Q5_1", kQ5_1},
                                   {"Q4_K", kQ4_K},
                                   {"Q5_K", kQ5_K},
                                   {"Q6_K", kQ6_K}});
}

static std::vector<int64_t> read_sizes(const Fields& js, const char* name) {
  const std::vector<int32_t> sizes = int_list(js, name);
  return {sizes.begin(), sizes.end()};
}

WeightTensor read_weight_tensor(const Fields& js) {
  WeightTensor tensor{js.string("name"), js.string("file"),    js.bytes("offset"),
                      js.bytes("bytes"), read_stored_type(js), read_sizes(js, "shape")};
  if (!has_scales(tensor.dtype)) return tensor;
  tensor.scales = std::make_shared<WeightTensor>(read_weight_tensor(js.object("scales")));
  tensor.scale_block = read_sizes(js, "scaleBlock");
  return tensor;
}

WeightPlan read_weight_plan(const Fields& js) {
  WeightPlan plan;
  plan.digest = js.string("digest");
  for (const Fields& tensor : object_list(js, "tensors")) plan.tensors.push_back(read_weight_tensor(tensor));
  return plan;
}

static SamplingParams read_sampling(const Fields& js) {
  SamplingParams params;
  params.temperature = static_cast<float>(js.real("temperature"));
  params.top_k = int_field(js, "topK", 0);
  params.top_p = static_cast<float>(js.real("topP"));
  params.min_p = static_cast<float>(js.real("minP"));
  params.seed = js.u64("seed");
  params.logprobs = js.boolean("logprobs");
  params.top_logprobs = int_field(js, "topLogprobs", 0, kMaxTopLogprobs);
  return params;
}

static KvSource read_kv_source(const Fields& js) {
  KvSource source;
  source.rank = int_field(js, "rank", 0);
  source.epoch = js.u64("epoch");
  source.region_offset = js.u64("regionOffset");
  source.generation_offset = js.u64("generationOffset");
  source.block_bytes = js.bytes("blockBytes");
  source.layout_version = int_field(js, "layoutVersion", 0);
  source.blocks = int_list(js, "blocks");
  source.generations = u64_list(js, "generations");
  source.num_tokens = int_field(js, "numTokens", 0);
  return source;
}

static SequenceSpec read_sequence(const Fields& js) {
  SequenceSpec spec;
  spec.seq_id = js.u64("seqId");
  spec.tokens = int_list(js, "tokens");
  spec.num_prompt_tokens = int_field(js, "numPromptTokens", 1);
  spec.num_computed = int_field(js, "numComputed", 0);
  spec.blocks = int_list(js, "blocks");
  if (!js.is_null("source")) spec.source = read_kv_source(js.object("source"));
  spec.sampling = read_sampling(js.object("sampling"));
  spec.max_new_tokens = int_field(js, "maxNewTokens", 1);
  spec.stop_token_ids = int_list(js, "stopTokenIds");
  spec.hold = js.boolean("hold");
  if (!js.is_null("trace")) {
    const Fields trace = js.object("trace");
    read_hex(trace, "traceId", spec.trace.emplace().trace_id);
    read_hex(trace, "spanId", spec.trace->span_id);
  }
  return spec;
}

Plan read_plan(const Fields& js) {
  Plan plan;
  plan.master_epoch = js.u64("masterEpoch");
  plan.plan_seq = js.u64("planSeq");
  plan.max_prefill_tokens = int_field(js, "maxPrefillTokens", 0);
  for (const Fields& sequence : object_list(js, "add")) plan.add.push_back(read_sequence(sequence));
  for (const Fields& grant : object_list(js, "grant"))
    plan.grant.push_back({grant.u64("seqId"), int_list(grant, "blocks")});
  plan.remove = u64_list(js, "remove");
  plan.resume = js.boolean("resume");
  return plan;
}

ExpertPlacement read_placement(const Fields& js) {
  return {static_cast<uint64_t>(int_field(js, "version", 0)), int_list(js, "expertToRank"),
          int_field(js, "timeoutMs", 1)};
}

executor::WeightPolicy parse_policy(Napi::Env env, const std::string& policy) {
  if (policy == "fp32") return executor::WeightPolicy::kFp32;
  if (policy == "bf16") return executor::WeightPolicy::kBf16;
  if (policy == "w8a8") return executor::WeightPolicy::kW8a8;
  if (policy != "block-a8")
    Fields::fail(env, "policy", "must be 'fp32', 'bf16', 'w8a8' or 'block-a8', it is '" + policy + "'");
  return executor::WeightPolicy::kBlockA8;
}

executor::KernelClass parse_kernel_class(Napi::Env env, const std::string& kernel_class) {
  if (kernel_class == "fma16") return executor::KernelClass::kFma16;
  if (kernel_class != "mla-split")
    Fields::fail(env, "kernelClass", "must be 'fma16' or 'mla-split', it is '" + kernel_class + "'");
  return executor::KernelClass::kMlaSplit;
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

static napi_value write_range(const JsWriter& js, const xccl::CallRange& range) {
  napi_value result = js.object();
  js.set(result, "first", js.big(range.first));
  js.set(result, "end", js.big(range.end));
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
  js.set(result, "numDrafts", js.number(timing.num_drafts));
  js.set(result, "numDraftTokens", js.number(timing.num_draft_tokens));
  js.set(result, "numAcceptedTokens",
         js.array(timing.num_accepted_tokens, [&](int count) { return js.number(count); }));
  js.set(result, "tracedSeqIds", js.array(timing.traced_seq_ids, [&](uint64_t id) { return js.big(id); }));
  js.set(result, "calls", write_range(js, {timing.first_call, timing.end_call}));
  return result;
}

static napi_value write_event(const JsWriter& js, const StepEvent& event) {
  const auto big = [&](uint64_t id) { return js.big(id); };
  napi_value result = js.object();
  js.set(result, "masterEpoch", js.big(event.master_epoch));
  js.set(result, "appliedPlanSeq", js.big(event.applied_plan_seq));
  js.set(result, "step", js.big(event.step));
  js.set(result, "tokens", js.array(event.tokens, [&](const StepToken& token) { return write_token(js, token); }));
  js.set(result, "finished",
         js.array(event.finished, [&](const FinishedSequence& finished) { return write_finished(js, finished); }));
  js.set(result, "starved", js.array(event.starved, big));
  js.set(result, "pulled", js.array(event.pulled, big));
  js.set(result, "failed",
         js.array(event.failed, [&](const FailedSequence& failed) { return write_failed(js, failed); }));
  js.set(result, "fault", event.fault ? write_fault(js, *event.fault) : js.null());
  js.set(result, "timing", event.timing ? write_timing(js, *event.timing) : js.null());
  return result;
}

template <size_t N>
static napi_value write_hex(const JsWriter& js, const std::array<uint8_t, N>& bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return js.text(text);
}

static napi_value write_span(const JsWriter& js, const ExpertSpan& span) {
  napi_value trace = js.object();
  js.set(trace, "traceId", write_hex(js, span.trace.trace_id));
  js.set(trace, "spanId", write_hex(js, span.trace.span_id));
  napi_value result = js.object();
  js.set(result, "trace", trace);
  js.set(result, "fromRank", js.number(span.from_rank));
  js.set(result, "step", js.big(span.step));
  js.set(result, "startUnixNs", js.signed_big(span.start_unix_ns));
  js.set(result, "durationNs", js.signed_big(span.duration_ns));
  js.set(result, "computeNs", js.signed_big(span.compute_ns));
  js.set(result, "numLayers", js.number(span.num_layers));
  js.set(result, "numPairs", js.number(span.num_pairs));
  js.set(result, "calls", write_range(js, span.calls));
  return result;
}

napi_value write_expert_spans(napi_env env, const std::vector<ExpertSpan>& spans) {
  const JsWriter js(env);
  return js.array(spans, [&](const ExpertSpan& span) { return write_span(js, span); });
}

napi_status call_with_array(napi_env env, napi_value callback, napi_value array) {
  napi_value receiver;
  if (!array) return napi_generic_failure;
  if (napi_status status = napi_get_undefined(env, &receiver); status != napi_ok) return status;
  return napi_call_function(env, receiver, callback, 1, &array, nullptr);
}

napi_value write_step_events(napi_env env, const std::vector<StepEvent>& events) {
  const JsWriter js(env);
  return js.array(events, [&](const StepEvent& event) { return write_event(js, event); });
}

}  // namespace switchyard::addon
