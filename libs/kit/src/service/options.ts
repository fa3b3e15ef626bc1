// The options that every service has; runService adds them to the service's own table.
import { z } from 'zod';
import { defineOptions, flag, list, option } from '../config/option.js';
import { grpcAddress, hostPort, int } from '../config/schemas.js';

const idPattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

export const serviceOptions = defineOptions({
  id: option({
    schema: z.string().regex(idPattern, 'must be lower-case letters, digits and hyphens, at most 63').optional(),
    help: 'Unique name in the system; default NAME-0',
  }),
  listen: option({
    schema: hostPort.optional(),
    unit: 'HOST:PORT',
    help: 'gRPC address on TCP in place of RUN_DIR/ID.sock; needs the TLS files or --insecure',
  }),
  insecure: flag({ help: 'Allow --listen and TCP peers without TLS' }),
  tlsCert: option({ schema: z.string().min(1).optional(), unit: 'FILE', help: 'Certificate (PEM) for mutual TLS' }),
  tlsKey: option({ schema: z.string().min(1).optional(), unit: 'FILE', help: 'Private key (PEM) for mutual TLS' }),
  tlsCa: option({ schema: z.string().min(1).optional(), unit: 'FILE', help: 'CA (PEM) that peers must be signed by' }),
  manager: option({
    schema: grpcAddress.optional(),
    unit: 'ADDRESS',
    help: 'gRPC address of the cluster-manager; without one the peers are those of --peer',
  }),
  peer: list({ schema: grpcAddress, unit: 'ADDRESS', help: 'gRPC address of a static peer' }),
  runDir: option({
    schema: z.string().startsWith('/', 'must be an absolute path').optional(),
    unit: 'DIR',
    help: 'Folder of mode 0700 for Unix sockets, created when missing; default switchyard-UID in the temporary folder',
  }),
  logLevel: option({
    schema: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    default: 'info',
    help: 'Least severe level that is logged',
  }),
  logFormat: option({
    schema: z.enum(['auto', 'json', 'pretty']),
    default: 'auto',
    help: 'auto is pretty on a terminal and json elsewhere',
  }),
  metricsListen: option({
    schema: hostPort.optional(),
    unit: 'HOST:PORT',
    help: 'Serve GET /metrics (Prometheus) there, by plain HTTP; nowhere by default',
  }),
  drainTimeoutMs: option({
    schema: int({ min: 0, max: 3_600_000 }),
    default: 10_000,
    unit: 'ms',
    help: 'How long running work may take to end after SIGTERM',
  }),
  exitWithParent: flag({ help: 'Shut down when standard input ends' }),
  epoch: option({
    schema: z
      .string()
      .regex(/^\d{1,19}$/, 'must be a whole number')
      .transform(BigInt)
      .optional(),
    help: 'Epoch without a manager; default is the start time in ms',
  }),
  xcclRank: option({ schema: int({ min: 0, max: 4095 }), default: 0, help: 'XCCL rank without a manager' }),
  xcclNonce: option({
    schema: z
      .string()
      .regex(/^[0-9a-fA-F]{32}$/, 'must be 32 hexadecimal digits')
      .transform((hex) => Uint8Array.from(Buffer.from(hex, 'hex')))
      .optional(),
    unit: 'HEX',
    secret: true,
    help: 'Secret of 16 bytes that the XCCL ranks share; without a manager zeros by default, of the manager random',
  }),
});

export type ServiceOptions = typeof serviceOptions;
