// Reads the configuration of this process from its arguments and environment. Answers --help and --print-config, and
// ends the process with the whole list when something is wrong: before any socket, file or log exists.
import { exitCodeFatal } from '../errors/fatal.js';
import { knownVariables } from './known-variables.js';
import type { ConfigOf, OptionTable } from './option.js';
import { type ConfigCheck, parseConfig } from './parse.js';
import { renderConfig, renderHelp } from './render.js';

export function readConfig<O extends OptionTable>(program: {
  name: string;
  summary: string;
  options: O;
  check?: ConfigCheck<O> | undefined;
}): ConfigOf<O> {
  const { name, summary, options, check } = program;
  const parsed = parseConfig(options, { argv: process.argv.slice(2), env: process.env, knownVariables }, check);
  if (parsed.help) {
    process.stdout.write(renderHelp(name, summary, options));
    process.exit(0);
  }
  if (parsed.problems.length > 0) {
    const list = parsed.problems.map((problem) => `  - ${problem}`).join('\n');
    process.stderr.write(`${name}: the configuration is wrong:\n${list}\nSee ${name} --help.\n`);
    process.exit(exitCodeFatal);
  }
  if (parsed.printConfig) {
    process.stdout.write(renderConfig(options, parsed));
    process.exit(0);
  }
  return parsed.values as ConfigOf<O>;
}
