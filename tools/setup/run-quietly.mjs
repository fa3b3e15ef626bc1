// Runs one set-up command, silent when it succeeds and with its whole output when it fails. Called by ensure.mjs.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/**
 * Resolves when the command succeeded; otherwise prints its output and ends this process with its status. A signal is
 * passed on, and waited for, so that nothing is left running behind an interrupted set-up.
 * @param {string} label what is being done, for the message, e.g. 'building'
 * @param {string} command
 * @param {string[]} args
 * @param {string} cwd
 * @returns {Promise<void>}
 */
export async function runQuietly(label, command, args, cwd) {
  const startMs = Date.now();
  console.log(`${label} ...`);
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  /** @type {Buffer[]} */
  const output = [];
  child.stdout.on('data', (chunk) => output.push(chunk));
  child.stderr.on('data', (chunk) => output.push(chunk));
  const forwarded = forwardSignals(child);
  const { code, signal } = await ended(child);
  const interruptedBy = forwarded.stop();
  if (interruptedBy) {
    console.error(`${label}: interrupted; the next start takes it up again`);
    process.exit(128 + constants.signals[interruptedBy]);
  }
  if (code === 0) {
    console.log(`${label}: done in ${((Date.now() - startMs) / 1000).toFixed(0)} s`);
    return;
  }
  process.stderr.write(Buffer.concat(output));
  console.error(`${label} failed: '${[command, ...args].join(' ')}' ended with ${signal ?? `status ${code}`}`);
  process.exit(signal ? 128 + constants.signals[signal] : (code ?? 1));
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @returns {{ stop(): NodeJS.Signals | null }} `stop` ends the forwarding and names the last signal that came
 */
function forwardSignals(child) {
  /** @type {NodeJS.Signals | null} */
  let received = null;
  /** @param {NodeJS.Signals} signal */
  const forward = (signal) => {
    received = signal;
    child.kill(signal);
  };
  /** @type {NodeJS.Signals[]} */
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, forward);
  const stop = () => {
    for (const signal of signals) process.off(signal, forward);
    return received;
  };
  return { stop };
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @returns {Promise<{ code: number | null, signal: NodeJS.Signals | null }>}
 */
function ended(child) {
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal }));
  });
}
