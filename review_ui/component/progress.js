// Progress: what an hour of each reviewer gave, how far they agree, and what they disagree on.

class Progress {
  constructor(page) {
    this.page = page;
    this.conflict = 0;
    this.figures = null;
  }

  enter() {
    this.page.outbox.flush();
    this.timer = setInterval(() => this.page.outbox.flush(), 5000);
  }

  leave() {
    clearInterval(this.timer);
  }

  arrived(figures) {
    this.figures = figures;
    this.conflict = Math.max(0, Math.min(this.conflict, figures.conflicts.length - 1));
    this.build();
  }

  build() {
    const { page, figures } = this, number = (value, digits = 1) => value.toFixed(digits);
    const { minutes, hours } = figures;
    page.find("#tiles").replaceChildren(
      this.tile(number(minutes), "minutes approved"),
      this.tile(hours ? number(minutes / hours, 0) : "–", "minutes approved per hour"),
      this.tile(figures.kappa === null ? "–" : number(figures.kappa, 2), "agreement (Cohen’s kappa)"),
      this.tile(String(figures.left), `clips left, ${number(figures.left_minutes)} minutes`),
    );
    this.table("#reviewers", ["Reviewer", "Decisions", "Minutes approved", "Minutes spent", "Per hour"],
      figures.reviewers.map((one) => [one.name, one.decisions, number(one.minutes), number(60 * one.hours),
        one.hours ? number(one.minutes / one.hours, 0) : "–"]));
    this.bars("#bases", figures.bases, (value) => `${number(value)} min`);
    this.bars("#reasons", figures.reasons, (value) => String(value));
    this.table("#pairs", ["Two reviewers", "Kappa"], figures.pairs.map((pair) =>
      [pair.names.join(" and "), number(pair.kappa, 2)]));
    this.bars("#lots", figures.lots, (value) => String(value));
    this.conflicts(figures.conflicts);
  }

  make(tag, name, text = "") {
    const element = document.createElement(tag);
    element.className = name;
    element.textContent = text; // never HTML
    return element;
  }

  tile(value, words) {
    const tile = this.make("div", "tile");
    tile.append(this.make("strong", "", value), this.make("span", "", words));
    return tile;
  }

  table(place, heads, rows) {
    const table = this.make("table", ""), head = table.createTHead().insertRow();
    for (const words of heads) {
      const cell = this.make("th", "", words);
      cell.scope = "col";
      head.append(cell);
    }
    const body = table.createTBody();
    for (const row of rows) {
      const line = body.insertRow();
      for (const value of row) line.insertCell().textContent = value;
    }
    this.page.find(place).replaceChildren(rows.length ? table : this.make("p", "quiet", "Nothing yet"));
  }

  bars(place, values, words) {
    const rows = Object.entries(values).sort((a, b) => b[1] - a[1]);
    const most = Math.max(...rows.map((row) => row[1]), 1e-9);
    this.page.find(place).replaceChildren(...rows.map(([name, value]) => {
      const row = this.make("div", "bar"), track = this.make("div", "bar-track");
      const fill = this.make("div", "bar-fill");
      fill.style.width = `${(100 * value) / most}%`;
      track.append(fill);
      row.append(this.make("span", "", name), track, this.make("span", "bar-value", words(value)));
      return row;
    }), ...(rows.length ? [] : [this.make("p", "quiet", "Nothing yet")]));
  }

  conflicts(list) {
    const items = list.map((conflict, n) => {
      const item = this.make("li", "conflict");
      item.setAttribute("aria-current", n === this.conflict);
      item.append(this.make("strong", "", conflict.text || conflict.id), this.make("code", "", conflict.id));
      conflict.decisions.forEach((decision, k) => {
        const line = this.make("div", "choice");
        const words = `${decision.reviewer}: ${decision.verdict}${decision.note ? `, ${decision.note}` : ""}`;
        line.append(this.make("kbd", "", String(k + 1)), this.make("span", "", words));
        item.append(line);
      });
      return item;
    });
    this.page.find("#conflicts").replaceChildren(
      ...(items.length ? items : [this.make("p", "quiet", "Nobody disagrees")]));
  }

  settle(k) {
    const conflict = this.figures?.conflicts[this.conflict], decision = conflict?.decisions[k];
    if (!decision) return;
    this.page.outbox.add({ id: freshKey(), type: "settle", reviewer: this.page.reviewer,
      clip: conflict.id, chosen: decision.key });
    this.page.say(`Settled as ${decision.reviewer} has it: ${decision.verdict}`, true);
    this.figures.conflicts.splice(this.conflict, 1);
    this.arrived(this.figures);
  }

  key(name) {
    const move = { ArrowUp: -1, ArrowDown: 1 }[name], count = this.figures?.conflicts.length ?? 0;
    if (move && count) {
      this.conflict = (this.conflict + move + count) % count;
      this.build();
      this.page.say(this.figures.conflicts[this.conflict].text);
      return true;
    }
    if (/^[1-9]$/.test(name)) return this.settle(Number(name) - 1), true;
    return false;
  }

  frame() {}
}
