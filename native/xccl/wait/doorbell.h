// The doorbell: how a rank that sleeps learns that something in its segment changed. Used by transport (ring) and by the waits
// of coll, p2p and link (wait_on). The doorbell is a hint, the sequence numbers in the metadata fields are the truth, and as long
// as nobody sleeps it is silent: a sender then only reads a line that both sides hold.
//
// Sender:   payload; field.seq = n (seq_cst exchange); read sleeping; only if it is set: bell.seq += 1, wake if it reached target.
// Receiver: sleeping = 1 (seq_cst exchange); v = bell.seq; check the fields; target = v + missing; sleep unless bell.seq != v.
// Who publishes to several receivers at once stores all their fields (release), then executes one barrier instead of the exchanges.
// Both sides do a seq_cst read-modify-write (or that barrier) and then a seq_cst load of the other's word, so at least one of them
// sees the other: either the sender sees the sleeper and rings, or the sleeper sees the field (docs/xccl.md).
#pragma once

#include <cstdint>

#include "xccl/layout/ctrl_layout.h"

namespace switchyard::xccl {

/// doorbell_ring when somebody sleeps.
void doorbell_wake(Doorbell& bell);

/// After an arrival was published by a seq_cst exchange, or by a release store and a barrier: wakes the receiver if it sleeps and this
/// is the last that it waits for.
inline void doorbell_ring(Doorbell& bell) {
  if (bell.sleeping.load(std::memory_order_seq_cst) != 0) doorbell_wake(bell);
}

/// Between arrivals that were published by plain release stores and doorbell_ring for each of them: one barrier for all takes the place
/// of an exchange for each.
inline void doorbell_barrier() { std::atomic_thread_fence(std::memory_order_seq_cst); }

/// Publishes what was stored before by a word in mapped memory, and rings: how every signal ends (Fabric::put_with_signal).
inline void signal_mapped(std::atomic<uint64_t>& word, uint64_t value, Doorbell& bell) {
  word.exchange(value, std::memory_order_seq_cst);
  doorbell_ring(bell);
}

/// Wakes unconditionally: for deaths, close, and whatever else is no arrival. What changed was stored before, seq_cst.
void doorbell_force(Doorbell& bell);

/// FUTEX_WAIT on the bell's seq, unless it is not `seen` any more, for at most `ns_max`.
void doorbell_block(Doorbell& bell, uint32_t seen, uint64_t ns_max);

/// Sleeps until all that `check` misses has arrived, at most `ns_max`; may return early. `check` returns how many arrivals are
/// missing at least, and looks at the fields by seq_cst loads. True when nothing was missing.
template <class Check>
bool doorbell_sleep(Doorbell& bell, Check&& check, uint64_t ns_max) {
  bell.sleeping.exchange(1, std::memory_order_seq_cst);
  const uint32_t seen = bell.seq.load(std::memory_order_seq_cst);
  // Whatever this look misses is published after it, by somebody who therefore sees a sleeper and rings after `seen`.
  const uint32_t num_missing = check();
  if (num_missing != 0) {
    bell.target.store(seen + num_missing, std::memory_order_seq_cst);
    // A ring that still read an older target shows here.
    if (bell.seq.load(std::memory_order_seq_cst) == seen) doorbell_block(bell, seen, ns_max);
  }
  bell.sleeping.store(0, std::memory_order_relaxed);
  return num_missing == 0;
}

}  // namespace switchyard::xccl
