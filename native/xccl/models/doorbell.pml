/* The quiet doorbell (wait/doorbell.h): several senders and one receiver that sleeps in a futex WITHOUT a timeout. Each round the
 * receiver waits for every sender's field; sender 0 may die instead, and the broker then rings for it. Seq is a byte that
 * starts below its overflow, so that the signed comparison is passed through zero. A lost wake shows as an invalid end state.
 * BARRIER: the sender publishes by plain stores with one barrier behind them, as the rounds of a group do for all members at once.
 *
 * Mutants: NO_SECOND_CHECK (the missing are counted before the sleeper shows himself), RELAXED_FIELD (the sender publishes
 * without a locked exchange), NO_BARRIER (the barrier is left out), RELAXED_SLEEPING (the receiver shows himself without an
 * exchange), TARGET_TOO_HIGH, FORCE_BY_TARGET (a death wakes only when target is reached).
 */
#ifndef NUM_SENDERS
#define NUM_SENDERS 2
#endif
#ifndef NUM_ROUNDS
#define NUM_ROUNDS 2
#endif
#define RECEIVER NUM_SENDERS
#define BROKER (NUM_SENDERS + 1)
#define NUM_CPUS (NUM_SENDERS + 2)

/* Words 0 .. NUM_SENDERS - 1 are the senders' fields. */
#define DEAD (NUM_SENDERS)
#define SEQ (NUM_SENDERS + 1)
#define SLEEPING (NUM_SENDERS + 2)
#define TARGET (NUM_SENDERS + 3)
#define NUM_WORDS (NUM_SENDERS + 4)
#include "tso.pml"

#define FIRST_SEQ 254
#define reached(now, target) (((now + 256 - target) & 255) < 128)

bool is_asleep = false;
bool has_died = false;
byte num_spurious = 1; /* wakes out of nowhere that are left */
byte num_receiver_rounds = 0;

/* The kernel compares under a lock, so the caller's buffer is empty then. */
inline futex_wait(cpu, word, expected) {
  atomic {
    is_drained(cpu) ->
    if
    :: mem[word] == expected -> is_asleep = true
    :: else
    fi
  };
  !is_asleep
}

inline futex_wake(cpu) {
  d_step { is_drained(cpu) -> is_asleep = false }
}

inline ring(cpu) {
  load(cpu, SLEEPING, seen);
  if
  :: seen == 0
  :: else ->
     fetch_add(cpu, SEQ, 1, now);
     load(cpu, TARGET, target);
     if
     :: reached(now, target) -> futex_wake(cpu)
     :: else
     fi
  fi
}

proctype sender(byte cpu) {
  byte round = 1, seen, now, target;
  do
  :: round <= NUM_ROUNDS ->
#if defined(RELAXED_FIELD) || defined(BARRIER)
     store(cpu, cpu, round);
#else
     exchange(cpu, cpu, round);
#endif
#if defined(BARRIER) && !defined(NO_BARRIER)
     barrier(cpu);
#endif
     ring(cpu);
     round++
  :: round <= NUM_ROUNDS && cpu == 0 -> has_died = true; break
  :: round <= NUM_ROUNDS && cpu != 0 && has_died -> break /* waits for the dead one itself: never sends */
  :: round > NUM_ROUNDS -> break
  od
}

/* Retracts the dead sender's link, then wakes whoever sleeps (doorbell_force). */
proctype broker() {
  byte now, target;
end:
  has_died;
  exchange(BROKER, DEAD, 1);
  fetch_add(BROKER, SEQ, 1, now);
#ifdef FORCE_BY_TARGET
  load(BROKER, TARGET, target);
  if
  :: reached(now, target) -> futex_wake(BROKER)
  :: else
  fi
#else
  futex_wake(BROKER)
#endif
}

proctype spurious_waker() {
end:
  do
  :: d_step { is_asleep && num_spurious > 0 -> is_asleep = false; num_spurious-- }
  od
}

/* How many fields are missing; one load a field, in any state of the others. A dead sender fails the wait: nothing is missing. */
inline check() {
  missing = 0;
  idx = 0;
  do
  :: idx < NUM_SENDERS ->
     load(RECEIVER, idx, value);
     if
     :: value < round -> missing++
     :: else
     fi;
     idx++
  :: else -> break
  od;
  load(RECEIVER, DEAD, value);
  if
  :: value == 1 -> missing = 0
  :: else
  fi;
  idx = 0;
  value = 0
}

inline show_sleeping() {
#ifdef RELAXED_SLEEPING
  store(RECEIVER, SLEEPING, 1)
#else
  exchange(RECEIVER, SLEEPING, 1)
#endif
}

#ifdef TARGET_TOO_HIGH
#define TARGET_ERROR 1
#else
#define TARGET_ERROR 0
#endif

/* One attempt to sleep; leaves missing == 0 when the second check found everything. */
inline sleep_once() {
  show_sleeping();
  load(RECEIVER, SEQ, seen);
#ifndef NO_SECOND_CHECK
  check();
#endif
  if
  :: missing == 0
  :: else ->
     exchange(RECEIVER, TARGET, seen + missing + TARGET_ERROR);
     load(RECEIVER, SEQ, value);
     if
     :: value == seen -> futex_wait(RECEIVER, SEQ, seen)
     :: else
     fi
  fi;
  store(RECEIVER, SLEEPING, 0);
  seen = 0;
  value = 0
}

proctype receiver() {
  byte round = 1, missing, idx, value, seen;
  do
  :: round <= NUM_ROUNDS ->
     check();
     do
     :: missing > 0 ->
        sleep_once();
        if
        :: missing > 0 -> check()
        :: else
        fi
     :: else -> break
     od;
     num_receiver_rounds++;
     round++
  :: else -> break
  od;
  assert(num_receiver_rounds == NUM_ROUNDS)
}

init {
  byte s = 0;
  atomic {
    mem[SEQ] = FIRST_SEQ;
    do
    :: s < NUM_SENDERS -> run sender(s); s++
    :: else -> break
    od;
    run receiver();
    run broker();
    run spurious_waker()
  }
}
