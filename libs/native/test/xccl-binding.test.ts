// The JavaScript face of XCCL: linking, callbacks, errors with codes, and that nothing is left behind however the process ends.
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type CommunicatorOptions, loadNative, type NativeCommunicator, type PeerChange } from '../src/index.js';

// A child process opens the addon by itself, to end in ways that this process must not.
const addonPath = fileURLToPath(new URL('../../../native/build/release/switchyard.node', import.meta.url));
const addon = loadNative();

let folder: string;
let open: NativeCommunicator[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'switchyard-xccl-js-'));
  open = [];
});

afterEach(() => {
  for (const communicator of open) communicator.close();
  const left = readdirSync(folder);
  rmSync(folder, { recursive: true });
  expect(left).toEqual([]);
});

function optionsFor(rank: number, changes: Partial<CommunicatorOptions> = {}): CommunicatorOptions {
  return {
    name: 'test',
    rank,
    epoch: 1n,
    socketPath: join(folder, `r${rank}`),
    nonce: new Uint8Array(16).fill(7),
    compatibility: 'fp32/test',
    appBytes: 4096,
    zcBytes: 0,
    maxRanks: 4,
    exchange: { maxTokens: 4, rowBytes: 64, topK: 2, maxLocalExperts: 2 },
    livenessTimeoutMs: 500,
    seat: null,
    telemetry: true,
    onPeerChange: () => {},
    ...changes,
  };
}

function create(rank: number, changes: Partial<CommunicatorOptions> = {}): NativeCommunicator {
  const communicator = addon.createCommunicator(optionsFor(rank, changes));
  open.push(communicator);
  return communicator;
}

/** A callback and the promise of its next change in that state. */
function watch(state: PeerChange['state']) {
  let onPeerChange = (_change: PeerChange): void => {};
  const promise = new Promise<PeerChange>((resolve) => {
    onPeerChange = (change) => {
      if (change.state === state) resolve(change);
    };
  });
  return { promise, onPeerChange };
}

/** One callback, and the promises of a link and of its end. */
function watchLife() {
  const linked = watch('linked');
  const dead = watch('dead');
  const onPeerChange = (change: PeerChange) => {
    linked.onPeerChange(change);
    dead.onPeerChange(change);
  };
  return { linked, dead, onPeerChange };
}

/** A core that this process may run on. */
function allowedCore(): number {
  return Number.parseInt(/^Cpus_allowed_list:\t(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '', 10);
}

const codeOf = (action: () => unknown) => {
  try {
    action();
  } catch (error) {
    return (error as { code?: string }).code;
  }
  return 'no error';
};

test('a probe tells a healthy peer from a dead one, and telemetry starts empty', async () => {
  const { linked, dead, onPeerChange } = watchLife();
  const a = create(0, { onPeerChange });
  const b = create(1);
  a.expectPeer({ rank: 1, epoch: 1n, socketPath: join(folder, 'r1') });
  b.expectPeer({ rank: 0, epoch: 1n, socketPath: join(folder, 'r0') });
  await linked.promise;
  const healthy = await a.probe(1, 5_000);
  expect(healthy).toMatchObject({ state: 'healthy', code: null, reason: '', numUnread: 0 });
  expect(healthy.roundTripNs).toBeGreaterThan(0n);
  expect(a.telemetry()).toEqual([]);
  expect(a.calls({ first: 0n, end: 10n })).toEqual({ calls: [], numLost: 0n });
  expect(codeOf(() => a.calls({ first: 0n, end: -1n }))).toBe('INVALID_ARGUMENT');
  expect(a.numCoreMoves()).toBe(0n);
  b.close();
  await dead.promise;
  expect(await a.probe(1, 5_000)).toMatchObject({ state: 'dead', code: 'PEER_DEAD' });
  await expect(a.probe(99, 100)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  expect(codeOf(() => a.probe(-1, 100))).toBe('INVALID_ARGUMENT');
  const ending = a.probe(1, 5_000);
  a.close();
  await ending.catch((error: { code: string }) => expect(error.code).toBe('CLOSED'));
  expect(codeOf(() => a.telemetry())).toBe('CLOSED');
  expect(codeOf(() => a.calls({ first: 0n, end: 10n }))).toBe('CLOSED');
});

test('two communicators link, and one hears of the end of the other', async () => {
  const { linked, dead, onPeerChange } = watchLife();
  const a = create(0, { onPeerChange });
  const b = create(1, { epoch: 2n });
  a.expectPeer({ rank: 1, epoch: 2n, socketPath: join(folder, 'r1') });
  expect(a.peers()).toEqual([]);
  b.expectPeer({ rank: 0, epoch: 1n, socketPath: join(folder, 'r0') });
  expect(await linked.promise).toEqual({ rank: 1, epoch: 2n, state: 'linked', reason: '', code: null });
  expect(a.peers()).toEqual([{ rank: 1, epoch: 2n, state: 'linked', reason: '', code: null }]);
  b.close();
  expect(await dead.promise).toMatchObject({ code: 'PEER_DEAD', reason: expect.stringMatching(/\w/) });
});

test('unequal numeric classes are refused with a reason', async () => {
  const refused = watch('refused');
  const a = create(0, refused);
  const b = create(1, { compatibility: 'bf16/test' });
  a.expectPeer({ rank: 1, epoch: 1n, socketPath: join(folder, 'r1') });
  b.expectPeer({ rank: 0, epoch: 1n, socketPath: join(folder, 'r0') });
  expect((await refused.promise).reason).toContain('bf16/test');
});

test('errors carry a code and the path of the field', () => {
  expect(() => create(0, { rank: 9 })).toThrow(/rank/);
  expect(() => create(0, { nonce: new Uint8Array(3) })).toThrow('options.nonce: must have 16 bytes');
  expect(codeOf(() => create(0, { epoch: 1 as unknown as bigint }))).toBe('INVALID_ARGUMENT');
  expect(codeOf(() => create(0, { exchange: { maxTokens: 4, rowBytes: 64, topK: 0, maxLocalExperts: 2 } }))).toBe(
    'INVALID_ARGUMENT',
  );
  expect(codeOf(() => addon.createCommunicator(null as unknown as CommunicatorOptions))).toBe('INVALID_ARGUMENT');
  const a = create(0);
  expect(codeOf(() => a.expectPeer({ rank: 0, epoch: 1n, socketPath: 'x' }))).toBe('INVALID_ARGUMENT');
  a.expectPeer({ rank: 1, epoch: 3n, socketPath: join(folder, 'r1') });
  expect(codeOf(() => a.expectPeer({ rank: 1, epoch: 2n, socketPath: join(folder, 'r1') }))).toBe('STALE');
  a.close();
  a.close();
  expect(codeOf(() => a.peers())).toBe('CLOSED');
});

test.each([
  ['SWITCHYARD_XCCL_WAIT', 'futex', 'auto, spin, yield, futex'],
  ['SWITCHYARD_XCCL_COPY', 'stream', 'auto, cached, stream'],
  ['SWITCHYARD_XCCL_PULL', 'off', 'auto, always, off'],
  [
    'SWITCHYARD_XCCL_PIN',
    `${allowedCore()}`,
    "bad list of cores 'nap'; expected different cores and ranges such as 0,2-3",
  ],
])('%s forces a choice and lists the known ones', (variable, choice, known) => {
  try {
    process.env[variable] = choice;
    create(0).close();
    process.env[variable] = 'nap';
    expect(() => create(0)).toThrow(known);
  } finally {
    delete process.env[variable];
  }
});

test('a seat is checked, and so are the cores that ranks may be bound to', () => {
  const seat = { role: 'expert', idx: 1, numAttention: 3, numExpert: 2, numThreads: 1 } as const;
  create(0, { seat }).close();
  expect(() => create(0, { seat: { ...seat, idx: 2 } })).toThrow(
    'options.seat.idx: must be below the number of its role',
  );
  expect(() => create(0, { seat: { ...seat, role: 'router' as 'expert' } })).toThrow('options.seat.role');
  try {
    process.env.SWITCHYARD_XCCL_PIN = '1023';
    expect(() => create(0, { seat })).toThrow(/may not run on core 1023; it may on: \d/);
    process.env.SWITCHYARD_XCCL_PIN = '0';
    expect(() => create(0, { seat: { ...seat, numThreads: 2 } })).toThrow(
      'SWITCHYARD_XCCL_PIN lists 1 cores; ranks of 2 threads need one each: 10',
    );
    const pair = { role: 'expert', idx: 0, numAttention: 1, numExpert: 1 } as const;
    expect(() => create(0, { seat: { ...pair, numThreads: 2 } })).toThrow('ranks of 2 threads need one each: 2');
  } finally {
    delete process.env.SWITCHYARD_XCCL_PIN;
  }
});

const endings = {
  'runs out of work': '',
  'calls process.exit': 'process.exit(0);',
  'ends in a worker': `
    const { Worker } = require('node:worker_threads');
    const worker = new Worker(source.replace('/*ending*/', 'setInterval(() => {}, 1000)'), { eval: true });
    worker.on('online', () => setTimeout(() => worker.terminate(), 100));`,
};

for (const [name, ending] of Object.entries(endings)) {
  test(`a process that ${name} with an open communicator ends well and leaves no socket`, async () => {
    const isWorker = name.includes('worker');
    const create = `
      const addon = require(${JSON.stringify(addonPath)});
      const options = { ...JSON.parse(${JSON.stringify(JSON.stringify({ ...optionsFor(0), epoch: 0, nonce: 0 }))}),
        epoch: 1n, nonce: new Uint8Array(16), onPeerChange() {} };
      const communicator = addon.createCommunicator(options);`;
    const script = isWorker
      ? `const source = ${JSON.stringify(`${create}\n/*ending*/`)};${ending}`
      : `${create}\n${ending}`;
    const path = join(folder, 'script.cjs');
    writeFileSync(path, script);
    await promisify(execFile)(process.execPath, [path], { timeout: 10_000 });
    rmSync(path);
    expect(readdirSync(folder)).toEqual([]);
  });
}
