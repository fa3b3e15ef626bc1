// GGUF models in several files: names of the parts, and parts that do not belong together.
import { expect, test } from 'vitest';
import { ggufModelName, ggufPartNames, joinGgufParts, ModelError, readGgufHeader } from '../src/index.js';
import { ggufFile, sourceOf, type Value } from './gguf-file.js';

const FIRST = 'qwen-00001-of-00003.gguf';

/** A part of three that hold two tensors together. */
const part = (no: number, tensors: string[] = [], change: Record<string, Value> = {}) =>
  readGgufHeader(
    sourceOf(
      ggufFile(
        { 'split.no': no, 'split.count': 3, 'split.tensors.count': 2, ...change },
        tensors.map((name) => ({ name, shape: [4] })),
      ),
    ),
  );
const whole = (change: Record<string, Value> = {}) => readGgufHeader(sourceOf(ggufFile(change, [])));

test('the first part names the others', () => {
  expect(ggufPartNames(FIRST, part(0))).toEqual([FIRST, 'qwen-00002-of-00003.gguf', 'qwen-00003-of-00003.gguf']);
  expect(ggufPartNames('a.gguf', whole())).toEqual(['a.gguf']);
  expect(ggufPartNames('a.gguf', whole({ 'split.count': 0 }))).toEqual(['a.gguf']);
});

test('a model is called by what its parts share', () => {
  expect(ggufModelName(FIRST)).toBe('qwen');
  expect(ggufModelName('qwen-1-of-3.gguf')).toBe('qwen-1-of-3');
});

test('parts hold the tensors of one model', () => {
  const joined = joinGgufParts([part(0), part(1, ['a']), part(2, ['b'])]);
  expect(joined.tensors.map(({ name }) => name)).toEqual(['a', 'b']);
  const single = whole();
  expect(joinGgufParts([single])).toBe(single);
});

test.each<[string, () => unknown, RegExp]>([
  [
    'another part',
    () => ggufPartNames('qwen-00002-of-00003.gguf', part(1)),
    /split\.no: is 1: open .* qwen-00001-of-0/,
  ],
  ['another name', () => ggufPartNames('qwen.gguf', part(0)), /qwen\.gguf:split\.count: is 3: .* NAME-00001-of-00003/],
  ['another count', () => ggufPartNames('qwen-00001-of-00002.gguf', part(0)), /split\.count: is 3: the file must be/],
  ['a millionth part', () => ggufPartNames(FIRST, part(0, [], { 'split.count': 1e6 })), /split\.count: is 1000000/],
  ['half a part', () => ggufPartNames(FIRST, part(0, [], { 'split.no': 0.5 })), /split\.no: is 0\.5/],
  ['parts in disorder', () => joinGgufParts([part(0), part(2, ['b']), part(1, ['a'])]), /split\.no: is 2, .* 1/],
  ['a part too few', () => joinGgufParts([part(0), part(1, ['a', 'b'])]), /split\.count: is 3, the files have 2/],
  ['a tensor too few', () => joinGgufParts([part(0), part(1, ['a']), part(2)]), /tensors\.count: is 2, .* 1/],
])('%s is refused', (_, read, message) => {
  expect(read).toThrow(ModelError);
  expect(read).toThrow(message);
});
