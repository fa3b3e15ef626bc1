// An attention rank as a process of its own: without its experts it does not serve, says whom it lacks, and refuses masters.

import { callBidi, connect, disconnect } from '@switchyard/kit';
import { executor } from '@switchyard/proto';
import { AppProcess } from '@switchyard/testkit';
import { afterEach, expect, it } from 'vitest';

let app: AppProcess;
afterEach(async () => {
  disconnect();
  expect(await app.stop()).toEqual({ exitCode: 0, left: [] });
});

it('waits for its expert ranks', async () => {
  app = new AppProcess('attention-0', ['--kv-bytes', '4MiB', '--te', 'decode-7', '--expert-ranks', '3']);
  await expect.poll(() => app.log, { timeout: 30_000 }).toContain('"msg":"started"');
  expect(app.log).toContain('decode-7 has 0 of 3 expert ranks');
  const call = callBidi(connect(executor.ExecutorServiceClient, app.address), 'execute', { timeoutMs: 10_000 });
  const hello = { master: 'decode-7/attention-0', masterEpoch: 2n, model: 'any', modelDigest: 'any', dpDomain: 0 };
  await call.send({ message: { $case: 'hello', value: hello } });
  const first = call.receive[Symbol.asyncIterator]().next();
  await expect(first).rejects.toMatchObject({ code: 'MEMBER_UNAVAILABLE', member: 'attention-0' });
});
