// Runs a schema and turns its first complaint into an ApiError in OpenAI's words, with the field's path. Used by both parsers.
import { z } from 'zod';
import { type ApiError, invalidRequest } from './api-error.js';

/** Validates a request body. @throws ApiError (400) with `param` naming the field. */
export function validate<T>(schema: z.ZodType<T>, body: unknown): T {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw invalidRequest('The request body must be a JSON object.', null, 'invalid_type');
  }
  const result = schema.safeParse(body, { reportInput: true });
  if (result.success) return result.data;
  throw toApiError(innermost(result.error.issues[0] as z.core.$ZodIssue));
}

/**
 * A field that exists in OpenAI's API and is not there yet: accepted only with values that ask for nothing.
 *
 * @param isNeutral Whether a value other than null asks for nothing.
 */
export function notYet(isNeutral: (value: unknown) => boolean = () => false): z.ZodType<unknown> {
  const isAbsent = (value: unknown) => value === undefined || value === null || isNeutral(value);
  return z
    .unknown()
    .refine(isAbsent, { params: { unsupported: true } })
    .optional();
}

/** A field that clients send and that changes nothing here. */
export const ignored = z.unknown().optional();

/** Of a union, the branch that accepted the outer type and failed further in; it has the better words. */
function innermost(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union') return issue;
  const branch = issue.errors.find((issues) => issues[0] !== undefined && issues[0].path.length > 0);
  const inner = branch?.[0] ?? issue.errors[0]?.[0];
  if (!inner || !branch) return issue;
  return innermost({ ...inner, path: [...issue.path, ...inner.path] });
}

function toApiError(issue: z.core.$ZodIssue): ApiError {
  const param = toParam(issue.path);
  if (issue.code === 'unrecognized_keys') {
    const name = toParam([...issue.path, issue.keys[0] as string]);
    return invalidRequest(`Unknown parameter: '${name}'.`, name, 'unknown_parameter');
  }
  if (issue.code === 'custom' && issue.params?.unsupported === true) {
    return invalidRequest(`Unsupported parameter: '${param}' is not supported.`, param, 'unsupported_parameter');
  }
  if (issue.code === 'invalid_type' && issue.input === undefined) {
    return invalidRequest(`Missing required parameter: '${param}'.`, param, 'missing_required_parameter');
  }
  const code = issue.code === 'invalid_type' || issue.code === 'invalid_union' ? 'invalid_type' : 'invalid_value';
  const problem = issue.message.replace(/^Invalid (input|option): /, '');
  return invalidRequest(`Invalid value for '${param}': ${problem}.`, param, code);
}

/** ["messages", 0, "content"] becomes "messages[0].content". */
function toParam(path: readonly PropertyKey[]): string {
  return path.map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i > 0 ? '.' : ''}${String(key)}`)).join('');
}
