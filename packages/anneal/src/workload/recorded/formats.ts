import { accessLog } from './access-log.ts';
import { har } from './har.ts';
import { k6Script } from './k6-script.ts';
import { openApi } from './openapi.ts';
import type { TrafficFormat } from './traffic-format.ts';

/** Every kind of file that traffic can be imported from; the surest to recognise first. */
export const trafficFormats: readonly TrafficFormat[] = [har, k6Script, openApi, accessLog];
