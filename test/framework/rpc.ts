// Calls to services inside the system, and the detail of their errors, with grpc-js and the generated code alone: the tests
// judge the wire and so do not use the project's own client helpers.
import { type CallOptions, Metadata, type ServiceError } from '@grpc/grpc-js';
import { common } from '@switchyard/proto';

const TIMEOUT_MS = 30_000;

type Callback<Res> = (error: ServiceError | null, response: Res) => void;
export type UnaryMethod<Req, Res> = (
  request: Req,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: Callback<Res>,
) => unknown;

/** Calls a unary method with a deadline of 10 s; rejects with grpc-js's ServiceError. */
export function call<Req, Res>(method: UnaryMethod<Req, Res>, request: Req): Promise<Res> {
  return new Promise((resolve, reject) => {
    method(request, new Metadata(), { deadline: Date.now() + TIMEOUT_MS }, (error, response) => {
      if (error) reject(error);
      else resolve(response);
    });
  });
}

/** The ErrorDetail of an error; throws when it has none, since every error of ours must. */
export function detailOf(error: ServiceError): common.ErrorDetail {
  const [bytes] = error.metadata.get('switchyard-error-bin');
  if (!Buffer.isBuffer(bytes)) throw new Error(`no error detail in: ${error.message}`);
  return common.ErrorDetail.decode(bytes);
}

/** Code of the error that a call ends in; throws when it ends well. */
export async function errorCodeOf(attempt: Promise<unknown>): Promise<string> {
  const error = await attempt.then(
    () => undefined,
    (reason: ServiceError) => reason,
  );
  if (error === undefined) throw new Error('the call ended well');
  return detailOf(error).code;
}
