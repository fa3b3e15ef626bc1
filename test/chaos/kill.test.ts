// Kills each kind of process with -9 under load. Within two seconds every request has ended in the right answer or in a clear
// error, and the service answers again without anyone's help.
import { cpuTimeMs, type System, sleep, startSystem, waitFor, within } from '@switchyard/testkit';
import { describe, expect, test } from 'vitest';
import { expectAnswersAgain, expectClearError, isAnswer, type LoadResult, loadInFlight } from '../framework/load.js';
import { printLog, REPO_ROOT, useSystem } from '../framework/use-system.js';

const END_MS = 2_000;
const GONE_MS = 20_000;
const STAND_STILL_MS = 1_500; // longer than a rank's liveness timeout

describe('full', () => {
  const at = useSystem({ topology: 'full' });

  test.each(['expert-1', 'attention-0', 'prefill-0', 'decode-0'])('kill -9 %s', async (victim) => {
    const load = await loadInFlight(at.system);
    const killed = at.system.kill(victim);
    const results = await within(`every request after the death of ${victim}`, END_MS, Promise.all(load.results));
    for (const result of results) if (!isAnswer(result)) expectClearError(result);
    await expectAnswersAgain(at.system);
    expect(at.system.members().get(victim)).not.toBe(killed);
  });

  test('kill -9 attention-0 and expert-0 together', async () => {
    const load = await loadInFlight(at.system);
    at.system.kill('attention-0');
    at.system.kill('expert-0');
    const results = await within('every request', END_MS, Promise.all(load.results));
    for (const result of results) if (!isAnswer(result)) expectClearError(result);
    await expectAnswersAgain(at.system);
  });

  // A rank that was given up lives on, and nobody else would restart it: it must do so itself when it goes on.
  test.each(['expert-1', 'attention-0'])('%s stands still for a while under load', async (victim) => {
    const load = await loadInFlight(at.system);
    const pid = at.system.kill(victim, 'SIGSTOP');
    await sleep(STAND_STILL_MS);
    process.kill(pid, 'SIGCONT');
    const results = await within(`every request after ${victim} went on`, END_MS, Promise.all(load.results));
    for (const result of results) if (!isAnswer(result)) expectClearError(result);
    await expectAnswersAgain(at.system);
  });

  test('kill -9 router-0: connections end, a new router serves', async () => {
    const load = await loadInFlight(at.system);
    at.system.kill('router-0');
    const results = await within('every request', END_MS, Promise.all(load.results));
    for (const result of results) if (!isAnswer(result)) expectEnded(result);
    await expectAnswersAgain(at.system);
    await expectIdle(at.system);
  });

  test('requests that are not in the way of a death keep their answers: kill -9 prefill-0 in mid-decode', async () => {
    const load = await loadInFlight(at.system);
    await sleep(100); // all are past prefill
    at.system.kill('prefill-0');
    const results = await within('every request', END_MS, Promise.all(load.results));
    expect(results.filter((result) => isAnswer(result))).not.toHaveLength(0);
    await expectAnswersAgain(at.system);
  });
});

test('kill -9 cluster-manager: all its children end by themselves and leave nothing', async () => {
  const system = await startSystem(REPO_ROOT, { topology: 'full' });
  try {
    const load = await loadInFlight(system);
    process.kill(system.managerPid, 'SIGKILL');
    await system.expectGone(GONE_MS);
    await within('every request', END_MS, Promise.all(load.results));
    expect(system.log()).toContain('the parent process is gone');
  } catch (error) {
    printLog('cluster-manager', system);
    throw error;
  } finally {
    system.destroy();
  }
});

/** A request whose router died: the connection broke, or never came to be. */
function expectEnded(result: LoadResult): void {
  if (result.over === 'http') expect(result.outcome.broken ?? result.outcome.error?.message).toMatch(/\w/);
  else expect(result.error?.code).toBeGreaterThan(0);
}

/** The orphans of a dead router are cancelled: soon no member computes any more. */
async function expectIdle(system: System): Promise<void> {
  const workers = [...system.members()].filter(([id]) => /^(attention|expert)-/.test(id)).map(([, pid]) => pid);
  const usedMs = () => workers.reduce((sum, pid) => sum + cpuTimeMs(pid), 0);
  await waitFor('attention and expert ranks to be idle', 20_000, async () => {
    const before = usedMs();
    await sleep(500);
    return usedMs() - before < 150 ? true : undefined;
  });
}
