// The golden story through real processes, by HTTP and by gRPC, in each topology: the words of an independent PyTorch model.
import { generate, inferenceClient, TOPOLOGIES, userMessageOf, userTurn, visibleText } from '@switchyard/testkit';
import { describe, expect, test } from 'vitest';
import { greedyChat, streamChat } from '../framework/http-api.js';
import { GOLDEN, MODEL, useSystem } from '../framework/use-system.js';

const MAX_TOKENS = 64; // what the golden continuations were cut at
const END_OF_TURN = 2;
const [STORY] = GOLDEN;
if (STORY === undefined) throw new Error('the golden file is empty');
const PROMPT = userMessageOf(STORY) ?? '';
/** The cluster-manager comes on top. */
const MEMBERS: Record<(typeof TOPOLOGIES)[number], string[]> = {
  colocated: ['decode-0', 'router-0'],
  pd: ['decode-0', 'prefill-0', 'router-0'],
  full: ['attention-0', 'attention-1', 'decode-0', 'expert-0', 'expert-1', 'prefill-0', 'router-0'],
};

describe.each(TOPOLOGIES)('%s', (topology) => {
  const at = useSystem({ topology });

  test('streams the story over HTTP, token by token', async () => {
    const outcome = await streamChat(at.system.http, greedyChat(PROMPT, MAX_TOKENS));
    expect(outcome).toMatchObject({
      status: 200,
      broken: undefined,
      error: undefined,
      done: true,
      finishReason: 'length',
    });
    expect(outcome.text).toBe(visibleText(STORY));
    expect(outcome.numChunks).toBeGreaterThan(MAX_TOKENS / 2);
  });

  test('streams the story over gRPC, token by token', async () => {
    const client = inferenceClient(at.system.grpc);
    const answer = await generate(client, {
      model: MODEL,
      input: userTurn(PROMPT),
      sampling: { temperature: 0 },
      maxTokens: MAX_TOKENS,
    });
    client.close();
    expect(answer.text).toBe(visibleText(STORY));
    expect(answer.tokenIds).toEqual(STORY.greedy_ids);
    expect(answer.started).toMatchObject({ model: MODEL, role: 'assistant' });
    expect(answer.usage).toMatchObject({ promptTokens: STORY.ids.length, completionTokens: MAX_TOKENS });
    expect(answer.numDeltas).toBeGreaterThan(MAX_TOKENS / 2);
  });

  test('gives every golden continuation, all asked for at once', async () => {
    const client = inferenceClient(at.system.grpc);
    const answers = await Promise.all(
      GOLDEN.map((row) =>
        generate(client, {
          model: MODEL,
          input: { $case: 'tokens', value: { tokenIds: row.ids } },
          sampling: { temperature: 0 },
          maxTokens: MAX_TOKENS,
        }),
      ),
    );
    client.close();
    for (const [idx, row] of GOLDEN.entries()) {
      expect(withoutEnd(answers[idx]?.tokenIds ?? []), row.text).toEqual(withoutEnd(row.greedy_ids));
      expect(answers[idx]?.text, row.text).toBe(visibleText(row));
    }
  });

  test('runs each member as a process of its own', () => {
    const members = at.system.members();
    expect([...members.keys()].sort()).toEqual(MEMBERS[topology]);
    expect(new Set([at.system.managerPid, ...members.values()]).size).toBe(MEMBERS[topology].length + 1);
  });
});

/** The end-of-turn token may or may not be reported among an answer's ids; its text never is. */
function withoutEnd(ids: readonly number[]): number[] {
  return ids.at(-1) === END_OF_TURN ? ids.slice(0, -1) : [...ids];
}
