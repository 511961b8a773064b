import type { Codemod } from '../../../source-change/codemod.ts';
import { asynchronousCall } from './asynchronous-call.ts';
import { oneQueryForTheLoop } from './one-query-for-the-loop.ts';
import { outgoingTimeout } from './outgoing-timeout.ts';
import { pageOnRequest } from './page-on-request.ts';
import { poolSizeOption } from './pool-size.ts';

export const apiCodemods: readonly Codemod[] = [oneQueryForTheLoop, poolSizeOption, asynchronousCall, outgoingTimeout, pageOnRequest];
