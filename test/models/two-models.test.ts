// Two models in one system: each answers as it does when it is served alone, whatever the other one does or suffers. In colocated
// they are the shipped model and one of another family; in full two trainings of one shape, which the router, since it
// reads no weights, tells apart by their names alone: a prefill, a link or a plan that went astray would show in the bits of an answer.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { ServiceError } from '@grpc/grpc-js';
import type { inference } from '@switchyard/proto';
import {
  type GenerateInput,
  inferenceClient,
  type System,
  startSystem,
  userMessageOf,
  visibleText,
  within,
} from '@switchyard/testkit';
import OpenAI, { NotFoundError } from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fixtureModel, NUM_TOKENIZER_IDS, retrainedFixtureModel } from '../framework/fixture-models.js';
import { readMetrics } from '../framework/metrics.js';
import { testSeed } from '../framework/prng.js';
import { call, detailOf, errorCodeOf } from '../framework/rpc.js';
import { GOLDEN, MODEL, REPO_ROOT, useSystem } from '../framework/use-system.js';
import { type AnswerRecord, mixedRequests, recordOf } from '../parity/requests.js';

const SEED = testSeed(20_260_315);
const NUM_REQUESTS = 8;
const AGAIN_MS = 30_000;
const ALONE_MS = 60_000;
const dir = mkdtempSync(join(tmpdir(), 'switchyard-models-'));
const mixtral = fixtureModel(dir, 'mixtral');
const retrained = retrainedFixtureModel(dir, 'mixtral', 'retrained');
const prompts = GOLDEN.map(({ ids }) => ({ ids: ids.map((id) => id % NUM_TOKENIZER_IDS) }));
/** Right answers to requestsOf(name), from a system that serves nothing else. */
const alone = new Map<string, AnswerRecord[]>();
console.info(`two models: TEST_SEED=${SEED}`);

beforeAll(async () => {
  await Promise.all([mixtral, retrained].map(serveAlone));
}, ALONE_MS);

afterAll(() => rmSync(dir, { recursive: true }));

async function serveAlone(model: string): Promise<void> {
  const name = basename(model);
  const system = await startSystem(REPO_ROOT, { topology: 'colocated', flags: { model } });
  alone.set(name, await withClient(system, (client) => answersOf(client, name)));
  await system.stop();
}

/** What the models are asked; all at once by answersOf. */
function requestsOf(name: string): GenerateInput[] {
  return mixedRequests(SEED, prompts, name).slice(0, NUM_REQUESTS);
}

function answersOf(client: inference.InferenceServiceClient, name: string): Promise<AnswerRecord[]> {
  return Promise.all(requestsOf(name).map((request) => recordOf(client, request)));
}

async function withClient<T>(
  system: System,
  body: (client: inference.InferenceServiceClient) => Promise<T>,
): Promise<T> {
  const client = inferenceClient(system.grpc);
  try {
    return await body(client);
  } finally {
    client.close();
  }
}

function openai(system: System): OpenAI {
  return new OpenAI({ baseURL: `${system.http}/v1`, apiKey: 'unused', maxRetries: 0, timeout: 30_000 });
}

/** The answer; undefined when the model is away, which is said with the code of a lost member. Other failures throw. */
async function answerIfThere(
  client: inference.InferenceServiceClient,
  request: GenerateInput,
): Promise<AnswerRecord | undefined> {
  try {
    return await recordOf(client, request);
  } catch (error) {
    expect(detailOf(error as ServiceError).code).toBe('MEMBER_UNAVAILABLE');
    return undefined;
  }
}

/** Kills a member of `ailing` while both models answer: all answers of `sound` are right, those of the other are right or fail clearly. */
async function killUnderLoad(system: System, victim: string, sound: string, ailing: string): Promise<void> {
  const processOf = (id: string) => system.members().get(id);
  const bystanders = [...system.members().keys()].filter((id) => id === 'router-0' || id === 'decode-0');
  const before = bystanders.map(processOf);
  await withClient(system, async (client) => {
    const soundAnswers = answersOf(client, sound);
    const ailingAnswers = Promise.all(requestsOf(ailing).map((request) => answerIfThere(client, request)));
    system.kill(victim);
    expect(await soundAnswers).toEqual(alone.get(sound));
    const answers = await ailingAnswers;
    answers.forEach((answer, idx) => {
      if (answer !== undefined) expect(answer).toEqual(alone.get(ailing)?.[idx]);
    });
    await within(`${ailing} to answer again`, AGAIN_MS, answersAgain(client, sound, ailing));
  });
  expect(bystanders.map(processOf)).toEqual(before);
}

/** Asks both in turn until the ailing one answers; the sound one must answer each time. */
async function answersAgain(client: inference.InferenceServiceClient, sound: string, ailing: string): Promise<void> {
  const [soundRequest, ailingRequest] = [requestsOf(sound)[0], requestsOf(ailing)[0]];
  if (soundRequest === undefined || ailingRequest === undefined) throw new Error('there are no requests');
  for (;;) {
    const again = await answerIfThere(client, ailingRequest);
    expect(await recordOf(client, soundRequest)).toEqual(alone.get(sound)?.[0]);
    if (again === undefined) continue;
    expect(again).toEqual(alone.get(ailing)?.[0]);
    return;
  }
}

describe('colocated: the shipped model and one of another family', () => {
  const at = useSystem({ topology: 'colocated', flags: { model: [join(REPO_ROOT, 'models', MODEL), mixtral] } });

  test('both are listed, and a third is refused with their names', async () => {
    const client = openai(at.system);
    const listed = [];
    for await (const { id } of client.models.list()) listed.push(id);
    expect(listed).toEqual([MODEL, 'mixtral']);
    const error = await client.completions.create({ model: 'gpt-9', prompt: 'a' }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(NotFoundError);
    expect(String(error)).toContain(`this service has '${MODEL}', 'mixtral'`);
    await withClient(at.system, async (grpc) => {
      expect(await errorCodeOf(recordOf(grpc, { ...(requestsOf('gpt-9')[0] as GenerateInput) }))).toBe(
        'MODEL_NOT_FOUND',
      );
    });
  });

  test('requests by HTTP and gRPC, all at once, get the answer of the model they name', async () => {
    const http = openai(at.system);
    const chats = GOLDEN.filter((row) => userMessageOf(row) !== undefined);
    const stories = chats.map((row) => {
      const messages = [{ role: 'user' as const, content: userMessageOf(row) ?? '' }];
      return http.chat.completions.create({ model: MODEL, temperature: 0, max_tokens: 64, messages });
    });
    const answers = withClient(at.system, (grpc) => answersOf(grpc, 'mixtral'));
    const texts = (await Promise.all(stories)).map(({ choices }) => choices[0]?.message.content);
    expect(texts).toEqual(chats.map(visibleText));
    expect(await answers).toEqual(alone.get('mixtral'));
    const byHttp = await http.completions.create({ model: 'mixtral', prompt: prompts[0]?.ids ?? [], temperature: 0 });
    expect(byHttp.model).toBe('mixtral');
  });

  test('metrics are told apart by model', async () => {
    const series = await readMetrics(at.system.http);
    const models = series.filter(({ name }) => name === 'switchyard_router_generated_tokens_total');
    expect(models.map(({ labels }) => labels.model).sort()).toEqual(['mixtral', MODEL]);
  });
});

describe('full: two trainings of one shape', () => {
  const flags = { model: [mixtral, retrained], 'attention-ranks': 2, 'expert-ranks': 1 };
  const at = useSystem({ topology: 'full', flags });

  test('what the router knows of them is equal but for the name, their answers are not', async () => {
    const { models } = await withClient(at.system, (client) => call(client.listModels.bind(client), {}));
    expect(models.map(({ name }) => name)).toEqual(['mixtral', 'retrained']);
    expect(models[0]?.digest).toBe(models[1]?.digest);
    expect(alone.get('mixtral')).not.toEqual(alone.get('retrained'));
  });

  test('each answers as alone, while the other does', async () => {
    await withClient(at.system, async (client) => {
      const names = ['mixtral', 'retrained'];
      const answers = names.map((name) => answersOf(client, name));
      expect(await Promise.all(answers)).toEqual(names.map((name) => alone.get(name)));
    });
  });

  test.each(['expert-1', 'decode-1'])('kill -9 %s: the other model serves on', async (victim) => {
    await killUnderLoad(at.system, victim, 'mixtral', 'retrained');
  });
});
