"use strict";
// Shows the heatmaps and the answers. Every text goes through textContent: nothing that a model or an
// article wrote is ever parsed as markup. Nothing is fetched: the data stand in this file.
(() => {
  const ROWS = 100; // rows of a table that are made at first
  const $ = (id) => document.getElementById(id);
  const answers = new Map(); // arm -> promise of its answers
  let run, measure, rows = [], columns = [], limit = ROWS;

  const make = (tag, text, attributes = {}) => {
    const node = document.createElement(tag);
    if (text !== undefined && text !== null) node.textContent = text;
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
  };

  async function unpack(id) {
    const letters = atob($(id).textContent);
    const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }

  function answersOf(arm) {
    if (!answers.has(arm)) answers.set(arm, run.has_answers ? unpack(`arm-${arm}`) : Promise.resolve({}));
    return answers.get(arm);
  }

  // ------------------------------------------------------------ filters

  function fill(select, values, all) {
    select.replaceChildren(make("option", all, { value: "" }));
    for (const value of new Set(values)) select.append(make("option", value, { value }));
  }

  function isShown(arm) {
    const one = run.arms[arm];
    return ["family", "variant", "quant"].every((name) => !$(name).value || $(name).value === one[name]);
  }

  const wantedOutcome = () => ($("outcome").value === "" ? -1 : run.outcomes.indexOf($("outcome").value));
  const countAt = (arm, article, outcome) => run.at.get(`${arm}/${article}/${outcome}`) || 0;

  function filter() {
    limit = ROWS;
    for (const row of document.querySelectorAll(".decision tbody tr[data-arm]")) {
      row.hidden = !isShown(Number(row.dataset.arm));
    }
    draw();
  }

  // ------------------------------------------------------------ colours

  function colourOf(value) {
    const [low, high, log] = measure.scale;
    const place = log ? Math.log(Math.max(value, low) / low) / Math.log(high / low) : (value - low) / (high - low);
    const stops = measure.colours, last = stops.length - 1;
    const at = Math.min(Math.max(place || 0, 0), 1) * last, index = Math.min(Math.floor(at), last - 1);
    return stops[index].map((part, i) => Math.round(part + (stops[index + 1][i] - part) * (at - index)));
  }

  function paint(node, [r, g, b]) {
    const linear = [r, g, b].map((part) => (part /= 255) <= 0.04 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    const light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    node.style.backgroundColor = `rgb(${r} ${g} ${b})`;
    node.style.color = light > 0.18 ? "#000" : "#fff";
  }

  const number = (value, digits) => {
    if (value === null || value === undefined) return "–";
    const text = value.toFixed(digits);
    return /^-0\.?0*$/.test(text) ? text.slice(1) : text.replace("-", "−");
  };

  // ------------------------------------------------------------ the table

  function legend() {
    const [low, high, log] = measure.scale, ramp = make("span", null, { class: "ramp", "aria-hidden": "true" });
    for (let step = 0; step <= 8; step += 1) {
      const block = make("i");
      paint(block, colourOf(log ? low * (high / low) ** (step / 8) : low + ((high - low) * step) / 8));
      ramp.append(block);
    }
    const ends = [low, high].map((end) => number(end, end !== 0 && Math.abs(end) < 0.01 ? 4 : measure.digits));
    $("legend").replaceChildren(
      make("span", `${measure.unit}: ${ends[0]}`), ramp, make("span", ends[1]),
      make("span", [measure.note, "hatched: undefined"].filter(Boolean).join("; ")),
    );
  }

  function head(places) {
    const top = make("tr"), second = make("tr");
    top.append(make("th", "Article", { class: "corner", scope: "col", rowspan: "2" }));
    let last;
    for (const place of places) {
      const one = run.arms[measure.arms[place]];
      if (last && last.textContent === one.group) last.colSpan += 1;
      else top.append((last = make("th", one.group, { class: "group", scope: "colgroup" })));
      second.append(make("th", one.name, { scope: "col" }));
    }
    const part = make("thead");
    part.append(top, second);
    return part;
  }

  function cell(article, place, outcome) {
    const arm = measure.arms[place], value = measure.rows[article][place], node = make("td");
    const text = number(value, measure.digits), button = make("button", text, { type: "button", tabindex: "-1" });
    const said = value === null ? "undefined" : text;
    button.setAttribute("aria-label", `${nameOf(article)}, ${run.arms[arm].arm}: ${measure.title} ${said}`);
    button.dataset.arm = arm;
    button.dataset.article = article;
    if (value === null) node.className = "undefined";
    else paint(node, colourOf(value));
    if (outcome >= 0 && !countAt(arm, article, outcome)) node.classList.add("dim");
    node.append(button);
    return node;
  }

  const nameOf = (article) => {
    const one = run.articles[article];
    return one.title || one.id;
  };

  function draw() {
    const outcome = wantedOutcome();
    columns = measure.arms.map((_, place) => place).filter((place) => isShown(measure.arms[place]));
    const all = Object.keys(measure.rows).map(Number);
    rows = all.filter((article) => outcome < 0 || columns.some((place) => countAt(measure.arms[place], article, outcome)));
    const table = make("table", null, { class: "map" }), body = make("tbody"), foot = make("tfoot");
    table.append(make("caption", `${measure.title}; articles down, arms across`), head(columns), body, foot);
    for (const article of rows.slice(0, limit)) {
      const row = make("tr"), name = make("th", null, { scope: "row" });
      name.append(make("span", nameOf(article)));
      row.append(name, ...columns.map((place) => cell(article, place, outcome)));
      body.append(row);
    }
    const means = make("tr");
    means.append(make("th", "all articles", { scope: "row" }));
    means.append(...columns.map((place) => make("td", number(measure.means[place], measure.digits))));
    foot.append(means);
    $("map").replaceChildren(table);
    table.style.setProperty("--first-row", `${table.tHead.rows[0].offsetHeight}px`);
    const first = table.querySelector("tbody button");
    if (first) first.tabIndex = 0;
    $("more").hidden = rows.length <= limit;
    $("more").textContent = `Show all ${rows.length} articles`;
    $("shown").textContent = `${columns.length} of ${measure.arms.length} arms, ${rows.length} of ${all.length} articles`;
    legend();
  }

  function move(event) {
    const button = event.target.closest("td button");
    if (!button) return;
    const td = button.parentElement, line = td.parentElement, body = line.parentElement;
    const steps = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
    const edges = { Home: 1, End: line.cells.length - 1 };
    let next;
    if (steps[event.key]) {
      const [down, right] = steps[event.key], row = body.rows[line.sectionRowIndex + down];
      next = row && row.cells[td.cellIndex + right];
    } else if (edges[event.key]) next = line.cells[edges[event.key]];
    else return;
    event.preventDefault();
    const target = next && next.querySelector("button");
    if (!target) return;
    button.tabIndex = -1;
    target.tabIndex = 0;
    target.focus();
  }

  // ------------------------------------------------------------ one cell

  function answerNode([iteration, outcome, score, confidence, seconds, recoverable, text, errors, remark]) {
    const node = make("article", null, { class: "answer" }), name = run.outcomes[outcome];
    const line = make("p"), facts = [];
    line.append(make("span", name.replaceAll("_", " "), { class: name === "valid" ? "verdict" : "verdict bad" }));
    if (recoverable && name !== "valid") facts.push("recoverable");
    if (score !== null) facts.push(`score ${String(score).replace("-", "−")}`);
    if (confidence !== null) facts.push(`confidence ${confidence}`);
    facts.push(seconds === null ? "not timed alone" : `${seconds.toFixed(2)} s`, `repeat ${iteration}`);
    line.append(` · ${facts.join(" · ")}`);
    node.append(line);
    for (const error of errors) node.append(make("p", error, { class: "bad" }));
    if (remark) node.append(make("p", remark, { class: "hint" }));
    if (text) node.append(make("pre", text, { tabindex: "0" }));
    return node;
  }

  async function side(target, arm, article) {
    target.replaceChildren(make("p", "Opening …"));
    const found = (await answersOf(arm))[article] || [], outcome = wantedOutcome();
    const shown = found.filter((answer) => outcome < 0 || answer[1] === outcome);
    target.replaceChildren(...shown.map(answerNode));
    if (!found.length) target.append(make("p", "No answers of this arm to this article."));
    const hidden = found.length - shown.length;
    if (hidden) target.append(make("p", `${hidden} more with another outcome; the filter hides them.`));
  }

  async function open(arm, article) {
    const one = run.articles[article], value = measure.rows[article][measure.arms.indexOf(arm)];
    $("detail-title").textContent = nameOf(article);
    const about = [one.about && `about ${one.about}`, one.label && `label ${one.label}`,
      one.reference !== null && `reference score ${one.reference}`,
      `${measure.title}: ${value === null ? "undefined" : number(value, measure.digits)}`];
    $("detail-about").textContent = about.filter(Boolean).join(" · ");
    $("detail-text").textContent = [one.url, one.text].filter(Boolean).join("\n\n");
    $("left-arm").textContent = run.arms[arm].arm;
    const other = run.arms[arm].baseline ?? run.arms.findIndex((_, index) => index !== arm);
    $("other").replaceChildren(...run.arms.map((two, index) => make("option", two.arm, { value: index })));
    $("other").value = other < 0 ? arm : other;
    $("other").onchange = () => side($("right"), Number($("other").value), article).catch(complain);
    if (!$("detail").open) $("detail").showModal();
    await Promise.all([side($("left"), arm, article), side($("right"), Number($("other").value), article)]);
  }

  function complain(error) {
    $("failed").textContent = `The data of this page cannot be read: ${error.message}`;
    $("failed").hidden = false;
  }

  // ------------------------------------------------------------ start

  async function start() {
    run = await unpack("summary");
    run.at = new Map(run.counts.map(([arm, article, outcome, n]) => [`${arm}/${article}/${outcome}`, n]));
    for (const name of ["family", "variant", "quant"]) fill($(name), run.arms.map((one) => one[name]), "all");
    fill($("outcome"), run.counts.map((count) => run.outcomes[count[2]]), "all");
    $("filters").addEventListener("change", filter);
    $("filters").addEventListener("reset", () => setTimeout(filter));
    $("filters").addEventListener("submit", (event) => event.preventDefault());
    if (!run.measures.length) return;
    run.measures.forEach((one, index) => $("measure").append(make("option", one.title, { value: index })));
    $("measure").addEventListener("change", () => {
      measure = run.measures[$("measure").value];
      draw();
    });
    $("map").addEventListener("keydown", move);
    $("map").addEventListener("click", (event) => {
      const button = event.target.closest("td button");
      if (button) open(Number(button.dataset.arm), Number(button.dataset.article)).catch(complain);
    });
    $("more").addEventListener("click", () => {
      limit = Infinity;
      draw();
    });
    $("close").addEventListener("click", () => $("detail").close());
    measure = run.measures[0];
    for (const id of ["filters", "choice", "hint"]) $(id).hidden = false;
    draw();
  }

  start().catch(complain);
})();
