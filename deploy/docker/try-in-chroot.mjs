// Runs the Dockerfile's steps where no container engine runs: each stage in a fresh Debian made by debootstrap, the way a
// builder would. As root, on Debian, with debootstrap installed:
//   node deploy/docker/try-in-chroot.mjs APP
// What stands for the base image node:20-bookworm-slim is Debian bookworm plus this machine's own node and npm. Ends with the
// built service's --help, and removes all that it made. Must not be used to ship anything.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expand, parseDockerfile } from './dockerfile.mjs';

const REPO_ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SUITE = 'bookworm';
const MIRROR = process.env.DEBIAN_MIRROR ?? 'http://deb.debian.org/debian';
/** What an engine gives a container, or the base image holds: names, certificates, package managers' settings. */
const FROM_HOST = [
  '/etc/resolv.conf',
  '/etc/hosts',
  '/etc/ssl/certs/ca-certificates.crt',
  '/usr/etc/npmrc',
  '/root/.npmrc',
];

function main([app]) {
  if (app === undefined || !existsSync(join(REPO_ROOT, 'apps', app)))
    throw new Error('usage: try-in-chroot.mjs APP (a folder of apps/)');
  if (process.getuid() !== 0) throw new Error('chroot needs root');
  const work = mkdtempSync('/var/tmp/switchyard-image-');
  try {
    const base = makeBase(work);
    const roots = new Map();
    const stages = parseDockerfile(readFileSync(join(REPO_ROOT, 'deploy/docker/Dockerfile'), 'utf8'));
    let last;
    for (const [idx, stage] of stages.entries()) {
      checkNode(stage.image);
      last = new StageRun(join(work, `stage-${idx}`), base, { APP: app }, roots);
      last.run(stage);
      roots.set(stage.alias, last.root);
    }
    last.execute(last.entrypoint, ['--help']);
    console.log(`ok: the image of ${app} builds and starts`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Debian, node and npm, with a user "node" as the official image has it. */
function makeBase(work) {
  const base = join(work, 'base');
  step(`debootstrap ${SUITE}`);
  const packages = '--include=ca-certificates,libstdc++6,libatomic1';
  execFileSync('debootstrap', ['--variant=minbase', packages, SUITE, base, MIRROR], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  for (const path of FROM_HOST) if (existsSync(path)) copyIn(base, path, path);
  copyIn(base, process.execPath, '/usr/local/bin/node');
  copyIn(base, npmFolder(), '/usr/local/lib/node_modules/npm');
  const links =
    'ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx';
  execFileSync('chroot', [base, '/bin/sh', '-c', `${links} && useradd --create-home --uid 1000 node`]);
  return base;
}

function npmFolder() {
  const npm = execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim();
  return dirname(dirname(realpathSync(npm)));
}

function copyIn(root, from, to) {
  mkdirSync(dirname(join(root, to)), { recursive: true });
  cpSync(from, join(root, to), { recursive: true, dereference: true });
}

function checkNode(image) {
  const [, major] = /^node:(\d+)-/.exec(image) ?? [];
  const own = process.versions.node.split('.')[0];
  if (major !== own) throw new Error(`the Dockerfile starts from ${image}, and this is Node ${own}`);
}

/** One stage: a root folder and the settings that its instructions have made so far. */
class StageRun {
  constructor(root, base, buildArgs, roots) {
    this.root = root;
    this.buildArgs = buildArgs;
    this.roots = roots;
    this.variables = {};
    this.workdir = '/';
    this.user = 'root';
    this.entrypoint = [];
    execFileSync('cp', ['-a', '--reflink=auto', base, root]);
  }

  run(stage) {
    for (const { name, rest } of stage.instructions) {
      step(`${stage.alias ?? 'final'}: ${name} ${rest.slice(0, 100)}`);
      this[name](rest);
    }
  }

  ARG(name) {
    this.variables[name] = this.buildArgs[name];
  }

  ENV(assignment) {
    const [, name, value] = /^(\w+)=(.*)$/.exec(assignment);
    this.variables[name] = expand(value, this.variables);
  }

  WORKDIR(path) {
    this.workdir = path;
    mkdirSync(join(this.root, path), { recursive: true });
  }

  USER(name) {
    this.user = name;
  }

  ENTRYPOINT(json) {
    this.entrypoint = JSON.parse(json);
  }

  COPY(rest) {
    const [, stage, from, to] = /^(?:--from=(\w+) )?(\S+) (\S+)$/.exec(expand(rest, this.variables));
    const target = join(this.root, resolve(this.workdir, to));
    mkdirSync(dirname(target), { recursive: true });
    if (stage === undefined) copyWorkingTree(target);
    else execFileSync('cp', ['-a', join(this.roots.get(stage), from), target]);
  }

  RUN(command) {
    this.execute(['/bin/sh', '-c', command], []);
  }

  /** In mounts of its own, which end with it. */
  execute(command, args) {
    const inside = 'mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && shift && exec "$@"';
    const enter = [
      'chroot',
      `--userspec=${this.user}`,
      this.root,
      '/bin/sh',
      '-c',
      'cd "$1" && shift && exec "$@"',
      'sh',
      this.workdir,
    ];
    const argv = ['--mount', 'sh', '-c', inside, 'sh', this.root, ...enter, ...command, ...args];
    const home = this.user === 'root' ? '/root' : `/home/${this.user}`;
    const env = {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: home,
      ...certificates(),
      ...this.variables,
    };
    const { status } = spawnSync('unshare', argv, { env, stdio: ['ignore', 'inherit', 'inherit'] });
    if (status !== 0) throw new Error(`ended with ${status}: ${[...command, ...args].join(' ')}`);
  }
}

/** Settings of this machine that name its certificates: they were copied into the root. */
function certificates() {
  const names = Object.keys(process.env).filter((name) => /CA_CERTS|CA_BUNDLE|SSL_CERT/.test(name));
  return Object.fromEntries(names.map((name) => [name, process.env[name]]));
}

/** What an engine would send it as build context: the tree without what .dockerignore, like .gitignore, leaves out. */
function copyWorkingTree(target) {
  mkdirSync(target, { recursive: true });
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: REPO_ROOT,
  });
  const tar = execFileSync('tar', ['--null', '--files-from=-', '-c'], {
    cwd: REPO_ROOT,
    input: files,
    maxBuffer: 2 ** 30,
  });
  execFileSync('tar', ['-x', '-C', target], { input: tar });
}

function step(line) {
  console.log(`---- ${line}`);
}

try {
  main(process.argv.slice(2));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
