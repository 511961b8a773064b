import { EventEmitter } from 'node:events';
import { serve } from './serve.ts';

/** As a later node-postgres might be: what it runs is no Query. */
class Client extends EventEmitter {
  query() {
    return this._pulseQueryQueue();
  }
  connect() {}
  end() {}
  _pulseQueryQueue() {
    return 'answered';
  }
}

/** With one name in common, and nothing else. */
class Pool extends EventEmitter {
  ended = 'never';
  _pulseQueue() {
    return `${this.ended} ended`;
  }
}

const text = 'class Pool { _pulseQueue() { } }';

serve({ '/': () => [new Client().query(), new Client().query(), new Pool()._pulseQueue(), new Pool().ended, text] }, () => undefined);
