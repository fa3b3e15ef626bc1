import { describe, expect, it } from 'vitest';
import { type ConfigSources, parseConfig } from '../src/config/parse.js';
import { renderConfig, renderHelp } from '../src/config/render.js';
import { byteCount, defineOptions, flag, hostPort, int, list, option } from '../src/index.js';

const options = defineOptions({
  queueDepth: option({ schema: int({ min: 1, max: 100 }), default: 16, unit: 'tasks', help: 'Tasks that may wait' }),
  kvBytes: option({ schema: byteCount({ min: 1024 }), default: 2 ** 20, unit: 'bytes', help: 'KV memory' }),
  model: option({ schema: hostPort, help: 'Required here' }),
  secret: option({ schema: int({ min: 0, max: 9 }).optional(), secret: true, help: 'Not shown' }),
  verbose: flag({ help: 'More words' }),
  eager: flag({ default: true, help: 'On by default' }),
  peer: list({ schema: hostPort, help: 'Peers' }),
  zone: list({ schema: hostPort, default: ['z:1', 'z:2'], help: 'Zones' }),
});

function parse(argv: string[], env: Record<string, string> = {}, knownVariables: string[] = []) {
  const sources: ConfigSources = { argv, env, knownVariables: new Set(knownVariables) };
  return parseConfig(options, sources);
}

describe('parseConfig', () => {
  it('takes defaults, variables and flags, flags winning', () => {
    const parsed = parse(['--queue-depth', '5', '--model=h:1'], {
      SWITCHYARD_QUEUE_DEPTH: '7',
      SWITCHYARD_KV_BYTES: '4KiB',
      PATH: '/bin',
    });
    expect(parsed.problems).toEqual([]);
    expect(parsed.values).toMatchObject({ queueDepth: 5, kvBytes: 4096, model: 'h:1', verbose: false, eager: true });
    expect(parsed.values.secret).toBeUndefined();
    expect(parsed.origins).toMatchObject({ queueDepth: 'flag', kvBytes: 'environment', eager: 'default' });
  });

  it('reads switches and lists in all their forms', () => {
    const argv = ['--verbose', '--no-eager', '--peer', 'a:1', '--peer=b:2', '--model', 'h:1'];
    expect(parse(argv).values).toMatchObject({ verbose: true, eager: false, peer: ['a:1', 'b:2'] });
    const env = {
      SWITCHYARD_VERBOSE: 'on',
      SWITCHYARD_EAGER: '0',
      SWITCHYARD_PEER: 'c:3,d:4',
      SWITCHYARD_MODEL: 'h:1',
    };
    expect(parse([], env).values).toMatchObject({ verbose: true, eager: false, peer: ['c:3', 'd:4'] });
    expect(parse(['--peer', 'a:1', '--model=h:1'], env).values).toMatchObject({ peer: ['a:1'] });
  });

  it('refuses an empty entry of a list, which would shift those after it', () => {
    const { problems } = parse(['--model=h:1'], { SWITCHYARD_PEER: 'c:3,,d:4' });
    expect(problems).toEqual([expect.stringMatching(/^SWITCHYARD_PEER: '' is wrong/)]);
    expect(parse(['--model=h:1'], { SWITCHYARD_PEER: '' }).values).toMatchObject({ peer: [] });
  });

  it('asks whether values go together when each is right', () => {
    const check = ({ queueDepth }: { queueDepth: number }) => (queueDepth > 8 ? ['too deep for one peer'] : []);
    const sources = (argv: string[]) => ({ argv, env: {}, knownVariables: new Set<string>() });
    expect(parseConfig(options, sources(['--model=h:1']), check).problems).toEqual(['too deep for one peer']);
    expect(parseConfig(options, sources(['--model=h:1', '--queue-depth=8']), check).problems).toEqual([]);
    expect(parseConfig(options, sources([]), check).problems).toEqual(['--model is required: Required here']);
  });

  it('lists everything that is wrong at once', () => {
    const argv = [
      '--queue-depht',
      '--queue-depth',
      '0',
      'stray',
      '--verbose=maybe',
      '--verbose',
      '--peer',
      'x',
      '--kv-bytes',
    ];
    const { problems } = parse(argv, { SWITCHYARD_QUEUE_DEPHT: '1', SWITCHYARD_OTHER: '1' });
    expect(problems).toHaveLength(9);
    expect(problems[0]).toBe('unknown option --queue-depht, did you mean queue-depth?');
    expect(problems.join('\n')).toMatch(/unexpected argument 'stray'/);
    expect(problems.join('\n')).toMatch(/--verbose is given twice/);
    expect(problems.join('\n')).toMatch(/--kv-bytes needs a value \(bytes\)/);
    expect(problems.join('\n')).toMatch(/--queue-depth: '0' is wrong: .*\(tasks\)/);
    expect(problems.join('\n')).toMatch(
      /unknown variable SWITCHYARD_QUEUE_DEPHT, did you mean SWITCHYARD_QUEUE_DEPTH\?/,
    );
    expect(problems.join('\n')).toMatch(/unknown variable SWITCHYARD_OTHER/);
    expect(problems.join('\n')).toMatch(/--model is required: Required here/);
  });

  it('lets variables of other services pass', () => {
    expect(parse(['--model=h:1'], { SWITCHYARD_OTHER: '1' }, ['SWITCHYARD_OTHER']).problems).toEqual([]);
  });

  it.each([
    ['268435456', 268_435_456],
    ['256MiB', 268_435_456],
    ['256m', 268_435_456],
    ['0.5GiB', 536_870_912],
  ])('reads %s as a number of bytes', (text, numBytes) => {
    expect(byteCount().parse(text)).toBe(numBytes);
  });

  it.each(['', '-1', '1.5', '1XB', '12 apples', '99999999T'])('refuses %j as a number of bytes', (text) => {
    expect(byteCount().safeParse(text).success).toBe(false);
  });

  it.each(['localhost', ':80', 'host:0', 'host:65536', 'a b:1', 'http://a:1'])('refuses %j as HOST:PORT', (text) => {
    expect(hostPort.safeParse(text).success).toBe(false);
  });
});

describe('texts', () => {
  it('shows every option with unit and default in the help', () => {
    const help = renderHelp('tiny', 'does little', options);
    expect(help).toMatch(/^tiny: does little\n/);
    expect(help).toMatch(/--queue-depth tasks +Tasks that may wait \[16\]\n/);
    expect(help).toMatch(/--peer VALUE +Peers; may be repeated\n/);
    expect(help).toMatch(/--zone VALUE +Zones; may be repeated \[z:1,z:2\]\n/);
    expect(help).toMatch(/--verbose +More words\n/);
  });

  it('shows value and origin, but no secrets', () => {
    const text = renderConfig(options, parse(['--secret', '7', '--model', 'h:1'], { SWITCHYARD_KV_BYTES: '1MiB' }));
    expect(text).toMatch(/^SWITCHYARD_KV_BYTES +1048576 +environment$/m);
    expect(text).toMatch(/^SWITCHYARD_SECRET +\(hidden\) +flag$/m);
    expect(text).toMatch(/^SWITCHYARD_QUEUE_DEPTH +16 +default$/m);
  });
});
