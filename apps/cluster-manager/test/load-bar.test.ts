// The bar that says how far weights are: what it shows of the members.
import { cluster } from '@switchyard/proto';
import { expect, test } from 'vitest';
import { barText } from '../src/provider/local/load-bar.js';

const { WAITING, HASHING, PACKING } = cluster.LoadPhase;

function memberThat(model: string, phase: cluster.LoadPhase, doneBytes: number, totalBytes: number) {
  const loading = { model, phase, doneBytes: BigInt(doneBytes), totalBytes: BigInt(totalBytes) };
  return cluster.Member.fromPartial({ id: `member-of-${model}`, loading });
}

test('the bar shows the one that works on each model, not those that wait for it', () => {
  const members = [
    memberThat('a', WAITING, 0, 0),
    memberThat('a', PACKING, 50 * 2 ** 20, 100 * 2 ** 20),
    memberThat('b', HASHING, 3 * 2 ** 30, 12 * 2 ** 30),
    cluster.Member.fromPartial({ id: 'router-0' }),
  ];
  expect(barText(members)).toBe(
    'packing a ████████████░░░░░░░░░░░░ 50% of 100 MiB   reading b ██████░░░░░░░░░░░░░░░░░░ 25% of 12.0 GiB',
  );
  expect(barText([memberThat('a', WAITING, 0, 0)])).toBe('');
});
