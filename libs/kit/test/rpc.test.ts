// Calls of all three kinds between a real client and a real server: values, errors, deadline, cancel, retries,
// back-pressure, and a server that goes away and comes back.
import { inference, task } from '@switchyard/proto';
import { describe, expect, it } from 'vitest';
import {
  bidi,
  type CallContext,
  callBidi,
  callServerStream,
  callUnary,
  ServiceError,
  serverStream,
  startGrpcServer,
  unary,
} from '../src/index.js';
import {
  collect,
  decodeClient,
  inferenceClient,
  serve,
  sleep,
  temporaryFolder,
  testServices,
  until,
} from './harness.js';

const { GenerateRequest, GenerateResponse } = inference;
const textEvent = (text: string) => GenerateResponse.fromPartial({ event: { $case: 'delta', value: { text } } });
const textOf = (event: inference.GenerateResponse) => (event.event?.$case === 'delta' ? event.event.value.text : '');
const reserved = (numAhead: number) =>
  task.DecodeResponse.fromPartial({ message: { $case: 'reserved', value: { numAhead } } });
const reserve = (numPromptTokens: number) =>
  task.DecodeRequest.fromPartial({ message: { $case: 'reserve', value: { numPromptTokens } } });
const models = { models: [{ name: 'tiny', contextTokens: 8, digest: 'd' }] };
const request = GenerateRequest.fromPartial({ model: 'tiny' });

/** Runs until the call is aborted, and keeps why. */
async function untilAborted(call: CallContext): Promise<never> {
  await new Promise((resolve) => call.signal.addEventListener('abort', resolve));
  throw call.signal.reason;
}

describe('unary', () => {
  it('answers', async () => {
    const { address } = await serve(testServices({ listModels: unary(() => models) }));
    expect(await callUnary(inferenceClient(address), 'listModels', {}, { timeoutMs: 2000 })).toEqual(models);
  });

  it('carries a ServiceError with all its parts', async () => {
    const error = new ServiceError('QUEUE_FULL', 'come back later', { retryAfterMs: 40 });
    const { address } = await serve(testServices({ listModels: unary(() => Promise.reject(error)) }));
    const call = callUnary(inferenceClient(address), 'listModels', {}, { timeoutMs: 2000 });
    await expect(call).rejects.toMatchObject({ code: 'QUEUE_FULL', message: 'come back later', retryAfterMs: 40 });
  });

  it('ends both sides at the deadline', async () => {
    let seen: CallContext | undefined;
    const listModels = unary((_request, call) => {
      seen = call;
      return untilAborted(call);
    });
    const { address } = await serve(testServices({ listModels }));
    const startMs = performance.now();
    // Long enough for the call to reach the server of a loaded machine, over a connection that is yet to be made.
    const call = callUnary(inferenceClient(address), 'listModels', {}, { timeoutMs: 1000 });
    await expect(call).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(performance.now() - startMs).toBeLessThan(10_000);
    // The server sees its own deadline or the client's cancel, whichever comes first.
    await until(() => seen?.signal.aborted === true);
    expect(['DEADLINE_EXCEEDED', 'CANCELLED']).toContain(seen?.signal.reason.code);
  });

  it('passes cancellation on, and its reason back', async () => {
    let seen: CallContext | undefined;
    const listModels = unary((_request, call) => {
      seen = call;
      return untilAborted(call);
    });
    const { address } = await serve(testServices({ listModels }));
    const controller = new AbortController();
    const limits = { timeoutMs: 5000, signal: controller.signal };
    const call = callUnary(inferenceClient(address), 'listModels', {}, limits);
    await until(() => seen !== undefined);
    controller.abort(new ServiceError('DRAINING', 'going down'));
    await expect(call).rejects.toMatchObject({ code: 'DRAINING' });
    await until(() => seen?.signal.aborted === true);
    expect(seen?.signal.reason).toMatchObject({ code: 'CANCELLED' });
  });

  it('gives a call within a call the time that is left, and its cancellation', async () => {
    let innerDeadlineMs: number | undefined;
    const inner = await serve(
      testServices({
        listModels: unary((_request, call) => {
          innerDeadlineMs = call.deadlineMs;
          return untilAborted(call);
        }),
      }),
    );
    const outer = await serve(
      testServices({
        listModels: unary((_request, call) =>
          callUnary(inferenceClient(inner.address), 'listModels', {}, { timeoutMs: 60_000, within: call }),
        ),
      }),
    );
    const call = callUnary(inferenceClient(outer.address), 'listModels', {}, { timeoutMs: 300 });
    await expect(call).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(innerDeadlineMs).toBeGreaterThan(0);
    expect(innerDeadlineMs).toBeLessThanOrEqual(300);
  });

  it('names the member whose connection fails', async () => {
    const client = inferenceClient(`unix:${temporaryFolder()}/absent`);
    const call = callUnary(client, 'listModels', {}, { timeoutMs: 2000, member: 'decode-0' });
    await expect(call).rejects.toMatchObject({ code: 'MEMBER_UNAVAILABLE', member: 'decode-0' });
  });

  it('tries again only after a lost connection, and only when asked to', async () => {
    const path = `unix:${temporaryFolder()}/late`;
    const once = callUnary(inferenceClient(path), 'listModels', {}, { timeoutMs: 2000 });
    await expect(once).rejects.toMatchObject({ code: 'MEMBER_UNAVAILABLE' });
    const patient = callUnary(inferenceClient(path), 'listModels', {}, { timeoutMs: 5000, retries: 50 });
    await sleep(60);
    let numCalls = 0;
    const listModels = unary(() => {
      numCalls++;
      if (numCalls > 1) throw new ServiceError('QUEUE_FULL', 'no');
      return models;
    });
    await serve(testServices({ listModels }), path);
    expect(await patient).toEqual(models);
    const refused = callUnary(inferenceClient(path), 'listModels', {}, { timeoutMs: 2000, retries: 5 });
    await expect(refused).rejects.toMatchObject({ code: 'QUEUE_FULL' });
    expect(numCalls).toBe(2);
  });

  it('reaches a service that was restarted on the same path within a second', async () => {
    const address = `unix:${temporaryFolder()}/again`;
    const services = testServices({ listModels: unary(() => models) });
    const first = await startGrpcServer(services, address);
    const client = inferenceClient(address);
    await callUnary(client, 'listModels', {}, { timeoutMs: 2000 });
    await first.close();
    await expect(callUnary(client, 'listModels', {}, { timeoutMs: 2000 })).rejects.toThrow();
    await serve(services, address);
    const startMs = performance.now();
    expect(await callUnary(client, 'listModels', {}, { timeoutMs: 2000, retries: 20 })).toEqual(models);
    expect(performance.now() - startMs).toBeLessThan(1000);
  });
});

describe('server stream', () => {
  it('delivers in order, then the error', async () => {
    const generate = serverStream(async function* () {
      yield textEvent('a');
      yield textEvent('b');
      throw new ServiceError('PEER_DEAD', 'expert-1 is gone', { member: 'expert-1' });
    });
    const { address } = await serve(testServices({ generate }));
    const texts: string[] = [];
    const read = async () => {
      for await (const event of callServerStream(inferenceClient(address), 'generate', request, { timeoutMs: 2000 })) {
        texts.push(textOf(event));
      }
    };
    await expect(read()).rejects.toMatchObject({ code: 'PEER_DEAD', member: 'expert-1' });
    expect(texts).toEqual(['a', 'b']);
  });

  it('is cancelled when the reader leaves, and the generator is ended', async () => {
    let isClosed = false;
    const generate = serverStream(async function* (_request, call: CallContext) {
      try {
        while (!call.signal.aborted) {
          yield textEvent('x');
          await sleep(1);
        }
      } finally {
        isClosed = true;
      }
    });
    const { address } = await serve(testServices({ generate }));
    for await (const _ of callServerStream(inferenceClient(address), 'generate', request, { timeoutMs: 5000 })) break;
    await until(() => isClosed);
  });

  it('stops producing while the reader does not read', async () => {
    let numProduced = 0;
    const text = 'x'.repeat(64 * 1024);
    const generate = serverStream(async function* () {
      for (; numProduced < 400; numProduced++) yield textEvent(text);
    });
    const { address } = await serve(testServices({ generate }));
    let numRead = 0;
    for await (const _ of callServerStream(inferenceClient(address), 'generate', request, { timeoutMs: 20_000 })) {
      if (numRead++ > 0) continue;
      await sleep(300);
      expect(numProduced).toBeLessThan(200);
    }
    expect(numRead).toBe(400);
  });
});

describe('bidi', () => {
  it('talks both ways until the handler is done', async () => {
    const decode = bidi(async (incoming: AsyncIterable<task.DecodeRequest>, send) => {
      for await (const { message } of incoming) {
        if (message?.$case === 'reserve') await send(reserved(message.value.numPromptTokens * 2));
      }
    });
    const { address } = await serve(testServices({ decode }));
    const call = callBidi(decodeClient(address), 'decode', { timeoutMs: 2000 });
    for (const numPromptTokens of [1, 2, 3]) await call.send(reserve(numPromptTokens));
    call.end();
    const answers = await collect(call.receive);
    expect(answers).toEqual([reserved(2), reserved(4), reserved(6)]);
    await expect(call.send(reserve(4))).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('may answer after the handler stopped reading', async () => {
    const decode = bidi(async (incoming: AsyncIterable<task.DecodeRequest>, send) => {
      for await (const _ of incoming) break;
      await send(reserved(7));
    });
    const { address } = await serve(testServices({ decode }));
    const call = callBidi(decodeClient(address), 'decode', { timeoutMs: 2000 });
    await call.send(reserve(1));
    expect(await collect(call.receive)).toEqual([reserved(7)]);
  });

  it('tells the handler of a cancel, and ends the reader', async () => {
    let failure: unknown;
    const decode = bidi(async (incoming: AsyncIterable<task.DecodeRequest>, send) => {
      try {
        for await (const _ of incoming) await send(reserved(1));
      } catch (error) {
        failure = error;
        throw error;
      }
    });
    const { address } = await serve(testServices({ decode }));
    const call = callBidi(decodeClient(address), 'decode', { timeoutMs: 5000 });
    await call.send(reserve(1));
    const iterator = call.receive[Symbol.asyncIterator]();
    expect((await iterator.next()).value).toEqual(reserved(1));
    call.cancel();
    await expect(iterator.next()).rejects.toMatchObject({ code: 'CANCELLED' });
    await until(() => failure !== undefined);
    expect(failure).toMatchObject({ code: 'CANCELLED' });
  });

  it('fails within milliseconds when the server is gone', async () => {
    const decode = bidi(async (_incoming, send, call) => {
      await send(reserved(1));
      await untilAborted(call);
    });
    const address = `unix:${temporaryFolder()}/dying`;
    const server = await startGrpcServer(testServices({ decode }), address);
    const call = callBidi(decodeClient(address), 'decode', { timeoutMs: 60_000, member: 'decode-0' });
    const iterator = call.receive[Symbol.asyncIterator]();
    await iterator.next();
    const startMs = performance.now();
    const closed = server.close();
    await expect(iterator.next()).rejects.toMatchObject({ code: 'MEMBER_UNAVAILABLE', member: 'decode-0' });
    expect(performance.now() - startMs).toBeLessThan(1500);
    await closed;
  });
});
