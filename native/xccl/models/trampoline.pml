/* Trampoline forward (coll/): attention rank a sends one message to its forwarder, expert a, which keeps its part and forwards the
 * rest to the other experts. They answer the forwarder, which gathers the parts in the attention rank's slot and signals once all
 * are there. Every (forwarder, expert, micro-batch) has a slot pair of its own, and an expert is a loop that never waits for one
 * thing. A word stands for a message's rows; its value is the event.
 * Asserted: what is read is the event that was announced. A cyclic wait shows as an invalid end state.
 *
 * Mutants: BLOCKING_FORWARD (a forwarder waits for the parts at once), SHARED_SLOT (one forwarding slot for both micro-batches),
 * ANSWER_EARLY (one part is not waited for), SIGNAL_FIRST (forwarding), PART_SIGNAL_FIRST (the parts' way back).
 */
#ifndef NUM_ATTENTION
#define NUM_ATTENTION 2
#endif
#ifndef NUM_EXPERTS
#define NUM_EXPERTS 3
#endif
#ifndef NUM_MICRO_BATCHES
#define NUM_MICRO_BATCHES 1
#endif
#ifndef NUM_STEPS
#define NUM_STEPS 2
#endif

#define stream_of(a, m) ((a) * NUM_MICRO_BATCHES + (m)) /* an attention rank's micro-batch */
#define NUM_STREAMS (NUM_ATTENTION * NUM_MICRO_BATCHES)
#define NUM_CPUS (NUM_STREAMS + NUM_EXPERTS)
/* A stream's words: rows and seq to the forwarder; one part an expert and seq back. */
#define WORDS_DIRECT (3 + NUM_EXPERTS)
#define to_rows(s) (WORDS_DIRECT * (s))
#define to_seq(s) (WORDS_DIRECT * (s) + 1)
#define back_seq(s) (WORDS_DIRECT * (s) + 2)
#define back_part(s, e) (WORDS_DIRECT * (s) + 3 + (e))
/* A forwarding slot pair's words: rows and seq to the expert, rows and seq back. */
#define pair_of(s, e) (WORDS_DIRECT * NUM_STREAMS + 4 * ((s) * NUM_EXPERTS + (e)))
#ifdef SHARED_SLOT
#define on_rows(s, e) (pair_of((s) - (s) % NUM_MICRO_BATCHES, e))
#define rows_of(s, step) ((step) + 16 * ((s) % NUM_MICRO_BATCHES))
#else
#define on_rows(s, e) (pair_of(s, e))
#define rows_of(s, step) (step)
#endif
#define on_seq(s, e) (pair_of(s, e) + 1)
#define off_rows(s, e) (pair_of(s, e) + 2)
#define off_seq(s, e) (pair_of(s, e) + 3)
#define NUM_WORDS (WORDS_DIRECT * NUM_STREAMS + 4 * NUM_STREAMS * NUM_EXPERTS)
#define STORE_DEPTH 1
#include "tso.pml"

#define forwarder_of(s) ((s) / NUM_MICRO_BATCHES)

inline check(cpu, at, expected) {
  load(cpu, at, rows);
  assert(rows == expected);
  rows = 0
}

/* One micro-batch of one attention rank: sends, waits, reads every part. Two of a rank are two CPUs here: more orders than real. */
proctype attention(byte s) {
  byte step = 1, e, rows;
  do
  :: step <= NUM_STEPS ->
     store(s, to_rows(s), rows_of(s, step));
     store(s, to_seq(s), step);
     mem[back_seq(s)] == step;
     e = 0;
     do
     :: e < NUM_EXPERTS -> check(s, back_part(s, e), rows_of(s, step)); e++
     :: else -> break
     od;
     step++
  :: else -> break
  od
}

inline forward(s) {
  check(cpu, to_rows(s), rows_of(s, num_taken[s] + 1));
  other = 0;
  do
  :: other < NUM_EXPERTS ->
     if
     :: other == e
     :: else ->
#ifdef SIGNAL_FIRST
        store(cpu, on_seq(s, other), num_taken[s] + 1);
        store(cpu, on_rows(s, other), rows_of(s, num_taken[s] + 1))
#else
        store(cpu, on_rows(s, other), rows_of(s, num_taken[s] + 1));
        store(cpu, on_seq(s, other), num_taken[s] + 1)
#endif
     fi;
     other++
  :: else -> break
  od;
  /* Its own part. */
  store(cpu, back_part(s, e), rows_of(s, num_taken[s] + 1));
  atomic { other = 0; num_taken[s]++; num_parts[s] = 1 }
}

/* Gathers one expert's part; the last one signals. */
inline gather(s, from) {
  check(cpu, off_rows(s, from), rows_of(s, num_taken[s]));
  store(cpu, back_part(s, from), rows_of(s, num_taken[s]));
  atomic { has_part[s * NUM_EXPERTS + from] = true; num_parts[s]++ };
  if
#ifdef ANSWER_EARLY
  :: num_parts[s] == NUM_EXPERTS - 1 -> store(cpu, back_seq(s), num_taken[s])
#else
  :: num_parts[s] == NUM_EXPERTS -> store(cpu, back_seq(s), num_taken[s])
#endif
  :: else
  fi;
  if
  :: num_parts[s] == NUM_EXPERTS -> clear_parts(s)
  :: else
  fi
}

inline clear_parts(s) {
  d_step {
    num_parts[s] = 0;
    other = 0;
    do
    :: other < NUM_EXPERTS -> has_part[s * NUM_EXPERTS + other] = false; other++
    :: else -> break
    od;
    other = 0
  }
}

/* The part of another forwarder's message. */
inline serve(s) {
  check(cpu, on_rows(s, e), rows_of(s, num_taken[s] + 1));
  check(cpu, on_rows(s, e), rows_of(s, num_taken[s] + 1));
  num_taken[s]++;
#ifdef PART_SIGNAL_FIRST
  store(cpu, off_seq(s, e), num_taken[s]);
  store(cpu, off_rows(s, e), rows_of(s, num_taken[s]))
#else
  store(cpu, off_rows(s, e), rows_of(s, num_taken[s]));
  store(cpu, off_seq(s, e), num_taken[s])
#endif
}

#define has_message(s) (forwarder_of(s) == e && num_parts[s] == 0 && mem[to_seq(s)] == num_taken[s] + 1)
#define has_forwarded(s) (forwarder_of(s) != e && mem[on_seq(s, e)] == num_taken[s] + 1)
#define has_answer(s, from) \
  (num_parts[s] > 0 && (from) != e && !has_part[(s) * NUM_EXPERTS + (from)] && mem[off_seq(s, from)] == num_taken[s])

inline gather_all(s) {
  do
  :: num_parts[s] == 0 -> break
  :: has_answer(s, 0) -> gather(s, 0)
  :: has_answer(s, 1) -> gather(s, 1)
  :: has_answer(s, 2) -> gather(s, 2)
  od
}

#ifdef BLOCKING_FORWARD
#define then_gather(s) gather_all(s)
#else
#define then_gather(s) true
#endif

#define run_stream(s) \
  :: has_message(s) -> forward(s); then_gather(s) \
  :: has_forwarded(s) -> serve(s) \
  :: has_answer(s, 0) -> gather(s, 0) \
  :: has_answer(s, 1) -> gather(s, 1) \
  :: has_answer(s, 2) -> gather(s, 2)

proctype expert(byte e) {
  byte cpu = NUM_STREAMS + e, rows, other;
  byte num_taken[NUM_STREAMS];
  byte num_parts[NUM_STREAMS];
  bool has_part[NUM_STREAMS * NUM_EXPERTS];
end:
  do
  run_stream(0)
#if NUM_ATTENTION * NUM_MICRO_BATCHES > 1
  run_stream(1)
#endif
#if NUM_ATTENTION * NUM_MICRO_BATCHES > 2
  run_stream(2)
  run_stream(3)
#endif
  od
}

init {
  byte i = 0;
  atomic {
    do
    :: i < NUM_STREAMS -> run attention(i); i++
    :: else -> break
    od;
    i = 0;
    do
    :: i < NUM_EXPERTS -> run expert(i); i++
    :: else -> break
    od
  }
}
