/* A2E and E2A (coll/attention.h, coll/expert.h): attention ranks with micro-batches in flight, experts that work on whatever has
 * arrived and answer in any order. A wait may be given up (a timeout, a rolled-back step): the next send on that slot first
 * waits for the late answer and drops it. One word stands for a message's rows; its value is the event, which is read when a
 * message is taken and again when its view ends.
 * Asserted: what is read is the event that was announced, for as long as it may be read. A cyclic wait shows as an invalid end
 * state.
 *
 * Mutants: NO_DRAIN (a send does not wait for an abandoned exchange), SIGNAL_FIRST (seq before rows, A2E), ANSWER_FIRST (the
 * same, E2A), SHARED_SLOT (both micro-batches in one slot), READ_AFTER_ANSWER (an expert's view outlives its answer), IN_ORDER
 * (an expert serves the slots in a fixed order instead of as they arrive).
 */
#ifndef NUM_ATTENTION
#define NUM_ATTENTION 1
#endif
#ifndef NUM_EXPERTS
#define NUM_EXPERTS 2
#endif
#ifndef NUM_MICRO_BATCHES
#define NUM_MICRO_BATCHES 2
#endif
#ifndef NUM_STEPS
#define NUM_STEPS 2
#endif
#define NUM_CPUS (NUM_ATTENTION + NUM_EXPERTS)
#define NUM_SLOTS (NUM_ATTENTION * NUM_EXPERTS * NUM_MICRO_BATCHES)

/* One slot pair a (rank, expert, micro-batch). */
#define slot_of(a, e, m) ((((a) * NUM_EXPERTS) + (e)) * NUM_MICRO_BATCHES + (m))
#ifdef SHARED_SLOT
#define a2e_rows(a, e, m) (4 * slot_of(a, e, 0))
#else
#define a2e_rows(a, e, m) (4 * slot_of(a, e, m))
#endif
#define a2e_seq(a, e, m) (4 * slot_of(a, e, m) + 1) /* both in the expert's segment, written by the attention rank */
#define e2a_rows(a, e, m) (4 * slot_of(a, e, m) + 2)
#define e2a_seq(a, e, m) (4 * slot_of(a, e, m) + 3) /* both in the attention rank's segment, written by the expert */
#define NUM_WORDS (4 * NUM_SLOTS)
#include "tso.pml"

byte num_abandons = 1; /* waits that may still be given up */

#ifdef SHARED_SLOT
/* With one slot the two micro-batches need different rows to tell them apart. */
#define rows_of(step, m) ((step) + 16 * (m))
#else
#define rows_of(step, m) (step)
#endif

inline check_rows(cpu, at, expected) {
  load(cpu, at, rows);
  assert(rows == expected);
  rows = 0
}

/* The last answers were valid up to here; an abandoned exchange must have ended. */
inline free_slot(a, e, m) {
  if
  :: is_answered[m] && num_sent[m] > 0 -> check_rows(a, e2a_rows(a, e, m), rows_of(num_sent[m], m))
  :: else ->
#ifdef NO_DRAIN
     true
#else
     mem[e2a_seq(a, e, m)] == num_sent[m]
#endif
  fi
}

inline send(a, m) {
  e = 0;
  do
  :: e < NUM_EXPERTS ->
     free_slot(a, e, m);
#ifdef SIGNAL_FIRST
     store(a, a2e_seq(a, e, m), num_sent[m] + 1);
     store(a, a2e_rows(a, e, m), rows_of(num_sent[m] + 1, m));
#else
     store(a, a2e_rows(a, e, m), rows_of(num_sent[m] + 1, m));
     store(a, a2e_seq(a, e, m), num_sent[m] + 1);
#endif
     e++
  :: else -> break
  od;
  atomic { e = 0; num_sent[m]++; is_awaited[m] = true; is_answered[m] = false }
}

inline wait(a, m) {
  if
  :: num_abandons > 0 -> d_step { num_abandons--; is_awaited[m] = false }
  :: e = 0;
     do
     :: e < NUM_EXPERTS ->
        mem[e2a_seq(a, e, m)] == num_sent[m];
        check_rows(a, e2a_rows(a, e, m), rows_of(num_sent[m], m));
        e++
     :: else -> break
     od;
     atomic { e = 0; is_awaited[m] = false; is_answered[m] = true }
  fi
}

proctype attention(byte a) {
  byte e, rows, m;
  byte num_sent[NUM_MICRO_BATCHES];
  bool is_awaited[NUM_MICRO_BATCHES], is_answered[NUM_MICRO_BATCHES];
  do
  :: d_step { m = 0; e = 0 };
     /* Any micro-batch that can go on; ends when all have done their steps. */
     if
     :: is_awaited[0] || num_sent[0] < NUM_STEPS -> m = 0
#if NUM_MICRO_BATCHES > 1
     :: is_awaited[1] || num_sent[1] < NUM_STEPS -> m = 1
#endif
     :: else -> break
     fi;
     if
     :: is_awaited[m] -> wait(a, m)
     :: else -> send(a, m)
     fi
  od
}

#define NUM_INCOMING (NUM_ATTENTION * NUM_MICRO_BATCHES) /* to one expert */
#define idx_of(a, m) ((a) * NUM_MICRO_BATCHES + (m))

#ifdef IN_ORDER
#define may_take(a, m) (idx_of(a, m) == next_idx)
#else
#define may_take(a, m) true
#endif

inline take(a, m) {
  assert(mem[a2e_seq(a, e, m)] == num_taken[idx] + 1);
  check_rows(cpu, a2e_rows(a, e, m), rows_of(num_taken[idx] + 1, m));
  d_step { num_taken[idx]++; is_open[idx] = true }
}

inline answer(a, m) {
#ifndef READ_AFTER_ANSWER
  check_rows(cpu, a2e_rows(a, e, m), rows_of(num_taken[idx], m));
#endif
#ifdef ANSWER_FIRST
  store(cpu, e2a_seq(a, e, m), num_taken[idx]);
  store(cpu, e2a_rows(a, e, m), rows_of(num_taken[idx], m));
#else
  store(cpu, e2a_rows(a, e, m), rows_of(num_taken[idx], m));
  store(cpu, e2a_seq(a, e, m), num_taken[idx]);
#endif
#ifdef READ_AFTER_ANSWER
  check_rows(cpu, a2e_rows(a, e, m), rows_of(num_taken[idx], m));
#endif
  is_open[idx] = false
}

#define has_news(a, m) \
  (!is_open[idx_of(a, m)] && mem[a2e_seq(a, e, m)] != num_taken[idx_of(a, m)] && may_take(a, m))

proctype expert(byte e) {
  byte cpu = NUM_ATTENTION + e, idx, rows;
  byte num_taken[NUM_INCOMING];
  bool is_open[NUM_INCOMING];
#ifdef IN_ORDER
  byte next_idx = 0;
#define follow_order() next_idx = (next_idx + 1) % NUM_INCOMING
#else
#define follow_order() true
#endif
#define serve(a, m) \
  :: atomic { has_news(a, m) -> idx = idx_of(a, m) }; take(a, m); follow_order() \
  :: atomic { is_open[idx_of(a, m)] -> idx = idx_of(a, m) }; answer(a, m)
end:
  do
  serve(0, 0)
#if NUM_MICRO_BATCHES > 1
  serve(0, 1)
#endif
#if NUM_ATTENTION > 1
  serve(1, 0)
#if NUM_MICRO_BATCHES > 1
  serve(1, 1)
#endif
#endif
  od
}

init {
  byte i = 0;
  atomic {
    do
    :: i < NUM_ATTENTION -> run attention(i); i++
    :: else -> break
    od;
    i = 0;
    do
    :: i < NUM_EXPERTS -> run expert(i); i++
    :: else -> break
    od
  }
}
