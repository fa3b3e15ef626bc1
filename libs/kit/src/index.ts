// The service skeleton: configuration, life cycle, gRPC, errors, logs and telemetry that all services share.
export { type ConfigOf, defineOptions, flag, list, type Option, type OptionTable, option } from './config/option.js';
export { byteCount, grpcAddress, hostPort, int } from './config/schemas.js';
export { fromGrpcError, toGrpcStatus } from './errors/grpc.js';
export { ServiceError, type ServiceErrorDetail, toServiceError } from './errors/service-error.js';
export {
  type BlastRadius,
  type ErrorCode,
  type ErrorRow,
  errorCodes,
  errorTable,
  isErrorCode,
} from './errors/table.js';
export type { Logger } from './logs/logger.js';
export {
  type BidiCall,
  type CallLimits,
  type ConnectOptions,
  callBidi,
  callServerStream,
  callUnary,
  connect,
  type UnaryLimits,
} from './rpc/client.js';
export { bidi, type CallContext, serverStream, unary } from './rpc/server.js';
export { type GrpcService, grpcService } from './rpc/service.js';
export { type ServiceOptions, serviceOptions } from './service/options.js';
export { FatalStartError, runService } from './service/run.js';
export type { MemberHandle, ServiceConfig, ServiceContext, ServiceDefinition, Wiring } from './service/types.js';
export { renderMetrics } from './telemetry/metrics.js';
export {
  contextFromTraceparent,
  currentTraceparent,
  type RecordedSpan,
  recordSpan,
  withSpan,
} from './telemetry/spans.js';
