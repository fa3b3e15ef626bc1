// Counts an answer while it streams past: tokens, finish reason, usage. Used by http/ and service.ts, which see each
// delta once.
import { common } from '@switchyard/proto';
import type { Job } from '../jobs/job.js';
import type { RunningJob } from '../jobs/job-runner.js';
import type { RequestUsage } from './client-request.js';

export type AnswerFinish = 'stop' | 'length';

export class Answer {
  readonly job: Job;
  readonly #running: RunningJob;
  #numCompletionTokens = 0;
  #finish: AnswerFinish | undefined;

  constructor(job: Job, running: RunningJob) {
    this.job = job;
    this.#running = running;
  }

  /** The deltas, as they come; throws ServiceError. */
  async *deltas(): AsyncGenerator<common.OutputDelta> {
    for await (const delta of this.#running.deltas) {
      this.#numCompletionTokens += delta.tokenIds.length;
      this.#finish = finishOf(delta.finishReason);
      yield delta;
    }
  }

  /** Why the answer ended; undefined until it has. */
  get finish(): AnswerFinish | undefined {
    return this.#finish;
  }

  get usage(): RequestUsage {
    return {
      numPromptTokens: this.job.promptTokenIds.length,
      numCompletionTokens: this.#numCompletionTokens,
      numCachedPromptTokens: this.#running.numCachedTokens,
    };
  }
}

export function finishOf(reason: common.FinishReason): AnswerFinish | undefined {
  if (reason === common.FinishReason.STOP) return 'stop';
  return reason === common.FinishReason.LENGTH ? 'length' : undefined;
}
