/* The rounds of a group (group/rounds.h): in round r a member writes its contribution into half r & 1 of its own area, publishes
 * r to every other member (field body, then seq, one field line a half), waits for the publications of all, and pulls their
 * halves. Nothing is acknowledged: who publishes r + 1 has finished pulling r.
 * Asserted: what is pulled is round r, at the beginning and at the end of the pull; a field holds nothing but this round or the
 * one that it last held. A member that waits for ever shows as an invalid end state.
 *
 * Mutants: SINGLE_HALF (one area), SINGLE_FIELD (one field line), SIGNAL_FIRST (seq before the body), PUBLISH_FIRST (seq before
 * the area), SKIP_MEMBER (rank 0 does not wait for the last member, from which it needs nothing).
 */
#ifndef NUM_RANKS
#define NUM_RANKS 3
#endif
#ifndef NUM_ROUNDS
#define NUM_ROUNDS 3
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
#define field_of(at, from, r) (2 * NUM_RANKS + 4 * ((at) * NUM_RANKS + (from)) + 2 * field_half(r))
#define seq_of(at, from, r) field_of(at, from, r)
#define body_of(at, from, r) (field_of(at, from, r) + 1)
#define NUM_WORDS (2 * NUM_RANKS + 4 * NUM_RANKS * NUM_RANKS)
#define STORE_DEPTH 2
#include "tso.pml"

inline check(at, expected) {
  load(me, at, value);
  assert(value == expected);
  value = 0
}

inline publish_to_all() {
  peer = 0;
  do
  :: peer < NUM_RANKS ->
     if
     :: peer == me
     :: else ->
#ifdef SIGNAL_FIRST
        exchange(me, seq_of(peer, me, r), r);
        store(me, body_of(peer, me, r), r)
#else
        store(me, body_of(peer, me, r), r);
        exchange(me, seq_of(peer, me, r), r)
#endif
     fi;
     peer++
  :: else -> break
  od
}

#ifdef SKIP_MEMBER
#define needs(rank) ((rank) != me && !(me == 0 && (rank) == NUM_RANKS - 1))
#else
#define needs(rank) ((rank) != me)
#endif

inline pull_from_all() {
  peer = 0;
  do
  :: peer < NUM_RANKS ->
     if
     :: needs(peer) ->
        mem[seq_of(me, peer, r)] >= r;
        assert(mem[seq_of(me, peer, r)] == r);
        check(body_of(me, peer, r), r);
        check(area_of(peer, r), r);
        check(area_of(peer, r), r);
        check(body_of(me, peer, r), r)
     :: else
     fi;
     peer++
  :: else -> break
  od;
  peer = 0
}

proctype member(byte me) {
  byte r = 1, peer, value;
  do
  :: r <= NUM_ROUNDS ->
#ifdef PUBLISH_FIRST
     publish_to_all();
     store(me, area_of(me, r), r);
#else
     store(me, area_of(me, r), r);
     publish_to_all();
#endif
     pull_from_all();
     r++
  :: else -> break
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
