import { gzip } from 'node:zlib';
import type { Answer } from './answer.ts';
import type { AnswerSummary } from '../protocol.ts';

/** What a server may send before it has heard from the client again: ten segments of 1,460 bytes (RFC 6928). */
const firstFlightBytes = 14_600;

/** As many answers of a route as are compressed to see what it would bring; in libuv's threads, where nobody waits for it. */
const mostCompressed = 3;

/** Of one route in one window; later ones are not known to be repeats. */
const mostAsked = 256;

const compressibleType =
  /^text\/|[/+](?:json|xml)$|^application\/(?:javascript|ecmascript|graphql|ld\+json|x-ndjson|wasm)$|^image\/(?:svg\+xml|bmp)$/;

/** What the examined answers of one route were like in one window. */
export class RouteAnswers {
  #examined = 0;
  #bodyBytes = 0;
  #large = 0;
  #uncompressed = 0;
  #uncompressedBytes = 0;
  #compressed = 0;
  #sampledBytes = 0;
  #sampledCompressedBytes = 0;
  #reads = 0;
  #identifiedReads = 0;
  #withValidator = 0;
  #withCacheControl = 0;
  #repeats = 0;
  #equalRepeats = 0;
  #equalRepeatBytes = 0;
  /** Hash of what was answered last, by the hash of who asked for what. */
  readonly #asked = new Map<string, string>();

  /** The body is let go. */
  add(method: string, answer: Answer): void {
    this.#examined += 1;
    this.#bodyBytes += answer.bodyBytes;
    this.#addSize(answer);
    if (method === 'GET' && answer.status === 200 && answer.bodyHash !== '') this.#addRead(answer);
    answer.body = null;
  }

  toSummary(): AnswerSummary {
    return {
      examined: this.#examined,
      bodyBytes: this.#bodyBytes,
      large: this.#large,
      uncompressed: this.#uncompressed,
      uncompressedBytes: this.#uncompressedBytes,
      sampledBytes: this.#sampledBytes,
      sampledCompressedBytes: this.#sampledCompressedBytes,
      reads: this.#reads,
      identifiedReads: this.#identifiedReads,
      withValidator: this.#withValidator,
      withCacheControl: this.#withCacheControl,
      repeats: this.#repeats,
      equalRepeats: this.#equalRepeats,
      equalRepeatBytes: this.#equalRepeatBytes,
    };
  }

  #addSize(answer: Answer): void {
    if (answer.encoded || answer.bodyBytes <= firstFlightBytes || !compressibleType.test(answer.contentType)) return;
    this.#large += 1;
    if (!answer.acceptsCompression) return;
    this.#uncompressed += 1;
    this.#uncompressedBytes += answer.bodyBytes;
    const { body } = answer;
    if (body === null || this.#compressed >= mostCompressed) return;
    this.#compressed += 1;
    gzip(body, (error, compressed) => {
      if (error !== null) return;
      this.#sampledBytes += body.length;
      this.#sampledCompressedBytes += compressed.length;
    });
  }

  #addRead({ askedHash, identified, bodyHash, bodyBytes, hasValidator, hasCacheControl }: Answer): void {
    this.#reads += 1;
    if (identified) this.#identifiedReads += 1;
    if (hasValidator) this.#withValidator += 1;
    if (hasCacheControl) this.#withCacheControl += 1;
    const before = this.#asked.get(askedHash);
    if (before === undefined && this.#asked.size >= mostAsked) return;
    this.#asked.set(askedHash, bodyHash);
    if (before === undefined) return;
    this.#repeats += 1;
    if (before !== bodyHash) return;
    this.#equalRepeats += 1;
    this.#equalRepeatBytes += bodyBytes;
  }
}
