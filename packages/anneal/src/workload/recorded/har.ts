import { z } from 'zod';
import { asJson, noTraffic, type RecordedRequest, type TrafficFormat } from './traffic-format.ts';

const named = z.looseObject({ name: z.string() });

/** HTTP Archive 1.2: the parts that make requests. */
const archive = z.looseObject({
  log: z.looseObject({
    entries: z.array(
      z.looseObject({
        startedDateTime: z.string(),
        _fromCache: z.string().optional(),
        request: z.looseObject({
          method: z.string(),
          url: z.string(),
          headers: z.array(named).default([]),
          cookies: z.array(z.unknown()).default([]),
          postData: z.looseObject({ text: z.string().optional(), mimeType: z.string().default('') }).optional(),
        }),
        response: z.looseObject({ status: z.number() }).optional(),
      }),
    ),
  }),
});

export const har: TrafficFormat = {
  id: 'har',
  title: 'HTTP Archive, as browsers and proxies export it',
  recognises: (name, text) => name.toLowerCase().endsWith('.har') || /^\s*\{\s*"log"\s*:/.test(text),
  read(text) {
    const source = asJson(text);
    if (source === undefined) throw new Error('it is not the whole of a JSON document');
    const parsed = archive.safeParse(source);
    if (!parsed.success) throw new Error('it is not an HTTP Archive: `log.entries` with requests is missing');
    const entries = parsed.data.log.entries;
    const sent = entries.filter((entry) => entry._fromCache === undefined);
    const recorded = sent.flatMap(({ startedDateTime, request, response }): RecordedRequest[] => {
      const url = URL.parse(request.url);
      const atMs = Date.parse(startedDateTime);
      if (url === null || !/^https?:$/.test(url.protocol) || Number.isNaN(atMs)) return [];
      const body = request.postData?.text === undefined ? undefined : asJson(request.postData.text);
      return [
        {
          atMs,
          method: request.method.toUpperCase(),
          target: `${url.pathname}${url.search}`,
          origin: url.origin,
          status: response === undefined || response.status === 0 ? null : response.status,
          hadCredentials: request.cookies.length > 0 || request.headers.some(({ name }) => /^(authorization|cookie)$/i.test(name)),
          ...(body === undefined ? {} : { body }),
        },
      ];
    });
    const cached = entries.length - sent.length;
    const unreadable = sent.length - recorded.length;
    const bodies = sent.filter(({ request: { postData } }) => postData?.text !== undefined && asJson(postData.text) === undefined).length;
    return {
      ...noTraffic,
      recorded,
      problems: [
        ...(cached > 0 ? [`${cached} requests were answered by the browser's cache and left out`] : []),
        ...(unreadable > 0 ? [`${unreadable} entries without an http address or a time were left out`] : []),
        ...(bodies > 0 ? [`${bodies} bodies that are not JSON were left out`] : []),
      ],
    };
  },
};
