// Server reflection (v1 and v1alpha), from the descriptor sets of all protos and of gRPC's own health service. Its libraries cost some 60 ms to load,
// so a stand-in with raw bytes is registered and the real implementation is loaded by the first call.
import { EventEmitter } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import type { Server, ServerDuplexStream, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { PackageDefinition } from '@grpc/proto-loader';
import { ServiceError } from '../errors/service-error.js';
import { type GrpcService, grpcService } from '../rpc/service.js';

type AddService = Pick<Server, 'addService'>;
interface RealService {
  definition: ServiceDefinition;
  implementation: UntypedServiceImplementation;
}

const paths = [
  '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
  '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
];

/** Both versions; only `services` (full names) are listed, besides health and reflection itself. */
export function reflectionServices(services: readonly string[]): GrpcService[] {
  let loading: Promise<RealService[]> | undefined;
  const load = () => (loading ??= loadReal(services));
  return paths.map((path) =>
    grpcService(
      {
        serverReflectionInfo: {
          path,
          requestStream: true,
          responseStream: true,
          requestSerialize: passBytes,
          requestDeserialize: passBytes,
          responseSerialize: passBytes,
          responseDeserialize: passBytes,
        },
      },
      {
        serverReflectionInfo: (call: ServerDuplexStream<Buffer, Buffer>) => {
          load().then(
            (real) => delegate(path, real, call),
            (error: unknown) => call.emit('error', error),
          );
        },
      },
    ),
  );
}

async function loadReal(services: readonly string[]): Promise<RealService[]> {
  const [{ ReflectionService }, loader] = await Promise.all([import('@grpc/reflection'), import('@grpc/proto-loader')]);
  const descriptorSets = await Promise.all([
    readFile(fileURLToPath(import.meta.resolve('@switchyard/proto/descriptors.binpb'))),
    readFile(fileURLToPath(import.meta.resolve('@switchyard/proto/health.binpb'))),
  ]);
  const packages = Object.assign(
    {},
    ...descriptorSets.map((set) => withOriginalFiles(loader.loadFileDescriptorSetFromBuffer(set), set)),
  ) as PackageDefinition;
  const real: RealService[] = [];
  const capture: AddService = {
    addService: (definition, implementation) => void real.push({ definition, implementation }),
  };
  new ReflectionService(packages, { services: [...services, 'grpc.health.v1.Health'] }).addToServer(capture);
  return real;
}

/**
 * The loader encodes files anew with type names relative to their package, which stricter clients (grpcurl) cannot resolve;
 * reflection gets the files as the compiler wrote them.
 */
function withOriginalFiles(packages: PackageDefinition, descriptorSet: Uint8Array): PackageDefinition {
  const fileDescriptorProtos = splitDescriptorSet(descriptorSet);
  const entries = Object.entries(packages).map(([name, entry]) => [
    name,
    'fileDescriptorProtos' in entry ? { ...entry, fileDescriptorProtos } : entry,
  ]);
  return Object.fromEntries(entries);
}

/** Field 1 of google.protobuf.FileDescriptorSet, the encoded files. */
function splitDescriptorSet(descriptorSet: Uint8Array): Buffer[] {
  const reader = new BinaryReader(descriptorSet);
  const files: Buffer[] = [];
  while (reader.pos < reader.len) {
    const [fieldNumber, wireType] = reader.tag();
    if (fieldNumber === 1) files.push(Buffer.from(reader.bytes()));
    else reader.skip(wireType, fieldNumber);
  }
  return files;
}

/** Runs the real handler on decoded messages. It uses no more of a call than 'data', 'end', write and end. */
function delegate(path: string, real: RealService[], call: ServerDuplexStream<Buffer, Buffer>): void {
  const found = real
    .flatMap(({ definition, implementation }) =>
      Object.entries(definition).map(([name, method]) => ({ method, handler: implementation[name] })),
    )
    .find(({ method }) => method.path === path);
  if (typeof found?.handler !== 'function') throw new ServiceError('INTERNAL', `reflection does not serve ${path}`);
  const { method, handler } = found;
  const typed = Object.assign(new EventEmitter(), {
    write: (message: unknown) => call.write(method.responseSerialize(message)),
    end: () => call.end(),
  });
  Reflect.apply(handler, undefined, [typed]);
  call.on('data', (bytes: Buffer) => typed.emit('data', method.requestDeserialize(bytes)));
  call.on('end', () => typed.emit('end'));
}

function passBytes(bytes: Buffer): Buffer {
  return bytes;
}
