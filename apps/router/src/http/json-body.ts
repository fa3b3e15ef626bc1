// Reads a JSON body: strict UTF-8, then JSON. Called by fastify for every POST with a JSON content type.
import { invalidRequest } from '@switchyard/openai';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Throws ApiError (400) for bytes that are not UTF-8 and text that is not JSON. */
export function parseJsonBody(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw invalidRequest('The request body is not valid UTF-8.', null, 'invalid_utf8');
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw invalidRequest(`The request body is not valid JSON: ${reason}.`, null, 'invalid_json');
  }
}
