// Pairs of --model and --name, and every pairing that is refused.
import { describe, expect, it } from 'vitest';
import { modelNameOf, namedModels, namedModelsProblems } from '../src/named-models.js';

describe('modelNameOf', () => {
  it.each([
    ['models/switchyard-tiny', 'switchyard-tiny'],
    ['/m/qwen3/', 'qwen3'],
    ['/m/smollm2-q8.gguf', 'smollm2-q8'],
    ['/m/v1.gguf.d', 'v1.gguf.d'],
    ['/', ''],
  ])('calls %s %j', (path, name) => {
    expect(modelNameOf(path)).toBe(name);
  });
});

describe('namedModels', () => {
  it('pairs by position and calls the rest after their files', () => {
    expect(namedModels(['/m/a', '/m/b.gguf'], [])).toEqual([
      { path: '/m/a', name: 'a' },
      { path: '/m/b.gguf', name: 'b' },
    ]);
    expect(namedModels(['/m/a', '/m/b.gguf'], ['first']).map(({ name }) => name)).toEqual(['first', 'b']);
    expect(namedModels(['/m/a', '/m/a'], ['one', 'two']).map(({ name }) => name)).toEqual(['one', 'two']);
  });
});

describe('namedModelsProblems', () => {
  it('takes what can be served together', () => {
    expect(namedModelsProblems(['/m/a'], [])).toEqual([]);
    expect(namedModelsProblems(['/m/a', '/m/a'], ['one', 'two'])).toEqual([]);
  });

  it.each([
    [[], [], /at least one model/],
    [['/m/a'], ['x', 'y'], /--name is given 2 times and --model once/],
    [['/m/a', '/n/a'], [], /'a' is the name of \/m\/a and of \/n\/a/],
    [['/m/a', '/m/b'], ['b'], /'b' is the name of \/m\/a and of \/m\/b/],
    [['/m/a', '/m/b', '/m/c'], ['x', 'x', 'x'], /'x' is the name of \/m\/a and of \/m\/b/],
    [['/'], [], /'\/' gives no name/],
  ])('refuses models %j under names %j', (paths, names, problem) => {
    expect(namedModelsProblems(paths, names).join('\n')).toMatch(problem);
  });
});
