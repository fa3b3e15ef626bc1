// Reads a JSON body: strict UTF-8, then JSON. Called by fastify for every POST with a JSON content type.
import { ServiceError } from '@switchyard/kit';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Throws INVALID_ARGUMENT for bytes that are not UTF-8 and text that is not JSON. */
export function parseJsonBody(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch (cause) {
    throw new ServiceError('INVALID_ARGUMENT', 'the body is not valid UTF-8', { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ServiceError('INVALID_ARGUMENT', `the body is not valid JSON: ${reason}`, { cause });
  }
}
