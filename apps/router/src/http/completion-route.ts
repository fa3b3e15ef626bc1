// The common course of both completion endpoints: parse, make the jobs, then stream or collect. Endpoints differ in how
// a body is read and how answers are written; that part is an EndpointFormat.
//
// A stream's headers go out with its first event, so that everything that fails earlier is an HTTP status; what fails
// later is an error event without the end mark.
import type { AnswerHead, AnswerPart, AnswerUsage, GenerationInput } from '@switchyard/openai';
import { SSE_DONE, sseError, sseEvent } from '@switchyard/openai';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Job, makeJob } from '../jobs/job.js';
import { Answer } from '../requests/answer.js';
import type { ClientRequest } from '../requests/client-request.js';
import type { Router } from '../router.js';
import { toAnswerPart, wholeAnswer } from './answer-parts.js';
import { asServiceError, toHttpFailure } from './http-error.js';
import { clientRequestOf, originOf } from './http-request.js';
import { merge } from './merge.js';
import { SseStream } from './sse.js';

/** Writes the chunks of one streamed answer. */
export interface ChunkWriter {
  /** Bodies of the chunks of one delta; `promptIdx` says whose answer it is. */
  chunks(promptIdx: number, part: AnswerPart): object[];
  /** The last chunk, when the client asked for usage. */
  usageChunk(usage: AnswerUsage): object;
}

export interface EndpointFormat {
  /** Throws ApiError. */
  parse(body: unknown): GenerationInput;
  /** Name of an input in the endpoint's API, for errors. */
  inputField(inputIdx: number, numInputs: number): string;
  /** Begin of the answer's id: `chatcmpl-`. */
  idPrefix: string;
  whole(head: AnswerHead, answers: AnswerPart[], usage: AnswerUsage): object;
  chunkWriter(head: AnswerHead, includeUsage: boolean): ChunkWriter;
}

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

export function completionHandler(router: Router, format: EndpointFormat): Handler {
  return async (request, reply) => {
    const clientRequest = clientRequestOf(request);
    const input = format.parse(request.body);
    const jobs = makeJobs(router, format, input, request);
    clientRequest.accepted(jobs, input.stream);
    const answers = jobs.map((job) => {
      return new Answer(job, router.runner.run(job, clientRequest.scope, clientRequest.trace));
    });
    const exchange: Exchange = { format, input, answers, clientRequest, head: headOf(format, jobs[0]) };
    if (!input.stream) return collect(exchange);
    await stream(exchange, reply);
    return reply;
  };
}

interface Exchange {
  format: EndpointFormat;
  input: GenerationInput;
  answers: Answer[];
  clientRequest: ClientRequest;
  head: AnswerHead;
}

function makeJobs(
  router: Router,
  format: EndpointFormat,
  input: GenerationInput,
  request: FastifyRequest,
): [Job, ...Job[]] {
  const origin = originOf(request);
  const model = router.catalog.find(input.model);
  const { inputs, ...settings } = input;
  const jobs = inputs.map((prompt, idx) => {
    const inputField = format.inputField(idx, inputs.length);
    return makeJob({ ...settings, origin, input: prompt, inputField }, model);
  });
  const [first, ...rest] = jobs;
  if (!first) throw new Error('assertion failed: a request without inputs');
  return [first, ...rest];
}

function headOf(format: EndpointFormat, job: Job): AnswerHead {
  return { id: `${format.idPrefix}${job.id}`, created: Math.floor(Date.now() / 1_000), model: job.model };
}

async function collect(exchange: Exchange): Promise<object> {
  const { format, input, answers, clientRequest, head } = exchange;
  const collected = answers.map(() => [] as AnswerPart[]);
  for await (const { sourceIdx, value } of merge(answers.map((answer) => answer.deltas()))) {
    clientRequest.delta();
    collected[sourceIdx]?.push(toAnswerPart(value, input.logprobs));
  }
  finish(exchange);
  return format.whole(head, collected.map(wholeAnswer), totalUsage(answers));
}

async function stream(exchange: Exchange, reply: FastifyReply): Promise<void> {
  const { clientRequest } = exchange;
  const events = new SseStream(reply, clientRequest.scope.signal);
  try {
    await streamChunks(exchange, events);
    events.end(SSE_DONE);
  } catch (cause) {
    if (!events.opened) throw cause;
    const failure = clientRequest.failed(asServiceError(cause));
    events.end(sseError(toHttpFailure(failure).error.toBody()));
  }
}

async function streamChunks(exchange: Exchange, events: SseStream): Promise<void> {
  const { format, input, answers, clientRequest, head } = exchange;
  const writer = format.chunkWriter(head, input.includeUsage);
  for await (const { sourceIdx, value } of merge(answers.map((answer) => answer.deltas()))) {
    clientRequest.delta();
    for (const chunk of writer.chunks(sourceIdx, toAnswerPart(value, input.logprobs))) {
      await events.send(sseEvent(chunk));
    }
  }
  finish(exchange);
  if (input.includeUsage) await events.send(sseEvent(writer.usageChunk(totalUsage(answers))));
}

function finish({ answers, clientRequest, head }: Exchange): void {
  clientRequest.finished(
    head.id,
    totalUsage(answers),
    answers.map((answer) => answer.finish ?? 'length'),
  );
}

function totalUsage(answers: Answer[]): AnswerUsage {
  const total = { promptTokens: 0, completionTokens: 0, cachedPromptTokens: 0 };
  for (const { usage } of answers) {
    total.promptTokens += usage.promptTokens;
    total.completionTokens += usage.completionTokens;
    total.cachedPromptTokens += usage.cachedPromptTokens;
  }
  return total;
}
