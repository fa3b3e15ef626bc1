// Who asks: request id, tenant and cache salt, as they come in by HTTP headers or gRPC fields. Checked here, once.
import { ServiceError } from '@switchyard/kit';

export const DEFAULT_TENANT = 'default';

/** 1 to 128 visible ASCII characters: they go into logs, headers and traces as they are. */
const visibleAscii = /^[\x21-\x7e]{1,128}$/;

export function checkRequestId(text: string, field: string): string {
  return checkName(text, field);
}

export function checkTenant(text: string, field: string): string {
  return checkName(text, field);
}

/** Like the others, but may be empty. */
export function checkCacheSalt(text: string, field: string): string {
  return text === '' ? text : checkName(text, field);
}

function checkName(text: string, field: string): string {
  if (visibleAscii.test(text)) return text;
  throw new ServiceError('INVALID_ARGUMENT', `${field}: must be 1 to 128 visible ASCII characters`, { field });
}
