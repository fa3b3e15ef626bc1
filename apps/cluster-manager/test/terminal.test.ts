// The bar that says how far weights are: what it shows, and that lines and bar do not overwrite each other.
import { cluster } from '@switchyard/proto';
import { expect, test } from 'vitest';
import { barText, Terminal } from '../src/provider/local/terminal.js';

const { WAITING, HASHING, PACKING } = cluster.LoadPhase;

function memberThat(model: string, phase: cluster.LoadPhase, doneBytes: number, totalBytes: number) {
  const loading = { model, phase, doneBytes: BigInt(doneBytes), totalBytes: BigInt(totalBytes) };
  return cluster.Member.fromPartial({ id: `member-of-${model}`, loading });
}

class FakeStream {
  written = '';
  columns = 80;
  constructor(readonly isTTY: boolean) {}
  write(text: string): boolean {
    this.written += text;
    return true;
  }
}

const terminalOn = (stream: FakeStream) => new Terminal(stream as unknown as NodeJS.WriteStream);

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

test('a bar is never fuller than full, and empty when nothing is known', () => {
  expect(barText([memberThat('a', PACKING, 5, 4)])).toContain('100%');
  expect(barText([memberThat('a', PACKING, 0, 0)])).toContain(' 0%');
});

test('lines go above the bar, which goes away with an empty text', () => {
  const stream = new FakeStream(true);
  const terminal = terminalOn(stream);
  terminal.write('one\n');
  terminal.showBar('bar');
  terminal.showBar('bar');
  terminal.write('two\n');
  terminal.showBar('');
  terminal.write('three\n');
  expect(stream.written).toBe('one\n\r\x1b[Kbar\r\x1b[Ktwo\nbar\r\x1b[Kthree\n');
});

test('a bar fits its line, and is not for files', () => {
  const narrow = new FakeStream(true);
  narrow.columns = 5;
  terminalOn(narrow).showBar('a long bar');
  expect(narrow.written).toBe('\r\x1b[Ka lo');
  const file = new FakeStream(false);
  terminalOn(file).showBar('bar');
  expect(file.written).toBe('');
});
