// TCP between services: mutual TLS, --insecure, or a refusal.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { credentials, ServerCredentials } from '@grpc/grpc-js';
import { inference } from '@switchyard/proto';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { callUnary, connect, disconnect, type GrpcServer, startGrpcServer, unary } from '../src/index.js';
import { setSecurity } from '../src/rpc/security.js';
import { inferenceClient, testServices } from './harness.js';

const file = (name: string) => fileURLToPath(new URL(`fixtures/tls/${name}`, import.meta.url));
const none = { insecure: false, tlsCert: undefined, tlsKey: undefined, tlsCa: undefined };
const filesOf = (name: string, ca = 'ca') => ({
  insecure: false,
  tlsCert: file(`${name}.pem`),
  tlsKey: file(`${name}.key`),
  tlsCa: file(`${ca}.pem`),
});
const answer = { models: [] };

afterEach(() => setSecurity(none));

async function serveOnTcp(serverCredentials?: ServerCredentials): Promise<string> {
  const services = testServices({ listModels: unary(() => answer) });
  const options = serverCredentials ? { credentials: serverCredentials } : {};
  const server: GrpcServer = await startGrpcServer(services, '127.0.0.1:0', options);
  const address = `127.0.0.1:${server.port}`;
  onTestFinished(async () => {
    disconnect(address);
    await server.close();
  });
  return address;
}

const ask = (address: string) => callUnary(inferenceClient(address), 'listModels', {}, { timeoutMs: 5000 });

describe('mutual TLS', () => {
  it('joins members whose certificates the CA signed', async () => {
    setSecurity(filesOf('member'));
    expect(await ask(await serveOnTcp())).toEqual(answer);
  });

  it('refuses a client without a certificate, and one that a stranger signed', async () => {
    setSecurity(filesOf('member'));
    const address = await serveOnTcp();
    const ca = readFileSync(file('ca.pem'));
    for (const own of [
      credentials.createSsl(ca),
      credentials.createSsl(ca, readFileSync(file('stranger.key')), readFileSync(file('stranger.pem'))),
    ]) {
      const client = connect(inference.InferenceServiceClient, address, { credentials: own });
      onTestFinished(() => client.close());
      const call = callUnary(client, 'listModels', {}, { timeoutMs: 5000 });
      await expect(call).rejects.toMatchObject({ code: 'MEMBER_UNAVAILABLE' });
    }
  });

  it('refuses a server that a stranger signed', async () => {
    const key = { private_key: readFileSync(file('stranger.key')), cert_chain: readFileSync(file('stranger.pem')) };
    const address = await serveOnTcp(ServerCredentials.createSsl(null, [key]));
    setSecurity(filesOf('member'));
    await expect(ask(address)).rejects.toMatchObject({ code: 'MEMBER_UNAVAILABLE' });
  });

  it('needs all three files, and files that are there', () => {
    expect(() => setSecurity({ ...filesOf('member'), tlsKey: undefined })).toThrow(/needs all of --tls-cert/);
    expect(() => setSecurity({ ...filesOf('member'), tlsCa: '/nowhere.pem' })).toThrow(/cannot read \/nowhere.pem/);
  });
});

describe('without TLS', () => {
  it('TCP works only with --insecure', async () => {
    setSecurity({ ...none, insecure: true });
    const address = await serveOnTcp();
    expect(await ask(address)).toEqual(answer);
    setSecurity(none);
    disconnect(address);
    expect(() => inferenceClient(address)).toThrow(/TCP needs --tls-cert, --tls-key and --tls-ca, or --insecure/);
  });
});
