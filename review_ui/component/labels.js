// Editing of tiers. A tier is a list of [label, start, end, ipa?] that tiles the clip; every
// function returns a new tier, or the same one where the edit is not possible.

const STEP = 160; // samples: boundaries move by 10 ms, and no segment is shorter

// The start of segment `n` moves to sample `to`, as far as its neighbours allow.
function moveStart(tier, n, to) {
  if (n < 1) return tier;
  const at = Math.max(tier[n - 1][1] + STEP, Math.min(tier[n][2] - STEP, Math.round(to)));
  if (at === tier[n][1] || at <= tier[n - 1][1] || at >= tier[n][2]) return tier;
  return tier.map((segment, k) => {
    if (k === n - 1) return segment.with(2, at);
    return k === n ? segment.with(1, at) : segment;
  });
}

// Two segments of the same label in place of segment `n`, divided at sample `at`.
function splitAt(tier, n, at) {
  const [label, start, end, ...ipa] = tier[n];
  at = Math.max(start + STEP, Math.min(end - STEP, Math.round(at)));
  if (at <= start || at >= end) return tier;
  return tier.toSpliced(n, 1, [label, start, at, ...ipa], [label, at, end, ...ipa]);
}

// Segment `n` takes in the one after it.
function mergeNext(tier, n) {
  if (n + 1 >= tier.length) return tier;
  return tier.toSpliced(n, 2, tier[n].with(2, tier[n + 1][2]));
}

// Segment `n` gets another label; its IPA no longer holds.
function relabel(tier, n, label) {
  if (tier[n][0] === label) return tier;
  return tier.with(n, tier[n].length > 3 ? [label, tier[n][1], tier[n][2], ""]
                                         : tier[n].with(0, label));
}

// The tier when a boundary between `low` and `high` moves from sample `from` to `to`: what lies
// between them stretches along, so mouths follow a phone that is dragged.
function follow(tier, low, from, to, high) {
  const place = (at) => {
    if (at <= low || at >= high) return at;
    const [a, b, c, d] = at < from ? [low, from, low, to] : [from, high, to, high];
    return Math.round(c + ((at - a) * (d - c)) / (b - a));
  };
  return tier
    .map((segment) => segment.with(1, place(segment[1])).with(2, place(segment[2])))
    .filter((segment) => segment[2] > segment[1]);
}

// The number of the segment that holds sample `at`.
function segmentAt(tier, at) {
  const found = tier.findIndex((segment) => at < segment[2]);
  return found < 0 ? tier.length - 1 : found;
}

// The shares of the mouths at sample `at`: neighbours cross over around their boundary, over at
// most 30 ms on each side and a third of either, so the middle third of every mouth is pure.
function mouthAt(visemes, at) {
  if (!visemes.length) return { Neutral: 1 };
  const here = segmentAt(visemes, at), segment = visemes[here];
  const fade = (item) => Math.min(480, (item[2] - item[1]) / 3);
  const cross = (before, after) => {
    const from = after[1] - fade(before), to = after[1] + fade(after);
    const x = Math.max(0, Math.min(1, (at - from) / (to - from)));
    const share = x * x * (3 - 2 * x);
    if (before[0] === after[0]) return { [after[0]]: 1 };
    return { [before[0]]: 1 - share, [after[0]]: share };
  };
  const middle = (segment[1] + segment[2]) / 2;
  if (at < middle && here > 0) return cross(visemes[here - 1], segment);
  if (at >= middle && here + 1 < visemes.length) return cross(segment, visemes[here + 1]);
  return { [segment[0]]: 1 };
}

// Undo and redo of whole states.
class History {
  constructor(state) {
    Object.assign(this, { state, past: [], future: [] });
  }

  // A new state; `joined` replaces the present one without a step of its own (a drag goes on).
  set(state, joined = false) {
    if (!joined) this.past.push(this.state);
    this.state = state;
    this.future = [];
  }

  undo() {
    if (!this.past.length) return false;
    this.future.push(this.state);
    this.state = this.past.pop();
    return true;
  }

  redo() {
    if (!this.future.length) return false;
    this.past.push(this.state);
    this.state = this.future.pop();
    return true;
  }
}
