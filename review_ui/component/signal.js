// Sound as numbers: another tempo with the pitch kept, the spectrogram, the outline of a waveform.

const RATE = 16000;

// The samples at `speed` times the tempo, pitch kept (WSOLA: Verhelst and Roelands 1993).
// Overlapping frames of 40 ms are taken from the input at `speed` times the output's pace; each
// may shift by up to 8 ms to where it continues the one before best. The middle of a frame stands
// where a clock would expect it, but for that shift: the mouth keeps time with the sound.
function stretch(samples, speed) {
  if (speed === 1) return samples;
  const frame = 640, hop = 320, reach = 128;
  const length = Math.max(1, Math.round(samples.length / speed));
  const output = new Float32Array(length + frame), window = new Float32Array(frame);
  for (let n = 0; n < frame; n++) window[n] = 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / frame);
  const before = reach + hop, input = new Float32Array(samples.length + 2 * before + 2 * frame);
  input.set(samples, before);
  let previous = before;
  for (let at = 0; at < length; at += hop) {
    const target = before + Math.round((at + hop) * speed) - hop;
    let best = target, highest = -Infinity;
    if (at) {
      const natural = previous + hop;
      for (let n = 0; n <= reach; n++) { // 0, -2, 2, -4 ...: where all are alike, no shift wins
        const from = target + (n % 2 ? -n - 1 : n);
        let likeness = 0;
        for (let k = 0; k < hop; k += 2) likeness += input[natural + k] * input[from + k];
        if (likeness > highest) [highest, best] = [likeness, from];
      }
    }
    for (let n = 0; n < frame; n++) {
      // The first half frame of all has nothing to fade from.
      const weight = at === 0 && n < hop ? 1 : window[n];
      output[at + n] += input[best + n] * weight;
    }
    previous = best;
  }
  return output.subarray(0, length);
}

// Cosines and sines of k/256 of a half turn: what an FFT of up to 512 points needs.
const COS = Float64Array.from({ length: 256 }, (_, k) => Math.cos((Math.PI * k) / 256));
const SIN = Float64Array.from({ length: 256 }, (_, k) => Math.sin((Math.PI * k) / 256));

// In-place FFT of `re`, `im` (length a power of two, at most 512).
function fft(re, im) {
  const size = re.length;
  for (let i = 1, j = 0; i < size; i++) {
    let bit = size >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) [re[i], re[j], im[i], im[j]] = [re[j], re[i], im[j], im[i]];
  }
  for (let half = 1; half < size; half *= 2) {
    for (let k = 0; k < half; k++) {
      const c = COS[(k * 256) / half], s = -SIN[(k * 256) / half];
      for (let a = k; a < size; a += 2 * half) {
        const b = a + half, x = re[b] * c - im[b] * s, y = re[b] * s + im[b] * c;
        re[b] = re[a] - x; im[b] = im[a] - y; re[a] += x; im[a] += y;
      }
    }
  }
}

// A wide-band spectrogram for finding boundaries: Hann window of 8 ms every 2 ms, 0-8 kHz, raised
// by 6 dB an octave as phoneticians are used to. `levels` holds 0..255 over the loudest 55 dB,
// column by column, low bins first. A generator that rests after every 5 ms or so of work and
// returns the result, so that a key never waits for a picture of a clip that comes later.
function* spectrogram(samples) {
  const size = 256, width = 128, hop = 32, bins = size / 2;
  const columns = Math.max(1, Math.ceil(samples.length / hop));
  const power = new Float32Array(columns * bins), re = new Float32Array(size);
  const im = new Float32Array(size), window = new Float32Array(width);
  for (let n = 0; n < width; n++) window[n] = 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / width);
  let loudest = -Infinity;
  for (let column = 0; column < columns; column++) {
    re.fill(0); im.fill(0);
    const from = column * hop - width / 2;
    for (let n = 0; n < width; n++) re[n] = (samples[from + n] || 0) * window[n];
    fft(re, im);
    for (let bin = 0; bin < bins; bin++) {
      const raised = (re[bin] ** 2 + im[bin] ** 2) * (bin + 1) ** 2;
      const level = 10 * Math.log10(raised + 1e-9);
      power[column * bins + bin] = level;
      if (level > loudest) loudest = level;
    }
    if (column % 200 === 199) yield;
  }
  const levels = new Uint8Array(columns * bins);
  for (let n = 0; n < levels.length; n++) {
    levels[n] = Math.max(0, Math.min(255, (255 * (power[n] - loudest + 55)) / 55));
  }
  return { columns, bins, hop, levels };
}

// The lowest and highest sample of each of `count` equal stretches between `start` and `end`.
function outline(samples, start, end, count) {
  const low = new Float32Array(count), high = new Float32Array(count);
  for (let n = 0; n < count; n++) {
    const from = Math.floor(start + ((end - start) * n) / count);
    const to = Math.max(from + 1, Math.floor(start + ((end - start) * (n + 1)) / count));
    let least = 0, most = 0;
    for (let at = from; at < to; at++) {
      const value = samples[at] || 0;
      if (value < least) least = value;
      if (value > most) most = value;
    }
    low[n] = least; high[n] = most;
  }
  return { low, high };
}
