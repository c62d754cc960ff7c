// Sheet: a dozen clips that are likely good play one after another; number keys flag, Space
// approves the others that were heard. What was not heard stays for the next sheet.

const SHEET_KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "0", "-", "="];
const SHEET_CODES = ["Digit1", "Digit2", "Digit3", "Digit4", "Digit5", "Digit6", "Digit7", "Digit8",
  "Digit9", "Digit0", "Minus", "Equal"]; // where the keys lie, whatever the keyboard's language
const SHEET_SPEEDS = [1, 1.25, 1.5, 1.75, 2];

class Sheet {
  constructor(page) {
    this.page = page;
    this.speed = 1.5;
    this.cards = [];
    this.at = 0;
    this.root = page.find("#cards");
    new ResizeObserver(() => this.draw()).observe(this.root);
  }

  // A new sheet from the head of the queue; it starts to play at once.
  enter() {
    const clips = this.page.queues.sheet.slice(0, SHEET_KEYS.length);
    const before = new Map(this.cards.map((card) => [card.clip, card]));
    this.cards = clips.map((clip) => before.get(clip) ?? { clip, heard: false, flagged: false });
    this.opened = performance.now();
    this.at = 0;
    if (clips.length) this.play(Math.max(0, this.cards.findIndex((card) => !card.heard)));
    this.page.soon(() => this.build());
  }

  // Clips that arrive while a sheet is short of its dozen join it.
  arrived() {
    const room = SHEET_KEYS.length - this.cards.length;
    if (room <= 0) return;
    const known = new Set(this.cards.map((card) => card.clip));
    const more = this.page.queues.sheet.filter((clip) => !known.has(clip)).slice(0, room);
    if (!more.length) return;
    if (!this.cards.length) return this.enter();
    this.cards.push(...more.map((clip) => ({ clip, heard: false, flagged: false })));
    this.build();
  }

  options() {
    return { speed: this.speed };
  }

  play(n) {
    this.at = n;
    const card = this.cards[n];
    this.page.start(card.clip, this.options(), () => this.ended(card));
    this.mark();
  }

  ended(card) {
    card.heard = true;
    const next = this.cards.findIndex((other, n) => n > this.at && !other.heard);
    if (next >= 0) return this.play(next);
    this.mark();
    const flagged = this.cards.filter((other) => other.flagged).length;
    this.page.say(`All heard. Space approves ${this.cards.length - flagged}, ${flagged} flagged`);
  }

  flag(n) {
    const card = this.cards[n];
    if (!card) return;
    card.flagged = !card.flagged;
    this.mark();
    this.page.say(`Clip ${SHEET_KEYS[n]} ${card.flagged ? "flagged" : "no longer flagged"}`);
  }

  // A clip counts as heard once its last sound that is not silence has been heard.
  heardSoFar(card) {
    const at = this.page.sound.position();
    if (card.heard || card !== this.cards[this.at] || at === null) return card.heard;
    const sounds = card.clip.phones.filter((phone) => phone[0] !== "SIL");
    return at >= (sounds.length ? sounds[sounds.length - 1][2] : card.clip.samples);
  }

  approve() {
    const good = this.cards.filter((card) => !card.flagged && this.heardSoFar(card));
    const flagged = this.cards.filter((card) => card.flagged).map((card) => card.clip);
    if (!good.length && !flagged.length) return this.page.say("Nothing was heard yet");
    const clips = good.map((card) => card.clip), gone = new Set([...clips, ...flagged]);
    const seconds = (performance.now() - this.opened) / 1000 / Math.max(1, clips.length);
    const queues = this.page.queues;
    queues.sheet = queues.sheet.filter((clip) => !gone.has(clip));
    for (const clip of flagged) clip.reason ||= "flagged in Sheet";
    queues.one.unshift(...flagged);
    if (clips.length) this.page.decide("sheet", clips, "approve", { seconds, flagged });
    this.enter();
    this.page.say(`${clips.length} approved, ${flagged.length} flagged for One`);
    this.page.prepareAhead();
  }

  key(name, { code }) {
    const digit = SHEET_CODES.indexOf(code);
    if (digit >= 0) return this.flag(digit), true;
    const actions = {
      " ": () => this.approve(),
      ArrowLeft: () => this.at > 0 && this.play(this.at - 1),
      ArrowRight: () => this.at + 1 < this.cards.length && this.play(this.at + 1),
      ArrowUp: () => this.faster(1),
      ArrowDown: () => this.faster(-1),
      p: () => this.pause(),
      f: () => this.toFix(),
    };
    if (!actions[name]) return false;
    if (this.cards.length) actions[name]();
    return true;
  }

  pause() {
    if (this.page.sound.playing) this.page.sound.stop();
    else this.play(this.at);
  }

  faster(by) {
    const at = SHEET_SPEEDS.indexOf(this.speed) + by;
    this.speed = SHEET_SPEEDS[Math.max(0, Math.min(SHEET_SPEEDS.length - 1, at))];
    this.page.write("#sheet-speed", `${this.speed} ×`);
    this.page.say(`Speed ${this.speed}`);
    if (this.page.sound.playing) this.play(this.at);
  }

  // The clip that plays goes to the bench.
  toFix() {
    const { clip } = this.cards[this.at], queues = this.page.queues;
    queues.sheet = queues.sheet.filter((other) => other !== clip);
    queues.one.unshift(clip);
    this.page.show("fix");
  }

  build() {
    this.page.find("#sheet-empty").hidden = this.cards.length > 0;
    this.root.replaceChildren(...this.cards.map((card, n) => this.card(card, n)));
    this.page.write("#sheet-speed", `${this.speed} ×`);
    this.draw();
    this.mark();
  }

  card(card, n) {
    const make = (tag, name, text = "") => {
      const element = document.createElement(tag);
      element.className = name;
      element.textContent = text; // never HTML
      return element;
    };
    const element = make("li", "card");
    const head = make("div", "card-head");
    card.state = make("span", "card-state");
    head.append(make("kbd", "card-key", SHEET_KEYS[n]), card.state,
      make("span", "card-length", `${card.clip.seconds.toFixed(1)} s`));
    card.mouth = make("canvas", "card-mouth");
    card.wave = make("canvas", "card-wave");
    const text = make("p", "card-text", card.clip.text);
    text.title = card.clip.text;
    card.progress = make("div", "card-progress");
    const sound = make("div", "card-sound");
    sound.append(card.wave, card.progress);
    element.append(head, card.mouth, sound, text);
    element.addEventListener("click", () => this.flag(n));
    card.element = element;
    return element;
  }

  // The waveforms; the mouths at rest come with the next frame.
  draw() {
    for (const card of this.cards) {
      if (!card.wave) continue;
      const { context, width, height } = fitted(card.wave);
      drawWave(context, card.clip.sound, 0, card.clip.samples, 0, 0, width, height,
        this.page.colours.wave);
      card.drawn = false;
    }
  }

  // What each card says of itself, in words as well as in colour.
  mark() {
    this.cards.forEach((card, n) => {
      if (!card.element) return;
      const playing = n === this.at && this.page.sound.playing;
      const state = card.flagged ? "flagged" : playing ? "playing" : card.heard ? "heard" : "waiting";
      const words = { flagged: "⚑ flagged", playing: "▶ playing", heard: "✓ heard", waiting: "" };
      card.element.dataset.state = state;
      card.element.dataset.playing = playing;
      card.state.textContent = words[state];
      card.element.setAttribute("aria-label", `Clip ${SHEET_KEYS[n]}, ${state}: ${card.clip.text}`);
    });
  }

  frame() {
    const at = this.page.sound?.position() ?? null;
    this.shown = at;
    this.cards.forEach((card, n) => {
      if (!card.mouth) return;
      const live = n === this.at && at !== null;
      if (!live && card.drawn) return;
      this.page.mouth(card.mouth, live ? mouthAt(card.clip.visemes, at) : { Neutral: 1 });
      card.drawn = !live;
      card.progress.style.left = `${live ? (100 * at) / card.clip.samples : 0}%`;
      card.progress.hidden = !live;
    });
  }

  leave() {
    this.page.sound?.stop();
  }
}
