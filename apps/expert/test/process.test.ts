// An expert rank as a process of its own: alone it holds all experts and serves; one of two, it waits for the other.
import { AppProcess } from '@switchyard/testkit';
import { afterEach, expect, it } from 'vitest';

let app: AppProcess;
afterEach(async () => {
  expect(await app.stop()).toEqual({ exitCode: 0, left: [] });
});

it('serves when it is the only expert rank', async () => {
  app = new AppProcess('expert-0', ['--expert-ranks', '1']);
  await expect.poll(() => app.log, { timeout: 30_000 }).toContain('"msg":"serving"');
});

it('waits for the other expert ranks', async () => {
  app = new AppProcess('expert-0', ['--expert-ranks', '2']);
  await expect.poll(() => app.log, { timeout: 30_000 }).toContain('"msg":"started"');
  expect(app.log).toContain('waits for 2 expert ranks');
  expect(app.log).not.toContain('"msg":"serving"');
});
