// The picture of a clip: ruler, waveform, spectrogram, words, phones and visemes on one time axis.
// Two canvases lie on each other: the picture, drawn when it changes, and the playhead above it.

const ROWS = { ruler: 1.35, words: 1.5, phones: 2, visemes: 2.3 }; // in letter sizes; sound has the rest

const LIPS = ["closed", "teeth", "rounded", "spread", "open", "apart", "rest"];

// A canvas with one unit per CSS pixel on any screen; returns {context, width, height}.
function fitted(canvas) {
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

// The colours of the page, as the style sheet has them for the present theme.
function readColours(element) {
  const style = getComputedStyle(element), colours = {};
  for (const name of ["ink", "faint", "line", "panel", "page", "wave", "accent", "worst", "focus",
    "font", ...LIPS, ...LIPS.map((lips) => `${lips}-ink`)]) {
    colours[name] = style.getPropertyValue(`--${name}`).trim();
  }
  colours.dark = element.dataset.theme === "dark";
  colours.size = parseFloat(style.fontSize); // CSS pixels of a letter; larger on large screens
  return colours;
}

// What a generator returns, run to its end at once.
function finished(work) {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

// The spectrogram as a grey picture, dark where there is energy on a light page, else light.
function spectrogramPicture(clip, dark) {
  if (clip.picture?.dark === dark) return clip.picture.canvas;
  clip.spectrum ??= finished(spectrogram(clip.sound));
  const { columns, bins, levels } = clip.spectrum;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [columns, bins];
  const context = canvas.getContext("2d"), image = context.createImageData(columns, bins);
  const [page, ink] = dark ? [20, 235] : [255, 25];
  for (let column = 0; column < columns; column++) {
    for (let bin = 0; bin < bins; bin++) {
      const share = (levels[column * bins + bin] / 255) ** 1.6;
      const at = 4 * ((bins - 1 - bin) * columns + column);
      image.data[at] = image.data[at + 1] = image.data[at + 2] = page + (ink - page) * share;
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  clip.picture = { dark, canvas };
  return canvas;
}

// Waveform of samples start..end in a box.
function drawWave(context, sound, start, end, x, y, width, height, colour) {
  const count = Math.max(1, Math.floor(width));
  const { low, high } = outline(sound, start, end, count);
  let loudest = 0.05;
  for (let n = 0; n < count; n++) loudest = Math.max(loudest, high[n], -low[n]);
  const middle = y + height / 2, scale = (height / 2 - 1) / loudest;
  context.fillStyle = colour;
  for (let n = 0; n < count; n++) {
    const top = middle - high[n] * scale;
    context.fillRect(x + n, top, 1, Math.max(1, (high[n] - low[n]) * scale));
  }
}

class Strips {
  constructor(picture, overlay, tables) {
    Object.assign(this, { picture, overlay, tables, start: 0, end: RATE });
  }

  x(sample) {
    return ((sample - this.start) / (this.end - this.start)) * this.width;
  }

  sample(x) {
    return this.start + (x / this.width) * (this.end - this.start);
  }

  // Draws `clip` with `tiers` {phones, visemes}; window start..end and the spot that is looped in
  // samples. `edit` {tier, n}: the segment that is being edited, if any.
  show(clip, tiers, { start, end, spot, edit }, colours) {
    Object.assign(this, { start, end, colours, tiers });
    const { context, width, height } = fitted(this.picture);
    this.width = width;
    const rows = {};
    for (const name of Object.keys(ROWS)) rows[name] = Math.round(ROWS[name] * colours.size);
    this.rows = rows;
    const fixed = rows.ruler + rows.words + rows.phones + rows.visemes;
    const wave = Math.round((height - fixed) * 0.34), grey = height - fixed - wave;
    const top = { wave: rows.ruler };
    top.grey = top.wave + wave;
    top.words = top.grey + grey;
    top.phones = top.words + rows.words;
    top.visemes = top.phones + rows.phones;
    this.top = top;
    context.fillStyle = colours.panel;
    context.fillRect(0, 0, width, height);

    const picture = spectrogramPicture(clip, colours.dark), hop = clip.spectrum.hop;
    const [from, to] = [start / hop, Math.min(picture.width, end / hop)];
    context.imageSmoothingEnabled = true;
    context.drawImage(picture, from, 0, Math.max(1, to - from), picture.height,
      0, top.grey, Math.min(width, this.x(to * hop)), grey);
    drawWave(context, clip.sound, start, end, 0, top.wave, width, wave, colours.wave);
    if (spot) {
      const [a, b] = [this.x(spot[0]), this.x(spot[1])];
      context.globalAlpha = 0.16;
      context.fillStyle = colours.worst;
      context.fillRect(a, top.wave, b - a, wave + grey);
      context.globalAlpha = 1;
      context.fillRect(a, rows.ruler - 3, b - a, 3);
    }
    this.ruler(context, width);
    this.row(context, clip.words, top.words, rows.words, "words");
    this.row(context, tiers.phones, top.phones, rows.phones, "phones");
    this.row(context, tiers.visemes, top.visemes, rows.visemes, "visemes");
    this.boundaries(context, tiers[edit?.tier ?? "phones"], top.wave, wave + grey);
    if (edit) this.chosen(context, tiers[edit.tier][edit.n], edit.tier, height);
  }

  ruler(context, width) {
    const colours = this.colours, seconds = (this.end - this.start) / RATE;
    const step = [0.05, 0.1, 0.2, 0.5, 1, 2, 5].find((s) => (width * s) / seconds > 5 * colours.size) ?? 10;
    context.font = `${Math.round(colours.size * 0.75)}px ${colours.font}`;
    context.textBaseline = "middle";
    context.textAlign = "left";
    const first = Math.ceil(this.start / RATE / step - 1e-9);
    for (let n = first; n * step <= this.end / RATE; n++) {
      const x = this.x(n * step * RATE);
      context.fillStyle = colours.line;
      context.fillRect(x, 0, 1, this.rows.ruler);
      context.fillStyle = colours.faint;
      context.fillText(`${(n * step).toFixed(step < 0.1 ? 2 : 1)} s`, x + 4, this.rows.ruler / 2);
    }
  }

  row(context, tier, y, height, name) {
    const colours = this.colours;
    for (const [label, start, end] of tier) {
      if (end <= this.start || start >= this.end) continue;
      const a = Math.max(0, this.x(start)), b = Math.min(this.width, this.x(end));
      let ink = colours.ink;
      if (name === "visemes") {
        const lips = this.tables.lips[label] ?? "rest";
        context.fillStyle = colours[lips];
        context.fillRect(a, y + 2, Math.max(1, b - a - 1), height - 4);
        ink = colours[`${lips}-ink`];
      } else if (name === "phones") {
        context.fillStyle = colours.line;
        context.fillRect(a, y + 3, 1, height - 6);
        if (label === "SIL") ink = colours.faint;
      } else {
        ink = colours.faint;
      }
      const size = Math.round(colours.size * (name === "words" ? 0.84 : 0.9));
      context.font = `${name === "phones" ? 600 : 500} ${size}px ${colours.font}`;
      context.fillStyle = ink;
      context.textAlign = "center";
      context.textBaseline = "middle";
      const wide = context.measureText(label).width;
      if (wide <= b - a + (name === "words" ? 30 : -1)) {
        context.fillText(label, (a + b) / 2, y + height / 2 + 1);
      } else if (name !== "words" && wide * 0.75 <= b - a - 1) {
        context.font = `500 ${Math.round(size * 0.7)}px ${colours.font}`;
        context.fillText(label, (a + b) / 2, y + height / 2 + 1);
      }
    }
  }

  boundaries(context, tier, y, height) {
    context.globalAlpha = 0.55;
    context.fillStyle = this.colours.accent;
    for (const [, start] of tier) {
      if (start > this.start && start < this.end) context.fillRect(this.x(start), y, 1, height);
    }
    context.globalAlpha = 1;
  }

  chosen(context, [, start, end], tier, height) {
    const a = this.x(start), b = this.x(end), y = this.top[tier];
    context.strokeStyle = this.colours.focus;
    context.lineWidth = 2.5;
    context.strokeRect(a + 1, y + 1, b - a - 2, this.rows[tier] - 2);
    context.fillStyle = this.colours.focus;
    context.fillRect(a - 1, this.rows.ruler, 3, height - this.rows.ruler);
    context.beginPath(); // the handle
    context.arc(a, this.rows.ruler + 7, 6, 0, 2 * Math.PI);
    context.fill();
  }

  playhead(at) {
    const { context, height } = fitted(this.overlay);
    if (at === null || at < this.start || at > this.end) return;
    context.fillStyle = this.colours.ink;
    context.fillRect(this.x(at) - 1, 0, 2, height);
  }
}
