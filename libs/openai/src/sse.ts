// Server-sent events as OpenAI's streams frame them. Called by the router, which writes the returned text as it is.
import type { ErrorBody } from './api-error.js';

/** One chunk. JSON has no raw line ends, so one data line always holds it. */
export function sseEvent(body: object): string {
  return `data: ${JSON.stringify(body)}\n\n`;
}

/** Tells of a failure after the headers are out; nothing follows it, not even the end mark. */
export function sseError(body: ErrorBody): string {
  return `event: error\ndata: ${JSON.stringify(body)}\n\n`;
}

/** The mark after the last chunk of an answer that ended well. */
export const SSE_DONE = 'data: [DONE]\n\n';
