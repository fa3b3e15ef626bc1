import { describe, expect, it } from 'vitest';
import { Backoff } from '../src/provider/local/backoff.js';
import { childArgs, childEnv } from '../src/provider/local/child-config.js';
import { processesOf } from '../src/provider/local/topology.js';
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
    expect(args['router-0']).toBe('--http-listen 127.0.0.1:9000 --grpc-listen 127.0.0.1:9001');
    expect(args['decode-0']).toBe('--mode full');
    expect(args['attention-1']).toBe('--te decode-0');
  });
});

describe('the configuration of a child', () => {
  it('has its identity as flags and what is shared as variables', () => {
    const config = configWith({ kvBytes: 1024, modelName: undefined, drainTimeoutMs: 3000 });
    const args = childArgs(
      { id: 'decode-0', app: 'decode', args: ['--mode', 'pd'], stopStage: 1 },
      config,
      'unix:/r/m.sock',
    );
    expect(args.join(' ')).toMatch(/^--id decode-0 --manager unix:\/r\/m\.sock --run-dir \/r /);
    expect(args.join(' ')).toMatch(/--drain-timeout-ms 1500 --exit-with-parent --mode pd$/);
    const env = childEnv(config, {
      PATH: '/bin',
      SWITCHYARD_ID: 'x',
      SWITCHYARD_TOPOLOGY: 'pd',
      SWITCHYARD_ISA: 'avx2',
    });
    expect(env).toMatchObject({ PATH: '/bin', SWITCHYARD_ISA: 'avx2', SWITCHYARD_KV_BYTES: '1024' });
    for (const variable of ['SWITCHYARD_ID', 'SWITCHYARD_TOPOLOGY', 'SWITCHYARD_MODEL_NAME'])
      expect(env).not.toHaveProperty(variable);
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
