/* A message that is read out of its sender's own memory (link/memory_reader.h, p2p/offer_reader.h): the sender writes the two halves,
 * publishes the offer and waits for the acknowledgement, or gives up at any moment: it retracts, and the memory is its caller's, who
 * writes it again. It may also die: the kernel marks its alive word, and then another process has its pid and other bytes at these
 * addresses; what it has retracted stands in its segment and stays. Or it takes the receiver for dead and has another link: it stores that
 * one's nonce, and the memory is its caller's. The receiver reads the first half, and the second one unless the helping thread was
 * quicker; then the retraction, the nonce and the alive word. One slot.
 * Asserted: what is taken are the halves of this message, and what is not taken was retracted, or its sender is dead or has another
 * link. A message that the receiver never gets to, or whose sender never hears of it, shows as an invalid end state.
 *
 * Mutants: NO_RETRACT, REUSE_FIRST (before retracting), RETRACTION_FIRST (read before the halves), RETRACT_ANY (of whatever message),
 * NO_WAIT (for the helping thread), NO_ALIVE (the alive word is not read), ALIVE_FIRST (read before the halves), NO_NONCE (the nonce is not read).
 */
#ifndef NUM_MESSAGES
#define NUM_MESSAGES 2
#endif
#define SENDER 0
#define RECEIVER 1
#define HELPER 2
#define NUM_CPUS 3

/* In the sender's memory, where the receiver only reads. */
#define FIRST 0
#define SECOND 1
/* In the sender's segment, which outlives it: the receiver only reads. */
#define RETRACTED 2
#define IS_ENDED 3
#define IS_RELINKED 4
/* Shared by the two. */
#define SEQ 5
#define ACK 6
/* In the receiver's memory, shared with its helping thread. */
#define LEFT 7
#define DONE 8
#define INTO 9
#define NUM_WORDS 10
#include "tso.pml"

#define REUSED 64

bool is_dead = false;

inline retract() {
#ifndef NO_RETRACT
  exchange(SENDER, RETRACTED, n)
#else
  skip
#endif
}

inline reuse() {
  store(SENDER, SECOND, REUSED);
  store(SENDER, FIRST, REUSED)
}

active proctype sender() {
  byte n = 1;
  do
  :: n <= NUM_MESSAGES ->
     /* One slot: the last offer's field is taken. */
     mem[ACK] == n - 1;
     store(SENDER, FIRST, n);
     store(SENDER, SECOND, n);
     exchange(SENDER, SEQ, n);
     if
     :: mem[ACK] == n
     :: true ->
#ifdef REUSE_FIRST
        reuse();
        retract()
#else
        retract();
        reuse()
#endif
     :: d_step {
          is_drained(SENDER) ->
          is_dead = true;
          mem[IS_ENDED] = 1
        };
        d_step {
          mem[FIRST] = REUSED;
          mem[SECOND] = REUSED
        };
        break
     :: true -> exchange(SENDER, IS_RELINKED, 1); reuse(); break
     fi;
     n++
  :: else -> mem[ACK] == NUM_MESSAGES; break
  od
}

/* Whoever claims the second half reads it; nobody does when it is claimed already. */
inline take_second(cpu) {
  d_step {
    is_drained(cpu) ->
    is_mine = mem[LEFT];
    mem[LEFT] = 0
  };
  if
  :: is_mine -> load(cpu, SECOND, part); store(cpu, INTO, part); part = 0; is_mine = false; exchange(cpu, DONE, 1)
  :: else
  fi
}

active proctype helper() {
  bool is_mine = false;
  byte part = 0;
end:
  do
  :: mem[LEFT] == 1 -> take_second(HELPER)
  od
}

active proctype receiver() {
  byte n = 1, first = 0, second = 0, retracted = 0, is_ended = 0, is_relinked = 0, part = 0, done = 0;
  bool is_mine = false;
end:
  do
  :: n <= NUM_MESSAGES ->
end_awaits:
     mem[SEQ] == n;
#ifdef RETRACTION_FIRST
     load(RECEIVER, RETRACTED, retracted);
#endif
#ifdef ALIVE_FIRST
     load(RECEIVER, IS_ENDED, is_ended);
#endif
     exchange(RECEIVER, DONE, 0);
     exchange(RECEIVER, LEFT, 1);
     load(RECEIVER, FIRST, first);
     take_second(RECEIVER);
#ifndef NO_WAIT
     do
     :: load(RECEIVER, DONE, done);
        if
        :: done == 1 -> break
        :: else
        fi
     od;
#endif
     load(RECEIVER, INTO, second);
#ifndef RETRACTION_FIRST
     load(RECEIVER, RETRACTED, retracted);
#endif
#ifndef NO_NONCE
     load(RECEIVER, IS_RELINKED, is_relinked);
#endif
#if !defined(NO_ALIVE) && !defined(ALIVE_FIRST)
     load(RECEIVER, IS_ENDED, is_ended);
#endif
#ifdef RETRACT_ANY
     if
     :: retracted -> retracted = n
     :: else
     fi;
#endif
     if
     :: retracted != n && !is_relinked && !is_ended -> assert(first == n && second == n)
     :: else -> assert(mem[RETRACTED] == n || mem[IS_RELINKED] || is_dead)
     fi;
     d_step { first = 0; second = 0; retracted = 0; is_ended = 0; is_relinked = 0; done = 0 };
     exchange(RECEIVER, ACK, n);
     n++
  :: else -> break
  od
}
