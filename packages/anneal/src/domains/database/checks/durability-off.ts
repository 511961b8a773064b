import { defineCheck, measured, type Complaint } from './check.ts';

const dangers: Readonly<Record<string, string>> = {
  fsync: 'after a crash of the machine the database may be damaged beyond repair',
  full_page_writes: 'a page that was half written when the machine crashed stays half written',
};

export const durabilityOff = defineCheck({
  id: 'database/durability-off',
  title: 'Data at risk by a setting',
  documentation: {
    what: 'fsync or full_page_writes is off.',
    why: 'They are what makes a committed change survive a crash. Without them writing is faster and the database may be unreadable afterwards, silently.',
    threshold:
      'Off at all: there is no safe amount. synchronous_commit = off is no finding: it can lose the last moments but damages nothing.',
    fix: 'Switch them on. Where commits are too slow, synchronous_commit = off or grouping writes gives most of the speed without the risk.',
    falsePositives:
      'It is not a defect where the whole database can be made again at any time: tests, a first load, a throw-away copy; nor full_page_writes on a file system that never tears a page (ZFS).',
    sources: ['PostgreSQL manual 19.5.1 fsync, full_page_writes', 'PostgreSQL manual 28.1 Reliability'],
  },
  requires: ['postgres.configuration'],
  examine({ 'postgres.configuration': settings }) {
    const complaints = Object.entries(dangers)
      .filter(([name]) => settings[name]?.shown === 'off')
      .map(([name, danger]): Complaint => ({
        object: { type: 'setting', name },
        level: 'error',
        message: `${name} is off: ${danger}`,
        usedShare: 1,
        evidence: [measured(name, 'off', '', 'pg_settings')],
        costIfIgnored: `The next power failure or kernel crash decides: ${danger}.`,
        fix: {
          title: `Switch ${name} on`,
          text: 'A reload is enough. Afterwards CHECKPOINT once, so that all that was written before is safe as well.',
          up: `ALTER SYSTEM SET ${name} = on;\nSELECT pg_reload_conf();\nCHECKPOINT;`,
          down: `ALTER SYSTEM SET ${name} = off;\nSELECT pg_reload_conf();`,
        },
      }));
    return { complaints, otherwise: 'fsync and full_page_writes are on' };
  },
});
