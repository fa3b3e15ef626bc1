// Runs one job: a place in decode's queue, then prefill, then the decode stream, and prefill again after a preemption
// (D1, D3). Called by job-runner.ts. Whatever way it ends, the decode stream is closed and a KV handle that nobody
// claimed is released.
//
// A TE that fails before anything of the answer went out costs one more try, on TEs that have not failed this job yet,
// since the client cannot tell; a full queue costs a look at the next TE. Afterwards the failure is the client's to see.
import type { Context } from '@opentelemetry/api';
import { type CallLimits, ServiceError, toServiceError } from '@switchyard/kit';
import { common, type task } from '@switchyard/proto';
import { clientError } from './client-error.js';
import { DecodeTask } from './decode-task.js';
import { type Job, taskIdentity } from './job.js';
import type { JobScope } from './job-scope.js';
import type { TaskClients } from './task-clients.js';
import { type TaskExecutor, type TeDirectory, teKey } from './te-directory.js';

/** TEs one job may ask for a place; more than any system has with room to spare. */
const MAX_TRIES = 8;
/** Failed TEs one job may leave behind: a prompt that kills TEs must not go through all of them. */
const MAX_RETRIES = 1;
/** Preemptions one job may see; each costs a prefill of everything so far. */
const MAX_PREEMPTIONS = 64;

/** What a job tells its runner while it runs, for metrics and traces. */
export interface JobObserver {
  retried(te: string, error: ServiceError): void;
  preempted(te: string): void;
  cached(numTokens: number): void;
}

export interface JobTools {
  directory: TeDirectory;
  clients: TaskClients;
  observer: JobObserver;
  /** Parent of the spans of the task calls. */
  trace: Context;
}

/** Streams the answer of a job; the last delta has a finish reason. Throws ServiceError. */
export async function* runJob(job: Job, scope: JobScope, tools: JobTools): AsyncGenerator<common.OutputDelta> {
  const failed = new Set<string>();
  let lastError: ServiceError | undefined;
  let numRetries = 0;
  for (let numTries = 0; numTries < MAX_TRIES; numTries++) {
    const attempt = Attempt.open(job, scope, tools, failed, lastError);
    try {
      yield* attempt.run();
      return;
    } catch (error) {
      lastError = scope.reason ?? clientError(attempt.lost ?? toServiceError(error), attempt.culprit.id);
      if (attempt.emitted || scope.reason || !worthAnotherTry(lastError)) throw lastError;
      if (lastError.code !== 'QUEUE_FULL' && ++numRetries > MAX_RETRIES) throw lastError;
      failed.add(teKey(attempt.culprit));
      tools.observer.retried(attempt.culprit.id, lastError);
    } finally {
      attempt.close();
    }
  }
  throw lastError ?? new ServiceError('INTERNAL', 'a job ended without a try');
}

/** Another TE may do better: this one is full, going or gone. */
function worthAnotherTry(error: ServiceError): boolean {
  return error.code === 'QUEUE_FULL' || (error.httpStatus === 503 && error.retryable);
}

/** One try of a job on one decode TE. */
class Attempt {
  /** Something of the answer has gone out. */
  emitted = false;
  /** The TE being waited for: who is to blame when the try fails. */
  culprit: TaskExecutor;
  /** Set when a TE of this try left the membership. */
  lost: ServiceError | undefined;
  readonly #job: Job;
  readonly #scope: JobScope;
  readonly #tools: JobTools;
  readonly #decodeTe: TaskExecutor;
  readonly #failed: ReadonlySet<string>;
  readonly #decode: DecodeTask;
  readonly #undo: (() => void)[] = [];
  /** The last delta is there: nothing is left to cancel. */
  #complete = false;
  /** A handle that decode has not been seen to use yet. */
  #unclaimed: { te: TaskExecutor; handle: task.KvHandle } | undefined;

  static open(job: Job, scope: JobScope, tools: JobTools, failed: Set<string>, lastError?: ServiceError): Attempt {
    const decodeTe = tools.directory.pickDecode(failed);
    if (decodeTe) return new Attempt(job, scope, tools, failed, decodeTe);
    if (lastError) throw lastError;
    const missing = tools.directory.missing().join(' and ');
    throw new ServiceError('MEMBER_UNAVAILABLE', `no answer is possible now: missing ${missing}`, {
      retryAfterMs: 1_000,
    });
  }

  private constructor(job: Job, scope: JobScope, tools: JobTools, failed: ReadonlySet<string>, decodeTe: TaskExecutor) {
    this.#job = job;
    this.#scope = scope;
    this.#tools = tools;
    this.#failed = failed;
    this.#decodeTe = decodeTe;
    this.culprit = decodeTe;
    this.#undo.push(tools.directory.hold(decodeTe, job.promptTokenIds.length + job.stop.maxTokens));
    this.#decode = new DecodeTask(tools.clients.decode(decodeTe, this.#limits(decodeTe), tools.trace), decodeTe.id);
  }

  async *run(): AsyncGenerator<common.OutputDelta> {
    await this.#decode.reserve({
      identity: taskIdentity(this.#job),
      model: this.#job.model,
      numPromptTokens: this.#job.promptTokenIds.length,
      sampling: this.#job.sampling,
      stop: this.#job.stop,
    });
    let tokenIds = this.#job.promptTokenIds;
    for (let numPreemptions = 0; numPreemptions <= MAX_PREEMPTIONS; numPreemptions++) {
      const first = await this.#prefillAndStart(tokenIds);
      this.emitted = true;
      this.#complete = isLast(first);
      yield first;
      if (this.#complete) return;
      const preempted = yield* this.#decodeUntilPreempted();
      if (!preempted) return;
      tokenIds = preempted;
    }
    throw new ServiceError('KV_POOL_EXHAUSTED', `the answer lost its place ${MAX_PREEMPTIONS} times`, {
      retryAfterMs: 1_000,
    });
  }

  /** Ends the decode stream, the accounts and the watches, and lets an unclaimed handle go. */
  close(): void {
    if (this.#complete) this.#decode.finish();
    else this.#decode.cancel();
    for (const undo of this.#undo) undo();
    this.#releaseUnclaimed();
  }

  /** Prefills `tokenIds` and, unless the first token is the last, hands them to decode. Returns what the first token gives. */
  async #prefillAndStart(tokenIds: number[]): Promise<common.OutputDelta> {
    const te = this.#tools.directory.pickPrefill(this.#decodeTe, this.#failed);
    if (!te) throw new ServiceError('MEMBER_UNAVAILABLE', 'the prefill TE has left', { retryAfterMs: 1_000 });
    const response = await this.#prefill(te, tokenIds);
    const { handle, delta } = response;
    if (!handle || !delta) throw new ServiceError('INTERNAL', 'a prefill without handle or delta', { member: te.id });
    this.#unclaimed = { te, handle };
    this.#tools.observer.cached(response.cachedTokens);
    if (!isLast(delta)) await this.#decode.start(handle, [...tokenIds, response.tokenId]);
    else this.#releaseUnclaimed();
    return delta;
  }

  async #prefill(te: TaskExecutor, tokenIds: number[]): Promise<task.PrefillResponse> {
    const unhold = this.#tools.directory.hold(te, tokenIds.length);
    try {
      const request = {
        identity: taskIdentity(this.#job),
        model: this.#job.model,
        tokenIds,
        numPromptTokens: this.#job.promptTokenIds.length,
        sampling: this.#job.sampling,
        stop: this.#job.stop,
      };
      return await this.#tools.clients.prefill(te, request, this.#limits(te, this.#decode.failed), this.#tools.trace);
    } catch (error) {
      if (this.#decode.failed.aborted) throw this.#decode.failed.reason;
      this.culprit = te;
      throw error;
    } finally {
      unhold();
    }
  }

  /** Streams deltas; returns all tokens so far when decode lost the sequence's blocks, nothing when the answer is complete. */
  async *#decodeUntilPreempted(): AsyncGenerator<common.OutputDelta, number[] | undefined> {
    for (;;) {
      const event = await this.#decode.next();
      this.#unclaimed = undefined;
      if (event.kind === 'preempted') {
        this.#tools.observer.preempted(this.#decodeTe.id);
        return event.tokenIds;
      }
      this.#complete = isLast(event.delta);
      yield event.delta;
      if (this.#complete) return undefined;
    }
  }

  /** Limits of a call to a TE: the job's end and remaining time, and the loss of the TE itself. */
  #limits(te: TaskExecutor, ...also: AbortSignal[]): CallLimits {
    const lost = new AbortController();
    const onLost = () => {
      this.lost ??= memberLost(te);
      lost.abort(this.lost);
    };
    this.#undo.push(this.#tools.directory.watch(te, onLost));
    return {
      timeoutMs: this.#scope.remainingMs,
      signal: AbortSignal.any([this.#scope.signal, lost.signal, ...also]),
    };
  }

  #releaseUnclaimed(): void {
    const unclaimed = this.#unclaimed;
    this.#unclaimed = undefined;
    if (!unclaimed) return;
    // Nobody waits: a claimed or lost handle answers with an error that changes nothing.
    this.#tools.clients.releaseKv(unclaimed.te, unclaimed.handle, this.#tools.trace).catch(() => undefined);
  }
}

function isLast(delta: common.OutputDelta): boolean {
  return delta.finishReason !== common.FinishReason.UNSPECIFIED;
}

function memberLost(te: TaskExecutor): ServiceError {
  return new ServiceError('MEMBER_UNAVAILABLE', `${te.id} left while it worked on the request`, {
    member: te.id,
    retryAfterMs: 1_000,
  });
}
