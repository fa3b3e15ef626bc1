// The task services over real gRPC, with model ranks under real masters: colocated and PD, from the router's side of the wire.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  callBidi,
  callUnary,
  connect,
  createLogger,
  disconnect,
  type GrpcServer,
  startGrpcServer,
} from '@switchyard/kit';
import { cluster, type common, task } from '@switchyard/proto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ActiveCalls, DecodeTaskService, KvClaimClient, localGroup, PrefillTaskService } from '../src/index.js';
import { answerOf } from './model-rank.js';
import { identity, makeTe, model, type TestTe, type TestTeOptions } from './te-fixture.js';

const log = createLogger({ member: 'test', level: 'silent', format: 'json' });
const code = (expected: string) => expect.objectContaining({ code: expected });
const limits = { timeoutMs: 10_000 };
const sampling = { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 1n, logprobs: false, topLogprobs: 0 };
const prompt = [5, 17, 100, 42, 8, 9];
const stopAt = (maxTokens: number, more: Partial<common.StopConditions> = {}) => {
  return { maxTokens, stopTokenIds: [], stopStrings: [], ...more };
};

type Decode = ReturnType<typeof openDecode>;
interface System {
  prefill: TestTe;
  decode: TestTe;
  prefillClient: task.PrefillServiceClient;
  decodeClient: task.DecodeServiceClient;
  close(): Promise<void>;
}

let runDir: string;
let system: System;

beforeEach(() => {
  runDir = mkdtempSync(join(tmpdir(), 'sy-'));
});

afterEach(async () => {
  await system.close();
  disconnect();
  rmSync(runDir, { recursive: true });
});

async function open(mode: 'colocated' | 'pd', options: TestTeOptions = {}): Promise<System> {
  const prefill = makeTe({ ...options, id: mode === 'pd' ? 'prefill-0' : 'decode-0' });
  const decode = mode === 'pd' ? makeTe({ ...options, id: 'decode-0', sourceRank: prefill.rank }) : prefill;
  const stops = [...new Set([prefill, decode])].map(({ rank }) => rank.run());
  const address = `unix:${runDir}/te.sock`;
  const membership = {
    id: 'decode-0',
    members: () => [{ ...cluster.Member.create(), id: 'prefill-0', epoch: 5n }],
    connectTo: () => address,
  };
  const local = mode === 'pd' ? null : decode.handles;
  const claims = new KvClaimClient({ membership, local, claimTimeoutMs: 2000, log });
  const { master, handles } = prefill;
  const prefillService = new PrefillTaskService({ model, master, handles, calls: new ActiveCalls() });
  const groups = localGroup(decode.master);
  const decodeService = new DecodeTaskService({
    model,
    groups,
    claims,
    calls: new ActiveCalls(),
    startTimeoutMs: 5000,
  });
  const server: GrpcServer = await startGrpcServer([prefillService.grpc, decodeService.grpc], address);
  const close = async () => {
    for (const stop of stops) stop();
    prefill.handles.close();
    prefill.master.close();
    decode.master.close();
    await server.close();
  };
  const prefillClient = connect(task.PrefillServiceClient, address);
  return { prefill, decode, prefillClient, decodeClient: connect(task.DecodeServiceClient, address), close };
}

function prefillRequest(stop: common.StopConditions, more: Partial<task.PrefillRequest> = {}): task.PrefillRequest {
  return { identity, model: 'tiny', tokenIds: prompt, numPromptTokens: prompt.length, sampling, stop, ...more };
}

function openDecode(timeoutMs = 10_000) {
  const call = callBidi(system.decodeClient, 'decode', { timeoutMs });
  const messages = call.receive[Symbol.asyncIterator]();
  return { ...call, next: async () => (await messages.next()).value?.message as task.DecodeResponse['message'] };
}

async function reserve(decode: Decode, stop: common.StopConditions): Promise<void> {
  const value = { identity, model: 'tiny', numPromptTokens: prompt.length, sampling, stop };
  await decode.send({ message: { $case: 'reserve', value } });
  expect((await decode.next())?.$case).toBe('reserved');
}

async function prefillAndStart(
  decode: Decode,
  stop: common.StopConditions,
  soFar: number[],
): Promise<task.PrefillResponse> {
  const tokenIds = [...prompt, ...soFar];
  const response = await callUnary(system.prefillClient, 'prefill', prefillRequest(stop, { tokenIds }), limits);
  const value = { handle: response.handle, tokenIds: [...tokenIds, response.tokenId] };
  await decode.send({ message: { $case: 'start', value } });
  return response;
}

/** Runs a request as the router does: tokens, text and finish reason, and how often it was preempted. */
async function generate(stop: common.StopConditions) {
  const decode = openDecode();
  await reserve(decode, stop);
  const answer = { tokenIds: [] as number[], text: '', finishReason: 0, numPreemptions: 0 };
  const append = (delta: common.OutputDelta | undefined) => {
    answer.tokenIds.push(...(delta?.tokenIds ?? []));
    answer.text += delta?.text ?? '';
    answer.finishReason = delta?.finishReason ?? 0;
  };
  append((await prefillAndStart(decode, stop, [])).delta);
  while (answer.finishReason === 0) {
    const message = await decode.next();
    if (message?.$case === 'delta') append(message.value);
    if (message?.$case !== 'preempted') continue;
    answer.numPreemptions += 1;
    expect(message.value.tokenIds).toEqual([...prompt, ...answer.tokenIds]);
    append((await prefillAndStart(decode, stop, answer.tokenIds)).delta);
  }
  decode.end();
  return answer;
}

/** Waits until no place, block or handle is left. */
async function expectAllFreed(): Promise<void> {
  const isFree = () =>
    [system.prefill, system.decode].every(({ master, handles }) => {
      const { numFreeBlocks, numBlocks, numPlaces } = master.stats();
      return numFreeBlocks === numBlocks && numPlaces === 0 && handles.numHandles === 0;
    });
  await expect.poll(isFree, { timeout: 5000 }).toBe(true);
}

describe.each(['colocated', 'pd'] as const)('task services, %s', (mode) => {
  it('stream the answer and free everything', async () => {
    system = await open(mode);
    const answer = await generate(stopAt(40));
    expect(answer.tokenIds).toEqual(answerOf(prompt, 40, []));
    expect(answer.finishReason).toBe(2);
    await expectAllFreed();
  });

  it('give every one of many requests its answer, through preemptions', async () => {
    system = await open(mode, { numBlocks: 24, blockTokens: 4, master: { maxBatchSize: 6 } });
    const answers = await Promise.all(Array.from({ length: 10 }, () => generate(stopAt(60))));
    for (const { tokenIds } of answers) expect(tokenIds).toEqual(answerOf(prompt, 60, []));
    expect(answers.some(({ numPreemptions }) => numPreemptions > 0)).toBe(true);
    await expectAllFreed();
  });

  it('end at a stop string across tokens and discard the overshoot', async () => {
    system = await open(mode);
    const whole = await generate(stopAt(40));
    const stopString = whole.text.slice(20, 26);
    const { text, finishReason, tokenIds } = await generate(stopAt(40, { stopStrings: [stopString] }));
    expect(text).toBe(whole.text.slice(0, whole.text.indexOf(stopString)));
    expect(finishReason).toBe(1);
    expect(tokenIds.length).toBeLessThan(40);
    await expectAllFreed();
  });

  it('end at a stop token', async () => {
    system = await open(mode);
    const stopTokenIds = [answerOf(prompt, 40, [])[9] as number];
    const answer = await generate(stopAt(40, { stopTokenIds }));
    expect(answer.tokenIds).toEqual(answerOf(prompt, 40, stopTokenIds));
    expect(answer.finishReason).toBe(1);
    await expectAllFreed();
  });

  it('free everything when the caller goes away', async () => {
    system = await open(mode);
    const decode = openDecode();
    await reserve(decode, stopAt(150));
    await prefillAndStart(decode, stopAt(150), []);
    expect((await decode.next())?.$case).toBe('delta');
    decode.cancel();
    await expectAllFreed();
  });

  it('end with DEADLINE_EXCEEDED at the deadline, wherever the request is', async () => {
    system = await open(mode);
    const decode = openDecode(300);
    await reserve(decode, stopAt(150));
    await expect(decode.next()).rejects.toEqual(code('DEADLINE_EXCEEDED'));
    await expectAllFreed();
  });

  it('refuse a handle of another tenant, and one that was claimed before', async () => {
    system = await open(mode);
    const stop = stopAt(20);
    const { handle, tokenId } = await callUnary(system.prefillClient, 'prefill', prefillRequest(stop), limits);
    const start = async (change: Partial<task.KvHandle>) => {
      const decode = openDecode();
      await reserve(decode, stop);
      const value = { handle: { ...(handle as task.KvHandle), ...change }, tokenIds: [...prompt, tokenId] };
      await decode.send({ message: { $case: 'start', value } });
      return decode.next();
    };
    await expect(start({ identity: { ...identity, tenant: 'other' } })).rejects.toEqual(code('HANDLE_FOREIGN'));
    await expect(start({ id: Buffer.alloc(16, 1) })).rejects.toEqual(code('HANDLE_UNKNOWN'));
    await expect(start({ model: 'other' })).rejects.toEqual(code('MISMATCH'));
    await expect(start({ numericClass: 'other' })).rejects.toEqual(code('MISMATCH'));
    const { MAIN, MTP } = task.LayerGroup;
    await expect(start({ layerGroups: [MAIN, MTP] })).rejects.toThrow('layer_groups MAIN+MTP, this TE has MAIN');
    await expect(start({ numTokens: 3 })).rejects.toEqual(code('MISMATCH'));
    await expect(start({ numPromptTokens: 3 })).rejects.toThrow('of 3 prompt tokens, the request has 6');
    expect((await start({}))?.$case).toBe('delta');
    // Copied and released already, when the KV moves between ranks fast enough.
    await expect(start({})).rejects.toMatchObject({ code: expect.stringMatching(/^HANDLE_(CLAIMED|UNKNOWN)$/) });
    await expectAllFreed();
  });

  it('fail a running answer with the name of the expert that died, and serve when it is back', async () => {
    system = await open(mode);
    const { rank } = system.decode;
    const decode = openDecode();
    await reserve(decode, stopAt(150));
    await prefillAndStart(decode, stopAt(150), []);
    await decode.next();
    rank.step(99, { rank: 1, code: 'PEER_DEAD', message: 'killed' });
    const failure = (async () => {
      while ((await decode.next())?.$case === 'delta');
    })();
    await expect(failure).rejects.toMatchObject({ code: 'MEMBER_UNAVAILABLE', member: 'expert-1' });
    expect((await generate(stopAt(10))).tokenIds).toEqual(answerOf(prompt, 10, []));
    await expectAllFreed();
  });
});

describe('PrefillService', () => {
  it.each([
    ['an unknown model', { model: 'other' }, 'MODEL_NOT_FOUND'],
    ['no tokens', { tokenIds: [] }, 'INVALID_ARGUMENT'],
    ['a token outside the vocabulary', { tokenIds: [1, 2, 3, 4, 5, 9999] }, 'INVALID_ARGUMENT'],
    ['more prompt tokens than tokens', { numPromptTokens: 7 }, 'INVALID_ARGUMENT'],
    ['no prompt tokens', { numPromptTokens: 0 }, 'INVALID_ARGUMENT'],
    ['no identity', { identity: undefined }, 'INVALID_ARGUMENT'],
    ['no sampling', { sampling: undefined }, 'INVALID_ARGUMENT'],
    ['a temperature that is not a number', { sampling: { ...sampling, temperature: Number.NaN } }, 'INVALID_ARGUMENT'],
    ['no tokens to generate', { stop: stopAt(0) }, 'INVALID_ARGUMENT'],
    ['an empty stop string', { stop: stopAt(4, { stopStrings: [''] }) }, 'INVALID_ARGUMENT'],
    ['a prompt as long as the context', { tokenIds: Array<number>(200).fill(1) }, 'CONTEXT_LENGTH_EXCEEDED'],
    [
      'a prompt larger than the pool',
      { tokenIds: Array<number>(190).fill(1), numPromptTokens: 190 },
      'KV_POOL_EXHAUSTED',
    ],
    ['an answer that has ended', { numPromptTokens: 2, stop: stopAt(4) }, 'INVALID_ARGUMENT'],
  ])('refuses %s', async (_, change, expected) => {
    system = await open('colocated', { numBlocks: 40 });
    const request = prefillRequest(stopAt(4), change);
    await expect(callUnary(system.prefillClient, 'prefill', request, limits)).rejects.toEqual(code(expected));
    await expectAllFreed();
  });

  it('frees the prompt when the caller goes away before it is computed', async () => {
    system = await open('colocated');
    const controller = new AbortController();
    const call = callUnary(system.prefillClient, 'prefill', prefillRequest(stopAt(4)), {
      ...limits,
      signal: controller.signal,
    });
    controller.abort();
    await expect(call).rejects.toEqual(code('CANCELLED'));
    system.prefill.handles.close();
    await expectAllFreed();
  });
});

describe('DecodeService', () => {
  it('refuses at once, with a hint, when the queue is full', async () => {
    system = await open('colocated', { master: { maxBatchSize: 1, maxQueue: 0 } });
    const first = openDecode();
    await reserve(first, stopAt(20));
    await expect(reserve(openDecode(), stopAt(20))).rejects.toMatchObject({
      code: 'QUEUE_FULL',
      retryAfterMs: expect.any(Number),
    });
    first.end();
    await expectAllFreed();
  });

  it.each([
    ['an answer that cannot fit into the context', stopAt(195), 'CONTEXT_LENGTH_EXCEEDED'],
    ['an answer that can never fit into the pool', stopAt(190), 'KV_POOL_EXHAUSTED'],
  ])('refuses %s', async (_, stop, expected) => {
    system = await open('colocated', { numBlocks: 20 });
    await expect(reserve(openDecode(), stop)).rejects.toEqual(code(expected));
  });

  it('refuses a stream that begins with start', async () => {
    system = await open('colocated');
    const decode = openDecode();
    await decode.send({ message: { $case: 'start', value: { handle: undefined, tokenIds: [] } } });
    await expect(decode.next()).rejects.toEqual(code('INVALID_ARGUMENT'));
  });
});
