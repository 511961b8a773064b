/** Where the figures go; both off by default. */
export interface ExportSettings {
  /** Serves `/metrics` on this port of this machine. */
  readonly prometheusPort: number | null;
  /** Origin of an OTLP/HTTP receiver; `/v1/metrics` is added. */
  readonly otlpEndpoint: string | null;
  readonly otlpEveryMs: number;
}

export const exportVariables = { prometheusPort: 'ANNEAL_PROMETHEUS_PORT', otlpEndpoint: 'ANNEAL_OTLP_ENDPOINT' } as const;

/** Null when the environment asks for no export. */
export function exportSettings(env: NodeJS.ProcessEnv): ExportSettings | null {
  const port = Number(env[exportVariables.prometheusPort] ?? '');
  const endpoint = env[exportVariables.otlpEndpoint] ?? '';
  // OpenTelemetry's own variable, and its default.
  const everyMs = Number(env['OTEL_METRIC_EXPORT_INTERVAL'] ?? '');
  const settings = {
    prometheusPort: Number.isInteger(port) && port > 0 && port < 65_536 ? port : null,
    otlpEveryMs: Number.isInteger(everyMs) && everyMs >= 100 ? everyMs : 60_000,
    otlpEndpoint: /^https?:\/\//.test(endpoint) ? endpoint.replace(/\/+$/, '') : null,
  };
  return settings.prometheusPort === null && settings.otlpEndpoint === null ? null : settings;
}
