// The page: it holds the clips that have come, gives keys to the view that is open, and carries
// decisions to the outbox. Streamlit calls the exported function when the component appears and
// again with each answer of the server.

const AHEAD = { sheet: 32, one: 21 }; // clips held: those on the screen and twenty more
const AT_ONCE = 8; // clips asked for in one message; of the first only 3, so that these come soon

class Page {
  constructor(root, send) {
    Object.assign(this, { root, tables: TABLES });
    this.queues = { sheet: [], one: [] };
    this.loading = new Set();
    this.history = [];
    this.approved = 0; // seconds, in this sitting
    this.decided = 0;
    this.log = []; // {key, start}: performance.now() of each key and of the sound that it started
    this.mouths = null; // a question to the server about phones, while Fix is open
    this.reviewer = localStorage.getItem("visemill:reviewer") ?? "";
    this.started = false;
    this.dialog = null;
    this.drawer = VisemillMouth.create(TABLES.mouth);
    this.dress();
    this.outbox = new Outbox(localStorage, TABLES.project, {
      send, about: () => this.about(), warn: (words) => this.say(words, true) });
    const bench = new Bench(this);
    this.sheet = new Sheet(this);
    this.one = new One(this, bench);
    this.fix = new Fix(this, bench);
    this.progress = new Progress(this);
    this.bench = bench;
    this.view = null;
    this.onkey = (event) => this.keydown(event);
    window.addEventListener("keydown", this.onkey, true);
    this.find("#start").addEventListener("submit", (event) => {
      event.preventDefault();
      this.begin(this.find("#reviewer").value.trim());
    });
    for (const tab of this.root.querySelectorAll("[data-view]")) {
      tab.addEventListener("click", () => this.started && this.show(tab.dataset.view));
    }
    this.find("#help-button").addEventListener("click", () => this.help());
    this.fillReasons();
    this.find("#reviewer").value = this.reviewer;
    this.find("#reviewer").focus();
    const loop = () => {
      if (!this.root.isConnected) return this.end(); // Streamlit has taken the component away
      this.view?.frame();
      requestAnimationFrame(loop);
    };
    loop();
    this.ticker = setInterval(() => this.tick(), 500);
  }

  // --- small tools -------------------------------------------------------------------------

  find(selector) {
    return this.root.querySelector(selector);
  }

  // Text into an element: whatever clips say, it is never read as HTML.
  write(selector, text) {
    this.find(selector).textContent = text;
  }

  // After the present task, so that a sound that was just started is out first.
  soon(task) {
    setTimeout(task, 0);
  }

  // To screen readers alone.
  whisper(words) {
    this.write("#live", words);
  }

  // To screen readers, and on the page.
  say(words, lasting = false) {
    this.whisper(words);
    const note = this.find("#note");
    note.textContent = words;
    note.classList.add("shown");
    clearTimeout(this.hush);
    this.hush = setTimeout(() => note.classList.remove("shown"), lasting ? 8000 : 1800);
  }

  // Light or dark, as Streamlit's background is.
  dress() {
    const background = getComputedStyle(this.root).getPropertyValue("--st-background-color");
    if (background === this.background) return;
    this.background = background;
    const probe = document.createElement("canvas").getContext("2d");
    probe.fillStyle = background.trim() || "#ffffff";
    const [r, g, b] = probe.fillStyle.match(/[0-9a-f]{2}/gi).map((pair) => parseInt(pair, 16));
    this.root.dataset.theme = 0.3 * r + 0.6 * g + 0.1 * b < 128 ? "dark" : "light";
    this.colours = readColours(this.root);
    this.view?.draw?.();
  }

  mouth(canvas, shares) {
    const { context, width, height } = fitted(canvas);
    this.drawer.draw(context, width / 2, height / 2, Math.min(width * 1.15, height * 1.35), shares);
  }

  // --- the server --------------------------------------------------------------------------

  about() {
    const held = [...this.queues.sheet, ...this.queues.one].map((clip) => clip.id);
    // The open view is served first; what then is left of AT_ONCE goes to the other.
    const order = this.view === this.sheet || !this.view ? ["sheet", "one"] : ["one", "sheet"];
    const want = {};
    for (const view of order) want[view] = Math.max(0, AHEAD[view] - this.queues[view].length);
    return { reviewer: this.reviewer, started: this.started, held: [...held, ...this.loading], want,
      most: held.length ? AT_ONCE : 3, progress: this.view === this.progress, mouths: this.mouths };
  }

  async answered(answer) {
    this.outbox.answered(answer);
    for (const [id, why] of Object.entries(answer.refused)) {
      this.say(`The server refused a decision: ${why}`, true);
      console.warn("refused", id, why);
    }
    if (answer.trouble) this.say(`The server is in trouble: ${answer.trouble}`, true);
    if (answer.fault) return this.turnedAway(answer.fault);
    if (answer.reviewer && !this.started) { // somebody else has checked who it is
      this.find("#reviewer").value = answer.reviewer;
      this.find("#reviewer").readOnly = true;
    }
    for (const [id, why] of Object.entries(answer.unreadable)) {
      this.loading.add(id); // so that it is not asked for again
      this.say(why, true);
    }
    if (answer.mouths) {
      if (answer.mouths.number === this.mouths?.number) this.mouths = null;
      this.fix.mouths(answer.mouths);
    }
    if (answer.progress) this.progress.arrived(answer.progress);
    const fresh = answer.clips.filter((clip) => !this.holds(clip.id));
    if (fresh.length) await this.take(fresh);
    if (fresh.length && this.hungry()) this.outbox.flush();
    this.status();
  }

  holds(id) {
    return this.loading.has(id) || [...this.queues.sheet, ...this.queues.one].some((c) => c.id === id);
  }

  hungry() {
    return Object.keys(AHEAD).some((view) => this.queues[view].length < AHEAD[view]);
  }

  // Decodes clips and puts them into their queues in the order in which they came.
  async take(clips) {
    for (const clip of clips) this.loading.add(clip.id);
    for (const clip of clips) {
      try {
        clip.sound = await this.sound.decode(clip.audio);
        clip.audio = null;
        clip.samples = clip.sound.length;
        this.queues[clip.view].push(clip);
      } catch (error) {
        this.say(`The sound of ${clip.id} cannot be read: ${error.message}`, true);
      }
      this.loading.delete(clip.id);
      if (this.queues[clip.view].length === 1) this.firstOf(clip.view);
    }
    if (this.view === this.sheet) this.sheet.arrived();
    this.prepareAhead();
  }

  // A queue that was empty has a clip again.
  firstOf(view) {
    if (view === "sheet" && this.view === this.sheet) this.sheet.enter();
    if (view === "one" && (this.view === this.one || this.view === this.fix)) this.view.enter();
  }

  // What comes next is stretched and analysed while nobody waits.
  prepareAhead() {
    if (this.preparing) return;
    this.preparing = true;
    const work = () => {
      const sheet = this.queues.sheet.slice(0, 13).find((clip) => !clip.ready);
      const one = this.queues.one.slice(0, 4).find((clip) => !clip.ready);
      const clip = this.view === this.sheet ? sheet ?? one : one ?? sheet;
      if (!clip || this.over) {
        this.preparing = false;
        return;
      }
      if (clip.view === "sheet") {
        this.sound.prepare(clip, this.sheet.options());
        clip.ready = true;
      } else if (!clip.spectrum) {
        clip.analysis ??= spectrogram(clip.sound);
        const { done, value } = clip.analysis.next();
        if (done) clip.spectrum = value;
      } else {
        this.sound.prepare(clip, this.bench.loopOf(clip));
        clip.ready = true;
      }
      setTimeout(work, 5);
    };
    setTimeout(work, 30);
  }

  // --- sound and decisions -----------------------------------------------------------------

  start(clip, options, onend) {
    const start = this.sound.play(clip, options, onend);
    if (this.pressed) this.log.push({ key: this.pressed, start, clip: clip.id });
    this.pressed = null;
  }

  // The clips get a verdict: kept in this browser, sent in the background.
  decide(view, clips, verdict, { note = "", seconds = 0, flagged = [], phones, visemes } = {}) {
    const made = clips.map((clip) => {
      const id = freshKey();
      this.outbox.add({ id, type: "decide", reviewer: this.reviewer, clip: clip.id,
        labels: clip.labels, verdict, note, seconds: Math.min(seconds, 600), lot: clip.lot, phones,
        visemes });
      clip.prepared = null;
      return id;
    });
    this.history.push({ view, clips, made, flagged, verdict, note });
    if (this.history.length > 50) this.history.shift();
    this.decided += clips.length;
    if (verdict !== "reject") this.approved += clips.reduce((sum, clip) => sum + clip.seconds, 0);
    this.status();
  }

  // The last decision is taken back and its clips come again.
  undo() {
    const last = this.history.pop();
    if (!last) return this.say("Nothing to undo");
    for (const id of last.made) {
      this.outbox.add({ id: `undo-${id}`, type: "undo", reviewer: this.reviewer, key: id });
    }
    const flagged = new Set(last.flagged);
    this.queues.one = this.queues.one.filter((clip) => !flagged.has(clip));
    this.queues[last.view].unshift(...last.clips, ...last.flagged);
    this.decided -= last.clips.length;
    if (last.verdict !== "reject") this.approved -= last.clips.reduce((s, clip) => s + clip.seconds, 0);
    if (this[last.view] !== this.view) this.show(last.view);
    else this.view.enter();
    this.say(`Taken back: ${last.clips.length} × ${last.verdict}`);
    this.status();
  }

  askMouths(id, phones) {
    this.mouths = { id, phones, number: (this.asked = (this.asked ?? 0) + 1) };
    this.outbox.flush();
  }

  // --- views and dialogs -------------------------------------------------------------------

  async begin(name) {
    if (!name) return;
    this.reviewer = name;
    localStorage.setItem("visemill:reviewer", name);
    this.sound ??= new Sound();
    this.started = true;
    this.find("#start").hidden = true;
    this.show("sheet");
    this.outbox.flush();
    await this.sound.wake();
  }

  turnedAway(why) {
    this.started = false;
    this.find("#start").hidden = false;
    this.write("#start-fault", why);
    this.find("#reviewer").focus();
  }

  show(name, { again = true } = {}) {
    const view = this[name];
    if (this.view === view) return;
    if (again) this.view?.leave();
    this.view = view;
    this.root.dataset.view = name;
    for (const tab of this.root.querySelectorAll("[data-view]")) {
      if (tab.dataset.view === name) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    }
    for (const part of this.root.querySelectorAll("[data-shown-in]")) {
      part.hidden = !part.dataset.shownIn.split(" ").includes(name);
    }
    if (again) view.enter();
    this.status();
  }

  open(dialog, onkey) {
    this.dialog = { element: this.find(dialog), onkey };
    this.dialog.element.hidden = false;
    this.dialog.element.focus();
  }

  close() {
    this.dialog.element.hidden = true;
    this.dialog = null;
    this.find("#pick-filter").blur();
  }

  help() {
    if (this.dialog) return;
    this.open("#help", () => this.close());
  }

  fillReasons() {
    for (const [key, words] of this.tables.reasons) {
      const row = document.createElement("li"), letter = document.createElement("kbd");
      letter.textContent = key.toUpperCase();
      row.append(letter, ` ${words}`);
      this.find("#reasons-list").append(row);
    }
  }

  askReason(then) {
    this.open("#why", (name) => {
      const reason = this.tables.reasons.find(([key]) => key === name);
      if (name === "Escape") return this.close();
      if (!reason && name !== "Enter") return;
      this.close();
      then(reason ? reason[1] : "");
    });
  }

  // A list to choose from: letters narrow it down, arrows move, Enter takes.
  pick(title, labels, then) {
    const filter = this.find("#pick-filter"), list = this.find("#pick-list");
    let chosen = 0, shown = [];
    const fill = () => {
      const wanted = filter.value.trim().toLowerCase();
      const fits = (label) => label.toLowerCase().startsWith(wanted);
      shown = labels.filter(fits).sort((a, b) => a.length - b.length * (wanted ? 1 : 0));
      if (!wanted) shown = labels;
      chosen = Math.max(0, Math.min(chosen, shown.length - 1));
      list.replaceChildren(...shown.map((label, n) => {
        const item = document.createElement("li");
        item.textContent = label;
        item.setAttribute("role", "option");
        item.setAttribute("aria-selected", n === chosen);
        item.addEventListener("click", () => take(label));
        return item;
      }));
    };
    const take = (label) => {
      this.close();
      if (label !== undefined) then(label);
    };
    this.write("#pick-title", title);
    filter.value = "";
    filter.oninput = () => {
      chosen = 0;
      fill();
    };
    fill();
    this.open("#pick", (name) => {
      const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[name];
      if (name === "Escape") this.close();
      else if (name === "Enter") take(shown[chosen]);
      else if (step) {
        chosen = (chosen + step + shown.length) % Math.max(1, shown.length);
        fill();
      } else return false;
      return true;
    });
    filter.focus();
  }

  // --- keys --------------------------------------------------------------------------------

  keydown(event) {
    if (!this.root.isConnected) return;
    const target = event.composedPath()[0];
    const typing = target instanceof HTMLInputElement;
    const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const handled = () => {
      event.preventDefault();
      event.stopImmediatePropagation();
    };
    const command = event.ctrlKey || event.metaKey;
    if (event.altKey || /^F\d/.test(name) || (command && !["z", "y"].includes(name))) return;
    if (!this.started || (typing && !this.dialog)) return;
    if (event.repeat && !typing && !name.startsWith("Arrow")) return handled(); // decides once
    this.pressed = event.timeStamp;
    if (this.dialog) {
      if (this.dialog.onkey(name) !== false || !typing) handled();
    } else if (this.view.key(name, event) || this.global(name)) {
      handled();
    }
    this.pressed = null;
  }

  global(name) {
    const actions = {
      s: () => this.show("sheet"),
      o: () => this.show("one"),
      f: () => this.show("fix"),
      g: () => this.show("progress"),
      u: () => this.undo(),
      z: () => this.undo(),
      "?": () => this.help(),
    };
    if (!actions[name]) return false;
    actions[name]();
    return true;
  }

  // Twice a second; every ten seconds a page that could hold more asks whether there is work again.
  tick() {
    this.status();
    this.ticks = (this.ticks ?? 0) + 1;
    if (this.started && this.hungry() && this.ticks % 20 === 0) this.outbox.flush();
  }

  // --- the line at the top -----------------------------------------------------------------

  status() {
    const open = this.outbox.open.size;
    const saved = this.find("#saved");
    const state = !open ? "saved" : this.outbox.late ? "offline" : "saving";
    saved.dataset.state = state;
    const waiting = `${open} decision${open === 1 ? "" : "s"}`;
    saved.textContent = { saved: "✓ all saved", saving: `saving ${waiting}`,
      offline: `server away: ${waiting} kept in this browser` }[state];
    this.write("#approved", `${(this.approved / 60).toFixed(1)} min approved, ${this.decided} decided`);
    this.write("#who", this.started ? this.reviewer : "");
  }

  end() {
    this.over = true;
    window.removeEventListener("keydown", this.onkey, true);
    clearInterval(this.ticker);
    clearTimeout(this.outbox.timer);
    this.progress.leave();
    this.sound?.context.close();
  }
}

export default function ({ parentElement, data, setStateValue }) {
  const root = parentElement.querySelector("#review");
  let page = root.visemill; // it outlives this module if the server comes back with a newer one
  if (!page) {
    const send = (message) => root.visemillSend("sent", message);
    root.visemillSend = setStateValue;
    page = new Page(root, send);
    root.visemill = page;
    page.outbox.flush();
  }
  root.visemillSend = setStateValue;
  page.dress();
  if (data.serial && data.serial !== page.seen) {
    page.seen = data.serial;
    page.answered(data);
  }
}
