// Builds the native part with the machine's C++ compiler alone: no node-gyp, no CMake, no downloaded headers.
// Called by `npm run build -w native` (nx target build). Output: build/<variant>/{switchyard.node,native_tests}.
// Usage: node build.mjs [--variant release|asan|tsan|fuzz] [--tests-only] [--bench] [--soak] [--layers base,xccl]
//
// A file's role and flags follow from its name: *_avx2.cc, *_avxvnni.cc, *_avx512.cc, *_avx512vnni.cc and *_avx512bf16.cc get that instruction set (and
// nothing else does), *_test.cc goes into native_tests, *_bench.cc (and *_bench_avx2.cc, ...) into native_bench (only with --bench),
// *_soak.cc into native_soak (only with --soak), addon/*.cc into switchyard.node, everything else into all of them. --layers takes some
// layers, or folders of them, and leaves out the others and the addon: quicker while working on one. --variant fuzz needs clang and makes
// one program of each fuzz_*.cc and nothing else.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const layers = ['base', 'kernels', 'xccl', 'executor', 'addon', 'test'];

// Warnings are the release build's: behind precompiled headers gcc also warns of its own library.
const sanitized = ['-O1', '-g1', '-w', '-fno-omit-frame-pointer'];

const variants = {
  release: ['-O3'],
  asan: [...sanitized, '-fsanitize=address,undefined', '-fno-sanitize-recover=all'],
  tsan: [...sanitized, '-fsanitize=thread'],
  fuzz: [...sanitized, '-fsanitize=fuzzer-no-link,address,undefined', '-fno-sanitize-recover=all'],
};

const common = [
  '-std=c++20',
  '-fPIC',
  '-fvisibility=hidden',
  '-pthread',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-ffp-contract=off',
  '-fno-math-errno',
  '-I',
  root,
  '-DNAPI_VERSION=9',
];

const avx512Flags = [
  ...['-mavx512f', '-mavx512bw', '-mavx512vl', '-mavx512dq', '-mfma'],
  // gcc warns of its own headers; clang does not know the last of these.
  ...['-Wno-unknown-warning-option', '-Wno-uninitialized', '-Wno-maybe-uninitialized'],
];

const avx2Flags = ['-mavx2', '-mfma', '-mf16c'];

const isaFlags = [
  [/_avx2\.cc$/, avx2Flags],
  [/_avxvnni\.cc$/, [...avx2Flags, '-mavxvnni']],
  [/_avx512\.cc$/, avx512Flags],
  [/_avx512vnni\.cc$/, [...avx512Flags, '-mavx512vnni']],
  [/_avx512bf16\.cc$/, [...avx512Flags, '-mavx512bf16']],
];

function parseArgs(argv) {
  const at = argv.indexOf('--variant');
  const variant = at < 0 ? 'release' : argv[at + 1];
  if (!(variant in variants))
    throw new Error(`unknown variant '${variant}'; known: ${Object.keys(variants).join(', ')}`);
  return { variant, roles: chosenRoles(argv, variant), layers: chosenLayers(argv) };
}

/** What is built: 'library' stands for the files that are in every output. */
function chosenRoles(argv, variant) {
  if (variant === 'fuzz') return ['library', 'fuzz'];
  const testsOnly = variant !== 'release' || argv.includes('--tests-only') || argv.includes('--layers');
  const optional = ['bench', 'soak'].filter((role) => argv.includes(`--${role}`));
  return ['library', 'test', ...(testsOnly ? [] : ['addon']), ...optional];
}

function roleOf(source) {
  const path = relative(root, source);
  if (path.startsWith('addon/')) return 'addon';
  if (path.startsWith('test/')) return 'test';
  if (/(^|\/)fuzz_\w+\.cc$/.test(path)) return 'fuzz';
  return path.match(/_(test|bench|soak)(_avx2|_avxvnni|_avx512|_avx512vnni|_avx512bf16)?\.cc$/)?.[1] ?? 'library';
}

function chosenLayers(argv) {
  const at = argv.indexOf('--layers');
  if (at < 0) return layers;
  const chosen = (argv[at + 1] ?? '').split(',');
  const unknown = chosen.filter((layer) => !layers.includes(layer.split('/')[0]));
  if (unknown.length > 0) throw new Error(`unknown layers '${unknown}'; known: ${layers.join(', ')}`);
  return [...chosen, 'test'];
}

function findCompiler(variant) {
  const usual = variant === 'fuzz' ? ['clang++'] : ['g++', 'clang++', 'c++'];
  const candidates = process.env.CXX && variant !== 'fuzz' ? [process.env.CXX] : usual;
  const dirs = (process.env.PATH ?? '').split(':');
  const found = candidates.find((c) => (c.includes('/') ? existsSync(c) : dirs.some((d) => existsSync(join(d, c)))));
  if (!found)
    throw new Error(`no C++ compiler found (tried ${candidates.join(', ')}); install g++ or clang, or set CXX`);
  return found;
}

function listSources(options) {
  return options.layers
    .map((layer) => join(root, layer))
    .filter(existsSync)
    .flatMap((dir) => readdirSync(dir, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name.endsWith('.cc'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .filter((source) => options.roles.includes(roleOf(source)))
    .sort();
}

/** Sources whose flags are those of the precompiled headers of their variant. */
const usesPrecompiled = (source, { variant }) =>
  variant !== 'release' && roleOf(source) !== 'addon' && !isaFlags.some(([pattern]) => pattern.test(source));

const precompiledPath = (buildDir) => join(buildDir, 'usual_headers.h');

/** Compiles the usual headers of a variant where that is stale. The name is without the ending, as -include takes it. */
async function precompile(compiler, buildDir, options) {
  const header = join(root, 'test', 'usual_headers.h');
  const object = `${precompiledPath(buildDir)}.gch`;
  const flags = [...common, ...variants[options.variant]];
  const args = [...flags, '-MMD', '-MF', `${object}.d`, '-x', 'c++-header', header, '-o', object];
  const hash = hashOf(compiler, args);
  if (!isStale(object, hash)) return;
  await run(compiler, args);
  writeFileSync(`${object}.cmd`, hash);
}

function compileArgs(source, buildDir, options) {
  const isAddon = roleOf(source) === 'addon';
  const includes = isAddon
    ? [dirname(require.resolve('node-addon-api/napi.h')), require('node-api-headers').include_dir].flatMap((d) => [
        '-isystem',
        d,
      ])
    : [];
  // An error that finds its environment on the way out has nobody to tell: it ends with it, and not the process.
  const ofAddon = isAddon ? ['-fexceptions', '-DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS'] : [];
  const isa = isaFlags.filter(([pattern]) => pattern.test(source)).flatMap(([, flags]) => flags);
  const usual = usesPrecompiled(source, options) ? ['-include', precompiledPath(buildDir)] : [];
  return [...common, ...variants[options.variant], ...ofAddon, ...isa, ...includes, ...usual];
}

const hashOf = (compiler, args) =>
  createHash('sha256')
    .update([compiler, ...args].join('\0'))
    .digest('hex');

const readIfThere = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : undefined);

/** True when the object is older than its source, any header its depfile names, or the command that made it. */
function isStale(object, commandHash) {
  if (!existsSync(object) || readIfThere(`${object}.cmd`) !== commandHash) return true;
  const builtMs = statSync(object).mtimeMs;
  const deps = readFileSync(`${object}.d`, 'utf8')
    .replace(/\\\n/g, ' ')
    .split(':')
    .slice(1)
    .join(':')
    .trim()
    .split(/\s+/);
  return deps.some((dep) => !existsSync(dep) || statSync(dep).mtimeMs > builtMs);
}

function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', reject);
    child.on('exit', (code, signal) =>
      code === 0 ? resolve() : reject(new Error(`${command} ended with ${signal ?? code}: ${args.join(' ')}`)),
    );
  });
}

async function compileAll(compiler, sources, buildDir, options) {
  const jobs = sources.map((source) => {
    const object = join(buildDir, 'obj', `${relative(root, source).replaceAll('/', '__')}.o`);
    const args = [...compileArgs(source, buildDir, options), '-MMD', '-MF', `${object}.d`, '-c', source, '-o', object];
    return { source, object, args, hash: hashOf(compiler, args) };
  });
  if (sources.some((source) => usesPrecompiled(source, options))) await precompile(compiler, buildDir, options);
  const stale = jobs.filter((job) => isStale(job.object, job.hash));
  const queue = [...stale];
  const worker = async () => {
    for (let job = queue.shift(); job; job = queue.shift()) {
      await run(compiler, job.args);
      writeFileSync(`${job.object}.cmd`, job.hash);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  writeFileSync(
    join(buildDir, 'compile_commands.json'),
    JSON.stringify(
      jobs.map((job) => ({ directory: root, file: job.source, arguments: [compiler, ...job.args] })),
      null,
      1,
    ),
  );
  return { jobs, numCompiled: stale.length };
}

async function link(compiler, output, objects, flags) {
  const args = [...flags, '-pthread', ...objects];
  const hash = hashOf(compiler, args);
  const newest = Math.max(...objects.map((object) => statSync(object).mtimeMs));
  const isFresh = existsSync(output) && statSync(output).mtimeMs >= newest && readIfThere(`${output}.cmd`) === hash;
  if (isFresh) return;
  await run(compiler, [...args, '-o', `${output}.tmp`]);
  renameSync(`${output}.tmp`, output);
  writeFileSync(`${output}.cmd`, hash);
}

/** The outputs of the chosen roles: name, the objects' sources, extra flags. */
function listOutputs(options, sources) {
  const withRole = (role) => sources.filter((source) => ['library', role].includes(roleOf(source)));
  const fuzzers = sources.filter((source) => roleOf(source) === 'fuzz');
  const outputs = [
    { name: 'native_tests', role: 'test' },
    { name: 'native_bench', role: 'bench' },
    { name: 'native_soak', role: 'soak' },
    { name: 'switchyard.node', role: 'addon', flags: ['-shared', '-Wl,-z,relro,-z,now'] },
  ];
  return [
    ...outputs
      .filter(({ role }) => options.roles.includes(role))
      .map(({ name, role, flags = [] }) => ({ name, flags, sources: withRole(role) })),
    ...fuzzers.map((fuzzer) => ({
      name: basename(fuzzer, '.cc'),
      flags: ['-fsanitize=fuzzer'],
      sources: [...withRole('library'), fuzzer],
    })),
  ];
}

async function main() {
  const options = parseArgs(process.argv.slice(2));
  const compiler = findCompiler(options.variant);
  const buildDir = join(root, 'build', options.variant);
  mkdirSync(join(buildDir, 'obj'), { recursive: true });
  const sources = listSources(options);
  const { jobs, numCompiled } = await compileAll(compiler, sources, buildDir, options);
  for (const { name, flags, sources: parts } of listOutputs(options, sources)) {
    const objects = jobs.filter((job) => parts.includes(job.source)).map((job) => job.object);
    await link(compiler, join(buildDir, name), objects, [...flags, ...variants[options.variant]]);
  }
  console.log(`native ${options.variant}: ${numCompiled} of ${jobs.length} files compiled with ${compiler}`);
}

main().catch((error) => {
  console.error(String(error.message ?? error));
  process.exit(1);
});
