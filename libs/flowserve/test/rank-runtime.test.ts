// Two XCCL ranks on the real addon, told of each other by a membership: they link, notice a death, and link again; a rank with
// a corrupt segment is lost, and its peer is not.
import { closeSync, mkdtempSync, openSync, readdirSync, readlinkSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { metrics } from '@opentelemetry/api';
import { createLogger, type ServiceError } from '@switchyard/kit';
import { loadNative } from '@switchyard/native';
import { cluster } from '@switchyard/proto';
import type { Member } from '@switchyard/registry';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { RankRuntime } from '../src/index.js';
import { makeMember, WrittenMembership } from './written-membership.js';

const log = createLogger({ member: 'test', level: 'silent', format: 'json' });
const native = loadNative();
const { PREFILL, ATTENTION } = cluster.MemberKind;

let runDir: string;
const opened: RankRuntime[] = [];

beforeEach(() => {
  runDir = mkdtempSync(join(tmpdir(), 'sy-'));
});

afterEach(() => {
  for (const runtime of opened.splice(0)) runtime.close();
  expect(readdirSync(runDir)).toEqual([]);
  rmSync(runDir, { recursive: true });
});

interface Rank {
  runtime: RankRuntime;
  membership: WrittenMembership;
  member: Member;
  /** What the rank was lost by. */
  losses: ServiceError[];
}

function open(id: string, kind: cluster.MemberKind, rank: number, epoch: bigint): Rank {
  const membership = new WrittenMembership(id, epoch, rank);
  const talksTo = (member: Member) => member.kind !== kind;
  const losses: ServiceError[] = [];
  const onLost = (error: ServiceError) => losses.push(error);
  const meter = metrics.getMeter('test');
  const options = { numericClass: 'fp32/x', appBytes: 4096, exchange: null, seat: null, talksTo, log, meter, onLost };
  const runtime = new RankRuntime({ native, membership, runDir, ...options });
  opened.push(runtime);
  const { xccl } = membership.told;
  if (xccl === undefined) throw new Error('the rank did not tell where it listens');
  return { runtime, membership, member: makeMember({ id, kind, epoch, xccl }), losses };
}

function tell(...ranks: Rank[]): void {
  for (const { membership } of ranks) membership.write(ranks.map(({ member }) => member));
}

it('links, tells a death, keeps the link that the membership loses sight of, and links again', async () => {
  const prefill = open('prefill-0', PREFILL, 0, 10n);
  const attention = open('attention-0', ATTENTION, 1, 11n);
  let numChanges = 0;
  prefill.runtime.onChange(() => {
    numChanges += 1;
  });
  tell(prefill, attention);
  await expect.poll(() => prefill.runtime.isLinkedTo('attention-0', 11n)).toBe(true);
  await expect.poll(() => attention.runtime.isLinkedTo('prefill-0', 10n)).toBe(true);
  expect(prefill.runtime.isLinkedTo('attention-0', 12n)).toBe(false);

  prefill.membership.write([prefill.member]);
  expect(prefill.runtime.isLinkedTo('attention-0', 11n)).toBe(true);

  opened.splice(opened.indexOf(attention.runtime), 1);
  attention.runtime.close();
  await expect.poll(() => prefill.runtime.isLinkedTo('attention-0', 11n)).toBe(false);

  const again = open('attention-0', ATTENTION, 1, 12n);
  tell(prefill, again);
  await expect.poll(() => prefill.runtime.isLinkedTo('attention-0', 12n), { timeout: 5000 }).toBe(true);
  expect(numChanges).toBeGreaterThan(3);
});

it('is lost when its segment is corrupt, and serves again under a new epoch', async () => {
  const prefill = open('prefill-0', PREFILL, 0, 10n);
  const segment = openControlSegment();
  const attention = open('attention-0', ATTENTION, 1, 11n);
  tell(prefill, attention);
  await expect.poll(() => attention.runtime.isLinkedTo('prefill-0', 10n)).toBe(true);
  await expect.poll(() => prefill.runtime.isLinkedTo('attention-0', 11n)).toBe(true);
  spoilAliveWord(segment, 1);
  await expect.poll(() => prefill.losses.map(({ code }) => code)).toEqual(['CORRUPT']);
  expect(prefill.losses[0]?.message).toContain('attention-0');
  await expect.poll(() => attention.runtime.isLinkedTo('prefill-0', 10n)).toBe(false);

  opened.splice(opened.indexOf(prefill.runtime), 1);
  prefill.runtime.close();
  const again = open('prefill-0', PREFILL, 0, 12n);
  tell(again, attention);
  await expect.poll(() => attention.runtime.isLinkedTo('prefill-0', 12n), { timeout: 5000 }).toBe(true);
  expect(attention.losses).toEqual([]);
});

/** The control segment of the only rank that lives so far, as a broken peer holds it. */
function openControlSegment(): number {
  const folder = '/proc/self/fd';
  for (const fd of readdirSync(folder)) {
    if (isControlSegment(`${folder}/${fd}`)) return openSync(`${folder}/${fd}`, 'r+');
  }
  throw new Error('no rank lives here');
}

function isControlSegment(path: string): boolean {
  try {
    return readlinkSync(path).startsWith('/memfd:switchyard-ctrl');
  } catch {
    return false; // a descriptor that was open only while the folder was listed
  }
}

/** Names another owner in the alive word that `rank` watches (native/xccl/layout/ctrl_layout.h), and lets the segment go. */
function spoilAliveWord(segment: number, rank: number): void {
  writeSync(segment, Uint8Array.of(0x7f, 0, 0, 0), 0, 4, 4096 + 64 * rank);
  closeSync(segment);
}
