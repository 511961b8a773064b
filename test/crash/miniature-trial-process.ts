import { createOutside } from '../../packages/anneal/src/adapters/outside.ts';
import { runMiniatureTrial, type MiniatureTrial } from './miniature-trial.ts';

/** The miniature trial in a process of its own, so that it can be killed for real. */
await runMiniatureTrial(await createOutside(), JSON.parse(process.env['MINIATURE_TRIAL']!) as MiniatureTrial);
