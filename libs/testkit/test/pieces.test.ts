import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  argvOf,
  childrenOf,
  cpuTimeMs,
  freePort,
  isRunning,
  leftovers,
  readEvents,
  shmObjects,
  sleep,
  treeOf,
  waitFor,
  within,
} from '../src/index.js';

test('waitFor polls until there is a value, and names what it waited for in vain', async () => {
  let looks = 0;
  expect(await waitFor('the third look', 1_000, () => (++looks === 3 ? looks : undefined), 1)).toBe(3);
  await expect(waitFor('a miracle', 10, () => undefined, 1)).rejects.toThrow('10 ms in vain for a miracle');
});

test('within passes a result on, and ends what takes too long', async () => {
  expect(await within('a result', 1_000, Promise.resolve(7))).toBe(7);
  await expect(within('a sleeper', 10, sleep(5_000))).rejects.toThrow('a sleeper took longer than 10 ms');
});

test('a free port can be listened on', async () => {
  const server = createServer().listen(await freePort(), '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  await new Promise((resolve) => server.close(resolve));
});

test('the process tree shows children with their command lines, and that a killed one is gone', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', 'a b'], { stdio: 'ignore' });
  const pid = child.pid ?? 0;
  await waitFor('its command line', 5_000, () => argvOf(pid).includes('a b') || undefined);
  expect(childrenOf(process.pid).map((each) => each.pid)).toContain(pid);
  expect(treeOf(process.pid)).toContain(pid);
  expect(isRunning(pid)).toBe(true);
  child.kill('SIGKILL');
  await waitFor('its end', 5_000, () => !isRunning(pid) || undefined);
  expect(cpuTimeMs(pid)).toBe(0);
});

test('processor time grows with work', () => {
  const before = cpuTimeMs(process.pid);
  const end = performance.now() + 200;
  while (performance.now() < end);
  expect(cpuTimeMs(process.pid) - before).toBeGreaterThan(50);
});

test('leftovers names running processes and files, and nothing when there is nothing', () => {
  const tmpDir = mkdtempSync(join(tmpdir(), 'leftovers-'));
  const traces = { tmpDir, shmBefore: shmObjects(), pids: [] };
  expect(leftovers(traces)).toEqual([]);
  writeFileSync(join(tmpDir, 'decode-0.sock'), '');
  const found = leftovers({ ...traces, pids: [process.pid] });
  expect(found.join('\n')).toContain('decode-0.sock');
  expect(found.join('\n')).toContain(`process ${process.pid}`);
  rmSync(tmpDir, { recursive: true });
  expect(leftovers(traces)).toEqual([]);
});

test('events are read across chunk borders, comments skipped, a torn end reported', async () => {
  const whole = 'data: {"a":1}\n\n: keep-alive\n\nevent: error\ndata: "ä"\n\n';
  const bytes = new TextEncoder().encode(whole);
  const read = async (response: Response) => {
    const events = [];
    for await (const event of readEvents(response)) events.push(event);
    return events;
  };
  const expected = [
    { event: 'message', data: '{"a":1}' },
    { event: 'error', data: '"ä"' },
  ];
  expect(await read(inPieces([...bytes].map((byte) => Uint8Array.of(byte))))).toEqual(expected);
  await expect(read(inPieces([bytes.slice(0, -1)]))).rejects.toThrow('ended inside an event');
});

function inPieces(parts: Uint8Array[]): Response {
  const start = (controller: ReadableStreamDefaultController) => {
    for (const part of parts) controller.enqueue(part);
    controller.close();
  };
  return new Response(new ReadableStream({ start }));
}
