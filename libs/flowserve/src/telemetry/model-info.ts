// Which model a process runs, as a metric that is always 1: dashboards join its labels to whatever else the process counts.
// Wired by every app that has a model of its own.
import type { Meter } from '@opentelemetry/api';
import type { cluster } from '@switchyard/proto';

export function registerModelInfo(meter: Meter, model: cluster.ServedModel): void {
  const labels = { model: model.name, digest: model.digest, numeric_class: model.numericClass };
  const gauge = meter.createObservableGauge('switchyard_model_info', {
    description: 'The model that this process runs',
  });
  gauge.addCallback((result) => result.observe(1, labels));
}
