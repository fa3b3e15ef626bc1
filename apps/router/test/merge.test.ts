// Interleaving of several answers: order within each, one at a time, failures once.
import { expect, test } from 'vitest';
import { merge } from '../src/http/merge.js';

async function* counting(from: number, to: number): AsyncGenerator<number> {
  for (let value = from; value < to; value++) yield value;
}

test('every item comes once, in the order of its source', async () => {
  const bySource: number[][] = [[], [], []];
  for await (const { sourceIdx, value } of merge([counting(0, 5), counting(10, 11), counting(20, 20)])) {
    bySource[sourceIdx]?.push(value);
  }
  expect(bySource).toEqual([[0, 1, 2, 3, 4], [10], []]);
});

test('no source is asked for more than one item that nobody has taken', async () => {
  let numMade = 0;
  async function* endless(): AsyncGenerator<number> {
    for (;;) yield numMade++;
  }
  const merged = merge([endless(), endless()]);
  for (let numTaken = 1; numTaken <= 10; numTaken++) {
    await merged.next();
    expect(numMade).toBeLessThanOrEqual(numTaken + 1);
  }
  await merged.return(undefined);
});

test('the first failure is thrown; the others go unnoticed', async () => {
  async function* failing(message: string): AsyncGenerator<number> {
    yield 1;
    throw new Error(message);
  }
  const read = async () => {
    for await (const _ of merge([failing('first'), failing('second')]));
  };
  await expect(read()).rejects.toThrow('first');
});

test('no source stays open when the reader leaves, whether it waits to be asked or works on an item', async () => {
  const closed: string[] = [];
  let answer: (() => void) | undefined;
  async function* noting(name: string, item: Promise<void>): AsyncGenerator<string> {
    try {
      yield name;
      await item;
      yield name;
    } finally {
      closed.push(name);
    }
  }
  const working = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const merged = merge([noting('working', working), noting('asked', Promise.resolve())]);
  expect((await merged.next()).value).toMatchObject({ value: 'working' });
  expect((await merged.next()).value).toMatchObject({ value: 'asked' });
  await merged.return(undefined);
  expect(closed).toEqual(['asked']);
  answer?.();
  await expect.poll(() => closed).toEqual(['asked', 'working']);
});
