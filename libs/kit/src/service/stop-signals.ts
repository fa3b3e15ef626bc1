// What makes a service stop: SIGTERM, SIGINT, and the end of standard input for children of a process manager.

/** The reason when standard input ends. */
export const parentGone = 'the parent process is gone';

export interface StopSource {
  /** Resolves with why, at the first of them. */
  reason: Promise<string>;
}

// One Ctrl-C may arrive several times: from the terminal, from npm and from the parent.
const repeatIgnoredMs = 1000;

/**
 * Watches for reasons to stop. `onSecond` is called for a signal that comes later than one second after the first:
 * somebody is impatient. With `exitWithParent` the parent decides: Ctrl-C of a terminal reaches all processes at once,
 * but the parent stops them one after the other, by SIGTERM, and kills those that take too long.
 */
export function watchStop(exitWithParent: boolean, onSecond: () => void): StopSource {
  let stop: (reason: string) => void = () => {};
  const reason = new Promise<string>((resolve) => (stop = resolve));
  let firstAtMs: number | undefined;
  const onSignal = (signal: NodeJS.Signals) => {
    if (exitWithParent && signal === 'SIGINT') return;
    if (firstAtMs === undefined) {
      firstAtMs = Date.now();
      stop(signal);
    } else if (!exitWithParent && Date.now() - firstAtMs > repeatIgnoredMs) onSecond();
  };
  const onInputEnd = () => stop(parentGone);
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  if (exitWithParent) process.stdin.on('end', onInputEnd).on('error', onInputEnd).resume();
  return { reason };
}
