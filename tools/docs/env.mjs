// Writes docs/env.md and libs/kit/src/config/known-variables.ts from the option tables of all built apps; with
// --check it writes nothing and fails when one of them is out of date. Run after a build: node tools/docs/env.mjs
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { envName, kebabCase, serviceOptions, valueText } from '@switchyard/kit';

/** @typedef {import('@switchyard/kit').OptionTable} OptionTable */
/** @typedef {{ app: string, options: OptionTable }} App */

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Variables that are no options: they are read by native code. */
const extraVariables = {
  SWITCHYARD_ISA:
    'Instruction set that native code uses (scalar, avx2, avxvnni, avx512, avx512vnni, avx512bf16); the best one by default',
  SWITCHYARD_XCCL_COPY: 'How XCCL copies large payloads (auto, cached, stream); auto by default',
  SWITCHYARD_XCCL_PIN:
    'Cores, such as 0,2-3, that attention and expert ranks compute on, one a thread, or one for two: an attention and an expert rank of one thread each, or the threads of the only two ranks; a thread leaves a core that other processes hold for another one of the list; anywhere by default',
  SWITCHYARD_XCCL_PULL:
    "Whether XCCL reads large messages out of their sender's memory instead of a ring (auto, always, off); auto by default",
  SWITCHYARD_XCCL_WAIT: 'How XCCL waits (auto, spin, yield, futex); auto by default',
};

/** @param {any} value */
function isTable(value) {
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).every((option) => option?.schema && option?.help);
}

/**
 * Every exported option table of a module, merged.
 * @param {Record<string, unknown>} module
 * @returns {OptionTable}
 */
function tablesOf(module) {
  return Object.assign({}, ...Object.values(module).filter(isTable));
}

/** @returns {Promise<App[]>} */
async function readApps() {
  const apps = [];
  for (const app of readdirSync(`${root}apps`).sort()) {
    const path = `${root}apps/${app}/dist/config.js`;
    if (existsSync(path)) apps.push({ app, options: tablesOf(await import(path)) });
  }
  return apps;
}

/** @param {[string, OptionTable[string]]} entry */
function row([name, option]) {
  const text = valueText(option.default).replace(root, '');
  const fallback = text === '' ? '' : `\`${text}\``;
  return `| \`--${kebabCase(name)}\` | \`${envName(name)}\` | ${fallback} | ${option.unit ?? ''} | ${option.help} |`;
}

/**
 * @param {string} title
 * @param {OptionTable} options
 */
function section(title, options) {
  const head = '| flag | variable | default | unit | meaning |\n| --- | --- | --- | --- | --- |';
  return `## ${title}\n\n${head}\n${Object.entries(options).map(row).join('\n')}\n`;
}

/** @param {App[]} apps */
function renderDocs(apps) {
  const extra = Object.entries(extraVariables).map(([name, help]) => `| \`${name}\` | ${help} |`);
  return [
    '# Options\n',
    '<!-- Written by tools/docs/env.mjs; do not edit. -->\n',
    'Every option is a flag and a variable; flags win. Unknown flags, unknown `SWITCHYARD_*` variables and bad values',
    'end a service at once, with the list of all that is wrong. `--print-config` shows values and their origin.\n',
    section('All services', serviceOptions),
    ...apps.map(({ app, options }) => section(app, options)),
    `## Native code\n\n| variable | meaning |\n| --- | --- |\n${extra.join('\n')}\n`,
  ].join('\n');
}

/** @param {App[]} apps */
function renderKnownVariables(apps) {
  const names = [serviceOptions, ...apps.map(({ options }) => options)].flatMap((options) => Object.keys(options));
  const variables = [...new Set([...names.map(envName), ...Object.keys(extraVariables)])].sort();
  return [
    '// Every SWITCHYARD_* variable of every option table, so that one environment can configure all services: a variable',
    '// of another service is no mistake, a misspelt one is. Written by tools/docs/env.mjs; do not edit.',
    'export const knownVariables: ReadonlySet<string> = new Set([',
    ...variables.map((variable) => `  '${variable}',`),
    ']);\n',
  ].join('\n');
}

const apps = await readApps();
const outputs = {
  'docs/env.md': renderDocs(apps),
  'libs/kit/src/config/known-variables.ts': renderKnownVariables(apps),
};
for (const [path, text] of Object.entries(outputs)) {
  const isCurrent = existsSync(`${root}${path}`) && readFileSync(`${root}${path}`, 'utf8') === text;
  if (isCurrent) continue;
  if (!process.argv.includes('--check')) writeFileSync(`${root}${path}`, text);
  else {
    console.error(`${path} is out of date: build, then run node tools/docs/env.mjs`);
    process.exitCode = 1;
  }
}
