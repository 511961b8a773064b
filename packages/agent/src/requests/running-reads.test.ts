import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { RunningReads } from './running-reads.ts';

/** What a request tells of itself, as far as it is read. */
function arrives(headers: readonly string[] = [], remoteAddress = '10.0.0.1'): IncomingMessage {
  const rawHeaders = ['Host', 'shop.example', ...headers];
  return { method: 'GET', httpVersion: '1.1', url: '/feed', rawHeaders, socket: { remoteAddress } } as unknown as IncomingMessage;
}

test('a read is identical to one that runs only if the same client asked for the same with the same identity', () => {
  const running = new RunningReads();
  const first = arrives(['Authorization', 'Bearer ada', 'X-Request-Id', '1']);
  expect(running.begin(first, '/feed')).toBe(false);
  expect(running.begin(arrives(['Authorization', 'Bearer bob']), '/feed')).toBe(false);
  expect(running.begin(arrives(['Authorization', 'Bearer ada'], '10.0.0.2'), '/feed')).toBe(false);
  expect(running.begin(arrives(['Authorization', 'Bearer ada']), '/posts')).toBe(false);
  expect(running.begin(arrives(['Authorization', 'Bearer ada', 'X-Request-Id', '2']), '/feed')).toBe(true);
});

test('what has ended runs no more, and what asks for something fresh is identical to nothing', () => {
  const running = new RunningReads();
  const [first, second] = [arrives(), arrives()];
  expect(running.begin(first, '/feed')).toBe(false);
  expect(running.begin(second, '/feed')).toBe(true);
  running.end(first, '/feed');
  expect(running.begin(arrives(['Cache-Control', 'no-cache']), '/feed')).toBe(false);
  expect(running.begin(first, '/feed')).toBe(true);
  running.end(second, '/feed');
  running.end(first, '/feed');
  expect(running.begin(arrives(), '/feed')).toBe(false);
});
