/* The ring of point-to-point messages (layout/ring_layout.h, p2p/): chunk n lies in slot (n - 1) mod NUM_SLOTS. A small message
 * travels inside its field; a large one's payload goes into the slot by non-temporal stores, which have a buffer of their own
 * (CPU STREAM) that only sfence orders. The receiver acknowledges every ACK_EVERY chunks, and before it goes to wait. The sender
 * waits for the acknowledgement of the last chunk at the end.
 * Asserted: what is read is chunk n, at the beginning and at the end of the copy. A chunk or an acknowledgement that never comes
 * shows as an invalid end state.
 *
 * Mutants: RING_TOO_LONG (one chunk more than slots), SIGNAL_FIRST, NO_SFENCE, ACK_FIRST (before the copy has ended),
 * LAZY_ACK_ONLY (no acknowledgement before waiting).
 */
#ifndef NUM_SLOTS
#define NUM_SLOTS 2
#endif
#ifndef NUM_CHUNKS
#define NUM_CHUNKS 5
#endif
#define ACK_EVERY 2
#define SENDER 0
#define STREAM 1
#define RECEIVER 2
#define NUM_CPUS 3

#define seq_of(n) (3 * (((n) - 1) % NUM_SLOTS))
#define body_of(n) (3 * (((n) - 1) % NUM_SLOTS) + 1)
#define slot_of(n) (3 * (((n) - 1) % NUM_SLOTS) + 2)
#define ACK (3 * NUM_SLOTS)
#define NUM_WORDS (3 * NUM_SLOTS + 1)
#include "tso.pml"

#define INLINE_BIT 128

#ifdef RING_TOO_LONG
#define has_room(n) ((n) <= mem[ACK] + NUM_SLOTS + 1)
#else
#define has_room(n) ((n) <= mem[ACK] + NUM_SLOTS)
#endif

inline publish(n) {
  exchange(SENDER, seq_of(n), n)
}

active proctype sender() {
  byte n = 1, kind;
  do
  :: n <= NUM_CHUNKS ->
     has_room(n);
#ifdef SIGNAL_FIRST
     publish(n);
#endif
     if
     :: kind = INLINE_BIT
     :: kind = 0; store(STREAM, slot_of(n), n)
     fi;
     store(SENDER, body_of(n), n + kind);
#ifndef NO_SFENCE
     is_drained(STREAM);
#endif
#ifndef SIGNAL_FIRST
     publish(n);
#endif
     n++
  :: else -> break
  od;
  mem[ACK] == NUM_CHUNKS
}

inline acknowledge() {
  store(RECEIVER, ACK, n);
  num_acknowledged = n
}

inline check(at, expected) {
  load(RECEIVER, at, value);
  assert(value == expected);
  value = 0
}

active proctype receiver() {
  byte n = 0, value, kind, num_acknowledged; /* n: chunks taken */
end:
  do
  :: mem[seq_of(n + 1)] == n + 1 ->
     load(RECEIVER, body_of(n + 1), value);
     atomic { kind = value & INLINE_BIT; value = 0 };
     check(body_of(n + 1), n + 1 + kind);
     if
     :: kind == 0 -> check(slot_of(n + 1), n + 1)
     :: else
     fi;
     n++;
#ifdef ACK_FIRST
     if
     :: n - num_acknowledged >= ACK_EVERY -> acknowledge()
     :: else
     fi;
#endif
     check(body_of(n), n + kind);
     if
     :: kind == 0 -> check(slot_of(n), n)
     :: else
     fi;
     kind = 0;
#ifndef ACK_FIRST
     if
     :: n - num_acknowledged >= ACK_EVERY -> acknowledge()
     :: else
     fi
#endif
#ifndef LAZY_ACK_ONLY
  :: mem[seq_of(n + 1)] != n + 1 && n > num_acknowledged -> acknowledge()
#endif
  od
}
