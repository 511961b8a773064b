import { createServer } from 'node:http';
import { basename } from 'node:path';
import { ownServers } from '../hooks/http.ts';
import type { Observer } from '../observer.ts';
import { tellingOperator, type Tell } from '../operator.ts';
import type { PolicySummary } from '../protocol.ts';
import type { ExportSettings } from './export-settings.ts';
import { otlpJson } from './otlp.ts';
import { prometheusContentType, prometheusText } from './prometheus.ts';
import { Totals } from './totals.ts';

const longestMs = 5_000;

/**
 * Observes without Anneal and gives the figures to whoever asks. Nothing of it keeps the process alive, and a receiver that
 * is not there or slow costs nothing but its figures.
 */
export function startExport(observer: Observer, settings: ExportSettings, policies: () => readonly PolicySummary[]): void {
  const tell = tellingOperator();
  for (const problem of settings.problems) tell(problem);
  if (settings.prometheusPort === null && settings.otlpEndpoint === null) return;
  const totals = new Totals();
  const startedMs = Date.now();
  observer.switch(true);
  // Its counters are counts, not estimates.
  observer.openEvery();
  const read = () => {
    totals.add({ ...observer.take(null), policies: policies() });
    return totals.metrics();
  };
  if (settings.prometheusPort !== null) servePrometheus(settings.prometheusPort, read, tell);
  if (settings.otlpEndpoint !== null) {
    const url = `${settings.otlpEndpoint}/v1/metrics`;
    const resource = { 'service.name': process.env['OTEL_SERVICE_NAME'] ?? basename(process.cwd()), 'process.pid': process.pid };
    const send = async () => {
      const body = JSON.stringify(otlpJson(read(), resource, startedMs, Date.now()));
      const signal = AbortSignal.timeout(longestMs);
      const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body, signal });
      await answer.body?.cancel();
      if (!answer.ok) throw new Error(`it answered with ${answer.status}`);
    };
    const sendOrTell = () => void send().catch((error: unknown) => tell(`figures did not reach ${url}: ${reasonOf(error)}`));
    setInterval(sendOrTell, settings.otlpEveryMs).unref();
  }
}

function servePrometheus(port: number, read: () => Parameters<typeof prometheusText>[0], tell: Tell): void {
  const server = createServer((request, response) => {
    if (request.url !== '/metrics') response.writeHead(404).end();
    else response.writeHead(200, { 'content-type': prometheusContentType }).end(prometheusText(read()));
  });
  ownServers.add(server);
  server.on('error', (error) => tell(`/metrics is not served: ${error.message}`));
  // Workers of a cluster would share the port, and every reading would be another worker's.
  server.listen({ port, host: '127.0.0.1', exclusive: true });
  server.unref();
}

/** `fetch` says only that it failed; what failed is the cause. */
function reasonOf(error: unknown): string {
  const { cause } = error instanceof Error ? error : {};
  return cause instanceof Error ? cause.message : error instanceof Error ? error.message : String(error);
}
