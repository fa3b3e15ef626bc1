// Corrupted segment contents: noise over the metadata of expert and attention ranks' control segments, under load. Each request
// ends in the right answer or in a clear error, and the service answers again by itself. The noise goes in as a broken peer's
// would: by writes to the shared memory, here through /proc/PID/fd.
import { closeSync, openSync, readdirSync, readlinkSync, writeSync } from 'node:fs';
import { sleep, within } from '@switchyard/testkit';
import { expect, test } from 'vitest';
import { expectAnswersAgain, expectClearError, isAnswer, loadInFlight } from '../framework/load.js';
import { Prng, testSeed } from '../framework/prng.js';
import { useSystem } from '../framework/use-system.js';

const SEED = testSeed(5);
console.info(`segments: TEST_SEED=${SEED}`);

/** Where peers write: the pair fields (native/xccl/layout/ctrl_layout.h). What lies before is the owner's own. */
const PAIR_FIELDS = { offset: 8_192, bytes: 8_192 };
const NUM_BURSTS = 40;
const BURST_BYTES = 512;
const END_MS = 4_000; // two seconds after the last burst

const at = useSystem({ topology: 'full' });

test.each(['expert-1', 'attention-0'])('noise in the pair fields of %s', async (victim) => {
  const segment = openControlSegment(at.system.members().get(victim) ?? expect.fail(`no ${victim}`));
  const prng = new Prng(SEED);
  const load = await loadInFlight(at.system);
  try {
    for (let burst = 0; burst < NUM_BURSTS; burst++) {
      const noise = Uint8Array.from({ length: BURST_BYTES }, () => prng.below(256));
      writeSync(segment, noise, 0, BURST_BYTES, PAIR_FIELDS.offset + prng.below(PAIR_FIELDS.bytes - BURST_BYTES));
      await sleep(5);
    }
  } finally {
    closeSync(segment);
  }
  const results = await within('every request', END_MS, Promise.all(load.results));
  for (const result of results) if (!isAnswer(result)) expectClearError(result);
  await expectAnswersAgain(at.system);
});

/** Opens the control segment that a process owns: a memory file among its descriptors. */
function openControlSegment(pid: number): number {
  const folder = `/proc/${pid}/fd`;
  const isControl = (fd: string) => readlinkSync(`${folder}/${fd}`).startsWith('/memfd:switchyard-ctrl');
  const fd = readdirSync(folder).find(isControl) ?? expect.fail(`process ${pid} holds no control segment`);
  return openSync(`${folder}/${fd}`, 'r+');
}
