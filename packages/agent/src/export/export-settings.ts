/** Where the figures go; both off by default. */
export interface ExportSettings {
  /** Serves `/metrics` on this port of this machine. */
  readonly prometheusPort: number | null;
  /** Origin of an OTLP/HTTP receiver; `/v1/metrics` is added. */
  readonly otlpEndpoint: string | null;
  readonly otlpEveryMs: number;
  /** What was asked for and cannot be meant, as sentences for the operator. */
  readonly problems: readonly string[];
}

export const exportVariables = { prometheusPort: 'ANNEAL_PROMETHEUS_PORT', otlpEndpoint: 'ANNEAL_OTLP_ENDPOINT' } as const;

/** Null when the environment asks for no export. */
export function exportSettings(env: NodeJS.ProcessEnv): ExportSettings | null {
  const { prometheusPort: portVariable, otlpEndpoint: endpointVariable } = exportVariables;
  const port = env[portVariable] ?? '';
  const endpoint = env[endpointVariable] ?? '';
  if (port === '' && endpoint === '') return null;
  const isPort = /^\d+$/.test(port) && Number(port) > 0 && Number(port) < 65_536;
  const isOrigin = /^https?:\/\//.test(endpoint) && URL.canParse(endpoint);
  // OpenTelemetry's own variable, and its default.
  const everyMs = Number(env['OTEL_METRIC_EXPORT_INTERVAL'] ?? '');
  return {
    prometheusPort: isPort ? Number(port) : null,
    otlpEndpoint: isOrigin ? endpoint.replace(/\/+$/, '') : null,
    otlpEveryMs: Number.isInteger(everyMs) && everyMs >= 100 ? everyMs : 60_000,
    problems: [
      ...(port === '' || isPort ? [] : [`${portVariable} is no port from 1 to 65535: /metrics is not served`]),
      ...(endpoint === '' || isOrigin
        ? []
        : [`${endpointVariable} is no address such as http://collector:4318: no figures are sent by OTLP`]),
    ],
  };
}
