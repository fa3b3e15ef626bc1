// count_call: what every primitive runs inside to be counted. Off, it costs one relaxed load and never reads a clock.
//
//   Status Messenger::send(uint32_t dest, ...) {
//     return count_call(local_.recorder(), {Primitive::kSend, dest, event}, [=, this](CallScope* scope) {
//       if (scope) scope->set_bytes(num_bytes);
//       { const PartTimer timer(scope, CallPart::kWait); wait_on(...); }
//       { const PartTimer timer(scope, CallPart::kCopy); fabric.put(...); }
//       return status;
//     });
//   }
#pragma once

#include <chrono>
#include <utility>

#include "xccl/telemetry/recorder.h"

namespace switchyard::xccl {

enum class CallPart : uint8_t { kWait, kCopy };

/// What is called, of whom.
struct CallName {
  Primitive primitive;
  uint32_t peer = kAllPeers;
  EventId event{};
};

/// One call that is counted. A null CallScope* is one that is not.
class CallScope {
 public:
  CallScope(Recorder& recorder, const CallName& name);
  CallScope(const CallScope&) = delete;

  /// What the call, which has several peers, moves for one of them.
  void add_bytes(uint32_t peer, uint64_t num_bytes) {
    recorder_.add_bytes(call_.primitive, peer, num_bytes);
    call_.peer_bytes += num_bytes;
  }
  /// What it moves if it succeeds, of a call with one peer.
  void set_bytes(uint64_t num_bytes) { call_.bytes = num_bytes; }
  /// Whom the record of a call with several peers names, and for what: it is counted for no peer in particular all the same.
  void name(uint32_t peer, const EventId& event) {
    call_.record_peer = peer;
    call_.event = event;
  }
  /// The call has ended.
  void finish(const Status& status);

 private:
  friend class PartTimer;

  Recorder& recorder_;
  FinishedCall call_;
};

/// Adds its lifetime to one part of the call. Copying inside a wait is copying.
class PartTimer {
 public:
  PartTimer(CallScope* scope, CallPart part) : scope_(scope), part_(part) {
    if (scope_) begin();
  }
  ~PartTimer() {
    if (scope_) end();
  }
  PartTimer(const PartTimer&) = delete;

 private:
  void begin();
  void end();

  CallScope* const scope_;
  const CallPart part_;
  std::chrono::steady_clock::time_point start_;
  uint64_t copy_ns_before_;  // of the call
};

/// The half of count_call that counts: apart, and given copies, so that the other half keeps its arguments in registers.
template <class Call>
[[gnu::noinline]] Status run_counted(Recorder& recorder, CallName name, Call call) {
  CallScope scope(recorder, name);
  Status status = call(&scope);
  scope.finish(status);
  return status;
}

/// call(CallScope*) -> Status; it should capture by value.
template <class Call>
inline Status count_call(Recorder& recorder, CallName name, Call call) {
  if (recorder.is_on()) [[unlikely]]
    return run_counted(recorder, name, call);
  return call(nullptr);
}

}  // namespace switchyard::xccl
