// Makes dist/bundle.js of an app beside its dist/main.js: the same program in one file, because loading some 600 small
// modules costs each process 300 ms of processor time, and `npm start` starts eight. The build script of every app calls
// it in the app's folder. What is loaded rarely or brings files of its own stays outside.
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

/** Loaded on demand (telemetry SDK, reflection), or with files beside them that they find by their own path. */
const external = [
  /^@opentelemetry\/(sdk|exporter|resources|otlp)/,
  /^@grpc\/(reflection|proto-loader)/,
  '@switchyard/native',
];

const appDir = process.cwd();
const bundle = await rolldown({
  input: `${appDir}/dist/main.js`,
  external,
  platform: 'node',
  logLevel: 'warn',
  // A warning is a module that would behave differently in the bundle; none is acceptable.
  onLog(level, log) {
    if (level === 'warn') throw new Error(`${fileURLToPath(import.meta.url)}: ${log.message}`);
  },
});
// The chunks of dynamic imports lie beside the bundle, so that import.meta.url has the depth of dist/main.js everywhere.
await bundle.write({
  dir: `${appDir}/dist`,
  format: 'esm',
  entryFileNames: 'bundle.js',
  chunkFileNames: 'bundle-[name].js',
});
await bundle.close();
