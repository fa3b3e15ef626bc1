// Builds the native part with the machine's C++ compiler alone: no node-gyp, no CMake, no downloaded headers.
// Called by `npm run build -w native` (nx target build). Output: build/<variant>/{switchyard.node,native_tests}.
// Usage: node build.mjs [--variant release|asan|tsan] [--tests-only]
//
// A file's role and flags follow from its name: *_avx2.cc and *_avx512.cc get that instruction set (and nothing else does),
// *_test.cc goes into native_tests, addon/*.cc into switchyard.node, everything else into both.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const layers = ['base', 'kernels', 'xccl', 'executor', 'addon', 'test'];

const variants = {
  release: ['-O3'],
  asan: ['-O1', '-g1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer'],
  tsan: ['-O1', '-g1', '-fsanitize=thread', '-fno-omit-frame-pointer'],
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

const isaFlags = [
  [/_avx2\.cc$/, ['-mavx2', '-mfma', '-mf16c']],
  [
    /_avx512\.cc$/,
    ['-mavx512f', '-mavx512bw', '-mavx512vl', '-mavx512dq', '-mfma', '-Wno-uninitialized', '-Wno-maybe-uninitialized'],
  ],
];

function parseArgs(argv) {
  const at = argv.indexOf('--variant');
  const variant = at < 0 ? 'release' : argv[at + 1];
  if (!(variant in variants))
    throw new Error(`unknown variant '${variant}'; known: ${Object.keys(variants).join(', ')}`);
  return { variant, testsOnly: variant !== 'release' || argv.includes('--tests-only') };
}

function findCompiler() {
  const candidates = process.env.CXX ? [process.env.CXX] : ['g++', 'clang++', 'c++'];
  const dirs = (process.env.PATH ?? '').split(':');
  const found = candidates.find((c) => (c.includes('/') ? existsSync(c) : dirs.some((d) => existsSync(join(d, c)))));
  if (!found)
    throw new Error(`no C++ compiler found (tried ${candidates.join(', ')}); install g++ or clang, or set CXX`);
  return found;
}

function listSources() {
  return layers
    .map((layer) => join(root, layer))
    .filter(existsSync)
    .flatMap((dir) => readdirSync(dir, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name.endsWith('.cc'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

function compileArgs(source, options) {
  const isAddon = relative(root, source).startsWith('addon/');
  const includes = isAddon
    ? [dirname(require.resolve('node-addon-api/napi.h')), require('node-api-headers').include_dir].flatMap((d) => [
        '-isystem',
        d,
      ])
    : [];
  const isa = isaFlags.filter(([pattern]) => pattern.test(source)).flatMap(([, flags]) => flags);
  return [...common, ...variants[options.variant], ...(isAddon ? ['-fexceptions'] : []), ...isa, ...includes];
}

/** True when the object is older than its source, any header its depfile names, or the command that made it. */
function isStale(object, commandHash) {
  if (!existsSync(object) || !existsSync(`${object}.cmd`) || readFileSync(`${object}.cmd`, 'utf8') !== commandHash)
    return true;
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
    const args = [...compileArgs(source, options), '-MMD', '-MF', `${object}.d`, '-c', source, '-o', object];
    const hash = createHash('sha256')
      .update([compiler, ...args].join('\0'))
      .digest('hex');
    return { source, object, args, hash };
  });
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

async function link(compiler, output, objects, flags, numCompiled) {
  const newest = Math.max(...objects.map((object) => statSync(object).mtimeMs));
  if (numCompiled === 0 && existsSync(output) && statSync(output).mtimeMs >= newest) return;
  await run(compiler, [...flags, '-pthread', ...objects, '-o', `${output}.tmp`]);
  renameSync(`${output}.tmp`, output);
}

async function main() {
  const options = parseArgs(process.argv.slice(2));
  const compiler = findCompiler();
  const buildDir = join(root, 'build', options.variant);
  mkdirSync(join(buildDir, 'obj'), { recursive: true });
  const inLayer = (layer) => (source) => relative(root, source).startsWith(`${layer}/`);
  const isTest = (source) => source.endsWith('_test.cc') || inLayer('test')(source);
  const sources = listSources().filter((source) => !(options.testsOnly && inLayer('addon')(source)));
  const { jobs, numCompiled } = await compileAll(compiler, sources, buildDir, options);
  const objectsOf = (keep) => jobs.filter((job) => keep(job.source)).map((job) => job.object);
  const variantFlags = variants[options.variant];
  await link(
    compiler,
    join(buildDir, 'native_tests'),
    objectsOf((s) => !inLayer('addon')(s)),
    variantFlags,
    numCompiled,
  );
  if (!options.testsOnly) {
    await link(
      compiler,
      join(buildDir, 'switchyard.node'),
      objectsOf((s) => !isTest(s)),
      ['-shared', '-Wl,-z,relro,-z,now', ...variantFlags],
      numCompiled,
    );
  }
  console.log(`native ${options.variant}: ${numCompiled} of ${jobs.length} files compiled with ${compiler}`);
}

main().catch((error) => {
  console.error(String(error.message ?? error));
  process.exit(1);
});
