// Reads /metrics, a Prometheus text page (version 0.0.4), of the router or of any service with --metrics-listen.

export interface Series {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** All series of the page at `baseUrl`, in their order. */
export async function readMetrics(baseUrl: string): Promise<Series[]> {
  const page = await (await fetch(`${baseUrl}/metrics`)).text();
  return page.split('\n').flatMap((line) => {
    const [, name, labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (name === undefined || line.startsWith('#')) return [];
    const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key = '', text = '']) => [key, text]);
    return [{ name, labels: Object.fromEntries(pairs), value: toNumber(value) }];
  });
}

/** Sum of all series of a metric; 0 when the page has none. */
export async function metricSum(baseUrl: string, name: string): Promise<number> {
  const series = (await readMetrics(baseUrl)).filter((each) => each.name === name);
  return series.reduce((sum, { value }) => sum + value, 0);
}

/** As Prometheus writes numbers: `+Inf` is one. */
export function toNumber(text: string | undefined): number {
  return text === '+Inf' ? Number.POSITIVE_INFINITY : Number(text);
}
