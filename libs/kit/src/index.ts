// The service skeleton: configuration, life cycle, gRPC, errors, logs and telemetry that all services share.
export {
  type ConfigOf,
  defineOptions,
  envName,
  flag,
  kebabCase,
  list,
  type Option,
  type OptionTable,
  option,
} from './config/option.js';
export { type ConfigCheck, parseConfig } from './config/parse.js';
export { renderOptions, valueText } from './config/render.js';
export { byteCount, grpcAddress, hostPort, int } from './config/schemas.js';
export { exitCodeFatal, FatalStartError } from './errors/fatal.js';
export { fromGrpcError, toGrpcStatus } from './errors/grpc.js';
export { renderErrorTable } from './errors/render.js';
export { ServiceError, type ServiceErrorDetail, toServiceError } from './errors/service-error.js';
export {
  type BlastRadius,
  type ErrorCode,
  type ErrorRow,
  errorCodes,
  errorTable,
  isErrorCode,
} from './errors/table.js';
export { createLogger, type Logger, type LogOptions } from './logs/logger.js';
export { prettyLine } from './logs/pretty.js';
export { progressBar, progressText, sizeText, Terminal } from './logs/terminal.js';
export type { CallContext } from './rpc/call-context.js';
export { type ConnectOptions, connect, disconnect } from './rpc/channel.js';
export {
  type BidiCall,
  type CallLimits,
  callBidi,
  callServerStream,
  callUnary,
  type UnaryLimits,
} from './rpc/client.js';
export { type GrpcServer, type GrpcServerOptions, startGrpcServer } from './rpc/grpc-server.js';
export { HealthStatus } from './rpc/health.js';
export { bidi, serverStream, unary } from './rpc/server.js';
export { type GrpcService, grpcService } from './rpc/service.js';
export { type ServiceOptions, serviceOptions } from './service/options.js';
export { runService } from './service/run.js';
export type { MemberHandle, ServiceConfig, ServiceContext, ServiceDefinition, Wiring } from './service/types.js';
export { type CountedHistogram, type CountedSeries, registerHistogram } from './telemetry/histograms.js';
export { renderMetrics } from './telemetry/metrics.js';
export { startTelemetry, type Telemetry, type TelemetryOptions } from './telemetry/setup.js';
export {
  contextFromTraceparent,
  currentTraceparent,
  type RecordedEvent,
  type RecordedSpan,
  recordSpan,
  type SpanDetails,
  withSpan,
} from './telemetry/spans.js';
