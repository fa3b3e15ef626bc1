// Reads the router's /metrics, a Prometheus text page (version 0.0.4).

/** Sum of all series of a metric; 0 when the page has none. */
export async function metricSum(baseUrl: string, name: string): Promise<number> {
  const page = await (await fetch(`${baseUrl}/metrics`)).text();
  let sum = 0;
  for (const line of page.split('\n')) {
    const match = /^(\w+)(?:\{.*\})? (\S+)$/.exec(line);
    if (match?.[1] === name) sum += Number(match[2]);
  }
  return sum;
}
