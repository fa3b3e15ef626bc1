// grpc.health.v1.Health by hand: two messages of one field each do not deserve the 60 ms that loading the .proto
// file at start costs. Source: https://github.com/grpc/grpc/blob/master/doc/health-checking.md
import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import {
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { type GrpcService, grpcService } from '../rpc/service.js';

export enum HealthStatus {
  serving = 1,
  notServing = 2,
  serviceUnknown = 3,
}

interface HealthCheckRequest {
  service: string;
}
interface HealthCheckResponse {
  status: HealthStatus;
}
type Answer = sendUnaryData<HealthCheckResponse>;
type Watcher = ServerWritableStream<HealthCheckRequest, HealthCheckResponse>;

export class Health {
  #status = HealthStatus.notServing;
  readonly #services = new Set<string>(['']);
  readonly #watchers = new Set<Watcher>();

  /** Services that can be asked for by name, beside the server as a whole (''). */
  setServices(names: Iterable<string>): void {
    for (const name of names) this.#services.add(name);
  }

  set(value: HealthStatus.serving | HealthStatus.notServing): void {
    if (value === this.#status) return;
    this.#status = value;
    for (const watcher of this.#watchers) watcher.write({ status: this.#of(watcher.request.service) });
  }

  /** The gRPC service that tells. */
  service(): GrpcService {
    return grpcService(definition, {
      check: (call: ServerUnaryCall<HealthCheckRequest, HealthCheckResponse>, callback: Answer) => {
        if (this.#services.has(call.request.service)) callback(null, { status: this.#status });
        else callback({ code: status.NOT_FOUND, details: `no service '${call.request.service}' here` });
      },
      watch: (watcher: Watcher) => {
        this.#watchers.add(watcher);
        watcher.on('cancelled', () => this.#watchers.delete(watcher));
        watcher.write({ status: this.#of(watcher.request.service) });
      },
    });
  }

  #of(service: string): HealthStatus {
    return this.#services.has(service) ? this.#status : HealthStatus.serviceUnknown;
  }
}

function encode(field: (writer: BinaryWriter) => BinaryWriter): Buffer {
  return Buffer.from(field(new BinaryWriter()).finish());
}

/** Calls `read` for field 1 and skips all others. */
function decode(bytes: Buffer, read: (reader: BinaryReader) => void): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [fieldNumber, wireType] = reader.tag();
    if (fieldNumber === 1) read(reader);
    else reader.skip(wireType);
  }
}

const messages = {
  requestSerialize: (value: HealthCheckRequest) => encode((writer) => writer.tag(1, 2).string(value.service)),
  requestDeserialize: (bytes: Buffer) => {
    const request = { service: '' };
    decode(bytes, (reader) => {
      request.service = reader.string();
    });
    return request;
  },
  responseSerialize: (value: HealthCheckResponse) => encode((writer) => writer.tag(1, 0).int32(value.status)),
  responseDeserialize: (bytes: Buffer) => {
    const response = { status: 0 as HealthStatus };
    decode(bytes, (reader) => {
      response.status = reader.int32();
    });
    return response;
  },
};

const definition: ServiceDefinition = {
  check: { path: '/grpc.health.v1.Health/Check', requestStream: false, responseStream: false, ...messages },
  watch: { path: '/grpc.health.v1.Health/Watch', requestStream: false, responseStream: true, ...messages },
};
