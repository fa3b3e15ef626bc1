// Time as the flow's state machines see it: passed in, so that tests run the same code on a clock of their own.

export interface Clock {
  /** Monotonic, in ms. */
  nowMs(): number;
  /** Calls back once after `delayMs`; answers how to call it off. Does not keep the process alive. */
  setTimer(delayMs: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  setTimer(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
