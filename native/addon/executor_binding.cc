// See executor_binding.h. A handle is a plain object whose methods share the native object; close() or the end of the environment ends it.
#include "addon/executor_binding.h"

#include <cstring>

#include "addon/executor_convert.h"
#include "addon/js_channel.h"
#include "addon/napi_util.h"
#include "addon/open_handles.h"
#include "addon/xccl_binding.h"
#include "base/file_lock.h"
#include "executor/blocks/local_experts.h"
#include "executor/loop/executor_loop.h"
#include "executor/model/evaluate.h"
#include "executor/model/pack_model.h"
#include "executor/remote/communicator_parts.h"
#include "executor/remote/expert_server.h"
#include "executor/remote/remote_experts.h"
#include "kernels/registry.h"

namespace switchyard::addon {
namespace {

using namespace executor;

constexpr int kNumThreadsMax = 256;

/// A native loop and its way to JavaScript; both end together.
template <class Loop, class Event>
struct LoopHandle {
  std::shared_ptr<JsChannel<Event>> events = std::make_shared<JsChannel<Event>>();
  std::unique_ptr<Loop> loop;
  uint64_t open_id = 0;

  ~LoopHandle() { close(); }
  void close() {
    if (loop) loop->close();
    events->close();
  }
};

using ExecutorHandle = LoopHandle<ExecutorLoop, StepEvent>;
using ExpertServerHandle = LoopHandle<ExpertServer, ExpertSpan>;

template <class Body>
void set_method(Napi::Object object, const char* name, Body body) {
  object.Set(name, Napi::Function::New(object.Env(), std::move(body), name));
}

template <class Event>
void open_channel(const Fields& options, const char* callback, JsChannel<Event>* channel,
                  typename JsChannel<Event>::Deliver deliver) {
  if (channel->open(options.env(), options.function(callback), "switchyard.executor", deliver, true) != napi_ok)
    throw Napi::Error::New(options.env());
}

template <class Handle>
void close_with_environment(Napi::Env env, const std::shared_ptr<Handle>& handle, Napi::Object object) {
  handle->open_id = OpenHandles::of(env).add([weak = std::weak_ptr(handle)] {
    if (const auto open = weak.lock()) open->close();
  });
  set_method(object, "close", [handle](const Napi::CallbackInfo& info) {
    OpenHandles::of(info.Env()).remove(handle->open_id);
    handle->close();
  });
}

// ---- Executor ----

std::shared_ptr<xccl::Communicator> communicator_of(const Fields& options) {
  return options.is_null("communicator")
             ? nullptr
             : unwrap_communicator(options.value("communicator"), options.path_of("communicator"));
}

int read_num_threads(const Fields& options) { return int_field(options, "threads", 1, kNumThreadsMax); }

/// Local experts with all their weights, or the way to remote ones.
std::unique_ptr<ExpertBackend> load_experts(const Fields& options, const ModelSpec& spec, const WeightStore& store,
                                            const std::shared_ptr<xccl::Communicator>& communicator, ThreadPool* pool,
                                            int* max_pass_tokens) {
  if (options.is_null("experts")) {
    ExpertBank bank;
    throw_if_error(options.env(), bank.load(spec, store, {0, spec.num_layers}, [](int) { return true; }));
    return std::make_unique<LocalExperts>(spec, std::move(bank), pool);
  }
  if (!communicator)
    Fields::fail(options.env(), options.path_of("communicator"), "must not be null with remote experts");
  ExpertPlacement placement = read_placement(options.object("experts"));
  throw_if_error(options.env(), check_placement(spec, placement, communicator->config()));
  *max_pass_tokens = static_cast<int>(communicator->config().exchange.max_tokens);
  return std::make_unique<RemoteExperts>(spec, std::move(placement), communicator);
}

/// The model as it is served.
ModelSpec read_served_model(const Fields& options) {
  ModelSpec spec = read_model_spec(options.object("model"));
  spec.policy = parse_policy(options.env(), options.string("policy"));
  spec.kernel_class = parse_kernel_class(options.env(), options.string("kernelClass"));
  return spec;
}

/// The MTP layer's own experts, which every rank that drafts holds itself: drafts wait for no other rank.
std::unique_ptr<ExpertBackend> load_mtp_experts(Napi::Env env, const ModelSpec& spec, const WeightStore& store,
                                                ThreadPool* pool) {
  ExpertBank bank;
  throw_if_error(env, bank.load(spec, store, {spec.num_layers, spec.num_layers + 1}, [](int) { return true; }));
  return std::make_unique<LocalExperts>(spec, std::move(bank), pool);
}

/// From the arena, or from the files where there is none.
void open_weights(const Fields& options, WeightStore* store) {
  const Napi::Env env = options.env();
  const WeightPolicy policy = parse_policy(env, options.string("policy"));
  if (options.is_null("arena"))
    return throw_if_error(env, store->open(read_weight_plan(options.object("weights")), policy));
  const Fields file = options.object("arena");
  std::shared_ptr<const Arena> arena;
  throw_if_error(env, Arena::open(file.string("path"), file.string("key"), &arena));
  store->open(std::move(arena));
}

CoreConfig load_core(const Fields& options) {
  const Napi::Env env = options.env();
  const ModelSpec spec = read_served_model(options);
  const std::shared_ptr<xccl::Communicator> communicator = communicator_of(options);
  CoreConfig config;
  const int num_threads = read_num_threads(options);
  config.max_batch_tokens = int_field(options, "maxBatchTokens", 1, 65536);
  config.max_pass_tokens = config.max_batch_tokens;
  throw_if_error(env, check_model_spec(spec));
  WeightStore store;
  open_weights(options, &store);
  config.num_speculative_tokens = int_field(options, "numSpeculativeTokens", 0, kMaxSpeculativeTokens);
  const bool drafts = config.num_speculative_tokens > 0;
  throw_if_error(env, Model::load(spec, store, drafts, &config.model));
  config.pool = std::make_unique<ThreadPool>(num_threads, communicator ? pin_workers_of(communicator) : nullptr);
  config.experts = load_experts(options, spec, store, communicator, config.pool.get(), &config.max_pass_tokens);
  if (drafts) config.mtp_experts = load_mtp_experts(env, spec, store, config.pool.get());
  const std::span<std::byte> region = communicator ? communicator->app() : std::span<std::byte>();
  throw_if_error(
      env, KvPool::create(spec.num_layers + (drafts ? 1 : 0), CacheLayout(spec), int_field(options, "numBlocks", 1),
                          int_field(options, "blockTokens", 1), region, &config.kv));
  if (communicator) {
    config.kv_reader = std::make_unique<CommunicatorKvReader>(communicator);
    config.heartbeat = std::make_unique<CommunicatorHeartbeat>(communicator);
    config.num_calls = [communicator] { return communicator->num_calls(); };
  }
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

Napi::Value read_generations(const KvPool& kv, const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsArray()) Fields::fail(env, "blocks", "must be an array");
  const Napi::Array blocks = info[0].As<Napi::Array>();
  Napi::Array result = Napi::Array::New(env, blocks.Length());
  for (uint32_t i = 0; i < blocks.Length(); ++i) {
    const uint64_t block = Fields::integer_of(blocks.Get(i), "blocks", kv.num_blocks() - 1);
    result.Set(i, Napi::BigInt::New(env, kv.generation(static_cast<int32_t>(block))));
  }
  return result;
}

napi_status deliver_steps(napi_env env, napi_value callback, std::vector<StepEvent>& events) {
  return call_with_array(env, callback, write_step_events(env, events));
}

Napi::Value create_executor(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  throw_if_error(env, select_kernels());
  const Fields options(info[0], "options");
  CoreConfig config = load_core(options);
  auto handle = std::make_shared<ExecutorHandle>();
  open_channel(options, "onSteps", handle->events.get(), deliver_steps);
  handle->loop = std::make_unique<ExecutorLoop>(
      std::move(config), [events = handle->events](StepEvent event) { events->post(std::move(event)); });
  Napi::Object result = Napi::Object::New(env);
  set_method(result, "submit", [handle](const Napi::CallbackInfo& call) {
    throw_if_error(call.Env(), handle->loop->submit(read_plan(Fields(call[0], "plan"))));
  });
  set_method(result, "kvRegion",
             [handle](const Napi::CallbackInfo& call) { return write_kv_region(call.Env(), handle->loop->kv()); });
  set_method(result, "blockGenerations",
             [handle](const Napi::CallbackInfo& call) { return read_generations(handle->loop->kv(), call); });
  close_with_environment(env, handle, result);
  return result;
}

// ---- Expert server ----

ExpertServerConfig load_server(const Fields& options) {
  const Napi::Env env = options.env();
  ExpertServerConfig config;
  config.spec = read_served_model(options);
  throw_if_error(env, check_model_spec(config.spec));
  config.communicator = unwrap_communicator(options.value("communicator"), options.path_of("communicator"));
  config.placement = read_placement(options.object("placement"));
  config.num_threads = read_num_threads(options);
  throw_if_error(env, check_placement(config.spec, config.placement, config.communicator->config()));
  const auto rank = static_cast<int32_t>(config.communicator->rank());
  WeightStore store;
  open_weights(options, &store);
  throw_if_error(env, config.bank.load(config.spec, store, {0, config.spec.num_layers},
                                       [&](int expert) { return config.placement.expert_to_rank[expert] == rank; }));
  return config;
}

Napi::Value write_stats(Napi::Env env, const ExpertServerStats& stats) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("numMessages", Napi::BigInt::New(env, stats.num_messages));
  result.Set("numPairs", Napi::BigInt::New(env, stats.num_pairs));
  result.Set("computeNs", Napi::BigInt::New(env, stats.compute_ns));
  return result;
}

napi_status deliver_spans(napi_env env, napi_value callback, std::vector<ExpertSpan>& spans) {
  return call_with_array(env, callback, write_expert_spans(env, spans));
}

Napi::Value create_expert_server(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  throw_if_error(env, select_kernels());
  const Fields options(info[0], "options");
  ExpertServerConfig config = load_server(options);
  auto handle = std::make_shared<ExpertServerHandle>();
  open_channel(options, "onSpans", handle->events.get(), deliver_spans);
  config.on_span = [events = handle->events](ExpertSpan span) { events->post(std::move(span)); };
  handle->loop = std::make_unique<ExpertServer>(std::move(config));
  Napi::Object result = Napi::Object::New(env);
  set_method(result, "stats",
             [handle](const Napi::CallbackInfo& call) { return write_stats(call.Env(), handle->loop->stats()); });
  close_with_environment(env, handle, result);
  return result;
}

// ---- Arena ----

/// What a pack shares with its handle in JavaScript.
struct PackJob {
  ModelSpec spec;
  WeightPlan weights;
  std::string path;
  std::string key;
  PackProgress progress;
};

class PackWorker final : public Napi::AsyncWorker {
 public:
  PackWorker(Napi::Env env, std::shared_ptr<PackJob> job)
      : Napi::AsyncWorker(env, "switchyard.executor.pack"),
        deferred_(Napi::Promise::Deferred::New(env)),
        job_(std::move(job)),
        open_id_(OpenHandles::of(env).add([job = job_] { job->progress.is_cancelled = true; })) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 private:
  void Execute() override { status_ = pack_model(job_->spec, job_->weights, job_->path, job_->key, &job_->progress); }

  void OnOK() override {
    OpenHandles::of(Env()).remove(open_id_);
    if (status_.ok()) {
      deferred_.Resolve(Env().Undefined());
    } else {
      deferred_.Reject(make_error(Env(), status_.code(), status_.message()).Value());
    }
  }

  const Napi::Promise::Deferred deferred_;
  const std::shared_ptr<PackJob> job_;
  const uint64_t open_id_;
  Status status_;
};

Napi::Value pack(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Fields options(info[0], "options");
  const Fields arena = options.object("arena");
  auto job = std::make_shared<PackJob>();
  job->spec = read_served_model(options);
  job->weights = read_weight_plan(options.object("weights"));
  job->path = arena.string("path");
  job->key = arena.string("key");
  auto* worker = new PackWorker(env, job);
  Napi::Object result = Napi::Object::New(env);
  result.Set("done", worker->promise());
  set_method(result, "progress", [job](const Napi::CallbackInfo& call) {
    Napi::Object progress = Napi::Object::New(call.Env());
    progress.Set("doneBytes", static_cast<double>(job->progress.done_bytes));
    progress.Set("totalBytes", static_cast<double>(job->progress.total_bytes));
    return progress;
  });
  set_method(result, "cancel", [job](const Napi::CallbackInfo&) { job->progress.is_cancelled = true; });
  worker->Queue();
  return result;
}

Napi::Value check_arena(const Napi::CallbackInfo& info) {
  const Fields file(info[0], "arena");
  std::shared_ptr<const Arena> arena;
  throw_if_error(info.Env(), Arena::open(file.string("path"), file.string("key"), &arena));
  return info.Env().Undefined();
}

Napi::Value try_lock_file(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsString()) Fields::fail(env, "path", "must be a string");
  std::unique_ptr<FileLock> taken;
  throw_if_error(env, FileLock::try_lock(info[0].As<Napi::String>().Utf8Value(), &taken));
  if (!taken) return env.Null();
  Napi::Object result = Napi::Object::New(env);
  set_method(result, "release",
             [lock = std::shared_ptr<FileLock>(std::move(taken))](const Napi::CallbackInfo&) mutable { lock.reset(); });
  return result;
}

// ---- Without a loop ----

Napi::Value write_floats(Napi::Env env, const std::vector<float>& values) {
  Napi::Float32Array result = Napi::Float32Array::New(env, values.size());
  std::memcpy(result.Data(), values.data(), values.size() * sizeof(float));
  return result;
}

Napi::Value evaluate_model(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  throw_if_error(env, select_kernels());
  const Fields options(info[0], "options");
  const bool mtp = options.boolean("mtp");
  WeightStore store;
  open_weights(options, &store);
  Evaluation evaluation;
  throw_if_error(env, evaluate(read_served_model(options), store, int_list(options, "tokens"),
                               int_field(options, "chunkTokens", 1), mtp, read_num_threads(options), &evaluation));
  Napi::Object result = Napi::Object::New(env);
  result.Set("logits", write_floats(env, evaluation.logits));
  result.Set("mtpLogits", mtp ? write_floats(env, evaluation.mtp_logits) : env.Null());
  return result;
}

Napi::Value widen(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Fields options(info[0], "options");
  const StoredType type = read_stored_type(options);
  const std::vector<uint8_t> blocks = options.byte_array("bytes");
  const StoredLayout layout = stored_layout(type);
  if (blocks.size() % layout.block_bytes != 0)
    Fields::fail(env, "options.bytes", "must be whole blocks of " + std::to_string(layout.block_bytes) + " bytes");
  std::vector<float> values(blocks.size() / layout.block_bytes * layout.block_elements);
  widen_stored(type, reinterpret_cast<const std::byte*>(blocks.data()), values.size(), values.data());
  return write_floats(env, values);
}

Napi::Value describe(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  throw_if_error(env, select_kernels());
  Napi::Array isas = Napi::Array::New(env);
  for (const Isa isa : available_isas()) isas.Set(isas.Length(), isa_name(isa));
  Napi::Object result = Napi::Object::New(env);
  result.Set("isas", isas);
  result.Set("isa", isa_name(kernels().isa));
  result.Set("contractVersion", kContractVersion);
  result.Set("arenaLayoutVersion", kArenaLayoutVersion);
  return result;
}

Napi::Value numeric_class_of(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  throw_if_error(env, select_kernels());
  const auto text_of = [&](int i, const char* name) {
    if (!info[i].IsString()) Fields::fail(env, name, "must be a string");
    return info[i].As<Napi::String>().Utf8Value();
  };
  const std::string policy = text_of(0, "policy");
  const std::string kernel_class = text_of(1, "kernelClass");
  (void)parse_policy(env, policy);
  (void)parse_kernel_class(env, kernel_class);
  return Napi::String::New(env, numeric_class(policy, kernel_class));
}

}  // namespace

void init_executor(Napi::Env, Napi::Object exports) {
  set_method(exports, "describe", describe);
  set_method(exports, "numericClass", numeric_class_of);
  set_method(exports, "tryLockFile", try_lock_file);
  set_method(exports, "packModel", pack);
  set_method(exports, "checkArena", check_arena);
  set_method(exports, "createExecutor", create_executor);
  set_method(exports, "createExpertServer", create_expert_server);
  set_method(exports, "evaluate", evaluate_model);
  set_method(exports, "widen", widen);
}

}  // namespace switchyard::addon
