#include "addon/xccl_binding.h"

#include <algorithm>
#include <cstdlib>
#include <span>
#include <vector>

#include "addon/js_channel.h"
#include "addon/js_writer.h"
#include "addon/napi_util.h"
#include "addon/open_handles.h"
#include "xccl/copy/copy_table.h"
#include "xccl/p2p/pull_mode.h"
#include "xccl/wait/core_list.h"
#include "xccl/wait/cores.h"
#include "xccl/wait/wait_policy.h"

namespace switchyard::addon {
namespace {

constexpr napi_type_tag kCommunicatorTag = {0x8c0f4d3a6b1e4f57, 0xa1b2731c9d5e4608};

const char* state_name(xccl::PeerState state) {
  switch (state) {
    case xccl::PeerState::kLinked:
      return "linked";
    case xccl::PeerState::kDead:
      return "dead";
    default:
      return "refused";
  }
}

/// A PeerChange, by raw calls: also used in the channel's callback.
napi_status peer_to_js(napi_env env, const xccl::PeerInfo& peer, napi_value* out) {
  napi_value values[5];
  const char* state = state_name(peer.state);
  if (napi_status s = napi_create_object(env, out); s != napi_ok) return s;
  if (napi_status s = napi_create_uint32(env, peer.rank, &values[0]); s != napi_ok) return s;
  if (napi_status s = napi_create_bigint_uint64(env, peer.epoch, &values[1]); s != napi_ok) return s;
  if (napi_status s = napi_create_string_utf8(env, state, NAPI_AUTO_LENGTH, &values[2]); s != napi_ok) return s;
  if (napi_status s = napi_create_string_utf8(env, peer.reason.data(), peer.reason.size(), &values[3]); s != napi_ok)
    return s;
  if (peer.code == Code::kOk) {
    if (napi_status s = napi_get_null(env, &values[4]); s != napi_ok) return s;
  } else if (napi_status s = napi_create_string_utf8(env, code_name(peer.code), NAPI_AUTO_LENGTH, &values[4]);
             s != napi_ok) {
    return s;
  }
  const char* const names[] = {"rank", "epoch", "state", "reason", "code"};
  for (size_t i = 0; i < 5; ++i) {
    if (napi_status s = napi_set_named_property(env, *out, names[i], values[i]); s != napi_ok) return s;
  }
  return napi_ok;
}

napi_status deliver_changes(napi_env env, napi_value callback, std::vector<xccl::PeerInfo>& changes) {
  napi_value undefined;
  if (napi_status s = napi_get_undefined(env, &undefined); s != napi_ok) return s;
  for (const xccl::PeerInfo& change : changes) {
    napi_value argument;
    if (napi_status s = peer_to_js(env, change, &argument); s != napi_ok) return s;
    if (napi_status s = napi_call_function(env, undefined, callback, 1, &argument, nullptr); s != napi_ok) return s;
  }
  return napi_ok;
}

/// What a NativeCommunicator holds.
struct CommunicatorHandle {
  std::shared_ptr<JsChannel<xccl::PeerInfo>> changes = std::make_shared<JsChannel<xccl::PeerInfo>>();
  std::shared_ptr<xccl::Communicator> communicator;
  uint64_t open_id = 0;

  ~CommunicatorHandle() { close(); }
  void close() {
    if (communicator) communicator->close();
    changes->close();
    communicator.reset();
  }
  xccl::Communicator& get(Napi::Env env) const {
    if (!communicator) throw make_error(env, Code::kClosed, "the communicator is closed");
    return *communicator;
  }
};

xccl::ExchangeShape read_shape(const Fields& fields) {
  return {fields.u32("maxTokens"), fields.u32("rowBytes"), fields.u32("topK"), fields.u32("maxLocalExperts")};
}

constexpr uint32_t kNumThreadsMax = 256;

/// A rank's place among those that exchange; without one (num_attention and num_expert 0) it computes anywhere.
struct Seat {
  bool is_attention = false;
  uint32_t idx = 0;
  uint32_t num_attention = 0;
  uint32_t num_expert = 0;
  uint32_t num_threads = 1;  // that compute for the rank
};

Seat read_seat(const Fields& fields) {
  const std::string role = fields.string("role");
  if (role != "attention" && role != "expert")
    Fields::fail(fields.env(), fields.path_of("role"), "must be 'attention' or 'expert'");
  Seat seat{role == "attention", fields.u32("idx")};
  seat.num_attention = static_cast<uint32_t>(fields.integer("numAttention", xccl::kNumRanksMax));
  seat.num_expert = static_cast<uint32_t>(fields.integer("numExpert", xccl::kNumRanksMax));
  seat.num_threads = static_cast<uint32_t>(fields.integer("numThreads", kNumThreadsMax));
  if (seat.num_threads == 0) Fields::fail(fields.env(), fields.path_of("numThreads"), "must be positive");
  if (seat.idx >= (seat.is_attention ? seat.num_attention : seat.num_expert))
    Fields::fail(fields.env(), fields.path_of("idx"), "must be below the number of its role");
  return seat;
}

/// As many cores for this rank as it has threads, of those that all ranks share. Ranks of one thread may share a core in pairs, and so may
/// the threads of the only attention and the only expert rank, which take turns. Where there are more, threads that wait for each other
/// inside a layer would wait for the other rank too.
std::vector<uint32_t> pin_cores_of(Napi::Env env, const Seat& seat, std::span<const uint32_t> cores) {
  if (seat.num_threads > 1) {
    const bool take_turns = seat.num_attention == 1 && seat.num_expert == 1;
    const size_t all = size_t{seat.num_threads} * (seat.num_attention + seat.num_expert);
    const size_t needed = take_turns ? seat.num_threads : all;
    const std::string counts = "SWITCHYARD_XCCL_PIN lists " + std::to_string(cores.size()) + " cores; ranks of " +
                               std::to_string(seat.num_threads) + " threads need one each: " + std::to_string(needed);
    if (cores.size() < needed) throw_if_error(env, {Code::kInvalidArgument, counts});
    const size_t rank = seat.is_attention || cores.size() < all ? seat.idx : seat.num_attention + seat.idx;
    const auto own = cores.subspan(rank * seat.num_threads, seat.num_threads);
    return {own.begin(), own.end()};
  }
  const xccl::PinningPlan plan = xccl::plan_pinning(seat.num_attention, seat.num_expert, cores);
  const std::vector<uint32_t>& own = seat.is_attention ? plan.attention : plan.expert;
  if (own.empty()) return {};
  return {own[seat.idx]};
}

/// What the environment forces, for measurements and tests, as SWITCHYARD_ISA does; a wrong value is an error.
void read_environment(Napi::Env env, const Seat& seat, xccl::CommunicatorConfig* config) {
  if (const char* forced = std::getenv("SWITCHYARD_XCCL_WAIT")) {
    throw_if_error(env, xccl::wait_policy_from_name(forced, &config->wait_policy));
  }
  if (const char* forced = std::getenv("SWITCHYARD_XCCL_COPY")) {
    throw_if_error(env, xccl::copy_mode_from_name(forced, &config->copy_mode));
  }
  if (const char* forced = std::getenv("SWITCHYARD_XCCL_PULL")) {
    throw_if_error(env, xccl::pull_mode_from_name(forced, &config->pull_mode));
  }
  if (const char* forced = std::getenv("SWITCHYARD_XCCL_PIN")) {
    std::vector<uint32_t> cores;
    throw_if_error(env, xccl::cores_from_text(forced, &cores));
    config->pin_cores = pin_cores_of(env, seat, cores);
    config->refuge_cores = std::move(cores);
  }
}

xccl::CommunicatorConfig read_config(const Fields& options) {
  xccl::CommunicatorConfig config;
  config.name = options.string("name");
  config.rank = options.u32("rank");
  config.epoch = options.u64("epoch");
  config.socket_path = options.string("socketPath");
  const std::vector<uint8_t> nonce = options.byte_array("nonce");
  if (nonce.size() != config.nonce.size()) Fields::fail(options.env(), options.path_of("nonce"), "must have 16 bytes");
  std::copy(nonce.begin(), nonce.end(), config.nonce.begin());
  config.compatibility = options.string("compatibility");
  config.app_bytes = options.bytes("appBytes");
  config.zc_bytes = options.bytes("zcBytes");
  config.max_ranks = options.u32("maxRanks");
  if (!options.is_null("exchange")) config.exchange = read_shape(options.object("exchange"));
  config.liveness_timeout = std::chrono::milliseconds(options.u32("livenessTimeoutMs"));
  config.telemetry = options.boolean("telemetry");
  const Seat seat = options.is_null("seat") ? Seat() : read_seat(options.object("seat"));
  read_environment(options.env(), seat, &config);
  return config;
}

void expect_peer(const CommunicatorHandle& handle, const Napi::CallbackInfo& info) {
  const Fields peer(info[0], "peer");
  xccl::PeerSpec spec;
  spec.rank = peer.u32("rank");
  spec.epoch = peer.u64("epoch");
  spec.socket_path = peer.string("socketPath");
  throw_if_error(info.Env(), handle.get(info.Env()).expect_peer(spec));
}

void forget_peer(const CommunicatorHandle& handle, const Napi::CallbackInfo& info) {
  const auto rank = static_cast<uint32_t>(Fields::integer_of(info[0], "rank", UINT32_MAX));
  throw_if_error(info.Env(), handle.get(info.Env()).forget_peer(rank));
}

/// Peers of which nothing is known yet are left out: a PeerChange tells what has happened.
Napi::Value list_peers(const CommunicatorHandle& handle, const Napi::CallbackInfo& info) {
  std::vector<xccl::PeerInfo> peers = handle.get(info.Env()).peers();
  std::erase_if(peers, [](const xccl::PeerInfo& peer) { return peer.state == xccl::PeerState::kExpected; });
  Napi::Array list = Napi::Array::New(info.Env(), peers.size());
  for (uint32_t i = 0; i < peers.size(); ++i) {
    napi_value peer;
    if (peer_to_js(info.Env(), peers[i], &peer) != napi_ok) throw Napi::Error::New(info.Env());
    list.Set(i, peer);
  }
  return list;
}

// ---- Telemetry and probe ----

/// Sums of one primitive and peer; `peer` is null for calls with several.
napi_value stats_to_js(const JsWriter& js, const xccl::PrimitiveStats& stats) {
  napi_value object = js.object();
  js.set(object, "primitive", js.text(xccl::primitive_name(stats.primitive)));
  js.set(object, "peer", stats.peer == xccl::kAllPeers ? js.null() : js.number(stats.peer));
  js.set(object, "numCalls", js.big(stats.num_calls));
  js.set(object, "numErrors", js.big(stats.num_errors));
  js.set(object, "bytes", js.big(stats.bytes));
  js.set(object, "durationNs", js.big(stats.duration_ns));
  js.set(object, "waitNs", js.big(stats.wait_ns));
  js.set(object, "copyNs", js.big(stats.copy_ns));
  const std::vector<uint64_t> buckets(stats.duration_buckets.begin(), stats.duration_buckets.end());
  js.set(object, "durationBuckets", js.array(buckets, [&](uint64_t count) { return js.big(count); }));
  return object;
}

napi_value call_to_js(const JsWriter& js, const xccl::CallRecord& call) {
  napi_value object = js.object();
  js.set(object, "primitive", js.text(xccl::primitive_name(call.primitive)));
  js.set(object, "peer", call.peer == xccl::kAllPeers ? js.null() : js.number(call.peer));
  js.set(object, "code", call.code == Code::kOk ? js.null() : js.text(code_name(call.code)));
  js.set(object, "step", js.big(call.event.step));
  js.set(object, "layer", js.number(call.event.layer));
  js.set(object, "microBatch", js.number(call.event.micro_batch));
  js.set(object, "startUnixNs", js.big(call.start_unix_ns));
  js.set(object, "durationNs", js.big(call.duration_ns));
  js.set(object, "bytes", js.big(call.bytes));
  return object;
}

Napi::Value telemetry(const CommunicatorHandle& handle, const Napi::CallbackInfo& info) {
  const xccl::TelemetryReport report = handle.get(info.Env()).telemetry();
  const JsWriter js(info.Env());
  return {info.Env(), js.array(report.stats, [&](const auto& stats) { return stats_to_js(js, stats); })};
}

Napi::Value num_core_moves(const CommunicatorHandle& handle, const Napi::CallbackInfo& info) {
  return {info.Env(), JsWriter(info.Env()).big(handle.get(info.Env()).num_core_moves())};
}

Napi::Value read_calls(const CommunicatorHandle& handle, const Napi::CallbackInfo& info) {
  const Fields range(info[0], "range");
  const xccl::CallRecords records = handle.get(info.Env()).calls({range.u64("first"), range.u64("end")});
  const JsWriter js(info.Env());
  napi_value object = js.object();
  js.set(object, "calls", js.array(records.calls, [&](const auto& call) { return call_to_js(js, call); }));
  js.set(object, "numLost", js.big(records.num_lost));
  return {info.Env(), object};
}

const char* state_name(xccl::ProbeState state) {
  switch (state) {
    case xccl::ProbeState::kHealthy:
      return "healthy";
    case xccl::ProbeState::kSaturated:
      return "saturated";
    case xccl::ProbeState::kDead:
      break;
  }
  return "dead";
}

/// A probe waits for its peer, so it runs in the pool.
class ProbeWorker final : public Napi::AsyncWorker {
 public:
  ProbeWorker(Napi::Env env, std::shared_ptr<xccl::Communicator> communicator, uint32_t rank,
              std::chrono::milliseconds timeout)
      : Napi::AsyncWorker(env, "switchyard.xccl.probe"),
        deferred_(Napi::Promise::Deferred::New(env)),
        communicator_(std::move(communicator)),
        rank_(rank),
        deadline_(std::chrono::steady_clock::now() + timeout) {}
  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override { status_ = communicator_->probe(rank_, deadline_, &report_); }
  void OnOK() override {
    if (!status_.ok()) return deferred_.Reject(make_error(Env(), status_.code(), status_.message()).Value());
    const JsWriter js(Env());
    napi_value object = js.object();
    js.set(object, "state", js.text(state_name(report_.state)));
    js.set(object, "code", report_.code == Code::kOk ? js.null() : js.text(code_name(report_.code)));
    js.set(object, "reason", js.text(report_.reason));
    js.set(object, "roundTripNs", js.big(static_cast<uint64_t>(report_.round_trip.count())));
    js.set(object, "numUnread", js.number(report_.num_unread));
    napi_value is_busy = Napi::Boolean::New(Env(), report_.is_busy);
    js.set(object, "isBusy", is_busy);
    napi_value has_progressed = Napi::Boolean::New(Env(), report_.has_progressed);
    js.set(object, "hasProgressed", has_progressed);
    deferred_.Resolve(object);
  }

 private:
  const Napi::Promise::Deferred deferred_;
  const std::shared_ptr<xccl::Communicator> communicator_;
  const uint32_t rank_;
  const xccl::Deadline deadline_;
  Status status_;
  xccl::ProbeReport report_;
};

Napi::Value probe(const CommunicatorHandle& handle, const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto rank = static_cast<uint32_t>(Fields::integer_of(info[0], "rank", UINT32_MAX));
  const auto timeout_ms = Fields::integer_of(info[1], "timeoutMs", 60'000);
  handle.get(env);
  auto* worker = new ProbeWorker(env, handle.communicator, rank, std::chrono::milliseconds(timeout_ms));
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

Napi::Object make_object(Napi::Env env, const std::shared_ptr<CommunicatorHandle>& handle) {
  Napi::Object object = make_handle(env, kCommunicatorTag, handle);
  object.Set("expectPeer",
             Napi::Function::New(env, [handle](const Napi::CallbackInfo& info) { expect_peer(*handle, info); }));
  object.Set("forgetPeer",
             Napi::Function::New(env, [handle](const Napi::CallbackInfo& info) { forget_peer(*handle, info); }));
  object.Set("peers",
             Napi::Function::New(env, [handle](const Napi::CallbackInfo& info) { return list_peers(*handle, info); }));
  object.Set("telemetry",
             Napi::Function::New(env, [handle](const Napi::CallbackInfo& info) { return telemetry(*handle, info); }));
  object.Set("numCoreMoves", Napi::Function::New(env, [handle](const Napi::CallbackInfo& info) {
               return num_core_moves(*handle, info);
             }));
  object.Set("calls",
             Napi::Function::New(env, [handle](const Napi::CallbackInfo& info) { return read_calls(*handle, info); }));
  object.Set("probe",
             Napi::Function::New(env, [handle](const Napi::CallbackInfo& info) { return probe(*handle, info); }));
  object.Set("close", Napi::Function::New(env, [handle](const Napi::CallbackInfo& info) {
               OpenHandles::of(info.Env()).remove(handle->open_id);
               handle->close();
             }));
  return object;
}

Napi::Value create_communicator(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Fields options(info[0], "options");
  auto handle = std::make_shared<CommunicatorHandle>();
  xccl::CommunicatorConfig config = read_config(options);
  config.on_peer_change = [changes = handle->changes](const xccl::PeerInfo& change) { changes->post(change); };
  if (handle->changes->open(env, options.function("onPeerChange"), "switchyard.xccl", deliver_changes, false) !=
      napi_ok)
    throw Napi::Error::New(env);
  throw_if_error(env, xccl::Communicator::create(std::move(config), &handle->communicator));
  handle->open_id = OpenHandles::of(env).add([weak = std::weak_ptr(handle)] {
    if (const auto open = weak.lock()) open->close();
  });
  return make_object(env, handle);
}

}  // namespace

void init_xccl(Napi::Env env, Napi::Object exports) {
  exports.Set("createCommunicator", Napi::Function::New(env, create_communicator, "createCommunicator"));
}

std::shared_ptr<xccl::Communicator> unwrap_communicator(Napi::Value value, const std::string& path) {
  const auto handle = unwrap_handle<CommunicatorHandle>(value, kCommunicatorTag, path);
  handle->get(value.Env());
  return handle->communicator;
}

}  // namespace switchyard::addon
