// A whole system of small real processes: starting, announcing, restarting, stopping in order, and the manager's death.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { callServerStream, connect, disconnect } from '@switchyard/kit';
import { cluster } from '@switchyard/proto';
import { describe, expect, it, onTestFinished } from 'vitest';
import { isAlive, type RunningManager, startManager } from './harness.js';

const announced = (manager: RunningManager) => manager.output().includes('Ctrl-C stops everything');
const said = (manager: RunningManager, member: string, msg: string) =>
  manager.records().filter((record) => record.member === member && String(record.msg).includes(msg));

/** As the manager's own members see it. */
async function epochOf(manager: RunningManager, id: string): Promise<bigint> {
  const address = `unix:${manager.runDir()}/cluster-manager-0.sock`;
  const client = connect(cluster.ClusterServiceClient, address);
  try {
    for await (const { members } of callServerStream(client, 'watchMembers', {}, { timeoutMs: 5000 })) {
      return members.find((member) => member.id === id)?.epoch ?? 0n;
    }
    return 0n;
  } finally {
    disconnect(address);
  }
}

describe('the local provider', { timeout: 90_000 }, () => {
  it('starts a topology, says where it answers, and stops it in order', async () => {
    const manager = startManager([
      '--topology',
      'full',
      '--attention-ranks',
      '1',
      '--expert-ranks',
      '1',
      '--http-port',
      '9090',
    ]);
    await manager.until('announcement', () => announced(manager));
    const ids = ['attention-0', 'decode-0', 'expert-0', 'prefill-0', 'router-0'];
    expect([...manager.children().keys()].sort()).toEqual(ids);
    expect(manager.output()).toContain('curl -N http://127.0.0.1:9090/v1/chat/completions');
    expect(said(manager, 'expert-0', 'configured')[0]).toMatchObject({ attentionRanks: 1 });
    const pids = [...manager.children().values()];
    manager.process.kill('SIGINT');
    expect(await manager.ended).toBe(0);
    expect(pids.filter(isAlive)).toEqual([]);
    expect(existsSync(manager.runDir())).toBe(false);
    const stopped = manager
      .records()
      .filter(({ msg }) => msg === 'stopping')
      .map(({ member }) => member);
    expect(stopped[0]).toBe('cluster-manager-0');
    expect(stopped[1]).toBe('router-0');
    expect(stopped.slice(2, 4).sort()).toEqual(['decode-0', 'prefill-0']);
    expect(stopped.slice(4).sort()).toEqual(['attention-0', 'expert-0']);
  });

  it('starts what was killed again, under a higher epoch and the same id', async () => {
    const manager = startManager(['--topology', 'colocated']);
    await manager.until('announcement', () => announced(manager));
    const epochBefore = await epochOf(manager, 'decode-0');
    const victim = manager.children().get('decode-0') ?? 0;
    process.kill(victim, 'SIGKILL');
    await manager.until('second start', () => said(manager, 'decode-0', 'serving').length === 2);
    const [death] = said(manager, 'cluster-manager-0', 'decode-0 died');
    expect(death).toMatchObject({ restartInMs: 50, msg: 'decode-0 died (SIGKILL) and is started again' });
    const pid = manager.children().get('decode-0');
    expect(pid).toBeDefined();
    expect(pid).not.toBe(victim);
    expect(await epochOf(manager, 'decode-0')).toBeGreaterThan(epochBefore);
  });

  it('restarts with growing delays what dies at once, and says what is missing', async () => {
    const manager = startManager(['--topology', 'colocated'], { TEST_CRASH_ID: 'decode-0' });
    const deaths = () => said(manager, 'cluster-manager-0', 'decode-0 died (exit code 3)');
    await manager.until('three deaths', () => deaths().length >= 3);
    expect(
      deaths()
        .slice(0, 3)
        .map(({ restartInMs }) => restartInMs),
    ).toEqual([50, 100, 200]);
    expect(announced(manager)).toBe(false);
  });

  it('gives up, with one sentence, when a service cannot run as it is configured', async () => {
    const manager = startManager(['--topology', 'pd'], { TEST_FATAL_ID: 'router-0' });
    expect(await manager.ended).toBe(1);
    expect(manager.stderr()).toMatch(/^router-0: port 1 is taken$/m);
    expect(manager.stderr()).toMatch(/^cluster-manager-0: router-0 cannot run as it is configured/m);
    expect(existsSync(manager.runDir())).toBe(false);
  });

  it('starts again what becomes unable to run after all has served, and keeps the rest', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fatal-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'now');
    const models = ['--model', '/m/a', '--model', '/m/b'];
    const env = { TEST_FATAL_ID: 'decode-1', TEST_FATAL_FILE: file };
    const manager = startManager(['--topology', 'colocated', ...models], env);
    await manager.until('announcement', () => announced(manager));
    const others = ['decode-0', 'router-0'].map((id) => manager.children().get(id));
    writeFileSync(file, '');
    process.kill(manager.children().get('decode-1') ?? 0, 'SIGKILL');
    const fatal = () => said(manager, 'cluster-manager-0', 'decode-1 died (exit code 78) and is started again');
    await manager.until('a second try', () => fatal().length >= 2);
    rmSync(file);
    await manager.until('second life', () => said(manager, 'decode-1', 'serving').length === 2);
    expect(['decode-0', 'router-0'].map((id) => manager.children().get(id))).toEqual(others);
  });

  it('refuses models that it could not tell apart before anything is started', async () => {
    const manager = startManager(['--model', '/m/a', '--model', '/n/a']);
    expect(await manager.ended).toBe(78);
    expect(manager.stderr()).toContain("--name: 'a' is the name of /m/a and of /n/a");
    expect(manager.output()).toBe('');
  });

  it('leaves neither process nor socket when it is killed', async () => {
    const manager = startManager(['--topology', 'pd']);
    await manager.until('announcement', () => announced(manager));
    const pids = [...manager.children().values()];
    expect(pids).toHaveLength(3);
    manager.process.kill('SIGKILL');
    await manager.until('all children gone', () => !pids.some(isAlive));
    await manager.until('run directory gone', () => !existsSync(manager.runDir()));
    await manager.until('three messages', () => manager.stderr().split('the parent process is gone').length === 4);
  });
});
