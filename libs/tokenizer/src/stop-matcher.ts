// Finds stop strings in a stream of text, and holds back what may yet become one. Used by OutputState.
// One Knuth-Morris-Pratt automaton a string: constant work a character, whatever the borders of the pieces.

/** Text to pass on, and whether a stop string was found (the text then ends before it). */
export interface Matched {
  text: string;
  stopped: boolean;
}

interface Automaton {
  pattern: string;
  /** failure[n] = length of the longest proper border of the pattern's first n characters. */
  failure: Uint32Array;
  /** Length of the longest prefix of the pattern that ends the text so far. */
  numMatched: number;
}

/** Scans one text. The stop string that ends first counts; of those that end together, the longest. */
export class StopMatcher {
  readonly #automata: Automaton[];
  #held = '';

  /** @param stopStrings Not empty ones, without lone surrogates. */
  constructor(stopStrings: readonly string[]) {
    this.#automata = stopStrings.map((pattern) => ({ pattern, failure: makeFailure(pattern), numMatched: 0 }));
  }

  /** Adds text; not to be called again once stopped. */
  feed(text: string): Matched {
    if (this.#automata.length === 0) return { text, stopped: false };
    const all = this.#held + text;
    for (let i = 0; i < text.length; i++) {
      const numStopChars = this.#advance(text.charCodeAt(i));
      if (numStopChars > 0) {
        const stopEnd = this.#held.length + i + 1;
        return { text: all.slice(0, stopEnd - numStopChars), stopped: true };
      }
    }
    const numHeld = Math.max(...this.#automata.map((automaton) => automaton.numMatched));
    this.#held = all.slice(all.length - numHeld);
    return { text: all.slice(0, all.length - numHeld), stopped: false };
  }

  /** What is held back, when no more text comes. */
  flush(): string {
    const held = this.#held;
    this.#held = '';
    return held;
  }

  /** Length of the longest stop string that this character completes, 0 for none. */
  #advance(code: number): number {
    let numStopChars = 0;
    for (const automaton of this.#automata) {
      const { pattern, failure } = automaton;
      let n = automaton.numMatched;
      while (n > 0 && pattern.charCodeAt(n) !== code) n = failure[n] as number;
      if (pattern.charCodeAt(n) === code) n++;
      automaton.numMatched = n;
      if (n === pattern.length) numStopChars = Math.max(numStopChars, n);
    }
    return numStopChars;
  }
}

function makeFailure(pattern: string): Uint32Array {
  const failure = new Uint32Array(pattern.length + 1);
  let border = 0;
  for (let i = 1; i < pattern.length; i++) {
    while (border > 0 && pattern.charCodeAt(i) !== pattern.charCodeAt(border)) border = failure[border] as number;
    if (pattern.charCodeAt(i) === pattern.charCodeAt(border)) border++;
    failure[i + 1] = border;
  }
  return failure;
}
