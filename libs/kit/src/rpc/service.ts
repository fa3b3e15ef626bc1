// A gRPC service to be served: a generated definition with its handlers.
import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';

export interface GrpcService {
  definition: ServiceDefinition;
  implementation: UntypedServiceImplementation;
}

/** Pairs a generated `XService` with handlers of the generated `XServer` type. */
export function grpcService<I extends UntypedServiceImplementation>(
  definition: ServiceDefinition<I>,
  implementation: I,
): GrpcService {
  return { definition, implementation };
}
