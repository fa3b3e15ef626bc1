// See executor_binding.h. A handle is a plain object whose methods share the native object; close() or the end of the environment ends it.
#include "addon/executor_binding.h"

#include <cstring>

#include "addon/event_port.h"
#include "addon/executor_convert.h"
#include "addon/js_error.h"
#include "executor/blocks/local_experts.h"
#include "executor/loop/executor_loop.h"
#include "executor/model/evaluate.h"
#include "kernels/registry.h"

namespace switchyard::addon {
namespace {

using namespace executor;

/// Joins a loop and its port to the life of the environment.
class ExecutorHandle {
 public:
  ExecutorHandle(napi_env env, std::shared_ptr<EventPort<StepEvent>> port, CoreConfig config)
      : env_(env), port_(std::move(port)), loop_(std::move(config), [port = port_](StepEvent event) { port->push(std::move(event)); }) {
    napi_add_env_cleanup_hook(env_, on_env_end, this);
  }
  ~ExecutorHandle() { close(); }

  ExecutorLoop& loop() { return loop_; }
  bool is_closed() const { return is_closed_; }

  void close() {
    if (std::exchange(is_closed_, true)) return;
    loop_.close();
    port_->release();
    napi_remove_env_cleanup_hook(env_, on_env_end, this);
  }

 private:
  static void on_env_end(void* handle) { static_cast<ExecutorHandle*>(handle)->close(); }

  napi_env env_;
  std::shared_ptr<EventPort<StepEvent>> port_;
  ExecutorLoop loop_;
  bool is_closed_ = false;
};

template <typename Body>
void set_method(Napi::Object object, const char* name, Body body) {
  object.Set(name, Napi::Function::New(object.Env(), std::move(body), name));
}

CoreConfig load_core(Napi::Env env, const JsReader& options) {
  const ModelSpec spec = read_model_spec(options.object("model"));
  const WeightPlan weights = read_weight_plan(options.object("weights"));
  check_policy(env, options.text("policy"));
  CoreConfig config;
  config.max_batch_tokens = options.integer("maxBatchTokens", 1, 65536);
  config.max_pass_tokens = config.max_batch_tokens;
  throw_unless_ok(env, check_model_spec(spec));
  WeightStore store;
  throw_unless_ok(env, store.open(weights));
  throw_unless_ok(env, Model::load(spec, store, false, &config.model));
  ExpertBank bank;
  throw_unless_ok(env, bank.load(spec, store, spec.num_layers, [](int) { return true; }));
  config.experts = std::make_unique<LocalExperts>(spec, std::move(bank));
  throw_unless_ok(env, KvPool::create(spec.num_layers, spec.cache_width(), options.integer("numBlocks", 1), options.integer("blockTokens", 1), {},
                                      &config.kv));
  return config;
}

Napi::Value write_kv_region(Napi::Env env, const KvPool& kv) {
  Napi::Object region = Napi::Object::New(env);
  region.Set("offset", Napi::BigInt::New(env, uint64_t{0}));
  region.Set("blockBytes", static_cast<double>(kv.block_bytes()));
  region.Set("numBlocks", kv.num_blocks());
  region.Set("blockTokens", kv.block_tokens());
  region.Set("generationOffset", Napi::BigInt::New(env, kv.generation_offset()));
  region.Set("layoutVersion", kKvLayoutVersion);
  return region;
}

Napi::Value read_generations(Napi::Env env, const KvPool& kv, const Napi::Value& value) {
  if (!value.IsArray()) throw_status(env, {Code::kInvalidArgument, "blocks must be an array"});
  const Napi::Array blocks = value.As<Napi::Array>();
  Napi::Array result = Napi::Array::New(env, blocks.Length());
  for (uint32_t i = 0; i < blocks.Length(); ++i) {
    const Napi::Value element = blocks.Get(i);
    const double block = element.IsNumber() ? element.As<Napi::Number>().DoubleValue() : -1.0;
    if (!(block >= 0 && block < kv.num_blocks())) throw_status(env, {Code::kInvalidArgument, "blocks[" + std::to_string(i) + "] is not a block"});
    result.Set(i, Napi::BigInt::New(env, kv.generation(static_cast<int32_t>(block))));
  }
  return result;
}

Napi::Value create_executor(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  throw_unless_ok(env, select_kernels());
  const JsReader options(info[0], "options");
  CoreConfig config = load_core(env, options);
  auto port = std::make_shared<EventPort<StepEvent>>(write_step_events);
  if (!port->open(env, options.function("onSteps"), "switchyard.executor")) {
    throw_status(env, {Code::kInternal, "cannot create the executor's event function"});
  }
  auto handle = std::make_shared<ExecutorHandle>(env, std::move(port), std::move(config));
  Napi::Object result = Napi::Object::New(env);
  set_method(result, "submit", [handle](const Napi::CallbackInfo& call) {
    throw_unless_ok(call.Env(), handle->loop().submit(read_plan(JsReader(call[0], "plan"))));
  });
  set_method(result, "kvRegion", [handle](const Napi::CallbackInfo& call) { return write_kv_region(call.Env(), handle->loop().kv()); });
  set_method(result, "blockGenerations",
             [handle](const Napi::CallbackInfo& call) { return read_generations(call.Env(), handle->loop().kv(), call[0]); });
  set_method(result, "close", [handle](const Napi::CallbackInfo&) { handle->close(); });
  return result;
}

Napi::Value write_floats(Napi::Env env, const std::vector<float>& values) {
  Napi::Float32Array result = Napi::Float32Array::New(env, values.size());
  std::memcpy(result.Data(), values.data(), values.size() * sizeof(float));
  return result;
}

Napi::Value evaluate_model(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  throw_unless_ok(env, select_kernels());
  const JsReader options(info[0], "options");
  check_policy(env, options.text("policy"));
  const bool mtp = options.boolean("mtp");
  Evaluation evaluation;
  throw_unless_ok(env, evaluate(read_model_spec(options.object("model")), read_weight_plan(options.object("weights")), options.integers("tokens"),
                                mtp, &evaluation));
  Napi::Object result = Napi::Object::New(env);
  result.Set("logits", write_floats(env, evaluation.logits));
  result.Set("mtpLogits", mtp ? write_floats(env, evaluation.mtp_logits) : env.Null());
  return result;
}

Napi::Value describe(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  throw_unless_ok(env, select_kernels());
  Napi::Array isas = Napi::Array::New(env);
  for (const Isa isa : available_isas()) isas.Set(isas.Length(), isa_name(isa));
  Napi::Object result = Napi::Object::New(env);
  result.Set("isas", isas);
  result.Set("isa", isa_name(kernels().isa));
  result.Set("contractVersion", kContractVersion);
  return result;
}

Napi::Value numeric_class_of(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  throw_unless_ok(env, select_kernels());
  if (!info[0].IsString()) throw_status(env, {Code::kInvalidArgument, "policy must be a string"});
  const std::string policy = info[0].As<Napi::String>().Utf8Value();
  check_policy(env, policy);
  return Napi::String::New(env, numeric_class(policy));
}

}  // namespace

void init_executor(Napi::Env, Napi::Object exports) {
  set_method(exports, "describe", describe);
  set_method(exports, "numericClass", numeric_class_of);
  set_method(exports, "createExecutor", create_executor);
  set_method(exports, "evaluate", evaluate_model);
}

}  // namespace switchyard::addon
