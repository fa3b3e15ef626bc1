// A real gRPC server on a real Unix socket, and what goes with it; everything is gone after the test.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inference, task } from '@switchyard/proto';
import { onTestFinished } from 'vitest';
import { connect, disconnect, type GrpcServer, type GrpcService, grpcService, startGrpcServer } from '../src/index.js';

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'kit-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export async function serve(
  services: GrpcService[],
  address = `unix:${temporaryFolder()}/s`,
): Promise<GrpcServer & { address: string }> {
  const server = await startGrpcServer(services, address);
  onTestFinished(async () => {
    disconnect(address);
    await server.close();
  });
  return Object.assign(server, { address });
}

const unexpected = () => {
  throw new Error('not expected in this test');
};

/** The three kinds of calls of our services: unary, server stream, bidirectional. */
export function testServices(handlers: {
  listModels?: inference.InferenceServiceServer['listModels'];
  generate?: inference.InferenceServiceServer['generate'];
  decode?: task.DecodeServiceServer['decode'];
}): GrpcService[] {
  const { listModels = unexpected, generate = unexpected, decode = unexpected } = handlers;
  return [
    grpcService<inference.InferenceServiceServer>(inference.InferenceServiceService, { listModels, generate }),
    grpcService<task.DecodeServiceServer>(task.DecodeServiceService, { decode }),
  ];
}

export const inferenceClient = (address: string) => connect(inference.InferenceServiceClient, address);
export const decodeClient = (address: string) => connect(task.DecodeServiceClient, address);

export async function collect<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const message of messages) all.push(message);
  return all;
}

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Waits for a condition, at most two seconds. */
export async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 2000;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`not within 2 s: ${condition}`);
    await sleep(5);
  }
}
