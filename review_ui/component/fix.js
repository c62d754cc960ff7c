// Fix: the labels of a clip are put right. The cursor is a segment; its start is what moves.

class Fix {
  constructor(page, bench) {
    Object.assign(this, { page, bench });
    const overlay = page.find("#overlay");
    overlay.addEventListener("pointerdown", (event) => this.grab(event));
    overlay.addEventListener("pointermove", (event) => this.drag(event));
    overlay.addEventListener("pointerup", () => this.drop());
  }

  enter() {
    const clip = this.page.queues.one[0];
    if (!clip) return this.bench.close();
    if (this.bench.clip !== clip) this.bench.open(clip);
    if (this.clip !== clip) { // else the unfinished work on it goes on
      this.clip = clip;
      this.history = clip.edits ??= new History({ phones: clip.phones, visemes: clip.visemes, byHand: false });
      this.cursor = { tier: "phones", n: segmentAt(clip.phones, clip.worst[0]) };
    }
    this.refresh();
  }

  get tier() {
    return this.history.state[this.cursor.tier];
  }

  // An edited tier becomes the new state. Phones take their mouths along: at once by stretching
  // (`moved` {low, from, to, high}), then as the rules have it, from the server.
  change(tier, { moved, joined = false, n = this.cursor.n } = {}) {
    if (tier === this.tier) return this.page.say("Not possible here");
    const state = { ...this.history.state, [this.cursor.tier]: tier };
    if (this.cursor.tier === "visemes") state.byHand = true;
    else if (moved) state.visemes = follow(state.visemes, moved.low, moved.from, moved.to, moved.high);
    this.history.set(state, joined);
    this.cursor.n = Math.max(0, Math.min(n, tier.length - 1));
    this.refresh();
    if (this.cursor.tier === "phones" && !state.byHand) this.page.askMouths(this.clip.id, tier);
  }

  // The server's mouths for these phones, if they are still the present ones.
  mouths({ id, phones, visemes }) {
    const state = this.history?.state;
    if (!visemes || this.clip?.id !== id || state.byHand) return;
    if (JSON.stringify(phones) !== JSON.stringify(state.phones)) return;
    this.history.state = { ...state, visemes };
    if (this.page.view === this) this.refresh();
  }

  refresh() {
    const { phones, visemes } = this.history.state;
    this.cursor.n = Math.min(this.cursor.n, this.tier.length - 1);
    this.bench.tiers = { phones, visemes };
    this.bench.edit = this.cursor;
    const [label, start, end] = this.tier[this.cursor.n];
    const time = (at) => (at / RATE).toFixed(3);
    const words = `${label}, ${time(start)} to ${time(end)} s`;
    this.page.write("#fix-now", words);
    this.page.write("#fix-tier", this.cursor.tier);
    this.page.write("#fix-steps", `${this.history.past.length} to undo, ${this.history.future.length} to redo`);
    this.bench.draw();
    this.page.whisper(words);
  }

  go(by) {
    const n = this.cursor.n + by;
    if (n < 0 || n >= this.tier.length) return;
    this.cursor.n = n;
    this.refresh();
    this.around();
  }

  // Plays what lies around the cursor.
  around() {
    const at = this.tier[this.cursor.n][1], samples = this.clip.samples;
    this.bench.spot = [Math.max(0, at - 6400), Math.min(samples, at + 6400)];
    this.bench.whole = false;
    this.bench.play();
    this.bench.draw();
  }

  nudge(to, joined = false) {
    const { n } = this.cursor, tier = moveStart(this.tier, n, to);
    if (tier === this.tier) return joined ? undefined : this.page.say("The boundary cannot move further");
    const moved = { low: tier[n - 1][1], from: this.tier[n][1], to: tier[n][1], high: tier[n][2] };
    this.change(tier, { moved, joined });
  }

  switchTier() {
    const at = this.tier[this.cursor.n][1];
    this.cursor.tier = this.cursor.tier === "phones" ? "visemes" : "phones";
    this.cursor.n = segmentAt(this.tier, at);
    this.refresh();
  }

  relabel() {
    const { tier } = this.cursor, labels = this.page.tables[tier];
    this.page.pick(`New ${tier === "phones" ? "phone" : "viseme"}`, labels, (label) =>
      this.change(relabel(this.tier, this.cursor.n, label)));
  }

  split() {
    const [, start, end] = this.tier[this.cursor.n], heard = this.bench.shown;
    const inside = heard !== null && heard > start + STEP && heard < end - STEP;
    this.change(splitAt(this.tier, this.cursor.n, inside ? heard : (start + end) / 2),
      { n: this.cursor.n + 1 });
  }

  step(way) {
    if (!this.history[way]()) return this.page.say(`Nothing to ${way}`);
    this.refresh();
  }

  // Whether there are edits of this clip that are neither saved nor undone.
  unsaved(clip) {
    return (clip.edits?.past.length ?? 0) > 0;
  }

  save() {
    const { state, past } = this.history;
    if (!past.length) return this.page.say("Nothing was changed. To approve it, go to One");
    const bare = (tier) => tier.map((segment) => segment.slice(0, 3));
    const labels = { phones: bare(state.phones), visemes: bare(state.visemes) };
    this.clip = null;
    this.page.one.decide("fix", labels);
    this.page.show("one", { again: false });
  }

  key(name, { shiftKey, ctrlKey, metaKey }) {
    if (!this.bench.clip) return false;
    const start = this.tier[this.cursor.n][1], command = ctrlKey || metaKey;
    const actions = {
      ArrowLeft: () => (shiftKey ? this.nudge(start - STEP) : this.go(-1)),
      ArrowRight: () => (shiftKey ? this.nudge(start + STEP) : this.go(1)),
      ArrowUp: () => this.bench.faster(1),
      ArrowDown: () => this.bench.faster(-1),
      t: () => this.switchTier(),
      l: () => this.relabel(),
      d: () => this.split(),
      m: () => this.change(mergeNext(this.tier, this.cursor.n)),
      z: () => this.step(command && shiftKey ? "redo" : "undo"),
      y: () => this.step("redo"),
      u: () => this.step("undo"),
      " ": () => this.around(),
      p: () => this.bench.pause(),
      w: () => this.bench.wholeOrSpot(),
      Enter: () => this.save(),
      Escape: () => this.page.show("one"),
    };
    if (!actions[name]) return false;
    actions[name]();
    return true;
  }

  // Which boundary lies under the pointer, within 6 pixels.
  grab(event) {
    if (this.page.view !== this || !this.bench.clip) return;
    const strips = this.bench.strips, y = event.offsetY;
    if (y >= strips.top.visemes) this.cursor.tier = "visemes";
    else if (y >= strips.top.phones) this.cursor.tier = "phones";
    const tier = this.tier, distance = (n) => Math.abs(strips.x(tier[n][1]) - event.offsetX);
    let nearest = 0;
    for (let n = 1; n < tier.length; n++) if (distance(n) < distance(nearest)) nearest = n;
    const taken = nearest > 0 && distance(nearest) <= 6;
    this.cursor.n = taken ? nearest : segmentAt(tier, strips.sample(event.offsetX));
    this.dragging = taken ? { moved: false } : null;
    if (taken) event.target.setPointerCapture(event.pointerId);
    this.refresh();
  }

  drag(event) {
    if (!this.dragging) return;
    const to = Math.round(this.bench.strips.sample(event.offsetX) / STEP) * STEP;
    const before = this.history.state;
    this.nudge(to, this.dragging.moved);
    this.dragging.moved ||= this.history.state !== before;
  }

  drop() {
    if (this.dragging?.moved) this.around();
    this.dragging = null;
  }

  draw() {
    if (this.bench.clip) this.bench.draw();
  }

  frame() {
    this.bench.frame();
  }

  leave() {
    this.page.sound?.stop();
    this.bench.edit = null;
  }
}
