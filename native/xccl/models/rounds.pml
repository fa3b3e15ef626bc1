/* The rounds of a group (group/rounds.h): in round r a member writes its contribution into half r & 1 of its own area, publishes
 * r to every other member (field body, then seq, one field a half), waits for the publications of all, and pulls their halves.
 * Nothing is acknowledged: who publishes r + 1 has finished pulling r. A member may give up in the middle (a timeout, a death);
 * it says so in its control word, the others give up too, and all open the next generation, whose first round waits until
 * everybody has opened it.
 * Asserted: what is pulled is this round of this generation, at the beginning and at the end of the pull; a field holds nothing
 * but this round or the one that it last held. A member that waits for ever shows as an invalid end state.
 *
 * Mutants: SINGLE_HALF (one area), SINGLE_FIELD (one field), SIGNAL_FIRST (seq before the body), PUBLISH_FIRST (seq before the
 * area), SKIP_MEMBER (rank 0 does not wait for the last member, from which it needs nothing), NO_MEETING (a new generation
 * begins at once).
 */
#ifndef NUM_RANKS
#define NUM_RANKS 3
#endif
#ifndef NUM_ROUNDS
#define NUM_ROUNDS 3 /* of a generation */
#endif
#ifndef NUM_FAILURES
#define NUM_FAILURES 0 /* times that members may give up by themselves */
#endif
#define NUM_CPUS NUM_RANKS

#ifdef SINGLE_HALF
#define area_half(r) 0
#else
#define area_half(r) ((r) & 1)
#endif
#ifdef SINGLE_FIELD
#define field_half(r) 0
#else
#define field_half(r) ((r) & 1)
#endif

#define area_of(rank, r) (2 * (rank) + area_half(r))
#define fields_of(at, from) (2 * NUM_RANKS + 5 * ((at) * NUM_RANKS + (from)))
#define control_of(at, from) fields_of(at, from)
#define seq_of(at, from, r) (fields_of(at, from) + 1 + 2 * field_half(r))
#define body_of(at, from, r) (seq_of(at, from, r) + 1)
#define NUM_WORDS (2 * NUM_RANKS + 5 * NUM_RANKS * NUM_RANKS)
#define STORE_DEPTH 2
#include "tso.pml"

#define seq_word(g, r) (16 * (g) + (r))
#define OPENED(g) (2 * (g))
#define GAVE_UP(g) (2 * (g) + 1)

byte num_failures = NUM_FAILURES;
byte num_done[NUM_FAILURES + 2]; /* members that have done all rounds of a generation */

inline check(at, expected) {
  load(me, at, value);
  assert(value == expected);
  value = 0
}

inline tell_all(what) {
  peer = 0;
  do
  :: peer < NUM_RANKS ->
     if
     :: peer == me
     :: else -> exchange(me, control_of(peer, me), what)
     fi;
     peer++
  :: else -> break
  od;
  peer = 0
}

/* Plain stores: the barrier that comes behind all of them is for sleepers (doorbell.pml), and nothing here relies on it. EXCHANGE: as
 * into memory that a fabric does not map; it has far fewer states. */
#ifdef EXCHANGE
#define publish(at, what) exchange(me, at, what)
#else
#define publish(at, what) store(me, at, what)
#endif
inline publish_to_all() {
  peer = 0;
  do
  :: peer < NUM_RANKS ->
     if
     :: peer == me
     :: else ->
#ifdef SIGNAL_FIRST
        publish(seq_of(peer, me, r), seq_word(g, r));
        store(me, body_of(peer, me, r), seq_word(g, r))
#else
        store(me, body_of(peer, me, r), seq_word(g, r));
        publish(seq_of(peer, me, r), seq_word(g, r))
#endif
     fi;
     peer++
  :: else -> break
  od;
  peer = 0
}

#define has_moved(rank) ((rank) < NUM_RANKS && (rank) != me && mem[control_of(me, rank)] > OPENED(g))

/* Waits until every member has opened this generation. */
inline meet() {
#ifdef NO_MEETING
  true
#else
  peer = 0;
  do
  :: peer < NUM_RANKS && !is_broken ->
     if
     :: peer == me || mem[control_of(me, peer)] == OPENED(g) -> peer++
     :: has_moved(peer) -> is_broken = true
     :: atomic { num_failures > 0 -> num_failures--; is_broken = true }
     fi
  :: else -> break
  od;
  peer = 0
#endif
}

#ifdef SKIP_MEMBER
#define needs(rank) ((rank) != me && !(me == 0 && (rank) == NUM_RANKS - 1))
#else
#define needs(rank) ((rank) != me)
#endif

inline pull_from(from) {
  assert(mem[seq_of(me, from, r)] == seq_word(g, r));
  check(body_of(me, from, r), seq_word(g, r));
  check(area_of(from, r), seq_word(g, r));
  check(area_of(from, r), seq_word(g, r));
  check(body_of(me, from, r), seq_word(g, r))
}

/* What a field holds of an older generation is no news; a newer one's word comes after that member's control word. */
#define is_published(from) \
  (mem[seq_of(me, from, r)] >= seq_word(g, r) && mem[seq_of(me, from, r)] < seq_word(g + 1, 0))
inline pull_from_all() {
  peer = 0;
  do
  :: peer < NUM_RANKS && !is_broken ->
     if
     :: !needs(peer) -> peer++
     :: needs(peer) && is_published(peer) -> pull_from(peer); peer++
     :: needs(peer) && has_moved(peer) -> is_broken = true
     :: atomic { num_failures > 0 -> num_failures--; is_broken = true }
     fi
  :: else -> break
  od;
  peer = 0
}

proctype member(byte me) {
  byte g = 1, r, peer, value;
  bool is_broken;
  do
  :: tell_all(OPENED(g));
     meet();
     r = 1;
     do
     :: r <= NUM_ROUNDS && !is_broken ->
#ifdef PUBLISH_FIRST
        publish_to_all();
        store(me, area_of(me, r), seq_word(g, r));
#else
        store(me, area_of(me, r), seq_word(g, r));
        publish_to_all();
#endif
        pull_from_all();
        r++
     :: else -> break
     od;
     /* Who has done its rounds still hears that others gave up: they need it in the next generation. */
     if
     :: !is_broken ->
        num_done[g]++;
        if
        :: num_done[g] == NUM_RANKS -> break
        :: has_moved(0) || has_moved(1) || has_moved(2) || has_moved(3) -> num_done[g]--
        fi
     :: is_broken
     fi;
     atomic { r = 0; is_broken = false };
     tell_all(GAVE_UP(g));
     g++
  od
}

init {
  byte i = 0;
  atomic {
    do
    :: i < NUM_RANKS -> run member(i); i++
    :: else -> break
    od
  }
}
