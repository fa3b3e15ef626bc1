/* Links (link/peer_table.h, broker/link.h): rank 0 lives on, rank 1 is killed, or is given up, or ends the link itself, at any
 * moment, and comes again in epoch 2 while epoch 1 may still be alive. Users hold LinkRefs; brokers retract, wait for the last
 * use, unmap, close their half, wait for the end of file, reset the pair's field and link the next epoch.
 * Asserted: nobody touches memory that is not mapped; rank 0 never sees a sequence number that the current epoch did not write.
 * A broker that waits for ever shows as an invalid end state.
 *
 * SOLE_USERS: as the halves of the messenger and the calls of groups hold links. A user's word has no other writer and is stored
 * plainly; whoever retracts runs membarrier in the user's thread before it looks at the word (decision 0010).
 *
 * COUNTED: of these, as the calls of groups do. Whoever retracts counts up before it runs membarrier, and the user looks at the count
 * instead of the link as long as it stands where it stood when the link was seen live.
 *
 * Mutants: RELAXED_ACQUIRE (num_users is raised without a locked add), LOOK_BEFORE_REF (live is read first), RELAXED_RETRACT
 * (live = 0 is a plain store), UNMAP_IN_USE, RESET_BEFORE_END_OF_FILE, LINK_BEFORE_RESET; of SOLE_USERS: NO_MEMBARRIER,
 * MEMBARRIER_FIRST (before live = 0); of COUNTED: COUNTED_LATE (after membarrier), NOTED_LATE (the count is read after the link).
 */
#ifndef NUM_MESSAGES
#define NUM_MESSAGES 2
#endif
#ifndef NUM_IDLE_LOOKS
#define NUM_IDLE_LOOKS 2 /* of rank 0's user without news */
#endif
#define NUM_EPOCHS 2

/* CPUs: a user and a broker of rank 0; the same of each epoch of rank 1. */
#define USER0 0
#define BROKER0 1
#define user_of(e) (2 * (e))
#define broker_of(e) (2 * (e) + 1)
#define NUM_CPUS 6

#define FIELD 0 /* in rank 0's segment, written by rank 1's user: tagged with its epoch */
#define LIVE0 1
#define USERS0 2
#define live_of(e) (3 * (e))       /* rank 1's table of links */
#define users_of(e) (3 * (e) + 1)
#define answer_of(e) (3 * (e) + 2) /* in rank 1's segment, written by rank 0's user */
#define count_of(live) (9 + (live) / 3) /* of ends, in the table that `live` is in */
#define NUM_WORDS 12
#define STORE_DEPTH 1
#include "tso.pml"

#define tagged(e, k) (8 * (e) + (k))

/* A broker never writes num_users, so its load is of memory itself. */
#ifdef UNMAP_IN_USE
#define is_unused(users) true
#else
#define is_unused(users) (mem[users] == 0)
#endif

byte mapped0 = 0; /* the epoch whose segments rank 0 has mapped */
byte offered = 0; /* the epoch to which rank 0 has sent its own segments */
bool has_mapped[3] = false;
bool is_killed[3] = false;
bool has_closed0[3] = false; /* rank 0 has closed its half */
bool has_closed1[3] = false;

/* The kernel ends a killed process's connection after its CPUs have stopped. */
#define is_end_of_file(e) \
  (has_closed1[e] || (is_killed[e] && is_drained(user_of(e)) && is_drained(broker_of(e))))

/* `noted` and `noted_serial`: what stood there when the link was last seen live. */
inline look_at_count(cpu, live, serial) {
  load(cpu, count_of(live), count);
  if
  :: noted_serial != 0 && count == noted -> serial = noted_serial
  :: else ->
     load(cpu, live, serial);
#ifdef NOTED_LATE
     load(cpu, count_of(live), count);
#endif
     atomic {
       if
       :: serial != 0 -> noted = count; noted_serial = serial
       :: else
       fi
     }
  fi
}

inline acquire(cpu, users, live, serial) {
#ifdef LOOK_BEFORE_REF
  load(cpu, live, serial);
#endif
#if defined(RELAXED_ACQUIRE) || defined(SOLE_USERS)
  load(cpu, users, count);
  store(cpu, users, count + 1);
#else
  fetch_add(cpu, users, 1, count);
#endif
#ifdef COUNTED
  look_at_count(cpu, live, serial);
#else
#ifndef LOOK_BEFORE_REF
  load(cpu, live, serial);
#endif
#endif
  count = 0
}

inline release(cpu, users) {
#ifdef SOLE_USERS
  load(cpu, users, count);
  assert(count > 0);
  store(cpu, users, count - 1);
  count = 0
#else
  d_step {
    is_drained(cpu) ->
    assert(mem[users] > 0);
    mem[users] = mem[users] - 1
  }
#endif
}

/* A full barrier in the user's thread, at some moment of the call: its earlier stores are in memory then. */
inline membarrier(user_cpu) {
#if defined(SOLE_USERS) && !defined(NO_MEMBARRIER)
  is_drained(user_cpu)
#else
  skip
#endif
}

inline retract(cpu, live, user_cpu) {
#ifdef MEMBARRIER_FIRST
  membarrier(user_cpu);
#endif
#ifdef RELAXED_RETRACT
  store(cpu, live, 0);
#else
  exchange(cpu, live, 0);
#endif
#if defined(COUNTED) && !defined(COUNTED_LATE)
  exchange(cpu, count_of(live), mem[count_of(live)] + 1);
#endif
#ifndef MEMBARRIER_FIRST
  membarrier(user_cpu);
#endif
#ifdef COUNTED_LATE
  exchange(cpu, count_of(live), mem[count_of(live)] + 1);
#endif
  skip
}

/* Takes what has arrived from the living epoch and answers it. It looks when there is news, and a few times without. */
proctype user0() {
  byte serial, known_serial, num_taken, seen, count, num_idle_looks = NUM_IDLE_LOOKS;
  byte noted, noted_serial;
end:
  do
  :: atomic {
       if
       :: mem[FIELD] != tagged(known_serial, num_taken) && mem[LIVE0] != 0
       :: num_idle_looks > 0 -> num_idle_looks--
       fi
     };
     acquire(USER0, USERS0, LIVE0, serial);
     if
     :: serial == 0
     :: else ->
        if
        :: serial != known_serial -> known_serial = serial; num_taken = 0
        :: else
        fi;
        load(USER0, FIELD, seen);
        assert(seen == (num_taken == 0 -> 0 : tagged(serial, num_taken)) || seen == tagged(serial, num_taken + 1));
        if
        :: seen == tagged(serial, num_taken + 1) ->
           num_taken++;
           atomic { assert(mapped0 == serial); store(USER0, answer_of(serial), num_taken) }
        :: else -> assert(mapped0 == serial)
        fi
     fi;
     release(USER0, USERS0);
     serial = 0;
     seen = 0
  od
}

proctype broker0() {
  byte epoch = 1;
  do
  :: epoch <= NUM_EPOCHS ->
     /* The listener sends its segments, then publishes. */
     d_step { is_drained(BROKER0) -> offered = epoch; mapped0 = epoch };
     exchange(BROKER0, LIVE0, epoch);
end_live:
     if
     :: is_end_of_file(epoch)
     :: epoch < NUM_EPOCHS /* given up, or replaced by the next epoch */
     fi;
     retract(BROKER0, LIVE0, USER0);
#ifdef LINK_BEFORE_RESET
     d_step { is_drained(BROKER0) -> offered = epoch + 1 };
#endif
     is_unused(USERS0);
     d_step { is_drained(BROKER0) -> mapped0 = 0; has_closed0[epoch] = true };
#ifndef RESET_BEFORE_END_OF_FILE
     is_end_of_file(epoch);
#endif
     store(BROKER0, FIELD, 0);
     epoch++
  :: else -> break
  od
}

/* Sends message after message, each after the answer to the last; a wait holds the link and ends with it. */
proctype user1(byte e) {
  byte k = 1, serial, count, noted, noted_serial;
  {
    do
    :: k <= NUM_MESSAGES ->
       acquire(user_of(e), users_of(e), live_of(e), serial);
       if
       :: serial == 0 -> release(user_of(e), users_of(e)); break
       :: else
       fi;
       atomic { assert(has_mapped[e]); store(user_of(e), FIELD, tagged(e, k)) };
       if
       :: mem[answer_of(e)] == k -> k++
       :: mem[live_of(e)] != serial -> k = NUM_MESSAGES + 1
       fi;
       release(user_of(e), users_of(e))
    :: else -> break
    od
  } unless { is_killed[e] }
}

proctype broker1(byte e) {
  {
    true;
end_unlinked:
    atomic { offered >= e -> has_mapped[e] = true };
    exchange(broker_of(e), live_of(e), 1);
    run user1(e);
end_live:
    if
    :: has_closed0[e]
    :: e < NUM_EPOCHS /* ends the link by itself */
    fi;
    retract(broker_of(e), live_of(e), user_of(e));
    is_unused(users_of(e));
    d_step { is_drained(broker_of(e)) -> has_mapped[e] = false; has_closed1[e] = true }
  } unless { is_killed[e] }
}

proctype killer() {
end:
  is_killed[1] = true
}

init {
  atomic {
    run user0();
    run broker0();
    run broker1(1);
    run broker1(2);
    run killer()
  }
}
