// The expert side of the split case: `node expert-process.js START`, forked by split.ts; ends when its parent disconnects or dies.
import { exchangeShape } from '@switchyard/flowserve';
import { loadNative } from '@switchyard/native';
import { prepareModel } from './ours.js';
import { EXPERT_RANK, type ExpertStart, linkRank, placementOf, SPLIT_THREADS } from './split.js';

const { modelPath, cacheDir, kernelClass, runDir }: ExpertStart = JSON.parse(process.argv[2] ?? '');
const { opened, arena } = await prepareModel(modelPath, cacheDir, kernelClass);
const { spec, executorSpec: model, weights, policy } = opened;
const shape = { policy, kernelClass, exchange: exchangeShape(opened, 1), appBytes: 0 };
const communicator = await linkRank(EXPERT_RANK, runDir, shape);
const source = { model, weights, arena, policy, kernelClass };
const server = loadNative().createExpertServer({
  ...source,
  threads: SPLIT_THREADS,
  communicator,
  placement: placementOf(spec),
  onSpans: () => {},
});
process.on('disconnect', () => {
  server.close();
  communicator.close();
});
process.send?.('ready');
