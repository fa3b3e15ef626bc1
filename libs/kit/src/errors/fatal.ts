// Reasons to end a process at start that a restart would not cure.

/** Exit code of a service that must not be restarted: bad configuration, a taken port (EX_CONFIG of sysexits.h). */
export const exitCodeFatal = 78;

/** Thrown by wire() or start(): the message goes to standard error as one sentence, and the process ends. */
export class FatalStartError extends Error {
  override readonly name = 'FatalStartError';

  constructor(
    message: string,
    readonly exitCode = exitCodeFatal,
  ) {
    super(message);
  }
}
