// Makes dist/bundle.js of an app beside its dist/main.js: the same program in one file, because loading some 600 small
// modules costs each process 300 ms of processor time, and `npm start` starts eight. The build script of every app calls
// it in the app's folder; `bundle.mjs ENTRY NAME` makes NAME beside another entry. What is loaded rarely or brings files of
// its own stays outside, and so does what the program does not use of libraries that do nothing by being loaded.
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

/** Loaded on demand (telemetry SDK, reflection), or with files beside them that they find by their own path. */
const external = [
  /^@opentelemetry\/(sdk|exporter|resources|otlp)/,
  /^@grpc\/(reflection|proto-loader)/,
  '@switchyard/native',
];

/** Ours say so in their package.json; generated code makes clients by a function that only makes them. */
const treeshake = {
  moduleSideEffects: [{ test: /@grpc\/grpc-js|@bufbuild\/protobuf/, sideEffects: false }],
  manualPureFunctions: ['makeGenericClientConstructor'],
};

const [entry = 'dist/main.js', entryFileNames = 'bundle.js'] = process.argv.slice(2);
const bundle = await rolldown({
  input: `${process.cwd()}/${entry}`,
  external,
  treeshake,
  platform: 'node',
  logLevel: 'warn',
  // A warning is a module that would behave differently in the bundle; none is acceptable.
  onLog(level, log) {
    if (level === 'warn') throw new Error(`${fileURLToPath(import.meta.url)}: ${log.message}`);
  },
});
// The chunks of dynamic imports lie beside the bundle, so that import.meta.url has the depth of the entry everywhere.
await bundle.write({
  dir: `${process.cwd()}/${dirname(entry)}`,
  format: 'esm',
  entryFileNames,
  chunkFileNames: 'bundle-[name].js',
});
await bundle.close();
