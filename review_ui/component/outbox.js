// What has been decided and is not yet on the server's disk.
//
// A decision is written to the browser's own storage before anything else happens, goes to the
// server in the background, and is forgotten only when the server says that it lies on disk. One
// message is under way at a time and always carries all that is open, so a message that is lost,
// doubled or overtaken does no harm: the server knows every decision by its key.

const RESEND = 2500; // ms without an answer after which a message is sent again

class Outbox {
  // `store`: localStorage or its like; `send(message)`; `about()`: the rest of each message;
  // `warn(words)`: told if the browser keeps nothing.
  constructor(store, project, { send, about, warn }) {
    Object.assign(this, { store, send, about, warn, prefix: `visemill:${project}:` });
    this.serial = 0;
    this.waiting = null; // the serial under way
    this.dirty = false;
    this.open = new Map();
    const kept = Object.keys(store).filter((name) => name.startsWith(this.prefix));
    const entries = kept.map((name) => JSON.parse(store.getItem(name)));
    entries.sort((a, b) => a.order - b.order);
    for (const entry of entries) this.open.set(entry.id, entry);
  }

  // An entry {id, type, ...} to bring to the server.
  add(entry) {
    const kept = { ...entry, order: Date.now() + this.open.size / 1e4 };
    this.open.set(entry.id, kept);
    try {
      this.store.setItem(this.prefix + entry.id, JSON.stringify(kept));
    } catch (error) { // storage is full or forbidden: the server alone can keep it
      this.warn(`This browser cannot keep decisions while the server is away: ${error.message}`);
    }
    this.flush();
  }

  // Sends now, or as soon as the message under way is answered.
  flush() {
    this.dirty = true;
    if (this.waiting !== null) return;
    this.dirty = false;
    this.waiting = ++this.serial;
    this.timer = setTimeout(() => {
      this.waiting = null;
      this.late = true;
      this.flush();
    }, RESEND);
    const entries = [...this.open.values()].slice(0, 100);
    this.send({ ...this.about(), serial: this.serial, entries });
  }

  // The server's answer: what is done is forgotten; the next message may go.
  answered(answer) {
    for (const id of answer.done) {
      this.open.delete(id);
      this.store.removeItem(this.prefix + id);
    }
    if (answer.serial !== this.waiting) return;
    clearTimeout(this.timer);
    this.waiting = null;
    this.late = false;
    const wait = this.dirty || answer.done.length ? 0 : RESEND;
    if (this.dirty || this.open.size) setTimeout(() => this.flush(), wait);
  }
}

// A key that nobody else makes: 128 random bits (crypto.randomUUID needs https).
function freshKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
