// Where node-llama-cpp is, and how it comes there. It is no dependency: 85 MB that only this bench uses.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const PEER_VERSION = '3.22.1';
const VARIABLE = 'SWITCHYARD_BENCH_NODE_LLAMA_CPP';
const INSTALL_TIMEOUT_MS = 600_000;

export interface InstalledPeer {
  /** Has node_modules/node-llama-cpp. */
  folder: string;
  version: string;
}

export const peerName = ({ version }: InstalledPeer) => `node-llama-cpp ${version}`;

const defaultFolder = (repoRoot: string) => join(repoRoot, '.cache/bench-peers');

/** Null when it is not installed. Throws when the variable names a folder without it. */
export function findPeer(repoRoot: string): InstalledPeer | null {
  const given = process.env[VARIABLE];
  const folder = given || defaultFolder(repoRoot);
  const description = join(folder, 'node_modules/node-llama-cpp/package.json');
  if (existsSync(description)) return { folder, version: JSON.parse(readFileSync(description, 'utf8')).version };
  if (given) throw new Error(`${VARIABLE}=${given}: has no node_modules/node-llama-cpp`);
  return null;
}

/** Installs it into .cache with its ready-made build for the processor and none for other devices. */
export async function fetchPeer(repoRoot: string): Promise<void> {
  const folder = defaultFolder(repoRoot);
  mkdirSync(folder, { recursive: true });
  const packages = ['node-llama-cpp', `@node-llama-cpp/${process.platform}-${process.arch}`];
  const wanted = packages.map((name) => `${name}@${PEER_VERSION}`);
  const flags = ['--no-audit', '--no-fund', '--ignore-scripts', '--omit=optional'];
  await promisify(execFile)('npm', ['install', '--prefix', folder, ...flags, ...wanted], {
    timeout: INSTALL_TIMEOUT_MS,
  });
}

export const MISSING_PEER_NOTE = `no peer: node-llama-cpp is not installed (npm run bench -- engine --fetch-peers, or ${VARIABLE})`;
