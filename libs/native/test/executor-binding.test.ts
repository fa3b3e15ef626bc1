// The JavaScript face of the executor: errors with code and field path, forced instruction sets, and that an open executor hinders
// no way of ending a process.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type ExecutorOptions, loadNative, type Plan } from '../src/index.js';
import { Driver, greedy, type OpenedWeights, openTinyModel } from './driver.js';

const nativeModule = new URL('../dist/index.js', import.meta.url).href;

let model: OpenedWeights;
let folder: string;

beforeAll(async () => {
  model = await openTinyModel();
});

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'switchyard-executor-js-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

function optionsWith(changes: Partial<ExecutorOptions>): ExecutorOptions {
  return {
    model: model.executorSpec,
    weights: model.weights,
    arena: null,
    policy: 'fp32',
    kernelClass: 'fma16',
    numBlocks: 8,
    blockTokens: 16,
    maxBatchTokens: 8,
    numSpeculativeTokens: 0,
    threads: 1,
    communicator: null,
    experts: null,
    onSteps: () => {},
    ...changes,
  };
}

/** The code and message of what createExecutor throws. */
function refusal(changes: Partial<ExecutorOptions>): { code: string; message: string } {
  try {
    loadNative().createExecutor(optionsWith(changes)).close();
  } catch (error) {
    return error as Error & { code: string };
  }
  throw new Error('it was not refused');
}

test('options that cannot work are refused with code and place', () => {
  const { executorSpec: spec, weights } = model;
  expect(refusal({ numBlocks: 0 })).toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('options.numBlocks'),
  });
  expect(refusal({ model: { ...spec, numHeads: 3 } })).toMatchObject({ code: 'INVALID_ARGUMENT' });
  expect(refusal({ kernelClass: 'split' as 'mla-split' }).message).toContain('kernelClass');
  const [first, ...others] = weights.tensors;
  expect(refusal({ weights: { ...weights, tensors: others } }).message).toContain(String(first?.name));
  const moved = weights.tensors.map((tensor) => ({ ...tensor, offset: 2 ** 40 }));
  expect(refusal({ weights: { ...weights, tensors: moved } })).toMatchObject({ code: 'CORRUPT' });
  expect(refusal({ experts: { version: 1, expertToRank: [], timeoutMs: 1 } }).message).toContain('communicator');
});

test('a truncated weight file is refused', () => {
  const file = join(folder, 'model.safetensors');
  writeFileSync(file, new Uint8Array(5000));
  const tensors = model.weights.tensors.map((tensor) => ({ ...tensor, file }));
  const error = refusal({ weights: { ...model.weights, tensors } });
  expect(error).toMatchObject({ code: 'CORRUPT', message: expect.stringContaining('truncated') });
});

test('a plan that cannot work is refused and changes nothing', async () => {
  const driver = new Driver(model);
  try {
    const job = { tokens: [5, 6, 7], sampling: greedy, maxNewTokens: 3, stopTokenIds: [] };
    const good: Plan = {
      masterEpoch: 1n,
      planSeq: 1n,
      maxPrefillTokens: 8,
      add: [driver.sequence(1n, job)],
      grant: [],
      remove: [],
      resume: false,
    };
    const submit = (changes: object) => driver.executor.submit({ ...good, ...changes } as Plan);
    expect(() => submit({ add: [{ ...good.add[0], tokens: [1, 2.5] }] })).toThrow(/plan\.add\[0\]\.tokens\[1\]/);
    expect(() => submit({ add: [{ ...good.add[0], sampling: { ...greedy, topP: 0 } }] })).toThrow(/topP/);
    expect(() => submit({ add: [{ ...good.add[0], trace: { traceId: 'xy', spanId: '' } }] })).toThrow(/traceId/);
    expect(() => submit({ remove: [1] })).toThrow(/plan\.remove\[0\]/);
    submit({});
    await driver.until(() => driver.finishOf(1n) === 'length');
    expect(() => submit({ planSeq: 9n })).toThrow(/planSeq must be 2/);
    driver.close();
    expect(() => submit({ planSeq: 2n })).toThrow(expect.objectContaining({ code: 'CLOSED' }));
  } finally {
    driver.close();
  }
});

/** Runs a script that has an executor in the middle of work, in a process of its own. */
async function runChild(ending: string, env: Record<string, string> = {}): Promise<{ code: number; output: string }> {
  const script = join(folder, 'child.mjs');
  writeFileSync(join(folder, 'model.json'), JSON.stringify({ spec: model.executorSpec, weights: model.weights }));
  writeFileSync(
    script,
    `import { readFileSync } from 'node:fs';
    import { loadNative } from ${JSON.stringify(nativeModule)};
    const { spec, weights } = JSON.parse(readFileSync(${JSON.stringify(join(folder, 'model.json'))}, 'utf8'));
    const native = loadNative();
    console.log(native.describe().isa, native.numericClass('fp32', 'fma16'));
    const onSteps = (events) => { if (events.some((event) => event.tokens.length > 0)) { ${ending} } };
    const executor = native.createExecutor({ model: spec, weights, arena: null, policy: 'fp32', kernelClass: 'fma16', numBlocks: 64, blockTokens: 16,
      maxBatchTokens: 8, numSpeculativeTokens: 0, threads: 2, communicator: null, experts: null, onSteps });
    const sampling = { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0n, logprobs: false, topLogprobs: 0 };
    const blocks = Array.from({ length: 64 }, (_, i) => i);
    executor.submit({ masterEpoch: 1n, planSeq: 1n, maxPrefillTokens: 8, grant: [], remove: [], resume: false, add: [{
      seqId: 1n, tokens: [5, 6, 7], numPromptTokens: 3, numComputed: 0, blocks, source: null, sampling, maxNewTokens: 900,
      stopTokenIds: [], hold: false, trace: null }] });`,
  );
  const child = promisify(execFile)(process.execPath, [script], { env: { ...process.env, ...env }, timeout: 20_000 });
  return child.then(
    ({ stdout }) => ({ code: 0, output: stdout }),
    (error: { code: number; stderr: string }) => ({ code: error.code, output: error.stderr }),
  );
}

test.each([
  ['close()', 'executor.close();', 0],
  ['process.exit()', 'process.exit(3);', 3],
  ['an exception in the callback', "throw new Error('thrown in onSteps');", 1],
])('a process with a working executor ends by %s', async (_, ending, code) => {
  const ended = await runChild(ending);
  expect(ended.code).toBe(code);
  if (code === 1) expect(ended.output).toContain('thrown in onSteps');
});

test('the scalar path has the same numeric class, an unknown one is refused', async () => {
  const scalar = await runChild('executor.close();', { SWITCHYARD_ISA: 'scalar' });
  expect(scalar).toMatchObject({ code: 0, output: `scalar ${loadNative().numericClass('fp32', 'fma16')}\n` });
  const unknown = await runChild('', { SWITCHYARD_ISA: 'mmx' });
  expect(unknown).toMatchObject({ code: 1, output: expect.stringMatching(/SWITCHYARD_ISA=mmx is unknown; .*scalar/) });
});
