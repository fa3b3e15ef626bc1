import type { StatusObject } from '@grpc/grpc-js';
import type { ServiceError } from './service-error.js';

export declare function toGrpcStatus(error: unknown): Partial<StatusObject>;
export declare function fromGrpcError(error: unknown): ServiceError;
