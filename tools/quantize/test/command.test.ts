// The command as a person runs it: arguments, --help, and Ctrl-C.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { parseCommand } from '../src/options.js';
import { TINY, withFolder } from './models.js';

const PROGRAM = fileURLToPath(new URL('../dist/main.js', import.meta.url));

interface Ended {
  code: number | null;
  output: string;
}

async function run(
  args: string[],
  onOutput: (output: string, interrupt: () => void) => void = () => undefined,
): Promise<Ended> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let isInterrupted = false;
  // Once: a second signal may come when the process has nothing left to do and listens no more.
  const interrupt = () => {
    if (!isInterrupted) child.kill('SIGINT');
    isInterrupted = true;
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      onOutput(output, interrupt);
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output };
}

test('arguments: the directory first, then options by a table, all mistakes at once', () => {
  expect(parseCommand(['m', '--out', 'o', '--max-shard-bytes', '2GiB', '--no-measure'])).toMatchObject({
    help: false,
    dir: 'm',
    values: { out: 'o', method: 'rtn', maxShardBytes: 2 ** 31, measure: false, windowTokens: 512 },
  });
  expect(() => parseCommand(['--metod', 'rtn'])).toThrow(
    /^the directory of the model comes first\nunknown option --metod, did you mean method\?\n(.*\n)*--out is required/,
  );
  expect(parseCommand(['--help'])).toEqual({ help: true });
  expect(parseCommand([])).toEqual({ help: true });
});

test('--help names the methods; a mistake ends with code 1 and one message', async () => {
  const help = await run(['--help']);
  expect(help).toMatchObject({ code: 0 });
  expect(help.output).toContain('rtn (round to nearest)');
  const bad = await run(['/nowhere', '--out', '/nowhere/out']);
  expect(bad.code).toBe(1);
  expect(bad.output).toMatch(/^quantize: config\.json: is missing in \/nowhere\n$/);
});

test('Ctrl-C between two files ends with 130 and leaves nothing', async () => {
  await withFolder(async (folder) => {
    mkdirSync(join(folder, 'place'));
    const args = [TINY, '--out', join(folder, 'place/out'), '--max-shard-bytes', '64KiB'];
    const { code, output } = await run(args, (written, interrupt) => {
      if (written.includes('model-00001-of')) interrupt();
    });
    expect(output).toContain('quantize: interrupted, nothing half-written is left');
    expect(code).toBe(130);
    expect(readdirSync(join(folder, 'place'))).toEqual([]);
  });
});
