import { bytes } from '../../../finding/wording.ts';
import type { SettingObservation } from '../../../measurement/database-health.ts';
import { defineCheck, measured, type Complaint } from './check.ts';

/** Both settings steer by order of magnitude: what is within a factor of two is near enough. */
const farFactor = 2;

export const defaultMemory = defineCheck({
  id: 'database/default-memory',
  title: 'Memory settings nobody has set',
  documentation: {
    what: 'shared_buffers or effective_cache_size stand at the defaults a server starts with anywhere, on a machine and with data they do not fit.',
    why: 'shared_buffers is the database’s own cache. effective_cache_size is what the planner believes to be cached: too small and it shuns index scans, too large and it trusts memory that is not there.',
    threshold:
      'Only where the database is larger than the setting, so that it matters, and the machine’s memory is known. The manual gives a quarter of the memory to shared_buffers, and half to three quarters to effective_cache_size; reported when the default is off from that by more than twice.',
    fix: 'Set both by the machine’s memory.',
    falsePositives: 'It is not a defect on a machine that the database shares with much else, whose memory is not its own.',
    sources: ['PostgreSQL manual 19.4.1 shared_buffers', 'PostgreSQL manual 19.7.2 effective_cache_size'],
  },
  requires: ['postgres.configuration', 'postgres.server'],
  examine({ 'postgres.configuration': settings, 'postgres.server': { memoryBytes, databaseSizeBytes } }) {
    if (memoryBytes === null || databaseSizeBytes === null)
      return {
        complaints: [],
        otherwise: memoryBytes === null ? 'the server runs elsewhere: its memory is not known' : 'the size of the database may not be read',
      };
    const judged = [
      { name: 'shared_buffers', setting: settings['shared_buffers'], advisedBytes: memoryBytes / 4, restart: true },
      { name: 'effective_cache_size', setting: settings['effective_cache_size'], advisedBytes: memoryBytes / 2, restart: false },
    ];
    const complaints = judged.flatMap(({ name, setting, advisedBytes, restart }): Complaint[] => {
      if (setting === undefined || setting.value === null || !isDefault(name, setting) || databaseSizeBytes <= setting.value) return [];
      const factor = advisedBytes / setting.value;
      if (factor <= farFactor && factor >= 1 / farFactor) return [];
      const advised = `${Math.floor(advisedBytes / 1024 ** 2)}MB`;
      const after = restart ? ' -- takes a restart' : '\nSELECT pg_reload_conf();';
      return [
        {
          object: { type: 'setting', name },
          level: 'note',
          message: `${name} is at its default of ${setting.shown}, with a database of ${bytes(databaseSizeBytes)} on a machine with ${bytes(memoryBytes)}`,
          usedShare: 0,
          evidence: [
            measured(name, setting.value, 'By', 'pg_settings'),
            measured('size of the database', databaseSizeBytes, 'By', 'pg_database_size'),
            measured('memory of the machine', memoryBytes, 'By', 'operating system'),
          ],
          costIfIgnored:
            name === 'shared_buffers'
              ? 'Memory that could hold pages of the database stays with the operating system, from where each has to be copied.'
              : 'The planner goes on reckoning with a cache that is not the one there.',
          fix: {
            title: `${name} of ${advised}`,
            text: 'Right for a machine that serves this database alone; less where it is shared.',
            up: `ALTER SYSTEM SET ${name} = '${advised}';${after}`,
            down: `ALTER SYSTEM RESET ${name};${after}`,
          },
        },
      ];
    });
    return {
      complaints,
      otherwise: 'shared_buffers and effective_cache_size are set, near what the memory asks for, or larger than the database',
    };
  },
});

/** initdb writes its choice of shared_buffers into postgresql.conf, so its default comes from a file as well. */
function isDefault(name: string, { shown, source }: SettingObservation): boolean {
  return source === 'default' || (name === 'shared_buffers' && shown === '128MB');
}
