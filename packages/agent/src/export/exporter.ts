import { createServer } from 'node:http';
import { basename } from 'node:path';
import { ownServer } from '../hooks/http.ts';
import type { Observer } from '../observer.ts';
import type { StandingPolicies } from '../policies/standing.ts';
import type { ExportSettings } from './export-settings.ts';
import { otlpJson } from './otlp.ts';
import { prometheusContentType, prometheusText } from './prometheus.ts';
import { Totals } from './totals.ts';

const longestMs = 5_000;

/**
 * Observes without Anneal and gives the figures to whoever asks. Nothing of it keeps the process alive, and a receiver that
 * is not there or slow costs nothing but its figures.
 */
export function startExport(observer: Observer, settings: ExportSettings, standing: StandingPolicies | null): void {
  const totals = new Totals();
  const startedMs = Date.now();
  observer.switch(true);
  // Its counters are counts, not estimates.
  observer.openEvery();
  const read = () => {
    totals.add({ ...observer.take(null), policies: standing?.take() ?? [] });
    return totals.metrics();
  };
  if (settings.prometheusPort !== null) servePrometheus(settings.prometheusPort, read, observer);
  if (settings.otlpEndpoint !== null) {
    const url = `${settings.otlpEndpoint}/v1/metrics`;
    const resource = { 'service.name': process.env['OTEL_SERVICE_NAME'] ?? basename(process.cwd()), 'process.pid': process.pid };
    const send = () => {
      const body = JSON.stringify(otlpJson(read(), resource, startedMs, Date.now()));
      fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body, signal: AbortSignal.timeout(longestMs) })
        .then((answer) => answer.body?.cancel())
        .catch((error: unknown) => observer.problems.note(`the figures did not reach ${url}: ${String(error)}`));
    };
    setInterval(send, settings.otlpEveryMs).unref();
  }
}

function servePrometheus(port: number, read: () => Parameters<typeof prometheusText>[0], observer: Observer): void {
  const server = createServer((request, response) => {
    if (request.url !== '/metrics') response.writeHead(404).end();
    else response.writeHead(200, { 'content-type': prometheusContentType }).end(prometheusText(read()));
  });
  Reflect.set(server, ownServer, true);
  server.on('error', (error) => observer.problems.note(`/metrics is not served: ${error.message}`));
  server.listen(port, '127.0.0.1');
  server.unref();
}
