import { bytes } from '../../../finding/wording.ts';
import { quoteLiteral } from '../../../ports/index-sql.ts';
import { counted, defineCheck, measured, type Complaint } from './check.ts';

export const replicationSlot = defineCheck({
  id: 'database/replication-slot',
  title: 'Replication slot that keeps write-ahead log',
  documentation: {
    what: 'A replication slot whose reader is away or behind keeps more write-ahead log than the server would keep by itself.',
    why: 'The log grows until the disk is full and the server stops; slots of logical replication also keep old catalogue rows from being cleaned.',
    threshold:
      'More than max_wal_size kept, which is what the server is sized to hold between checkpoints (manual 19.5.2): a warning while a reader is connected, an error when none is. A slot that has lost its log (wal_status lost) is an error at once: its reader cannot go on.',
    fix: 'Bring the reader back. Where it is gone for good, drop the slot; set max_slot_wal_keep_size so that the next one cannot fill the disk.',
    falsePositives: 'It is not a defect while a replica is restarted or first copied and will catch up.',
    sources: ['PostgreSQL manual 26.2.6 Replication Slots', 'PostgreSQL manual 53.20 pg_replication_slots'],
  },
  requires: ['postgres.replication-slots', 'postgres.configuration'],
  examine({ 'postgres.replication-slots': slots, 'postgres.configuration': settings }) {
    const allowedBytes = settings['max_wal_size']?.value ?? 1024 ** 3;
    const limit = settings['max_slot_wal_keep_size']?.value ?? -1;
    const complaints = slots.flatMap((slot): Complaint[] => {
      const isLost = slot.status === 'lost';
      const keptBytes = slot.retainedBytes ?? 0;
      if (!isLost && keptBytes <= allowedBytes) return [];
      return [
        {
          object: { type: 'replication slot', name: slot.name },
          level: slot.isActive && !isLost ? 'warning' : 'error',
          message: isLost
            ? `the replication slot ${slot.name} has lost log that its reader needs`
            : `the replication slot ${slot.name}${slot.isActive ? '' : ', which nobody reads,'} keeps ${bytes(keptBytes)} of write-ahead log`,
          usedShare: limit > 0 ? keptBytes / limit : Math.min(keptBytes / (10 * allowedBytes), 1),
          evidence: [
            measured('log kept', keptBytes, 'By', 'pg_replication_slots.restart_lsn'),
            measured('log the server keeps by itself', allowedBytes, 'By', 'max_wal_size'),
            measured('reader connected', String(slot.isActive), '', 'pg_replication_slots'),
            measured('max_slot_wal_keep_size', settings['max_slot_wal_keep_size']?.shown ?? 'not known', '', 'pg_settings'),
          ],
          costIfIgnored: isLost
            ? 'Its reader can never catch up.'
            : `The disk fills with log${limit > 0 ? ' up to max_slot_wal_keep_size' : ' without a limit'}; when it is full the server stops.`,
          fix: {
            title: `Drop ${slot.name}, if its reader is gone for good`,
            text: 'A replica or subscriber that used it has to be copied anew afterwards: there is no way back. If it is only behind, see why it does not keep up.',
            up: `SELECT pg_drop_replication_slot(${quoteLiteral(slot.name)});`,
          },
        },
      ];
    });
    return {
      complaints,
      otherwise: `${counted(slots.length, 'replication slot')}, none keeps more than max_wal_size (${bytes(allowedBytes)})`,
    };
  },
});
