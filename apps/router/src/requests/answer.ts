// Counts an answer while it streams past: tokens, finish reason, usage. Used by http/ and service.ts, which see each
// delta once.

import type { AnswerFinishReason, AnswerUsage } from '@switchyard/openai';
import { common } from '@switchyard/proto';
import type { Job } from '../jobs/job.js';
import type { RunningJob } from '../jobs/job-runner.js';

export class Answer {
  readonly job: Job;
  readonly #running: RunningJob;
  #numCompletionTokens = 0;
  #finish: AnswerFinishReason | undefined;

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
  get finish(): AnswerFinishReason | undefined {
    return this.#finish;
  }

  get usage(): AnswerUsage {
    return {
      promptTokens: this.job.promptTokenIds.length,
      completionTokens: this.#numCompletionTokens,
      cachedPromptTokens: this.#running.numCachedTokens,
    };
  }
}

export function finishOf(reason: common.FinishReason): AnswerFinishReason | undefined {
  if (reason === common.FinishReason.STOP) return 'stop';
  return reason === common.FinishReason.LENGTH ? 'length' : undefined;
}
