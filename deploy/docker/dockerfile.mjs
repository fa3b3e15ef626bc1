// Reads the Dockerfile beside it: the instructions that it uses and no others, so that a new one is noticed. Pure.

const KNOWN = new Set(['FROM', 'ARG', 'ENV', 'WORKDIR', 'COPY', 'RUN', 'USER', 'ENTRYPOINT']);

/**
 * @typedef {{ name: string, rest: string }} Instruction
 * @typedef {{ image: string, alias: string | undefined, instructions: Instruction[] }} Stage
 */

/** Stages in order; global ARGs before the first FROM are left out. @returns {Stage[]} */
export function parseDockerfile(text) {
  const stages = [];
  for (const { name, rest } of instructionsOf(text)) {
    if (!KNOWN.has(name)) throw new Error(`Dockerfile: ${name} is not understood here`);
    if (name === 'FROM') {
      const [image, , alias] = rest.split(/\s+/);
      stages.push({ image, alias, instructions: [] });
    } else if (stages.length > 0) stages.at(-1).instructions.push({ name, rest });
  }
  return stages;
}

/** Replaces $NAME by its value; an unknown name is left to the shell. */
export function expand(text, variables) {
  return text.replace(/\$(\w+)/g, (whole, name) => variables[name] ?? whole);
}

function instructionsOf(text) {
  const withoutComments = text.replace(/^\s*#.*\n/gm, '');
  return withoutComments
    .replace(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, name, rest] = /^(\w+)\s+(.*)$/.exec(line) ?? [];
      if (name === undefined) throw new Error(`Dockerfile: cannot read ${JSON.stringify(line)}`);
      return { name, rest };
    });
}
