import { describe, expect, it } from 'vitest';
import { prettyLine } from '../src/index.js';

describe('prettyLine', () => {
  it('shows time, level, member, text, fields and the head of the trace id', () => {
    const time = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
    const trace = { trace_id: '0af7651916cd43dd8448eb211c80319c', span_id: 'b7ad6b7169203331' };
    const line = JSON.stringify({
      level: 40,
      time,
      member: 'decode-0',
      pid: 7,
      ...trace,
      numBlocks: 3,
      msg: 'starved',
    });
    expect(prettyLine(line, 'x', false)).toBe('03:04:05.678 WARN  decode-0 starved numBlocks=3 trace=0af76519');
  });

  it('shows the stack of an error below', () => {
    const line = JSON.stringify({
      level: 50,
      time: 0,
      msg: 'failed',
      err: { message: 'no', stack: 'Error: no\n    at f' },
    });
    expect(prettyLine(line, 'expert-1', false)).toBe('00:00:00.000 ERROR expert-1 failed\n  Error: no\n      at f');
  });

  it.each(['Segmentation fault', '{broken', ''])('passes %j on with its origin', (line) => {
    expect(prettyLine(line, 'expert-1', false)).toBe(`expert-1 ${line}`);
  });
});
