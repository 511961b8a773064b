import type { Remedy } from '../../../remedy/remedy.ts';
import { addIndex } from './add-index.ts';
import { analyzeTable } from './analyze-table.ts';
import { dropIndex } from './drop-index.ts';
import { extendedStatistics } from './extended-statistics.ts';
import { plannerSetting } from './planner-setting.ts';

export const databaseRemedies: readonly Remedy[] = [addIndex, analyzeTable, extendedStatistics, plannerSetting, dropIndex];
