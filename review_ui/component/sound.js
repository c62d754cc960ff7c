// The player: one AudioContext at 16 kHz, so that samples in the labels are samples in the sound.
// Its clock, not the screen's, says where a clip is: `position` is what a listener hears now.

const LOOP_GAP = 0.25; // seconds of silence between two rounds of a loop
const FADE = 80; // samples (5 ms) at both ends of what is played: no clicks

class Sound {
  constructor() {
    this.context = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
    this.source = null;
  }

  // A gesture of the user (a key) is needed before a browser lets sound out.
  async wake() {
    if (this.context.state !== "running") await this.context.resume();
  }

  // Float32 samples at 16 kHz of FLAC bytes in base64.
  async decode(base64) {
    const letters = atob(base64), bytes = new Uint8Array(letters.length);
    for (let n = 0; n < letters.length; n++) bytes[n] = letters.charCodeAt(n);
    return (await this.context.decodeAudioData(bytes.buffer)).getChannelData(0);
  }

  // What will be played, ready to start: samples start..end of the clip at `speed`.
  prepare(clip, { start = 0, end = clip.samples, loop = false, speed = 1 }) {
    const name = `${start}:${end}:${loop}:${speed}`;
    if (clip.prepared?.name === name) return clip.prepared;
    const taken = stretch(clip.sound.subarray(start, end), speed);
    const tail = loop ? Math.round(LOOP_GAP * RATE) : 0;
    const buffer = this.context.createBuffer(1, taken.length + tail, RATE);
    const data = buffer.getChannelData(0);
    data.set(taken);
    for (let n = 0; n < Math.min(FADE, taken.length); n++) {
      if (start > 0) data[n] *= n / FADE;
      if (end < clip.samples) data[taken.length - 1 - n] *= n / FADE;
    }
    clip.prepared = { name, buffer, start, end, loop, speed };
    return clip.prepared;
  }

  // Starts at once; returns the performance.now() time at which it leaves the audio clock.
  play(clip, options, onend) {
    this.stop();
    const ready = this.prepare(clip, options);
    const source = this.context.createBufferSource();
    source.buffer = ready.buffer;
    source.loop = ready.loop;
    source.connect(this.output ?? this.context.destination);
    const begin = this.context.currentTime;
    source.start(begin);
    source.onended = () => {
      if (this.source !== source) return;
      this.source = null;
      onend?.();
    };
    Object.assign(this, { source, begin, ready });
    return performance.now() + (begin - this.now()) * 1000;
  }

  stop() {
    const source = this.source;
    this.source = null;
    source?.stop();
  }

  get playing() {
    return this.source !== null;
  }

  // The context time of what leaves the loudspeaker now.
  now() {
    const stamp = this.context.getOutputTimestamp();
    const latest = this.context.currentTime;
    if (!stamp.performanceTime) return latest - (this.context.outputLatency || 0);
    const heard = stamp.contextTime + (performance.now() - stamp.performanceTime) / 1000;
    return Math.min(heard, latest);
  }

  // The sample of the clip that is heard now (a float); null while nothing plays.
  position() {
    if (!this.source) return null;
    const { start, end, loop, speed, buffer } = this.ready;
    let passed = Math.max(0, this.now() - this.begin);
    if (loop) passed %= buffer.duration;
    return Math.min(end, start + passed * speed * RATE);
  }
}
