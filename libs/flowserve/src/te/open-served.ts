// Opens the model that a service runs and says what others must know of it. Called first by every app's wiring.
import { FatalStartError, type Logger } from '@switchyard/kit';
import { ModelError, type NumericPolicy } from '@switchyard/model';
import { type OpenedModel, openModel } from '@switchyard/model-files';
import type { NativeModule } from '@switchyard/native';
import type { cluster } from '@switchyard/proto';
import type { ServedModel } from '../tasks/validate.js';

/** The one policy of this version (docs/numerics.md). */
export const numericPolicy: NumericPolicy = 'fp32';

export interface OpenServed {
  opened: OpenedModel;
  numericClass: string;
  /** For the membership. */
  registration: cluster.ServedModel;
}

/** @throws FatalStartError for a directory that cannot be opened: it will not be better after a restart. */
export async function openServed(
  config: { model: string; modelName: string | undefined },
  native: Pick<NativeModule, 'numericClass'>,
  log: Logger,
): Promise<OpenServed> {
  const opened = await openDirectory(config);
  for (const warning of opened.warnings) log.warn({ model: opened.name }, warning);
  const numericClass = native.numericClass(numericPolicy);
  const { name, contextTokens, weights } = opened;
  return { opened, numericClass, registration: { name, digest: weights.digest, numericClass, contextTokens } };
}

async function openDirectory({
  model,
  modelName,
}: {
  model: string;
  modelName: string | undefined;
}): Promise<OpenedModel> {
  try {
    return await openModel(model, modelName === undefined ? {} : { name: modelName });
  } catch (cause) {
    if (cause instanceof ModelError) throw new FatalStartError(`cannot open ${model}: ${cause.message}`);
    throw cause;
  }
}

/** What the task services need; builds the tokenizer. */
export function servedModel({ opened, registration }: OpenServed): ServedModel {
  return { ...registration, vocabSize: opened.spec.vocabSize, tokenizer: opened.tokenizer };
}
