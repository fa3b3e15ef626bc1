/** All metrics of this process in Prometheus text format. */
export declare function renderMetrics(): Promise<string>;
