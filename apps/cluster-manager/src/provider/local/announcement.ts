// What the local provider tells the person in front of the terminal: where the system answers, or what is missing.
import { cluster } from '@switchyard/proto';
import type { Member } from '@switchyard/registry';
import type { ManagerConfig } from '../../config.js';
import type { ProcessSpec } from './topology.js';

/** Ids of the processes that do not serve yet. */
export function missingOf(specs: readonly ProcessSpec[], members: readonly Member[]): string[] {
  const serving = new Set(members.filter(({ state }) => state === cluster.MemberState.SERVING).map(({ id }) => id));
  return specs.map(({ id }) => id).filter((id) => !serving.has(id));
}

export function announcement(config: ManagerConfig, specs: readonly ProcessSpec[]): string {
  const base = `http://127.0.0.1:${config.httpPort}`;
  const model = specs.find((spec) => spec.model !== null)?.model;
  const messages = [{ role: 'user', content: 'Tell me a story about a brave fox.' }];
  return `
${whatServes(config, specs)}

  HTTP   ${base}  OpenAI API, /healthz, /metrics
  gRPC   127.0.0.1:${config.grpcPort}         switchyard.inference.v1.InferenceService, with reflection

Try it:

  curl -N ${base}/v1/chat/completions -H 'content-type: application/json' \\
    -d '${JSON.stringify({ model, stream: true, messages })}'

Ctrl-C stops everything.

`;
}

function whatServes({ topology }: ManagerConfig, specs: readonly ProcessSpec[]): string {
  const models = [...new Set(specs.flatMap(({ model }) => model ?? []))];
  if (models.length === 1) {
    return `Switchyard serves ${models[0]}, topology ${topology}: ${specs.map(({ id }) => id).join(', ')}.`;
  }
  const idsOf = (group: string | null) => specs.flatMap(({ id, model }) => (model === group ? id : [])).join(', ');
  const width = Math.max(...models.map((model) => model.length));
  const lines = models.map((model) => `  ${model.padEnd(width)}  ${idsOf(model)}`);
  return `Switchyard serves ${models.length} models, topology ${topology}, through ${idsOf(null)}:\n\n${lines.join('\n')}`;
}
