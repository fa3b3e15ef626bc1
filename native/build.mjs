// Builds the native part with the machine's C++ compiler alone: no node-gyp, no CMake, no downloaded headers.
// Called by `npm run build -w native` (nx target build). Output: build/<variant>/{switchyard.node,native_tests}.
// Usage: node build.mjs [--variant release|asan|tsan] [--tests-only] [--bench] [--layers base,xccl]
//
// A file's role and flags follow from its name: *_avx2.cc and *_avx512.cc get that instruction set (and nothing else does),
// *_test.cc goes into native_tests, *_bench.cc into native_bench (only with --bench), addon/*.cc into switchyard.node,
// everything else into all of them. --layers leaves out the other layers, and with them the addon: quicker while working on one.
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
  return {
    variant,
    bench: argv.includes('--bench'),
    layers: chosenLayers(argv),
    testsOnly: variant !== 'release' || argv.includes('--tests-only') || argv.includes('--layers'),
  };
}

function chosenLayers(argv) {
  const at = argv.indexOf('--layers');
  if (at < 0) return layers;
  const chosen = (argv[at + 1] ?? '').split(',');
  const unknown = chosen.filter((layer) => !layers.includes(layer));
  if (unknown.length > 0) throw new Error(`unknown layers '${unknown}'; known: ${layers.join(', ')}`);
  return [...chosen, 'test'];
}

function findCompiler() {
  const candidates = process.env.CXX ? [process.env.CXX] : ['g++', 'clang++', 'c++'];
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
    const args = [...compileArgs(source, options), '-MMD', '-MF', `${object}.d`, '-c', source, '-o', object];
    return { source, object, args, hash: hashOf(compiler, args) };
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

async function main() {
  const options = parseArgs(process.argv.slice(2));
  const compiler = findCompiler();
  const buildDir = join(root, 'build', options.variant);
  mkdirSync(join(buildDir, 'obj'), { recursive: true });
  const inLayer = (layer) => (source) => relative(root, source).startsWith(`${layer}/`);
  const isBench = (source) => source.endsWith('_bench.cc');
  const isTest = (source) => source.endsWith('_test.cc') || inLayer('test')(source);
  const sources = listSources(options)
    .filter((source) => !(options.testsOnly && inLayer('addon')(source)))
    .filter((source) => options.bench || !isBench(source));
  const { jobs, numCompiled } = await compileAll(compiler, sources, buildDir, options);
  const objectsOf = (keep) => jobs.filter((job) => keep(job.source)).map((job) => job.object);
  const variantFlags = variants[options.variant];
  await link(
    compiler,
    join(buildDir, 'native_tests'),
    objectsOf((s) => !inLayer('addon')(s) && !isBench(s)),
    variantFlags,
  );
  if (options.bench) {
    await link(
      compiler,
      join(buildDir, 'native_bench'),
      objectsOf((s) => !inLayer('addon')(s) && !isTest(s)),
      variantFlags,
    );
  }
  if (!options.testsOnly) {
    await link(
      compiler,
      join(buildDir, 'switchyard.node'),
      objectsOf((s) => !isTest(s) && !isBench(s)),
      ['-shared', '-Wl,-z,relro,-z,now', ...variantFlags],
    );
  }
  console.log(`native ${options.variant}: ${numCompiled} of ${jobs.length} files compiled with ${compiler}`);
}

main().catch((error) => {
  console.error(String(error.message ?? error));
  process.exit(1);
});
