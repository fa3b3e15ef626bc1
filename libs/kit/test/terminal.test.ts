// The bar below the lines of a terminal: what it shows, and that lines and bar do not overwrite each other.
import { expect, test } from 'vitest';
import { progressText, Terminal } from '../src/logs/terminal.js';

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

test('a bar is never fuller than full, and empty when nothing is known', () => {
  expect(progressText(5, 4)).toContain('100%');
  expect(progressText(0, 0)).toContain(' 0%');
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
