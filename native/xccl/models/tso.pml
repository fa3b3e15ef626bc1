/* x86-TSO for the models: memory words, one FIFO store buffer a CPU, and a process a CPU that commits its oldest store at any
 * moment. A load looks into the own buffer first, newest store first; a locked read-modify-write waits for an empty buffer.
 * Included by every model, which first defines NUM_CPUS, NUM_WORDS and, unless 2 will do, STORE_DEPTH. A CPU is a thread of
 * the protocol. A guard may look at mem[] itself only at a word that its own CPU never writes: that is what waiting there sees.
 *
 * How C++ maps: relaxed and release stores are store(), loads are load(), exchange and fetch_add are the locked ones, and a
 * seq_cst store is an exchange. A seq_cst fence is barrier().
 */
#ifndef STORE_DEPTH
#define STORE_DEPTH 2
#endif

typedef StoreBuffer {
  byte length;
  byte word[STORE_DEPTH]; /* oldest first */
  byte value[STORE_DEPTH]
}

byte mem[NUM_WORDS];
StoreBuffer pending[NUM_CPUS];
hidden byte tso_i; /* used inside d_steps only: no part of the state */

active [NUM_CPUS] proctype store_buffer() {
end:
  do
  :: d_step {
       pending[_pid].length > 0 ->
       mem[pending[_pid].word[0]] = pending[_pid].value[0];
       pending[_pid].length--;
       tso_i = 0;
       do
       :: tso_i < pending[_pid].length ->
          pending[_pid].word[tso_i] = pending[_pid].word[tso_i + 1];
          pending[_pid].value[tso_i] = pending[_pid].value[tso_i + 1];
          tso_i++
       :: else -> break
       od;
       /* What is past the end must not tell equal states apart. */
       pending[_pid].word[pending[_pid].length] = 0;
       pending[_pid].value[pending[_pid].length] = 0
     }
  od
}

#define is_drained(cpu) (pending[cpu].length == 0)

/* The parameters' names are odd because an inline's arguments must not contain them. */
inline load(tso_cpu, tso_at, tso_into) {
  d_step {
    tso_into = mem[tso_at];
    tso_i = 0;
    do
    :: tso_i < pending[tso_cpu].length ->
       if
       :: pending[tso_cpu].word[tso_i] == tso_at -> tso_into = pending[tso_cpu].value[tso_i]
       :: else
       fi;
       tso_i++
    :: else -> break
    od
  }
}

inline store(tso_cpu, tso_at, tso_what) {
  d_step {
    pending[tso_cpu].length < STORE_DEPTH ->
    pending[tso_cpu].word[pending[tso_cpu].length] = tso_at;
    pending[tso_cpu].value[pending[tso_cpu].length] = tso_what;
    pending[tso_cpu].length++
  }
}

inline exchange(tso_cpu, tso_at, tso_what) {
  d_step { is_drained(tso_cpu) -> mem[tso_at] = tso_what }
}

inline barrier(tso_cpu) {
  is_drained(tso_cpu)
}

inline fetch_add(tso_cpu, tso_at, tso_amount, tso_result) {
  d_step {
    is_drained(tso_cpu) ->
    mem[tso_at] = mem[tso_at] + tso_amount;
    tso_result = mem[tso_at]
  }
}
