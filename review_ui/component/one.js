// One: a doubtful clip loops around its worst spot until it is decided.

class One {
  constructor(page, bench) {
    Object.assign(this, { page, bench });
  }

  enter() {
    const next = this.page.queues.one[0] ?? null;
    if (!next) this.bench.close();
    else this.bench.open(next);
  }

  // The clip leaves the queue with this verdict and the next one sounds.
  decide(verdict, more = {}) {
    const clip = this.bench.clip;
    if (!clip) return;
    if (verdict === "approve" && this.page.fix.unsaved(clip)) {
      return this.page.say("It has unsaved edits: F goes back to them", true);
    }
    this.page.queues.one.shift();
    this.page.decide("one", [clip], verdict, { ...more, seconds: this.bench.spent() });
    this.enter();
    this.page.prepareAhead();
  }

  later() {
    const queue = this.page.queues.one;
    if (queue.length < 2) return this.page.say("This is the last clip here");
    queue.push(queue.shift());
    this.enter();
    this.page.say("Put off");
  }

  key(name) {
    if (name === "x" && this.bench.clip) return this.page.askReason((note) => this.decide("reject", { note }));
    const actions = {
      " ": () => this.decide("approve"),
      a: () => this.decide("approve"),
      n: () => this.later(),
      p: () => this.bench.pause(),
      w: () => this.bench.wholeOrSpot(),
      ArrowUp: () => this.bench.faster(1),
      ArrowDown: () => this.bench.faster(-1),
      ArrowLeft: () => this.bench.shift(-1),
      ArrowRight: () => this.bench.shift(1),
    };
    if (!actions[name]) return false;
    if (this.bench.clip) actions[name]();
    return true;
  }

  draw() {
    if (this.bench.clip) this.bench.draw();
  }

  frame() {
    this.bench.frame();
  }

  leave() {
    this.page.sound?.stop();
  }
}
