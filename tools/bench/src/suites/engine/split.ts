// Attention and experts in two processes of this machine, joined by XCCL as the services are, without a cluster around them: rank 0 is
// the process that measures, rank 1 runs expert-process.ts.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { numFfnUnits } from '@switchyard/flowserve';
import type { KernelClass, ModelSpec, NumericPolicy } from '@switchyard/model';
import { type ExchangeShape, type ExpertPlacement, loadNative, type NativeCommunicator } from '@switchyard/native';
import { allowedCores } from '../../machine.js';

/** Of each side: all cores, since the sides take turns. */
export const SPLIT_THREADS = availableParallelism();
const PIN = 'SWITCHYARD_XCCL_PIN';

const EXPERT_PROCESS = fileURLToPath(new URL('./expert-process.js', import.meta.url));
const ATTENTION_RANK = 0;
export const EXPERT_RANK = 1;
const EPOCH = 1n;
const LINK_TRIES = 3000;
const LINK_PAUSE_MS = 10;
const NONCE_BYTES = 16;

/** What an expert process is started with. */
export interface ExpertStart {
  modelPath: string;
  cacheDir: string;
  kernelClass: KernelClass;
  /** Folder of both sockets. */
  runDir: string;
}

/** All routed experts on the one expert rank. */
export function placementOf(spec: ModelSpec): ExpertPlacement {
  return { version: 1, expertToRank: Array(numFfnUnits(spec)).fill(EXPERT_RANK), timeoutMs: 60_000 };
}

interface RankShape {
  policy: NumericPolicy;
  kernelClass: KernelClass;
  exchange: ExchangeShape;
  appBytes: number;
}

/** Makes this process's rank and links it to the other one. */
export async function linkRank(
  rank: number,
  runDir: string,
  { policy, kernelClass, exchange, appBytes }: RankShape,
): Promise<NativeCommunicator> {
  const native = loadNative();
  const isAttention = rank === ATTENTION_RANK;
  const socketOf = (of: number) => join(runDir, `${of}.xccl`);
  const communicator = native.createCommunicator({
    name: 'bench',
    rank,
    epoch: EPOCH,
    socketPath: socketOf(rank),
    nonce: new Uint8Array(NONCE_BYTES),
    compatibility: native.numericClass(policy, kernelClass),
    appBytes,
    zcBytes: 0,
    maxRanks: 2,
    exchange,
    livenessTimeoutMs: 5000,
    seat: {
      role: isAttention ? 'attention' : 'expert',
      idx: 0,
      numAttention: 1,
      numExpert: 1,
      numThreads: SPLIT_THREADS,
    },
    telemetry: false,
    onPeerChange: () => {},
  });
  const peer = isAttention ? EXPERT_RANK : ATTENTION_RANK;
  communicator.expectPeer({ rank: peer, epoch: EPOCH, socketPath: socketOf(peer) });
  for (let tries = 0; tries < LINK_TRIES; tries++) {
    if (communicator.peers().some(({ state }) => state === 'linked')) return communicator;
    await sleep(LINK_PAUSE_MS);
  }
  communicator.close();
  throw new Error(`rank ${rank} did not link to rank ${peer}`);
}

/** The other process, and this one's rank. */
export class ExpertSide {
  private constructor(
    readonly communicator: NativeCommunicator,
    readonly placement: ExpertPlacement,
    private readonly child: ChildProcess,
    private readonly runDir: string,
  ) {}

  static async start(
    options: RankShape & { modelPath: string; cacheDir: string; spec: ModelSpec },
  ): Promise<ExpertSide> {
    const { modelPath, cacheDir, spec, ...shape } = options;
    const runDir = mkdtempSync(join(tmpdir(), 'switchyard-bench-split-'));
    const start: ExpertStart = { modelPath, cacheDir, kernelClass: shape.kernelClass, runDir };
    // Both processes read it; each thread of a side then shares its core with one of the other side.
    process.env[PIN] ??= allowedCores().join();
    const child = fork(EXPERT_PROCESS, [JSON.stringify(start)]);
    const ready = new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve());
      child.once('exit', (code) => reject(new Error(`the expert process ended with ${code}`)));
    });
    try {
      const [communicator] = await Promise.all([linkRank(ATTENTION_RANK, runDir, shape), ready]);
      return new ExpertSide(communicator, placementOf(spec), child, runDir);
    } catch (error) {
      child.kill('SIGKILL');
      rmSync(runDir, { recursive: true, force: true });
      throw error;
    }
  }

  async close(): Promise<void> {
    const exit = once(this.child, 'exit');
    this.child.disconnect(); // ends it
    await exit;
    this.communicator.close();
    rmSync(this.runDir, { recursive: true, force: true });
  }
}
