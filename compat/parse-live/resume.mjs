// A small client of live queries that goes on where it was after a break: it keeps the position of
// the last thing it was told, and says it when it comes back.
import { EventEmitter } from 'node:events';
import WebSocket from 'ws';

/**
 * Emits `event` (op, object, original, position), `resync` when everything has to be read anew, and
 * `failed` with an error of the server. `ready` is done once the query stands.
 */
export class ResumingQuery extends EventEmitter {
  constructor({ url, connect, query, sessionToken }) {
    super();
    Object.assign(this, { url, connect, query, sessionToken });
    this.position = 'now';
    this.stopped = false;
    this.ready = new Promise(resolve => (this.isReady = resolve));
    this.open();
  }

  open() {
    const socket = (this.socket = new WebSocket(this.url));
    socket.on('open', () => this.send({ op: 'connect', ...this.connect }));
    socket.on('message', text => this.receive(JSON.parse(text)));
    socket.on('error', () => {});
    socket.on('close', () => {
      if (!this.stopped) setTimeout(() => this.open(), 50);
    });
  }

  send(message) {
    this.socket.send(JSON.stringify(message));
  }

  receive(message) {
    switch (message.op) {
      case 'connected': {
        const { query, sessionToken, position } = this;
        this.send({ op: 'subscribe', requestId: 1, query, sessionToken, position });
        return;
      }
      case 'error':
        this.emit('failed', message);
        return;
      case 'subscribed':
        this.isReady();
        break;
      case 'position':
        break;
      case 'resync':
        this.emit('resync', message);
        break;
      default:
        this.emit('event', message);
    }
    // Kept once it was handled.
    if (message.position) this.position = message.position;
  }

  stop() {
    this.stopped = true;
    this.socket.close();
  }
}
