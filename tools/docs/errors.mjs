// Writes docs/errors.md from the error table of libs/kit. Run after a build: node tools/docs/errors.mjs
import { writeFileSync } from 'node:fs';
import { renderErrorTable } from '@switchyard/kit';

writeFileSync(new URL('../../docs/errors.md', import.meta.url), renderErrorTable());
