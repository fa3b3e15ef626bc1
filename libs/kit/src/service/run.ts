// The life of a service's process: configuration before any socket, logs, telemetry, the service itself, signals, and
// the exit code. What happens between start and stop is in running.ts.
import { join } from 'node:path';
import { setLogger } from '@grpc/grpc-js';
import { metrics, trace } from '@opentelemetry/api';
import type { OptionTable } from '../config/option.js';
import { readConfig } from '../config/read.js';
import { exitCodeFatal, FatalStartError } from '../errors/fatal.js';
import { toServiceError } from '../errors/service-error.js';
import { createLogger, type Logger } from '../logs/logger.js';
import { disconnect } from '../rpc/channel.js';
import { setSecurity } from '../rpc/security.js';
import { serveMetrics } from '../telemetry/metrics.js';
import { instrumentationName, startTelemetry } from '../telemetry/setup.js';
import { serviceOptions } from './options.js';
import { ensureRunDir, makePrivateRunDir, removeSockets, sharedRunDir } from './run-dir.js';
import { RunningService } from './running.js';
import { parentGone, watchStop } from './stop-signals.js';
import type { ServiceConfig, ServiceDefinition } from './types.js';

const telemetryFlushMs = 2000;

/**
 * Runs a service until it is told to stop, then ends the process: 0 after an orderly stop, 78 when configuration or
 * address are wrong (a restart would not help), 1 for everything else. main.ts is this call and nothing else.
 */
export async function runService<O extends OptionTable>(definition: ServiceDefinition<O>): Promise<void> {
  const config = configOf(definition);
  const log = createLogger({ member: config.id, level: config.logLevel, format: config.logFormat });
  const stop = watchStop(config.exitWithParent, () => process.exit(1));
  exitOnUncaught(log);
  quietenGrpc(log);
  const address = config.listen ?? `unix:${join(config.runDir, `${config.id}.sock`)}`;
  const telemetry = await startTelemetry({
    service: definition.name,
    member: config.id,
    metrics: definition.servesMetrics === true || config.metricsListen !== undefined,
  });
  const name = instrumentationName(definition.name);
  const own = { config, log, tracer: trace.getTracer(name), meter: metrics.getMeter(name), address };
  const service = new RunningService(definition, own);
  const sockets = [address];
  process.once('exit', () => removeSockets(sockets, config.runDir));
  let exitCode = 0;
  try {
    setSecurity(config);
    ensureRunDir(config.runDir);
    if (config.metricsListen) await serveMetrics(config.metricsListen);
    await Promise.race([service.start(), stop.reason, service.failed]);
    const reason = await Promise.race([stop.reason, service.failed]);
    log.info({ reason }, 'stopping');
    if (reason === parentGone) {
      process.stderr.write(`${config.id}: ${reason}, stopping\n`);
      // A parent that was killed could not remove its own.
      if (config.manager) sockets.push(config.manager);
    }
  } catch (error) {
    exitCode = reportFailure(log, config.id, error);
  }
  await service.stop();
  disconnect();
  await telemetry.close(telemetryFlushMs);
  process.exit(exitCode);
}

function configOf<O extends OptionTable>(definition: ServiceDefinition<O>): ServiceConfig<O> {
  const { name, summary, check } = definition;
  const values = readConfig({ name, summary, options: { ...definition.options, ...serviceOptions }, check });
  const runDir = values.runDir ?? (definition.privateRunDir ? makePrivateRunDir() : sharedRunDir());
  return { ...values, id: values.id ?? `${name}-0`, runDir } as ServiceConfig<O>;
}

/** One sentence for what the user can mend, the whole error for what he cannot. */
function reportFailure(log: Logger, id: string, error: unknown): number {
  const known = toServiceError(error);
  if (error instanceof FatalStartError || known.code === 'INVALID_ARGUMENT' || known.code === 'UNSUPPORTED') {
    process.stderr.write(`${id}: ${known.message}\n`);
    return error instanceof FatalStartError ? error.exitCode : exitCodeFatal;
  }
  log.fatal({ err: error }, known.message);
  return 1;
}

/** grpc-js prints to standard error what its callers are told anyway. */
function quietenGrpc(log: Logger): void {
  const show = (...words: unknown[]) => log.debug(words.map(String).join(' '));
  setLogger({ debug: show, info: show, error: show });
}

/** A programmer's error that nobody caught leaves no state to trust. */
function exitOnUncaught(log: Logger): void {
  const die = (what: string) => (error: unknown) => {
    log.fatal({ err: error }, what);
    process.exit(1);
  };
  process.on('uncaughtException', die('uncaught exception'));
  process.on('unhandledRejection', die('unhandled rejection'));
}
