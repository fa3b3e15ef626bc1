// The doorbell: how a rank that sleeps learns that something in its segment changed. Used by transport (ring) and by the waits
// of coll and link (wait_on). The doorbell is a hint, the sequence numbers in the metadata fields are the truth.
//
// Sender:   payload; field.seq release store; bell.seq += 1 (seq_cst); read sleeping; wake only if bell.seq reached target.
// Receiver: v = bell.seq; check; target = v + missing; sleeping = 1 (seq_cst exchange); read bell.seq again; FUTEX_WAIT(seq, v).
// Both sides do a seq_cst read-modify-write and then a seq_cst load of the other's word, so at least one of them sees the
// other: either the sender sees the sleeper or the sleeper sees the new seq and does not sleep (docs/xccl.md).
#pragma once

#include <cstdint>

#include "xccl/layout/ctrl_layout.h"

namespace switchyard::xccl {

/// After an arrival was published: counts it and wakes the receiver when it is the last that it waits for.
void doorbell_ring(Doorbell& bell);

/// Counts and wakes unconditionally: for deaths, close, and whatever else is no arrival.
void doorbell_force(Doorbell& bell);

/// Sleeps until the bell has been rung `num_missing` times since `seen`, at most `ns_max`; may return early.
/// The caller checks its condition before (with `seen` read earlier) and after.
void doorbell_sleep(Doorbell& bell, uint32_t seen, uint32_t num_missing, uint64_t ns_max);

}  // namespace switchyard::xccl
