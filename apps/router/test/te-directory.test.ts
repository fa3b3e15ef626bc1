// Which TEs a job gets: pairs of one digest and numeric class, least outstanding tokens first, none that failed it.
import { cluster } from '@switchyard/proto';
import { beforeEach, expect, test, vi } from 'vitest';
import { TeDirectory, teKey } from '../src/jobs/te-directory.js';
import { ListedMembers } from './test-router.js';

const { PREFILL, DECODE } = cluster.MemberKind;
const { SERVING, DRAINING } = cluster.MemberState;
const none = new Set<string>();

let members: ListedMembers;
let directory: TeDirectory;

beforeEach(() => {
  members = new ListedMembers();
  directory = new TeDirectory(members, { name: 'tiny', digest: 'd1' });
});

interface MemberPatch {
  epoch?: bigint;
  state?: cluster.MemberState;
  colocated?: boolean;
  digest?: string;
  numericClass?: string;
}

function member(id: string, kind: cluster.MemberKind, patch: MemberPatch = {}): cluster.Member {
  const { epoch = 1n, state = SERVING, colocated = false, digest = 'd1', numericClass = 'fp32' } = patch;
  const model = { name: 'tiny', digest, descriptionDigest: digest, numericClass, contextTokens: 64 };
  return cluster.Member.fromPartial({ id, kind, epoch, state, colocated, model, address: `unix:/${id}` });
}

test('the least loaded TEs are taken, and released tokens count no more', () => {
  members.set([member('d-0', DECODE), member('d-1', DECODE), member('p-0', PREFILL)]);
  const first = directory.pickDecode(none);
  expect(first?.id).toBe('d-0');
  if (!first) return;
  const release = directory.hold(first, 100);
  expect(directory.pickDecode(none)?.id).toBe('d-1');
  release();
  release();
  expect(directory.pickDecode(none)?.id).toBe('d-0');
});

test('a decode TE without a partner of its numeric class is left out', () => {
  members.set([member('d-0', DECODE, { numericClass: 'bf16' }), member('d-1', DECODE), member('p-0', PREFILL)]);
  expect(directory.pickDecode(none)?.id).toBe('d-1');
});

test('a colocated decode TE is its own partner', () => {
  members.set([member('d-0', DECODE, { colocated: true }), member('p-0', PREFILL)]);
  const decode = directory.pickDecode(none);
  expect(decode && directory.pickPrefill(decode, none)?.id).toBe('d-0');
});

test('what does not serve, has another digest or has failed is left out', () => {
  const failed = member('d-2', DECODE);
  members.set([
    member('d-0', DECODE, { state: DRAINING }),
    member('d-1', DECODE, { digest: 'd2' }),
    failed,
    member('p-0', PREFILL),
  ]);
  expect(directory.pickDecode(none)?.id).toBe('d-2');
  expect(directory.pickDecode(new Set([teKey(failed)]))).toBeUndefined();
  // Its next life has not failed anybody.
  members.set([member('d-2', DECODE, { epoch: 2n }), member('p-0', PREFILL)]);
  expect(directory.pickDecode(new Set([teKey(failed)]))?.epoch).toBe(2n);
});

test('a restart is a loss at once, an absence only after a while', () => {
  vi.useFakeTimers();
  try {
    members.set([member('d-0', DECODE), member('p-0', PREFILL)]);
    const te = directory.pickDecode(none);
    if (!te) throw new Error('no TE');
    const onLost = vi.fn();
    directory.watch(te, onLost);
    members.set([]);
    vi.advanceTimersByTime(900);
    members.set([member('d-0', DECODE)]);
    vi.advanceTimersByTime(10_000);
    expect(onLost).not.toHaveBeenCalled();
    members.set([member('d-0', DECODE, { epoch: 2n })]);
    members.set([]);
    vi.advanceTimersByTime(10_000);
    expect(onLost).toHaveBeenCalledTimes(1);

    const onGone = vi.fn();
    directory.watch(te, onGone);
    members.set([member('p-0', PREFILL)]);
    vi.advanceTimersByTime(1_000);
    expect(onGone).toHaveBeenCalledTimes(1);
  } finally {
    vi.useRealTimers();
  }
});

test('says what is missing', () => {
  expect(directory.missing()).toEqual(['a serving decode TE of tiny', 'a serving prefill TE of tiny']);
  members.set([member('d-0', DECODE)]);
  expect(directory.missing()).toEqual(['a serving prefill TE of tiny']);
  members.set([member('d-0', DECODE), member('p-0', PREFILL, { numericClass: 'bf16' })]);
  expect(directory.missing()).toEqual(['a prefill and a decode TE of tiny of one numeric class']);
  members.set([member('d-0', DECODE), member('p-0', PREFILL)]);
  expect(directory.missing()).toEqual([]);
});
