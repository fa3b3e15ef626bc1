// A generic gRPC client: knows the reflection service and nothing of Switchyard. It asks a server for its descriptors over the
// wire and makes a client of them, as grpcurl and Postman do.
import { fileURLToPath } from 'node:url';
import {
  type ClientDuplexStream,
  credentials,
  loadPackageDefinition,
  type ServiceClientConstructor,
} from '@grpc/grpc-js';
import { loadFileDescriptorSetFromBuffer, loadSync, type Options } from '@grpc/proto-loader';

const REFLECTION_PROTO = fileURLToPath(new URL('./reflection.proto', import.meta.url));
const LOADER: Options = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };
const TIMEOUT_MS = 30_000;

interface ReflectionResponse {
  file_descriptor_response?: { file_descriptor_proto: Buffer[] };
  list_services_response?: { service: { name: string }[] };
  error_response?: { error_code: number; error_message: string };
}

/** Names of the services that a server reveals. */
export async function listServices(address: string): Promise<string[]> {
  const response = await reflect(address, { list_services: '' });
  return (response.list_services_response?.service ?? []).map((service) => service.name);
}

/** Client constructor of a service, built from descriptors that the server sent. */
export async function discoverService(address: string, service: string): Promise<ServiceClientConstructor> {
  const response = await reflect(address, { file_containing_symbol: service });
  const files = response.file_descriptor_response?.file_descriptor_proto ?? [];
  const definition = loadFileDescriptorSetFromBuffer(descriptorSet(files), LOADER);
  let node: unknown = loadPackageDefinition(definition);
  for (const part of service.split('.')) node = (node as Record<string, unknown>)[part];
  return node as ServiceClientConstructor;
}

/** A FileDescriptorSet: field 1, length-delimited, once for each file (descriptor.proto). */
function descriptorSet(files: readonly Buffer[]): Buffer {
  return Buffer.concat(files.flatMap((file) => [Buffer.from([0x0a]), varint(file.length), file]));
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}

async function reflect(address: string, request: Record<string, string>): Promise<ReflectionResponse> {
  const grpc = loadPackageDefinition(loadSync(REFLECTION_PROTO, LOADER)) as unknown as {
    grpc: { reflection: { v1: { ServerReflection: ServiceClientConstructor } } };
  };
  const client = new grpc.grpc.reflection.v1.ServerReflection(address, credentials.createInsecure());
  try {
    const call = client.ServerReflectionInfo?.({
      deadline: Date.now() + TIMEOUT_MS,
    }) as unknown as ClientDuplexStream<Record<string, string>, ReflectionResponse>;
    call.write(request);
    call.end();
    for await (const response of call) return checked(response as ReflectionResponse);
    throw new Error('the reflection service did not answer');
  } finally {
    client.close();
  }
}

function checked(response: ReflectionResponse): ReflectionResponse {
  const error = response.error_response;
  if (error) throw new Error(`reflection: ${error.error_code} ${error.error_message}`);
  return response;
}
