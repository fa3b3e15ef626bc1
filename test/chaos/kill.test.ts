// Kills each kind of process with -9 under load. Within two seconds every request has ended in the right answer or in a clear
// error, and the service answers again without anyone's help.
import {
  cpuTimeMs,
  generate,
  inferenceClient,
  type System,
  sleep,
  startSystem,
  userMessageOf,
  userTurn,
  waitFor,
  within,
} from '@switchyard/testkit';
import { beforeAll, describe, expect, test } from 'vitest';
import { greedyChat, streamChat } from '../framework/http-api.js';
import { GOLDEN, MODEL, printLog, REPO_ROOT, useSystem } from '../framework/use-system.js';
import { expectClearError, isAnswer, type Load, type LoadResult, startLoad } from './load.js';

const END_MS = 2_000;
const AGAIN_MS = 10_000;
const MAX_TOKENS = 64;
const NUM_STREAMS = 8;
const PROMPTS = GOLDEN.flatMap((row) => userMessageOf(row) ?? []);

/** The right answers, asked for one by one before anything is killed. */
async function rightAnswers(system: System): Promise<Map<string, string>> {
  const client = inferenceClient(system.grpc);
  const answers = new Map<string, string>();
  for (const prompt of PROMPTS) {
    const request = { model: MODEL, input: userTurn(prompt), sampling: { temperature: 0 }, maxTokens: MAX_TOKENS };
    answers.set(prompt, (await generate(client, request)).text);
  }
  client.close();
  return answers;
}

/** A load of which at least half streams already. */
async function loadInFlight(system: System): Promise<Load> {
  // The story is the longest answer: most streams tell it, so that a kill meets them in the middle.
  const prompts = Array.from(
    { length: NUM_STREAMS },
    (_, idx) => PROMPTS[idx % 4 === 3 ? idx % PROMPTS.length : 0] ?? '',
  );
  const load = startLoad(system, prompts, MAX_TOKENS);
  await waitFor('half of the load to stream', 10_000, () => load.numStreaming() >= NUM_STREAMS / 2 || undefined, 1);
  return load;
}

async function expectAnswersAgain(system: System, right: ReadonlyMap<string, string>): Promise<void> {
  const [prompt] = PROMPTS;
  await waitFor('the service to answer again', AGAIN_MS, async () => {
    const outcome = await streamChat(system.http, greedyChat(prompt ?? '', MAX_TOKENS), {
      signal: AbortSignal.timeout(5_000),
    });
    return outcome.done && outcome.text === right.get(prompt ?? '') ? true : undefined;
  });
}

describe('full', () => {
  const at = useSystem({ topology: 'full' });
  let right = new Map<string, string>();
  beforeAll(async () => {
    right = await rightAnswers(at.system);
  });

  test.each(['expert-1', 'attention-0', 'prefill-0', 'decode-0'])('kill -9 %s', async (victim) => {
    const load = await loadInFlight(at.system);
    const killed = at.system.kill(victim);
    const results = await within(`every request after the death of ${victim}`, END_MS, Promise.all(load.results));
    for (const result of results) if (!isAnswer(result, right)) expectClearError(result);
    await expectAnswersAgain(at.system, right);
    expect(at.system.members().get(victim)).not.toBe(killed);
  });

  test('kill -9 attention-0 and expert-0 together', async () => {
    const load = await loadInFlight(at.system);
    at.system.kill('attention-0');
    at.system.kill('expert-0');
    const results = await within('every request', END_MS, Promise.all(load.results));
    for (const result of results) if (!isAnswer(result, right)) expectClearError(result);
    await expectAnswersAgain(at.system, right);
  });

  test('kill -9 router-0: connections end, a new router serves', async () => {
    const load = await loadInFlight(at.system);
    at.system.kill('router-0');
    const results = await within('every request', END_MS, Promise.all(load.results));
    for (const result of results) if (!isAnswer(result, right)) expectEnded(result);
    await expectAnswersAgain(at.system, right);
    await expectIdle(at.system);
  });

  test('requests that are not in the way of a death keep their answers: kill -9 prefill-0 in mid-decode', async () => {
    const load = await loadInFlight(at.system);
    await sleep(100); // all are past prefill
    at.system.kill('prefill-0');
    const results = await within('every request', END_MS, Promise.all(load.results));
    expect(results.filter((result) => isAnswer(result, right))).not.toHaveLength(0);
    await expectAnswersAgain(at.system, right);
  });
});

test('kill -9 cluster-manager: all its children end by themselves and leave nothing', async () => {
  const system = await startSystem(REPO_ROOT, { topology: 'full' });
  try {
    const load = await loadInFlight(system);
    process.kill(system.managerPid, 'SIGKILL');
    await system.expectGone(AGAIN_MS);
    await within('every request', END_MS, Promise.all(load.results));
  } catch (error) {
    printLog('cluster-manager', system);
    throw error;
  } finally {
    system.destroy();
  }
});

/** A request whose router died: the connection broke, or never came to be. */
function expectEnded(result: LoadResult): void {
  if (result.over === 'http') expect(result.outcome.broken ?? result.outcome.error?.message).toMatch(/\w/);
  else expect(result.error?.code).toBeGreaterThan(0);
}

/** The orphans of a dead router are cancelled: soon no member computes any more. */
async function expectIdle(system: System): Promise<void> {
  const workers = [...system.members()].filter(([id]) => /^(attention|expert)-/.test(id)).map(([, pid]) => pid);
  const usedMs = () => workers.reduce((sum, pid) => sum + cpuTimeMs(pid), 0);
  await waitFor('attention and expert ranks to be idle', 5_000, async () => {
    const before = usedMs();
    await sleep(500);
    return usedMs() - before < 150 ? true : undefined;
  });
}
