// The error that services throw and catch. Domain code throws its own errors; the first place that knows what one
// means makes a ServiceError of it, and errors/grpc.ts alone turns it into a gRPC status and back.
import { type ErrorCode, errorTable, isErrorCode } from './table.js';

export interface ServiceErrorDetail {
  /** Which input was wrong, for example `chat.messages[2].content`. */
  field?: string;
  /** When a retry makes sense, in ms from now. */
  retryAfterMs?: number;
  /** Member the error arose at, for example `expert-1`; absent when it is the one that answers. */
  member?: string;
  cause?: unknown;
}

export class ServiceError extends Error {
  override readonly name = 'ServiceError';
  readonly field: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly member: string | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    detail: ServiceErrorDetail = {},
  ) {
    super(message, detail.cause === undefined ? {} : { cause: detail.cause });
    this.field = detail.field;
    this.retryAfterMs = detail.retryAfterMs;
    this.member = detail.member;
  }

  get retryable(): boolean {
    return errorTable[this.code].retryable;
  }

  get httpStatus(): number {
    return errorTable[this.code].http;
  }
}

/**
 * Any thrown value as a ServiceError: one stays itself, a native error keeps its code, an abort becomes CANCELLED,
 * anything else is INTERNAL with the original as cause.
 */
export function toServiceError(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  if (!(error instanceof Error)) return new ServiceError('INTERNAL', String(error));
  const code: unknown = Reflect.get(error, 'code');
  if (isErrorCode(code)) return new ServiceError(code, error.message, { cause: error });
  if (error.name === 'AbortError') return new ServiceError('CANCELLED', 'cancelled', { cause: error });
  if (error.name === 'TimeoutError') return new ServiceError('DEADLINE_EXCEEDED', error.message, { cause: error });
  return new ServiceError('INTERNAL', error.message, { cause: error });
}
