// The one error table and its mapping to gRPC and back; docs/errors.md, the native enum and libs/native follow it.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Metadata, status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { grpcCodes } from '../src/errors/grpc-codes.js';
import {
  type ErrorRow,
  errorCodes,
  errorTable,
  fromGrpcError,
  renderErrorTable,
  ServiceError,
  toGrpcStatus,
  toServiceError,
} from '../src/index.js';

const atRoot = (path: string) => readFileSync(fileURLToPath(new URL(`../../../${path}`, import.meta.url)), 'utf8');
const nativeCodes = errorCodes.filter((code) => (errorTable[code] as ErrorRow).native).sort();

/** What a client sees of a status: grpc-js makes an Error of it. */
const overTheWire = (sent: ReturnType<typeof toGrpcStatus>) =>
  Object.assign(new Error(`${sent.code}: ${sent.details}`), sent);

describe('error mapping', () => {
  it.each(errorCodes)('carries %s to the other side and back', (code) => {
    const error = new ServiceError(code, 'what happened', { field: 'a[2].b', retryAfterMs: 250, member: 'expert-1' });
    const sent = toGrpcStatus(error);
    expect(sent.code).toBe(errorTable[code].grpc);
    const back = fromGrpcError(overTheWire(sent));
    expect(back).toMatchObject({
      code,
      message: 'what happened',
      field: 'a[2].b',
      retryAfterMs: 250,
      member: 'expert-1',
    });
    expect(back.httpStatus).toBe(errorTable[code].http);
  });

  it('understands statuses that gRPC makes by itself, and names the member called', () => {
    const lost = Object.assign(new Error('lost'), {
      code: status.UNAVAILABLE,
      details: 'lost',
      metadata: new Metadata(),
    });
    expect(fromGrpcError(lost, 'decode-0')).toMatchObject({ code: 'MEMBER_UNAVAILABLE', member: 'decode-0' });
    const odd = Object.assign(new Error('odd'), { code: status.UNKNOWN, details: 'odd', metadata: new Metadata() });
    expect(fromGrpcError(odd)).toMatchObject({ code: 'INTERNAL' });
  });

  it('survives a detail that is no ErrorDetail', () => {
    const metadata = new Metadata();
    metadata.set('switchyard-error-bin', Buffer.from([0xff, 0xff, 0xff]));
    const error = Object.assign(new Error('x'), { code: status.RESOURCE_EXHAUSTED, details: 'x', metadata });
    expect(fromGrpcError(error).code).toBe('RESOURCE_EXHAUSTED');
  });

  it('makes a ServiceError of whatever is thrown', () => {
    const native = Object.assign(new Error('rank 3 is gone'), { code: 'PEER_DEAD' });
    expect(toServiceError(native)).toMatchObject({ code: 'PEER_DEAD', message: 'rank 3 is gone', cause: native });
    expect(toServiceError(AbortSignal.abort().reason).code).toBe('CANCELLED');
    expect(toServiceError(Object.assign(new Error('x'), { code: 'ENOENT' })).code).toBe('INTERNAL');
    expect(toServiceError('text')).toMatchObject({ code: 'INTERNAL', message: 'text' });
  });
});

describe('the error table', () => {
  it('is what docs/errors.md shows (else: node tools/docs/errors.mjs)', () => {
    expect(atRoot('docs/errors.md')).toBe(renderErrorTable());
  });

  it('marks exactly the codes of the native enum', () => {
    const body = /enum class Code[^{]*{([^}]*)}/.exec(atRoot('native/base/status.h'))?.[1] ?? '';
    const names = [...body.matchAll(/^\s*k(\w+)/gm)].map((match) => match[1] ?? '').filter((name) => name !== 'Ok');
    const codes = names.map((name) => name.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase());
    expect(codes.sort()).toEqual(nativeCodes);
  });

  it('marks exactly the codes that libs/native declares', () => {
    const declared = /type NativeErrorCode =([^;]*);/.exec(atRoot('libs/native/src/native.ts'))?.[1] ?? '';
    expect([...declared.matchAll(/'(\w+)'/g)].map((match) => match[1]).sort()).toEqual(nativeCodes);
  });
});

it('has the status codes of gRPC', () => {
  const names = Object.keys(status).filter((name) => Number.isNaN(Number(name)));
  expect(grpcCodes).toEqual(Object.fromEntries(names.map((name) => [name, status[name as keyof typeof status]])));
});
