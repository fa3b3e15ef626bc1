// Which requests are accepted and as what, and which are refused and by which name.
import { describe, expect, test } from 'vitest';
import { ApiError, parseChatRequest, parseCompletionRequest } from '../src/index.js';

const chatBody = { model: 'm', messages: [{ role: 'user', content: 'Hi' }] };
const textBody = { model: 'm', prompt: 'Once' };

/** The ApiError that the call throws. */
function refusal(parse: () => unknown): ApiError {
  try {
    parse();
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('a chat request', () => {
  test('needs a model and messages only', () => {
    expect(parseChatRequest(chatBody)).toEqual({
      model: 'm',
      inputs: [{ kind: 'chat', messages: [{ role: 'user', content: 'Hi' }] }],
      sampling: { temperature: null, topP: null, topK: null, minP: null, seed: null },
      maxTokens: null,
      stop: [],
      stream: false,
      includeUsage: false,
      logprobs: false,
      topLogprobs: 0,
    });
  });

  test('has all its options taken over', () => {
    const options = {
      temperature: 0,
      top_p: 0.5,
      top_k: 40,
      min_p: 0.1,
      seed: 7,
      stop: ['a', 'b'],
      max_completion_tokens: 9,
    };
    const output = { stream: true, stream_options: { include_usage: true }, logprobs: true, top_logprobs: 3 };
    expect(parseChatRequest({ ...chatBody, ...options, ...output })).toMatchObject({
      sampling: { temperature: 0, topP: 0.5, topK: 40, minP: 0.1, seed: 7n },
      maxTokens: 9,
      stop: ['a', 'b'],
      stream: true,
      includeUsage: true,
      logprobs: true,
      topLogprobs: 3,
    });
  });

  test.each([
    [-1, 2n ** 64n - 1n],
    [2 ** 53 - 1, 2n ** 53n - 1n],
    [0, 0n],
  ])('with seed %i is seeded with %i', (seed, expected) => {
    expect(parseChatRequest({ ...chatBody, seed }).sampling.seed).toBe(expected);
  });

  test('takes text parts, every role, and answers sent back as history', () => {
    const messages = [
      { role: 'developer', content: 'Be brief.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'He' },
          { type: 'text', text: 'llo' },
        ],
      },
      { role: 'assistant', content: 'Hi', refusal: null, annotations: [], tool_calls: [], audio: null },
      { role: 'tool', content: '7', tool_call_id: 'call_1' },
    ];
    const { inputs } = parseChatRequest({ ...chatBody, messages });
    expect(inputs).toEqual([
      {
        kind: 'chat',
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'Hello' },
          { role: 'assistant', content: 'Hi' },
          { role: 'tool', content: '7' },
        ],
      },
    ]);
  });

  test.each<[Record<string, unknown>]>([
    [
      {
        temperature: null,
        top_p: null,
        stop: null,
        max_tokens: null,
        stream: null,
        logprobs: null,
        seed: null,
        n: null,
      },
    ],
    [{ n: 1, best_of: 1, presence_penalty: 0, frequency_penalty: 0, repetition_penalty: 1, logit_bias: {} }],
    [{ user: 'u', metadata: { a: 'b' }, store: false, service_tier: 'auto', safety_identifier: 's' }],
    [{ tools: [], tool_choice: 'none', parallel_tool_calls: false, response_format: { type: 'text' } }],
    [{ modalities: ['text'], audio: null, prompt_cache_key: 'k' }],
    [{ top_k: -1 }],
    [{ max_tokens: 5, max_completion_tokens: 5 }],
    [{ stream: true, stream_options: { include_obfuscation: false } }],
  ])('accepts %o', (change) => {
    expect(() => parseChatRequest({ ...chatBody, ...change })).not.toThrow();
  });

  test.each<[string, unknown]>([
    ['n', 2],
    ['best_of', 2],
    ['presence_penalty', 0.1],
    ['frequency_penalty', -1],
    ['repetition_penalty', 1.1],
    ['logit_bias', { 50256: -100 }],
    ['tools', [{ type: 'function', function: { name: 'f' } }]],
    ['tool_choice', 'auto'],
    ['functions', [{ name: 'f' }]],
    ['function_call', 'auto'],
    ['response_format', { type: 'json_object' }],
    ['response_format', 7],
    ['modalities', ['text', 'audio']],
    ['audio', { voice: 'alloy' }],
    ['prediction', { type: 'content', content: '' }],
    ['reasoning_effort', 'low'],
    ['verbosity', 'low'],
    ['web_search_options', {}],
    ['store', true],
    ['service_tier', 'flex'],
  ])('with %s = %o is not supported yet', (field, value) => {
    const error = refusal(() => parseChatRequest({ ...chatBody, [field]: value }));
    expect(error).toMatchObject({
      status: 400,
      type: 'invalid_request_error',
      code: 'unsupported_parameter',
      param: field,
    });
    expect(error.message).toContain(`'${field}'`);
  });

  test.each<[string, unknown, string]>([
    ['model', 7, 'model'],
    ['model', '', 'model'],
    ['messages', 'Hi', 'messages'],
    ['messages', [], 'messages'],
    ['messages', [null], 'messages[0]'],
    ['messages', [{ role: 'wizard', content: 'Hi' }], 'messages[0].role'],
    ['messages', [{ role: 'user', content: 7 }], 'messages[0].content'],
    ['messages', [{ role: 'user', content: null }], 'messages[0].content'],
    ['messages', [{ role: 'user', content: [] }], 'messages[0].content'],
    ['messages', [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }], 'messages[0].content[0].type'],
    ['messages', [{ role: 'user', content: [{ type: 'text', text: 1 }] }], 'messages[0].content[0].text'],
    ['max_tokens', 0, 'max_tokens'],
    ['max_tokens', -1, 'max_tokens'],
    ['max_tokens', 1.5, 'max_tokens'],
    ['max_tokens', 1e300, 'max_tokens'],
    ['max_tokens', '5', 'max_tokens'],
    ['max_completion_tokens', 0, 'max_completion_tokens'],
    ['temperature', -0.1, 'temperature'],
    ['temperature', 2.1, 'temperature'],
    ['temperature', '1', 'temperature'],
    ['top_p', 0, 'top_p'],
    ['top_p', 1.1, 'top_p'],
    ['top_k', -2, 'top_k'],
    ['min_p', 2, 'min_p'],
    ['seed', 1.5, 'seed'],
    ['seed', 2 ** 60, 'seed'],
    ['stop', '', 'stop'],
    ['stop', ['a', 'b', 'c', 'd', 'e'], 'stop'],
    ['stop', ['a', ''], 'stop[1]'],
    ['stop', ['\ud83e'], 'stop[0]'],
    ['stop', 7, 'stop'],
    ['stream', 'yes', 'stream'],
    ['stream_options', { include_usage: true }, 'stream_options'],
    ['logprobs', 1, 'logprobs'],
    ['top_logprobs', 3, 'top_logprobs'],
    ['top_logprobs', 21, 'top_logprobs'],
  ])('with %s = %o is wrong', (field, value, param) => {
    const error = refusal(() => parseChatRequest({ ...chatBody, [field]: value }));
    expect(error).toMatchObject({ status: 400, type: 'invalid_request_error', param });
  });

  test('with a wrong type says which is right', () => {
    const error = refusal(() => parseChatRequest({ ...chatBody, temperature: 'hot' }));
    expect(error.toBody().error).toEqual({
      message: "Invalid value for 'temperature': expected number, received string.",
      type: 'invalid_request_error',
      param: 'temperature',
      code: 'invalid_type',
    });
  });

  test.each(['model', 'messages'])('without %s says so', (field) => {
    const error = refusal(() => parseChatRequest({ ...chatBody, [field]: undefined }));
    expect(error).toMatchObject({ code: 'missing_required_parameter', param: field });
  });

  test('with unknown fields names them', () => {
    const top = refusal(() => parseChatRequest({ ...chatBody, temprature: 1 }));
    expect(top).toMatchObject({
      code: 'unknown_parameter',
      param: 'temprature',
      message: "Unknown parameter: 'temprature'.",
    });
    const messages = [{ role: 'user', content: 'Hi', colour: 'red' }];
    expect(refusal(() => parseChatRequest({ ...chatBody, messages })).param).toBe('messages[0].colour');
  });

  test('with two different limits is refused', () => {
    const parse = () => parseChatRequest({ ...chatBody, max_tokens: 5, max_completion_tokens: 6 });
    expect(refusal(parse).param).toBe('max_tokens');
  });

  test('with tool calls or names in messages is not supported yet', () => {
    const call = { role: 'assistant', content: '', tool_calls: [{ id: 'c', type: 'function' }] };
    expect(refusal(() => parseChatRequest({ ...chatBody, messages: [call] })).param).toBe('messages[0].tool_calls');
    const named = { role: 'user', content: 'Hi', name: 'Ann' };
    expect(refusal(() => parseChatRequest({ ...chatBody, messages: [named] })).param).toBe('messages[0].name');
  });

  test.each([null, undefined, [], 'text', 7])('that is %o is refused', (body) => {
    expect(refusal(() => parseChatRequest(body))).toMatchObject({ status: 400, code: 'invalid_type' });
  });

  test('cannot reach prototypes', () => {
    const body = JSON.parse('{"model":"m","messages":[{"role":"user","content":"Hi"}],"__proto__":{"n":2}}');
    expect(refusal(() => parseChatRequest(body)).param).toBe('__proto__');
  });
});

describe('a completion request', () => {
  test('generates 16 tokens unless it says otherwise', () => {
    expect(parseCompletionRequest(textBody)).toMatchObject({ maxTokens: 16, logprobs: false, topLogprobs: 0 });
    expect(parseCompletionRequest({ ...textBody, max_tokens: 400 }).maxTokens).toBe(400);
  });

  test.each<[unknown, unknown[]]>([
    ['Once', [{ kind: 'text', text: 'Once' }]],
    [
      ['Once', 'Twice'],
      [
        { kind: 'text', text: 'Once' },
        { kind: 'text', text: 'Twice' },
      ],
    ],
    [[1, 2], [{ kind: 'tokens', tokenIds: [1, 2] }]],
    [
      [[1, 2], [3]],
      [
        { kind: 'tokens', tokenIds: [1, 2] },
        { kind: 'tokens', tokenIds: [3] },
      ],
    ],
  ])('has the prompts %o', (prompt, inputs) => {
    expect(parseCompletionRequest({ ...textBody, prompt }).inputs).toEqual(inputs);
  });

  test.each<[unknown, string]>([
    [undefined, 'prompt'],
    [null, 'prompt'],
    ['', 'prompt'],
    [[], 'prompt'],
    [{}, 'prompt'],
    [['a', ''], 'prompt[1]'],
    [['a', 7], 'prompt[1]'],
    [[[1], []], 'prompt[1]'],
    [[1, 'a'], 'prompt[1]'],
    [[1, -1], 'prompt[1]'],
    [[1, 0.5], 'prompt[1]'],
    [[[1], [2 ** 31]], 'prompt[1][0]'],
    [new Array(129).fill('a'), 'prompt'],
  ])('with the prompt %o is wrong', (prompt, param) => {
    expect(refusal(() => parseCompletionRequest({ ...textBody, prompt }))).toMatchObject({ status: 400, param });
  });

  test.each([
    [0, { logprobs: true, topLogprobs: 0 }],
    [5, { logprobs: true, topLogprobs: 5 }],
    [null, { logprobs: false, topLogprobs: 0 }],
  ])('with logprobs %o asks for them', (logprobs, expected) => {
    expect(parseCompletionRequest({ ...textBody, logprobs })).toMatchObject(expected);
  });

  test.each<[string, unknown, string]>([
    ['echo', true, 'unsupported_parameter'],
    ['suffix', 'end', 'unsupported_parameter'],
    ['best_of', 2, 'unsupported_parameter'],
    ['logprobs', true, 'invalid_type'],
    ['logprobs', 21, 'invalid_value'],
    ['max_tokens', 0, 'invalid_value'],
    ['max_completion_tokens', 5, 'unknown_parameter'],
    ['messages', [], 'unknown_parameter'],
  ])('with %s = %o is refused', (field, value, code) => {
    const error = refusal(() => parseCompletionRequest({ ...textBody, [field]: value }));
    expect(error).toMatchObject({ status: 400, param: field, code });
  });

  test('takes neutral values of what is not there yet', () => {
    expect(() =>
      parseCompletionRequest({ ...textBody, echo: false, suffix: null, best_of: 1, user: 'u' }),
    ).not.toThrow();
  });
});
