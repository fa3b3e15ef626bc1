// The router's options; those that every service has are the kit's.
import { byteCount, defineOptions, hostPort, int, list, option } from '@switchyard/kit';
import { z } from 'zod';

export const routerOptions = defineOptions({
  model: list({
    schema: z.string().min(1),
    default: ['models/switchyard-tiny'],
    unit: 'PATH',
    help: 'Hugging Face directory or GGUF file of a served model; the router reads its tokenizer and configuration',
  }),
  name: list({
    schema: z.string().min(1),
    help: 'Name that clients ask for, the n-th that of the n-th model; that of the directory or file by default',
  }),
  cacheDir: option({
    schema: z.string().min(1).optional(),
    unit: 'DIR',
    help: 'Where packed weights and descriptions of models are kept between starts; $XDG_CACHE_HOME/switchyard or ~/.cache/switchyard by default',
  }),
  httpListen: option({
    schema: hostPort,
    default: '127.0.0.1:8080',
    unit: 'HOST:PORT',
    help: 'Address of the public HTTP API; plain HTTP, so keep it on loopback or behind a proxy',
  }),
  grpcListen: option({
    schema: hostPort,
    default: '127.0.0.1:8081',
    unit: 'HOST:PORT',
    help: 'Address of the public gRPC API; plain HTTP/2, so keep it on loopback or behind a proxy',
  }),
  requestTimeoutMs: option({
    schema: int({ min: 1, max: 86_400_000 }),
    default: 600_000,
    unit: 'ms',
    help: 'Longest time a request may take; a gRPC client may ask for less',
  }),
  maxJobs: option({
    schema: int({ min: 1, max: 1_000_000 }),
    default: 1_024,
    help: 'Jobs that may run at once; one more is refused with 429',
  }),
  maxBodyBytes: option({
    schema: byteCount({ min: 1_024, max: 2 ** 30 }),
    default: 4 * 2 ** 20,
    unit: 'bytes',
    help: 'Largest HTTP body that is read; a larger one is refused with 413',
  }),
});
