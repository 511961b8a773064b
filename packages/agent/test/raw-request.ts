import { once } from 'node:events';
import { Agent, request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';

export interface RawAnswer {
  readonly status: number;
  readonly statusMessage: string;
  readonly headers: IncomingHttpHeaders;
  /** As it came over the connection: nothing is decompressed. */
  readonly body: Buffer;
}

const agent = new Agent({ keepAlive: true });

export async function rawRequest(
  port: number,
  path: string,
  { method = 'GET', headers = {}, signal }: { method?: string; headers?: Readonly<Record<string, string>>; signal?: AbortSignal } = {},
): Promise<RawAnswer> {
  const outgoing = request({ host: '127.0.0.1', port, path, method, headers, agent, signal });
  outgoing.end();
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return {
    status: answer.statusCode ?? 0,
    statusMessage: answer.statusMessage ?? '',
    headers: answer.headers,
    body: Buffer.concat(chunks),
  };
}
