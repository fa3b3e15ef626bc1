// Task executors for the router's tests: real gRPC servers on Unix sockets that honour the task protos and answer from a
// script. They check what the router sends (order of messages, identities, handles, token lists) and keep a list of
// every breach; a test ends with world.settled(), which also finds handles and streams left behind.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { bidi, type CallContext, ServiceError, unary } from '@switchyard/kit';
import type { OpenedModel } from '@switchyard/model-files';
import { cluster, common, task } from '@switchyard/proto';
import { OutputState } from '@switchyard/tokenizer';
import { CuttableProxy } from './cuttable-proxy.js';

/** What a TE does with every sequence. */
export interface Script {
  /** Text that is answered, whatever the prompt; EOS follows. */
  answer: string;
  /** Decode: nobody gets a place. */
  queueFull?: boolean;
  /** Prefill: how long it takes. */
  prefillMs?: number;
  /** Decode: pause before each token. */
  tokenMs?: number;
  /** Decode: counts of generated tokens at which a sequence loses its blocks, each time it gets there. */
  preemptAt?: number[];
  /** Appended to the text of every delta. */
  padding?: string;
  /** Prefill: called when the request is there; what it throws is the answer. */
  onPrefill?: (te: ScriptedTe) => void;
  /** Decode: called before each token with the count generated so far; what it throws is the answer. */
  onToken?: (te: ScriptedTe, numGenerated: number) => void;
}

interface HeldHandle {
  numTokens: number;
  identity: common.RequestIdentity;
  state: 'held' | 'claimed' | 'released';
}

/** What all TEs of a test share: the model they serve unless they are given another, the KV handles, and the list of breaches. */
export class TeWorld {
  readonly dir = mkdtempSync(join(tmpdir(), 'router-test-'));
  readonly model: OpenedModel;
  readonly violations: string[] = [];
  readonly handles = new Map<string, HeldHandle>();
  readonly taskIds = new Set<string>();
  readonly requests: { prefill: task.PrefillRequest[]; reserve: task.DecodeReserve[] } = { prefill: [], reserve: [] };
  readonly tes: ScriptedTe[] = [];
  numOpenStreams = 0;
  numOpenPrefills = 0;

  constructor(model: OpenedModel) {
    this.model = model;
  }

  async add(
    id: string,
    kind: cluster.MemberKind,
    script: Script,
    options: { colocated?: boolean; model?: OpenedModel } = {},
  ): Promise<ScriptedTe> {
    const te = new ScriptedTe(this, id, kind, script, { colocated: false, model: this.model, ...options });
    this.tes.push(te);
    await te.start();
    return te;
  }

  check(condition: boolean, breach: string): void {
    if (!condition) this.violations.push(breach);
  }

  checkIdentity(identity: common.RequestIdentity | undefined): common.RequestIdentity {
    this.check(identity !== undefined && identity.requestId !== '' && identity.tenant !== '', 'identity is incomplete');
    this.check(/^[0-9a-f-]{36}$/.test(identity?.jobId ?? ''), 'job id is no UUID');
    this.check(/^[0-9a-f-]{36}$/.test(identity?.taskId ?? ''), 'task id is no UUID');
    this.check(!this.taskIds.has(identity?.taskId ?? ''), 'task id was used before');
    this.taskIds.add(identity?.taskId ?? '');
    return identity ?? common.RequestIdentity.fromPartial({});
  }

  /** Waits until nothing is left open and returns all breaches found. */
  async settled(): Promise<string[]> {
    const held = () => [...this.handles.values()].filter((handle) => handle.state === 'held').length;
    const deadlineAt = performance.now() + 3_000;
    while (performance.now() < deadlineAt && (held() > 0 || this.numOpenStreams > 0 || this.numOpenPrefills > 0)) {
      await sleep(5);
    }
    const left = [];
    if (held() > 0) left.push(`${held()} handles were neither claimed nor released`);
    if (this.numOpenStreams > 0) left.push(`${this.numOpenStreams} decode streams are still open`);
    if (this.numOpenPrefills > 0) left.push(`${this.numOpenPrefills} prefills still run`);
    return [...this.violations, ...left];
  }

  async close(): Promise<void> {
    for (const te of this.tes) te.kill();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export class ScriptedTe {
  readonly id: string;
  script: Script;
  epoch = 1n;
  readonly #world: TeWorld;
  readonly #kind: cluster.MemberKind;
  readonly #colocated: boolean;
  readonly #model: OpenedModel;
  readonly #answerTokens: number[];
  #server: Server | undefined;
  #proxy: CuttableProxy | undefined;

  constructor(
    world: TeWorld,
    id: string,
    kind: cluster.MemberKind,
    script: Script,
    { colocated, model }: { colocated: boolean; model: OpenedModel },
  ) {
    this.#world = world;
    this.id = id;
    this.#kind = kind;
    this.script = script;
    this.#colocated = colocated;
    this.#model = model;
    this.#answerTokens = [...model.tokenizer.encode(script.answer), model.spec.eosTokenIds[0] as number];
  }

  get address(): string {
    return `unix:${join(this.#world.dir, `${this.id}.sock`)}`;
  }

  get member(): cluster.Member {
    const { name, weights, contextTokens } = this.#model;
    return cluster.Member.fromPartial({
      id: this.id,
      kind: this.#kind,
      epoch: this.epoch,
      address: this.address,
      state: cluster.MemberState.SERVING,
      model: {
        name,
        digest: weights.digest,
        descriptionDigest: weights.digest,
        numericClass: 'fp32/test',
        contextTokens,
      },
      colocated: this.#colocated,
    });
  }

  async start(): Promise<void> {
    const server = new Server();
    if (this.#kind === cluster.MemberKind.PREFILL || this.#colocated) {
      server.addService(task.PrefillServiceService, {
        prefill: unary((request: task.PrefillRequest, call) => this.#prefill(request, call)),
        claimKv: unary(() => {
          throw new ServiceError('UNSUPPORTED', 'the scripted decode TE claims in memory');
        }),
        releaseKv: unary((request: task.ReleaseKvRequest) => this.#release(request)),
      });
    }
    if (this.#kind === cluster.MemberKind.DECODE) {
      server.addService(task.DecodeServiceService, {
        decode: bidi((incoming: AsyncIterable<task.DecodeRequest>, send, call) => this.#decode(incoming, send, call)),
      });
    }
    server.addService(cluster.MemberServiceService, { describe: unary(() => ({ member: this.member })) });
    const inner = join(this.#world.dir, `${this.id}.${this.epoch}`);
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix:${inner}`, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      );
    });
    this.#server = server;
    this.#proxy = await CuttableProxy.listen(this.address.slice('unix:'.length), inner);
  }

  /** Ends as a killed process does: every connection is cut and nobody listens. */
  kill(): void {
    this.#proxy?.cut();
    this.#server?.forceShutdown();
  }

  /** Comes back at the same address as another process. */
  async restart(): Promise<void> {
    this.epoch++;
    await this.start();
  }

  async #prefill(request: task.PrefillRequest, call: CallContext): Promise<task.PrefillResponse> {
    const world = this.#world;
    world.numOpenPrefills++;
    try {
      const identity = world.checkIdentity(request.identity);
      world.requests.prefill.push(request);
      world.check(request.model === this.#model.name, `${this.id} was sent a prefill of ${request.model}`);
      world.check(request.numPromptTokens >= 1, 'a prefill without a prompt');
      world.check(request.numPromptTokens <= request.tokenIds.length, 'more prompt than tokens');
      world.check(call.deadlineMs !== undefined, 'a prefill without a deadline');
      this.script.onPrefill?.(this);
      await sleep(this.script.prefillMs ?? 0, undefined, { signal: call.signal });
      const handle = this.#hold(request, identity);
      const output = this.#output(request.stop, request.numPromptTokens);
      for (const id of request.tokenIds.slice(request.numPromptTokens)) output.push(id);
      const tokenId = this.#tokenAt(request.tokenIds.length - request.numPromptTokens);
      return { handle, tokenId, delta: this.#delta(output, tokenId, request.sampling), cachedTokens: 0 };
    } finally {
      world.numOpenPrefills--;
    }
  }

  #hold(request: task.PrefillRequest, identity: common.RequestIdentity): task.KvHandle {
    const id = randomBytes(16);
    const numTokens = request.tokenIds.length;
    this.#world.handles.set(id.toString('hex'), { numTokens, identity, state: 'held' });
    return task.KvHandle.fromPartial({
      id,
      owner: this.id,
      ownerEpoch: this.epoch,
      model: this.#model.name,
      modelDigest: this.#model.weights.digest,
      numericClass: 'fp32/test',
      numTokens,
      numPromptTokens: request.numPromptTokens,
      identity,
      layerGroups: [task.LayerGroup.MAIN],
    });
  }

  #release(request: task.ReleaseKvRequest): task.ReleaseKvResponse {
    const held = this.#world.handles.get(Buffer.from(request.handle?.id ?? []).toString('hex'));
    if (!held) throw new ServiceError('HANDLE_UNKNOWN', 'no such handle');
    if (held.state === 'claimed') throw new ServiceError('HANDLE_CLAIMED', 'the handle is claimed');
    held.state = 'released';
    return {};
  }

  async #decode(
    incoming: AsyncIterable<task.DecodeRequest>,
    send: (response: task.DecodeResponse) => Promise<void>,
    call: CallContext,
  ): Promise<void> {
    const world = this.#world;
    world.numOpenStreams++;
    try {
      world.check(call.deadlineMs !== undefined, 'a decode without a deadline');
      await this.#decodeStream(incoming[Symbol.asyncIterator](), send, call);
    } finally {
      world.numOpenStreams--;
    }
  }

  async #decodeStream(
    incoming: AsyncIterator<task.DecodeRequest>,
    send: (response: task.DecodeResponse) => Promise<void>,
    call: CallContext,
  ): Promise<void> {
    const world = this.#world;
    const first = (await incoming.next()).value?.message;
    if (first?.$case !== 'reserve') {
      world.check(false, 'a decode stream that does not begin with reserve');
      return;
    }
    const reserve: task.DecodeReserve = first.value;
    world.checkIdentity(reserve.identity);
    world.requests.reserve.push(reserve);
    world.check(reserve.model === this.#model.name, `${this.id} was sent a decode of ${reserve.model}`);
    if (this.script.queueFull) throw new ServiceError('QUEUE_FULL', `${this.id} is full`, { retryAfterMs: 250 });
    await send({ message: { $case: 'reserved', value: { numAhead: 0 } } });
    for (;;) {
      const next = await incoming.next();
      if (next.done) return;
      world.check(next.value.message?.$case === 'start', 'something else than start after reserved');
      if (next.value.message?.$case !== 'start') return;
      const finished = await this.#sequence(reserve, next.value.message.value, send, call);
      if (finished) return;
    }
  }

  /** Generates until the end (true) or until the sequence is preempted (false). */
  async #sequence(
    reserve: task.DecodeReserve,
    start: task.DecodeStart,
    send: (response: task.DecodeResponse) => Promise<void>,
    call: CallContext,
  ): Promise<boolean> {
    this.#claim(reserve, start);
    const tokenIds = [...start.tokenIds];
    const output = this.#output(reserve.stop, reserve.numPromptTokens);
    for (const id of tokenIds.slice(reserve.numPromptTokens)) output.push(id);
    for (;;) {
      const numGenerated = tokenIds.length - reserve.numPromptTokens;
      this.script.onToken?.(this, numGenerated);
      if (this.script.preemptAt?.includes(numGenerated)) {
        await send({ message: { $case: 'preempted', value: { tokenIds } } });
        return false;
      }
      await sleep(this.script.tokenMs ?? 0, undefined, { signal: call.signal });
      const tokenId = this.#tokenAt(numGenerated);
      tokenIds.push(tokenId);
      const delta = this.#delta(output, tokenId, reserve.sampling);
      await send({ message: { $case: 'delta', value: delta } });
      if (delta.finishReason !== common.FinishReason.UNSPECIFIED) return true;
    }
  }

  #claim(reserve: task.DecodeReserve, { handle, tokenIds }: task.DecodeStart): void {
    const world = this.#world;
    const held = world.handles.get(Buffer.from(handle?.id ?? []).toString('hex'));
    if (!held) throw new ServiceError('HANDLE_UNKNOWN', 'start with a handle that nobody made');
    world.check(handle?.model === this.#model.name, `${this.id} was sent a handle of ${handle?.model}`);
    world.check(held.state === 'held', `start with a ${held.state} handle`);
    world.check(
      tokenIds.length === held.numTokens + 1,
      `handle of ${held.numTokens} tokens, start of ${tokenIds.length}`,
    );
    world.check(held.identity.jobId === reserve.identity?.jobId, 'handle and reserve are of different jobs');
    world.check(held.identity.tenant === reserve.identity?.tenant, 'handle and reserve are of different tenants');
    held.state = 'claimed';
  }

  #tokenAt(idx: number): number {
    return this.#answerTokens[Math.min(idx, this.#answerTokens.length - 1)] as number;
  }

  #output(stop: common.StopConditions | undefined, numPromptTokens: number): OutputState {
    const model = this.#model;
    this.#world.check(stop !== undefined, 'no stop conditions');
    return new OutputState({
      tokenizer: model.tokenizer,
      stopTokenIds: stop?.stopTokenIds ?? [],
      stopStrings: stop?.stopStrings ?? [],
      maxTokens: stop?.maxTokens ?? 1,
      contextLeft: model.contextTokens - numPromptTokens,
    });
  }

  /** Every token has probability 1/2; the alternatives are the token itself and the id after it. */
  #delta(output: OutputState, tokenId: number, sampling: common.SamplingParams | undefined): common.OutputDelta {
    const half = Math.log(0.5);
    const top = [tokenId, tokenId + 1].slice(0, sampling?.topLogprobs ?? 0);
    const logprob = { logprob: half, topTokenIds: top, topLogprobs: top.map(() => half) };
    const delta = output.push(tokenId, sampling?.logprobs ? logprob : undefined);
    return common.OutputDelta.fromPartial({
      text: delta.text + (this.script.padding ?? ''),
      tokenIds: delta.tokenIds,
      logprobs: delta.logprobs.map((entry) => ({
        ...entry,
        tokenBytes: Buffer.from(entry.tokenBytes),
        top: entry.top.map((alternative) => ({ ...alternative, tokenBytes: Buffer.from(alternative.tokenBytes) })),
      })),
      finishReason: finishReasons[delta.finishReason ?? 'none'],
    });
  }
}

const finishReasons = {
  none: common.FinishReason.UNSPECIFIED,
  stop: common.FinishReason.STOP,
  length: common.FinishReason.LENGTH,
};
