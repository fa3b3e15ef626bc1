// Health, reflection and the addresses of a server; judged by clients that know nothing of our code.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import {
  credentials,
  loadPackageDefinition,
  makeGenericClientConstructor,
  ServerCredentials,
  type ServiceClientConstructor,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { service as healthService } from 'grpc-health-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { HealthStatus, startGrpcServer, unary } from '../src/index.js';
import { serve, temporaryFolder, testServices } from './harness.js';

const services = testServices({ listModels: unary(() => ({ models: [] })) });

describe('health', () => {
  const HealthClient = makeGenericClientConstructor(healthService, 'Health');

  it('is NOT_SERVING at first, and tells watchers of changes', async () => {
    const { address, health } = await serve(services);
    const client = new HealthClient(address, credentials.createInsecure());
    onTestFinished(() => client.close());
    const check = (service: string) =>
      new Promise((resolve, reject) =>
        client.check?.({ service }, (error: Error | null, answer: { status: string }) =>
          error ? reject(error) : resolve(answer.status),
        ),
      );
    expect(await check('')).toBe('NOT_SERVING');
    const seen: string[] = [];
    const watch = client.watch?.({ service: 'switchyard.inference.v1.InferenceService' });
    watch.on('error', () => {});
    watch.on('data', (answer: { status: string }) => seen.push(answer.status));
    await once(watch, 'data');
    health.set(HealthStatus.serving);
    await once(watch, 'data');
    expect(seen).toEqual(['NOT_SERVING', 'SERVING']);
    expect(await check('switchyard.task.v1.DecodeService')).toBe('SERVING');
    await expect(check('nobody')).rejects.toMatchObject({ code: 5 });
    watch.cancel();
  });
});

describe('reflection', () => {
  const reflectionRoot = join(
    dirname(createRequire(import.meta.url).resolve('@grpc/reflection/package.json')),
    'build/proto',
  );

  it.each(['v1', 'v1alpha'])('lists our services and describes them in %s', async (version) => {
    const { address } = await serve(services);
    const loaded = loadSync(`grpc/reflection/${version}/reflection.proto`, {
      includeDirs: [reflectionRoot],
      oneofs: true,
    });
    const root = loadPackageDefinition(loaded) as unknown as {
      grpc: { reflection: Record<string, { ServerReflection: ServiceClientConstructor }> };
    };
    const Client = root.grpc.reflection[version]?.ServerReflection;
    if (!Client) throw new Error('no reflection client');
    const client = new Client(address, credentials.createInsecure());
    onTestFinished(() => client.close());
    const call = client.ServerReflectionInfo?.();
    const ask = async (request: object) => {
      call.write(request);
      return (await once(call, 'data'))[0];
    };
    const list = await ask({ listServices: '*' });
    expect(list.listServicesResponse.service.map(({ name }: { name: string }) => name).sort()).toEqual([
      'grpc.health.v1.Health',
      'switchyard.inference.v1.InferenceService',
      'switchyard.task.v1.DecodeService',
    ]);
    const file = await ask({ fileContainingSymbol: 'switchyard.inference.v1.InferenceService' });
    expect(file.fileDescriptorResponse.fileDescriptorProto.length).toBeGreaterThan(0);
    const health = await ask({ fileContainingSymbol: 'grpc.health.v1.Health' });
    const [healthFile] = health.fileDescriptorResponse.fileDescriptorProto as [Buffer];
    // Stricter than most clients of reflection: it throws for a file that the compiler would not have written.
    const types = createFileRegistry(fromBinary(FileDescriptorProtoSchema, healthFile), () => undefined);
    expect(types.getMessage('grpc.health.v1.HealthListResponse')?.fields.map(({ fieldKind }) => fieldKind)).toEqual([
      'map',
    ]);
    const unknown = await ask({ fileContainingSymbol: 'no.such.Symbol' });
    expect(unknown.errorResponse.errorCode).toBe(5);
    call.end();
    await once(call, 'end');
  });
});

describe('addresses', () => {
  it('makes a socket that only its owner can use', async () => {
    const { address } = await serve(services);
    expect(statSync(address.slice('unix:'.length)).mode & 0o777).toBe(0o600);
  });

  it('takes over the socket file of a killed process', async () => {
    const path = `${temporaryFolder()}/stale`;
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.stdout.write('x'))`;
    const holder = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(holder.stdout, 'data');
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    expect(statSync(path).isSocket()).toBe(true);
    await serve(services, `unix:${path}`);
  });

  it('refuses a socket that somebody serves on, and a taken port, in one sentence', async () => {
    const { address } = await serve(services);
    await expect(startGrpcServer(services, address)).rejects.toThrow(
      /^cannot listen on .*: another process serves there$/,
    );
    const blocker = createServer().listen(0, '127.0.0.1');
    await once(blocker, 'listening');
    onTestFinished(() => void blocker.close());
    const { port } = blocker.address() as { port: number };
    const start = startGrpcServer(services, `127.0.0.1:${port}`, { credentials: ServerCredentials.createInsecure() });
    await expect(start).rejects.toThrow(`cannot listen on 127.0.0.1:${port}: another program listens there already`);
  });

  it('refuses paths that are too long for a socket, and TCP without TLS or --insecure', async () => {
    await expect(startGrpcServer(services, `unix:/tmp/${'x'.repeat(120)}`)).rejects.toThrow(/more than 107 bytes/);
    await expect(startGrpcServer(services, '127.0.0.1:0')).rejects.toThrow(/--listen needs --tls-cert/);
  });
});
