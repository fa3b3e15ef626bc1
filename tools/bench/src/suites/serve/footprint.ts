// What a system costs that nobody asks anything, and how long a newcomer waits for the first token.
import { cpuTimeMs, readGolden, type System, sleep, startSystem } from '@switchyard/testkit';
import { measureStream } from './load.js';

// In the first minute after the last request V8 collects garbage, once in each process; what is promised is a system at rest.
const SETTLE_MS = 60_000;
const IDLE_MS = 10_000;

/** Processor time of all of the system's processes over about ten idle seconds, as a share of one core. */
export async function idleShareOfCore(system: System): Promise<number> {
  await sleep(SETTLE_MS);
  const pids = system.pids();
  const usedMs = () => pids.reduce((sum, pid) => sum + cpuTimeMs(pid), 0);
  const before = usedMs();
  const startedAt = performance.now();
  await sleep(IDLE_MS);
  return (usedMs() - before) / (performance.now() - startedAt);
}

/** From `npm start` on a built tree to the first streamed token, ms. */
export async function startToFirstTokenMs(repoRoot: string): Promise<number> {
  const startedAt = performance.now();
  const system = await startSystem(repoRoot, { topology: 'full', byNpm: true });
  try {
    const readyMs = performance.now() - startedAt;
    const prompt = readGolden(repoRoot)[0]?.text ?? '';
    return readyMs + (await measureStream(system.http, prompt)).ttftMs;
  } finally {
    await system.stop();
  }
}
