// The work bench that One and Fix share: the picture of one clip, its mouth, and its loop.

const SPEEDS = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2];
const AROUND = 4800; // samples (0.3 s) heard on both sides of the worst spot

class Bench {
  constructor(page) {
    this.page = page;
    this.speed = 0.75;
    this.whole = false;
    this.clip = null;
    this.strips = new Strips(page.find("#picture"), page.find("#overlay"), page.tables);
    new ResizeObserver(() => this.clip && this.draw()).observe(page.find("#picture"));
  }

  // Sound first, the rest after: nobody waits for a picture.
  open(clip) {
    this.clip = clip;
    this.tiers = { phones: clip.phones, visemes: clip.visemes };
    this.edit = this.seen = null;
    this.opened = performance.now();
    this.spot = [Math.max(0, clip.worst[0] - AROUND), Math.min(clip.samples, clip.worst[1] + AROUND)];
    this.whole = this.spot[1] - this.spot[0] >= clip.samples;
    this.play();
    this.page.soon(() => this.clip === clip && this.draw(true));
  }

  close() {
    this.clip = null;
    this.page.sound?.stop();
    this.draw(true);
  }

  // What will be looped, for `clip` when it comes on the bench.
  loopOf(clip) {
    const start = Math.max(0, clip.worst[0] - AROUND);
    const end = Math.min(clip.samples, clip.worst[1] + AROUND);
    const whole = end - start >= clip.samples;
    return { start: whole ? 0 : start, end: whole ? clip.samples : end, loop: true,
      speed: this.speed };
  }

  play() {
    const [start, end] = this.whole ? [0, this.clip.samples] : this.spot;
    this.page.start(this.clip, { start, end, loop: true, speed: this.speed });
  }

  pause() {
    if (this.page.sound.playing) this.page.sound.stop();
    else this.play();
  }

  faster(by) {
    const at = SPEEDS.indexOf(this.speed) + by;
    this.speed = SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, at))];
    this.again(`speed ${this.speed}`);
  }

  wholeOrSpot() {
    this.whole = !this.whole;
    this.again(this.whole ? "the whole clip" : "the doubtful spot");
  }

  // The loop moves by half of its length.
  shift(by) {
    const length = this.spot[1] - this.spot[0], samples = this.clip.samples;
    const start = Math.max(0, Math.min(samples - length, this.spot[0] + (by * length) / 2));
    this.spot = [Math.round(start), Math.round(start + length)];
    this.whole = false;
    this.again("");
  }

  again(words) {
    this.play();
    this.draw(true);
    if (words) this.page.say(words);
  }

  // Up to six seconds are shown at once; while editing, two around the chosen segment.
  view() {
    const samples = this.clip.samples, chosen = this.edit && this.tiers[this.edit.tier][this.edit.n];
    const length = Math.min(samples, (chosen ? 2 : 6) * RATE);
    const middle = chosen ? chosen[1] : (this.spot[0] + this.spot[1]) / 2;
    if (chosen && this.seen && chosen[1] > this.seen[0] + 4000 && chosen[1] < this.seen[1] - 4000) {
      return this.seen; // the picture stands still while the cursor is well inside it
    }
    const start = Math.round(Math.max(0, Math.min(samples - length, middle - length / 2)));
    this.seen = [start, start + length];
    return this.seen;
  }

  draw(texts = false) {
    const { page, clip } = this;
    page.find("#bench-empty").hidden = clip !== null;
    page.find("#bench-work").hidden = clip === null;
    if (!clip) return;
    const [start, end] = this.view();
    const spot = this.whole ? null : this.spot;
    this.strips.show(clip, this.tiers, { start, end, spot, edit: this.edit }, page.colours);
    if (!texts) return;
    page.write("#bench-text", clip.text);
    page.write("#bench-id", clip.id);
    page.write("#bench-doubt", `${Math.round(100 * clip.doubt)} %`);
    page.write("#bench-reason", clip.reason || "none given");
    page.write("#bench-speaker", [clip.speaker, clip.language, clip.source].filter(Boolean).join(", "));
    page.write("#bench-speed", `${this.speed}×`);
    page.write("#bench-heard", this.whole ? "the whole" : "the spot");
    const said = `${clip.text}. Doubt ${Math.round(100 * clip.doubt)} per cent. ${clip.reason}`;
    page.find("#picture").setAttribute("aria-label", `Waveform, spectrogram and labels of: ${said}`);
  }

  frame() {
    if (!this.clip) return;
    const at = this.page.sound?.position() ?? null;
    this.shown = at;
    if (this.strips.width) this.strips.playhead(at);
    const still = this.edit ? this.tiers[this.edit.tier][this.edit.n] : null;
    const middle = still ? (still[1] + still[2]) / 2 : this.clip.worst[0];
    const mouth = mouthAt(this.tiers.visemes, at ?? middle);
    this.page.mouth(this.page.find("#bench-mouth"), mouth);
    const name = Object.keys(mouth).reduce((a, b) => (mouth[a] >= mouth[b] ? a : b));
    if (name !== this.named) this.page.write("#bench-viseme", (this.named = name));
  }

  // Seconds since the clip came up.
  spent() {
    return (performance.now() - this.opened) / 1000;
  }
}
