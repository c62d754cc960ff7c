// The page of `visemill preview`: plays the sound and shows the picture that belongs to it.
// Names and labels come from files that anybody may have made: they are only ever set as text.
"use strict";

(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const mouth = VisemillMouth.create(data.mouth);
  const element = (id) => document.getElementById(id);
  const audio = new Audio(data.sound);
  audio.preload = "auto";
  const speed = element("speed");
  const strip = element("strip");

  const ROW = 24, WAVE = 72, GUTTER = 96, SECOND = 240;
  const rows = (data.phones.length ? 1 : 0) + data.tracks.length;
  const height = WAVE + (rows + 1) * ROW;

  // One figure a track.
  const figures = data.tracks.map((track) => {
    const figure = document.createElement("figure");
    const name = document.createElement("figcaption");
    const canvas = document.createElement("canvas");
    const shape = document.createElement("div");
    name.textContent = track.name;
    shape.className = "shape";
    figure.append(name, canvas, shape);
    element("mouths").append(figure);
    return { track, canvas, shape };
  });

  let picture = 0;  // the number of the one that is shown
  let time = 0;     // seconds, where the playhead stands

  function weights(track, number) {
    const mixed = track.mixed[number];
    if (!mixed) return { [data.classes[track.shown[number]]]: 1 };
    const shares = {};
    for (let i = 0; i < mixed.length; i += 2) shares[data.classes[mixed[i]]] = mixed[i + 1];
    return shares;
  }

  // Sizes a canvas to its place on the screen; returns its context, in CSS pixels, cleared.
  function cleared(canvas, width, tall) {
    const dense = window.devicePixelRatio || 1;
    const columns = Math.round(width * dense), lines = Math.round(tall * dense);
    if (canvas.width !== columns || canvas.height !== lines) {
      canvas.width = columns;
      canvas.height = lines;
    }
    const context = canvas.getContext("2d");
    context.setTransform(dense, 0, 0, dense, 0, 0);
    context.clearRect(0, 0, width, tall);
    return context;
  }

  function drawMouths() {
    for (const { track, canvas, shape } of figures) {
      const side = canvas.clientWidth;
      const context = cleared(canvas, side, canvas.clientHeight);
      mouth.draw(context, side / 2, 0.37 * side, side, weights(track, picture));
      const shown = track.shown[picture];
      shape.textContent = `${data.letters[shown]}  ${data.classes[shown]}`;
    }
  }

  // Where time stands on the strip: the playhead a third from the left.
  const left = () => GUTTER + (strip.clientWidth - GUTTER) / 3 - time * SECOND;

  function drawStrip() {
    const width = strip.clientWidth;
    const context = cleared(strip, width, height);
    const style = getComputedStyle(document.documentElement);
    const [ink, faint, wave, head] = ["--ink", "--faint", "--wave", "--head"].map((name) =>
      style.getPropertyValue(name).trim());
    const zero = left();
    const first = (GUTTER - zero) / SECOND, last = (width - zero) / SECOND;
    context.textBaseline = "middle";
    context.textAlign = "center";
    context.font = "12px system-ui, sans-serif";
    context.save();
    context.beginPath();
    context.rect(GUTTER, 0, width - GUTTER, height);
    context.clip();

    context.fillStyle = wave;
    const { rate, values } = data.peaks;
    for (let n = Math.max(0, Math.floor(first * rate)); n < Math.min(values.length, last * rate); n++) {
      const tall = Math.max(1, WAVE * values[n] / 100);
      context.fillRect(zero + n / rate * SECOND, (WAVE - tall) / 2, SECOND / rate, tall);
    }

    const box = (words, start, end, y, colour, text) => {
      if (end < first || start > last) return;
      const x = zero + start * SECOND, wide = (end - start) * SECOND;
      context.fillStyle = faint;
      context.fillRect(x, y, wide, ROW - 1);
      context.fillStyle = colour;
      context.fillRect(x + 1, y, Math.max(1, wide - 1), ROW - 1);
      if (context.measureText(words).width > wide) return;
      context.fillStyle = text;
      context.fillText(words, x + wide / 2, y + ROW / 2);
    };
    let y = WAVE;
    if (data.phones.length) {
      for (const [label, start, end] of data.phones) box(label, start, end, y, "#ffffff", "#202020");
      y += ROW;
    }
    for (const track of data.tracks) {
      for (const [shape, start, end] of track.segments) {
        box(data.classes[shape], start, end, y, data.colours[shape], inkOn(data.colours[shape]));
      }
      y += ROW;
    }
    context.fillStyle = ink;
    for (let tick = Math.max(0, Math.ceil(first * 2)); tick <= Math.min(last, data.seconds) * 2; tick++) {
      context.fillRect(zero + tick / 2 * SECOND, y, 1, 4);
      context.fillText(`${tick / 2} s`, zero + tick / 2 * SECOND, y + ROW / 2 + 2);
    }
    context.fillStyle = head;
    context.fillRect(zero + time * SECOND - 1, 0, 2, height);
    context.restore();

    context.fillStyle = ink;
    context.textAlign = "left";
    const names = [...(data.phones.length ? ["phones"] : []), ...data.tracks.map((t) => t.name)];
    names.forEach((name, n) => {
      context.fillText(fitting(context, name, GUTTER - 8), 0, WAVE + (n + 0.5) * ROW);
    });
  }

  function inkOn(colour) {
    const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
    return 0.3 * red + 0.59 * green + 0.11 * blue < 120 ? "#ffffff" : "#202020";
  }

  function fitting(context, words, width) {
    if (context.measureText(words).width <= width) return words;
    let short = words.slice(0, 40);
    while (short && context.measureText(`${short}…`).width > width) short = short.slice(0, -1);
    return `${short}…`;
  }

  function show(seconds) {
    time = Math.min(Math.max(seconds, 0), data.seconds);
    picture = Math.min(Math.floor(time * data.rate + 1e-6), data.pictures - 1);
    drawMouths();
    drawStrip();
    element("where").textContent =
      `${time.toFixed(3)} s of ${data.seconds.toFixed(3)}, picture ${picture + 1} of ${data.pictures}`;
  }

  function go(seconds) {
    audio.currentTime = Math.min(Math.max(seconds, 0), data.seconds);
    show(seconds);
  }

  // To the middle of a picture, where its mouth was chosen.
  function step(by) {
    audio.pause();
    const wanted = Math.min(Math.max(picture + by, 0), data.pictures - 1);
    go((wanted + 0.5) / data.rate);
  }

  function run() {
    show(audio.currentTime);
    if (!audio.paused) requestAnimationFrame(run);
  }

  function toggle() {
    if (!audio.paused) return audio.pause();
    if (audio.ended || time >= data.seconds) go(0);
    audio.playbackRate = Number(speed.value);
    audio.play();
  }

  function faster(by) {
    speed.selectedIndex = Math.min(Math.max(speed.selectedIndex + by, 0), speed.length - 1);
    audio.playbackRate = Number(speed.value);
  }

  function loop(wanted) {
    audio.loop = element("loop").checked = wanted;
  }

  audio.addEventListener("play", () => {
    element("play").textContent = "Pause";
    requestAnimationFrame(run);
  });
  audio.addEventListener("pause", () => { element("play").textContent = "Play"; });
  element("play").addEventListener("click", toggle);
  element("back").addEventListener("click", () => step(-1));
  element("forward").addEventListener("click", () => step(1));
  speed.addEventListener("change", () => faster(0));
  element("loop").addEventListener("change", () => loop(element("loop").checked));

  const KEYS = {
    " ": toggle,
    ArrowLeft: (event) => step(event.shiftKey ? -10 : -1),
    ArrowRight: (event) => step(event.shiftKey ? 10 : 1),
    Home: () => go(0),
    End: () => go(data.seconds),
    "-": () => faster(-1),
    "+": () => faster(1),
    "=": () => faster(1),
    l: () => loop(!audio.loop),
  };
  // A button that has the focus would be pressed as well when the space bar comes up.
  document.addEventListener("keyup", (event) => { if (event.key === " ") event.preventDefault(); });
  document.addEventListener("keydown", (event) => {
    const action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    action(event);
  });

  const seek = (event) => {
    const x = event.clientX - strip.getBoundingClientRect().left;
    if (x > GUTTER) go((x - left()) / SECOND);
  };
  strip.addEventListener("pointerdown", seek);

  strip.style.height = `${height}px`;
  window.addEventListener("resize", () => show(time));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show(time));
  show(0);
})();
