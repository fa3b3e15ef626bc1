import { describe, expect, it } from 'vitest';
import { configProblems } from '../src/check-config.js';
import type { ManagerConfig } from '../src/config.js';
import { announcement } from '../src/provider/local/announcement.js';
import { Backoff } from '../src/provider/local/backoff.js';
import { childArgs, childEnv, refusePinning } from '../src/provider/local/child-config.js';
import { processesOf, threadsOf } from '../src/provider/local/topology.js';
import { configWith } from './harness.js';

const idsOf = (overrides: Parameters<typeof configWith>[0]) => processesOf(configWith(overrides)).map(({ id }) => id);

describe('processesOf', () => {
  it('runs seven services in full, with as many ranks as asked for', () => {
    const full = ['prefill-0', 'attention-0', 'attention-1', 'expert-0', 'expert-1', 'decode-0', 'router-0'];
    expect(idsOf({ topology: 'full' })).toEqual(full);
    expect(idsOf({ topology: 'full', attentionRanks: 1, expertRanks: 3 })).toEqual([
      'prefill-0',
      'attention-0',
      'expert-0',
      'expert-1',
      'expert-2',
      'decode-0',
      'router-0',
    ]);
  });

  it('runs fewer in the other topologies', () => {
    expect(idsOf({ topology: 'pd' })).toEqual(['prefill-0', 'decode-0', 'router-0']);
    expect(idsOf({ topology: 'colocated' })).toEqual(['decode-0', 'router-0']);
  });

  it('stops the router first and the ranks last', () => {
    const stages = processesOf(configWith({})).map(({ id, stopStage }) => [id.replace(/-\d+$/, ''), stopStage]);
    expect(Object.fromEntries(stages)).toEqual({ router: 0, decode: 1, prefill: 1, attention: 2, expert: 2 });
  });

  it('gives each its own arguments', () => {
    const args = Object.fromEntries(
      processesOf(configWith({ topology: 'full', httpPort: 9000, grpcPort: 9001 })).map(({ id, args }) => [
        id,
        args.join(' '),
      ]),
    );
    const model = '--model /m/tiny --name tiny';
    expect(args['router-0']).toBe(`${model} --http-listen 127.0.0.1:9000 --grpc-listen 127.0.0.1:9001`);
    expect(args['prefill-0']).toBe(model);
    expect(args['decode-0']).toBe(`${model} --mode full`);
    expect(args['attention-1']).toBe(`${model} --te decode-0`);
  });
});

describe('threadsOf', () => {
  it.each<[Partial<ManagerConfig>, number, number]>([
    [{ topology: 'colocated' }, 2, 1],
    [{ topology: 'colocated', model: ['/m/a', '/m/b'] }, 5, 2],
    [{ topology: 'pd' }, 5, 2],
    [{ topology: 'full' }, 2, 1],
    [{ topology: 'full', attentionRanks: 1, expertRanks: 2 }, 16, 3],
    [{ topology: 'full', threads: 7 }, 2, 7],
  ])('divides the cores among what computes: %j on %i', (overrides, numCores, expected) => {
    expect(threadsOf(configWith(overrides), numCores, false)).toBe(expected);
  });

  it('is one where ranks are bound to cores, unless told otherwise', () => {
    expect(threadsOf(configWith({ topology: 'pd' }), 16, true)).toBe(1);
    expect(threadsOf(configWith({ topology: 'pd', threads: 2 }), 16, true)).toBe(2);
  });
});

describe('several models', () => {
  const two = { model: ['/m/tiny', '/m/b.gguf'], name: ['a'], attentionRanks: 2, expertRanks: 1 };

  it('have a group each, whose numbers go on from one to the next, and one router', () => {
    const specs = processesOf(configWith({ topology: 'full', ...two }));
    expect(specs.map(({ id, model }) => `${id} ${model}`)).toEqual([
      ...['prefill-0 a', 'attention-0 a', 'attention-1 a', 'expert-0 a', 'decode-0 a'],
      ...['prefill-1 b', 'attention-2 b', 'attention-3 b', 'expert-1 b', 'decode-1 b'],
      'router-0 null',
    ]);
    const argsOf = (wanted: string) => specs.find(({ id }) => id === wanted)?.args.join(' ');
    expect(argsOf('attention-1')).toBe('--model /m/tiny --name a --te decode-0');
    expect(argsOf('attention-2')).toBe('--model /m/b.gguf --name b --te decode-1');
    expect(argsOf('router-0')).toMatch(/^--model \/m\/tiny --model \/m\/b\.gguf --name a --name b /);
  });

  it('have ids of their own in every topology', () => {
    for (const topology of ['full', 'pd', 'colocated'] as const) {
      const ids = idsOf({ topology, model: ['/m/a', '/m/b', '/m/c'], attentionRanks: 3, expertRanks: 4 });
      expect(new Set(ids).size).toBe(ids.length);
    }
  });

  it('are announced each with its processes', () => {
    const config = configWith({ topology: 'pd', ...two });
    const text = announcement(config, processesOf(config));
    expect(text).toContain('Switchyard serves 2 models, topology pd, through router-0:');
    expect(text).toMatch(/^ {2}a {2}prefill-0, decode-0$/m);
    expect(text).toMatch(/^ {2}b {2}prefill-1, decode-1$/m);
    expect(text).toContain('"model":"a"');
  });

  it.each([
    [{ model: ['/m/a', '/n/a'] }, /'a' is the name of \/m\/a and of \/n\/a/],
    [{ name: ['x', 'y'] }, /--name is given 2 times and --model once/],
    [
      { model: Array.from({ length: 11 }, (_, idx) => `/m/${idx}`) },
      /^67 processes are too many .*: it has at most 64$/,
    ],
    [{ attentionRanks: 64 }, /^69 processes are too many/],
  ])('are refused as %j', (overrides, problem) => {
    expect(configProblems(configWith(overrides)).join('\n')).toMatch(problem);
  });

  it('need no ranks when each is served by one process', () => {
    const model = Array.from({ length: 80 }, (_, idx) => `/m/${idx}`);
    expect(configProblems(configWith({ topology: 'colocated', model }))).toEqual([]);
  });

  it('are not pinned to the same cores', () => {
    expect(() => refusePinning(2, { SWITCHYARD_XCCL_PIN: '0-3' })).toThrow(/SWITCHYARD_XCCL_PIN/);
    expect(() => refusePinning(2, {})).not.toThrow();
    expect(() => refusePinning(1, { SWITCHYARD_XCCL_PIN: '0-3' })).not.toThrow();
  });
});

describe('the configuration of a child', () => {
  it('has its identity as flags and what is shared as variables', () => {
    const config = configWith({
      kvBytes: 1024,
      blockTokens: undefined,
      drainTimeoutMs: 3000,
      kernelClass: 'mla-split',
    });
    const args = childArgs(
      { id: 'decode-0', app: 'decode', model: 'tiny', args: ['--mode', 'pd'], stopStage: 1 },
      config,
      'unix:/r/m.sock',
    );
    expect(args.join(' ')).toMatch(/^--id decode-0 --manager unix:\/r\/m\.sock --run-dir \/r /);
    expect(args.join(' ')).toMatch(/--drain-timeout-ms 1500 --exit-with-parent --mode pd$/);
    const env = childEnv(
      config,
      {
        PATH: '/bin',
        SWITCHYARD_ID: 'x',
        SWITCHYARD_TOPOLOGY: 'pd',
        SWITCHYARD_MODEL: '/m/a,/m/b',
        SWITCHYARD_NAME: 'a,b',
        SWITCHYARD_ISA: 'avx2',
      },
      8,
    );
    expect(env).toMatchObject({
      PATH: '/bin',
      SWITCHYARD_ISA: 'avx2',
      SWITCHYARD_KERNEL_CLASS: 'mla-split',
      SWITCHYARD_KV_BYTES: '1024',
      SWITCHYARD_THREADS: '1',
    });
    for (const option of ['ID', 'TOPOLOGY', 'MODEL', 'NAME', 'BLOCK_TOKENS']) {
      expect(env).not.toHaveProperty(`SWITCHYARD_${option}`);
    }
  });
});

describe('Backoff', () => {
  it('doubles from 50 ms to 5 s while a process keeps dying young', () => {
    const backoff = new Backoff();
    const delays = Array.from({ length: 10 }, () => backoff.delayMs(100));
    expect(delays).toEqual([50, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
  });

  it('starts afresh after a stable run', () => {
    const backoff = new Backoff();
    for (let deathIdx = 0; deathIdx < 5; deathIdx++) backoff.delayMs(0);
    expect([backoff.delayMs(10_000), backoff.delayMs(0)]).toEqual([50, 100]);
  });
});
