/* A message that is read out of its sender's own memory (link/pledges.h, p2p/offer_reader.h): the sender writes the two halves, pledges
 * the message, publishes the offer and waits for the acknowledgement, or gives up at any moment: it retracts, and the memory is its
 * caller's, who writes it again. It may also die: then another process has its pid and other bytes at these addresses. The
 * receiver reads the first half, and the second one unless the helping thread was quicker; then the pledge. One slot.
 * Asserted: what is taken are the halves of this message; the pledge is never seen older than the offer. A message that
 * the receiver never gets to, or whose sender never hears of it, shows as an invalid end state.
 *
 * Mutants: NO_RETRACT, REUSE_FIRST (before retracting), PUBLISH_FIRST (before pledging), PLEDGE_FIRST (read before the halves),
 * NO_WAIT (for the helping thread), NO_NONCE (any word but a retraction is taken for a pledge).
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
#define PLEDGE 2
/* Shared by the two. */
#define SEQ 3
#define ACK 4
/* In the receiver's memory, shared with its helping thread. */
#define LEFT 5
#define DONE 6
#define INTO 7
#define NUM_WORDS 8
#include "tso.pml"

#define REUSED 64
#define retracted(n) ((n) + 128)

bool is_dead = false;

inline retract() {
#ifndef NO_RETRACT
  exchange(SENDER, PLEDGE, retracted(n))
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
#ifdef PUBLISH_FIRST
     exchange(SENDER, SEQ, n);
     store(SENDER, PLEDGE, n);
#else
     store(SENDER, PLEDGE, n);
     exchange(SENDER, SEQ, n);
#endif
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
          mem[FIRST] = REUSED;
          mem[SECOND] = REUSED;
          mem[PLEDGE] = 0
        };
        break
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
  byte n = 1, first = 0, second = 0, pledge = 0, part = 0, done = 0;
  bool is_mine = false;
end:
  do
  :: n <= NUM_MESSAGES ->
end_awaits:
     mem[SEQ] == n;
#ifdef PLEDGE_FIRST
     load(RECEIVER, PLEDGE, pledge);
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
#ifndef PLEDGE_FIRST
     load(RECEIVER, PLEDGE, pledge);
#endif
     if
#ifdef NO_NONCE
     :: pledge != retracted(n) -> assert(first == n && second == n)
#else
     :: pledge == n -> assert(first == n && second == n)
#endif
     :: else -> assert(pledge == retracted(n) || is_dead)
     fi;
     d_step { first = 0; second = 0; pledge = 0; done = 0 };
     exchange(RECEIVER, ACK, n);
     n++
  :: else -> break
  od
}
