"use strict";
// Everything from the notes reaches the page as text, never as markup; sentences are cut out of notes by their offsets.
(() => {
  // Fields of a visit, of a key point, of a milestone and of a proposal, as analyzer/report.py writes them.
  const ROW = 0, DATE = 1, PERSON = 2, TEAM = 3, OWNER = 4, OUTCOME = 5, CONFIDENCE = 6, REVIEW = 7, NOTE = 8;
  const EVIDENCE = 9, CONCERNS = 10, COMMITMENT = 11;
  const TOPIC = 0, TOPIC_SURE = 1, IS_OPEN = 2, QUOTE = 3, ANSWER = 4, HISTORY = 5, ECHO = 6;
  const STATUS = 0, PROOF = 1, MISSING = 2, WAITS_ON = 3, PROMISE = 4;
  const ASK = 0, SENTENCE = 1, FALLBACK = 2, REASONS = 3, SETTLE = 4;
  const PAGE_SIZE = 50, WEEKS_SHOWN = 27;
  // What a printed page holds; it is made smaller, down to a limit, where it would not fit (A4 less margins, in pixels).
  const PAPER = { visits: 5, open: 9, answered: 6, characters: 170, height: 1015, smallest: 0.7 };

  const byId = (id) => document.getElementById(id);
  let data, words;

  // --- building elements ---------------------------------------------------------------------------

  function put(node, properties, children) {
    for (const [name, value] of Object.entries(properties || {})) {
      if (name === "onclick") node.addEventListener("click", value);
      else if (name === "width") node.style.width = value;
      else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
    }
    for (const child of children.flat(Infinity)) {
      if (child !== null && child !== undefined && child !== false) node.append(child);
    }
    return node;
  }
  const el = (tag, properties, ...children) => put(document.createElement(tag), properties, children);

  function drawing(width, height, label, ...children) {
    const svg = byId("drawing").content.firstElementChild.cloneNode(false);
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("aria-label", label);
    return put(svg, {}, children);
  }
  function shape(tag, properties, ...children) {
    const space = byId("drawing").content.firstElementChild.namespaceURI;
    const node = document.createElementNS(space, tag);
    for (const [name, value] of Object.entries(properties)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  }
  const say = (key, values) => words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const percent = (part, whole) => (whole ? `${Math.round((100 * part) / whole)}%` : "–");
  const number = (value) => value.toLocaleString("en-US");

  // --- words of the notes --------------------------------------------------------------------------

  // Offsets count characters; a JavaScript string counts a rare character as two.
  const wide = new Map();
  function cut(visit, start, end) {
    const note = data.visits[visit][NOTE];
    if (!/[\ud800-\udfff]/.test(note)) return note.slice(start, end);
    if (!wide.has(visit)) wide.set(visit, Array.from(note));
    return wide.get(visit).slice(start, end).join("");
  }
  const oneLine = (text) => text.split(/\s+/).filter(Boolean).join(" ");
  function source(visit) {
    const [row, date] = data.visits[visit];
    return el("span", { class: "src" }, `${date || words.no_date} · ${say("row", { n: row })}`);
  }
  function quote(at) {
    if (!at) return el("span", { class: "gap" }, words.gap);
    const [visit, start, end] = at;
    const text = `「${oneLine(cut(visit, start, end))}」`;
    return [el("bdi", { class: "q", "data-at": `${visit},${start},${end}` }, text), source(visit)];
  }

  // The note with its findings marked; marks may overlap.
  function marked(index, limit) {
    const visit = data.visits[index];
    const marks = [];
    for (const [start, end] of visit[EVIDENCE]) marks.push([start, end, "e"]);
    for (const [start, end, open, from, to] of visit[CONCERNS]) {
      marks.push([start, end, open ? "c o" : "c"]);
      if (to) marks.push([from, to, "r"]);
    }
    if (visit[COMMITMENT]) marks.push([visit[COMMITMENT][0], visit[COMMITMENT][1], "k"]);
    for (const [start, end] of hits(visit[NOTE])) marks.push([start, end, HIT]);
    const whole = count(visit[NOTE]);
    const shown = Math.min(whole, limit || whole);
    const borders = [...new Set([0, shown, ...marks.flatMap(([start, end]) => [start, end])])]
      .filter((at) => at <= shown).sort((a, b) => a - b);
    const parts = borders.slice(1).map((end, at) => {
      const start = borders[at];
      const kinds = marks.filter((mark) => mark[0] <= start && end <= mark[1]).map((mark) => mark[2]);
      const text = cut(index, start, end);
      const inner = kinds.includes(HIT) ? el("mark", {}, text) : text;
      const classes = kinds.filter((kind) => kind !== HIT).join(" ");
      return classes ? el("span", { class: classes }, inner) : inner;
    });
    return el("div", { class: "note", "data-visit": index }, parts, shown < whole ? "…" : null);
  }
  const HIT = "hit";
  const count = (text) => (/[\ud800-\udfff]/.test(text) ? Array.from(text).length : text.length);
  // Where the note holds what is searched for.
  function hits(note) {
    const lower = note.toLowerCase();
    const places = [];
    if (!chosen.search || lower.length !== note.length) return places;
    for (let at = lower.indexOf(chosen.search); at >= 0; at = lower.indexOf(chosen.search, at + chosen.search.length)) {
      const start = count(note.slice(0, at));
      places.push([start, start + count(chosen.search)]);
    }
    return places;
  }

  // --- filters -------------------------------------------------------------------------------------

  const chosen = { search: "", from: "", to: "", team: "", person: "", stage: "" };
  const title = (one) => [one.customer, one.name !== one.customer ? one.name : ""].filter(Boolean).join(" · ");
  const outcomeName = (index) => (index < 0 ? "none" : data.outcomes[index]);
  const outcomeLabel = (index) => (index < 0 ? words.no_text : words[`outcome_${data.outcomes[index]}`]);
  const person = (index) => data.people[index] || words.unnamed;
  const team = (index) => data.teams[index] || words.unnamed;

  function inStage(one) {
    if (!chosen.stage) return true;
    if (!one) return false;
    return chosen.stage === "drifting" ? one.drift.length > 0 : data.stages[one.stage] === chosen.stage;
  }
  function visible(visit) {
    const one = data.opportunities[visit[OWNER]];
    if (chosen.team !== "" && visit[TEAM] !== Number(chosen.team)) return false;
    if (chosen.person !== "" && visit[PERSON] !== Number(chosen.person)) return false;
    if (chosen.from && !(visit[DATE] >= chosen.from)) return false;
    if (chosen.to && !(visit[DATE] && visit[DATE] <= chosen.to)) return false;
    if (!inStage(one)) return false;
    if (!chosen.search) return true;
    const texts = [visit[NOTE], one ? title(one) : "", data.people[visit[PERSON]]];
    return texts.some((text) => text.toLowerCase().includes(chosen.search));
  }
  // What the filters leave: indices of visits, and the opportunities that they belong to.
  function selection() {
    const visits = [];
    data.visits.forEach((visit, index) => visible(visit) && visits.push(index));
    const owners = new Set(visits.map((index) => data.visits[index][OWNER]));
    const opportunities = data.opportunities.map((_, index) => index).filter((index) => owners.has(index));
    return { visits, opportunities };
  }
  function tally(indices) {
    const counts = data.outcomes.map(() => 0);
    let analysed = 0, review = 0;
    for (const index of indices) {
      const visit = data.visits[index];
      if (visit[OUTCOME] < 0) continue;
      counts[visit[OUTCOME]] += 1;
      analysed += 1;
      review += visit[REVIEW];
    }
    const at = (name) => counts[data.outcomes.indexOf(name)];
    return { counts, analysed, review, advances: at("advance"), successes: at("order") + at("advance") };
  }

  // --- overview ------------------------------------------------------------------------------------

  function tile(id, what, value, rule) {
    return el("div", { class: "tile", id: `tile-${id}` }, el("span", { class: "what" }, what), el("b", {}, value), el("span", {}, rule));
  }
  function overview(picked) {
    const sums = tally(picked.visits);
    const chosenOnes = picked.opportunities.map((index) => data.opportunities[index]);
    const inStageCount = (name) => chosenOnes.filter((one) => data.stages[one.stage] === name).length;
    const drifting = chosenOnes.filter((one) => one.drift.length).length;
    const points = chosenOnes.flatMap((one) => one.points);
    const open = points.filter((point) => point[IS_OPEN]).length;
    return [
      el("h2", {}, words.nav_overview),
      el("div", { class: "tiles" },
        tile("visits", words.visits, number(sums.analysed), say("analysed_of", { n: number(picked.visits.length) })),
        tile("success", words.success_rate, percent(sums.successes, sums.analysed), words.success_rule),
        tile("advance", words.advance_rate, percent(sums.advances, sums.analysed), words.advance_rule),
        tile("open", words.open_opportunities, number(inStageCount("open")),
          say("open_rule", { won: inStageCount("won"), lost: inStageCount("lost") })),
        tile("drift", words.drifting, number(drifting), say("drift_rule", { share: percent(drifting, inStageCount("open")) })),
        tile("concerns", words.open_concerns, number(open), say("concern_rule", { n: number(points.length - open) }))),
      el("div", { class: "card" }, outcomeChart(picked.visits),
        sums.review ? el("p", { class: "small" }, say("review_note", { n: number(sums.review) })) : null),
    ];
  }
  const outcomeLegend = () => el("p", { class: "legend" }, data.outcomes.map((name) =>
    el("span", {}, el("i", { class: `bg-${name}` }), words[`outcome_${name}`])));

  const DAY = 86400000;
  const toTime = (date) => Date.parse(`${date}T00:00:00Z`);
  const toDate = (time) => new Date(time).toISOString().slice(0, 10);
  const monday = (date) => toDate(toTime(date) - ((new Date(toTime(date)).getUTCDay() + 6) % 7) * DAY);

  function outcomeChart(indices) {
    const dated = indices.filter((index) => data.visits[index][DATE] && data.visits[index][OUTCOME] >= 0);
    const undated = indices.filter((index) => !data.visits[index][DATE]).length;
    const dates = dated.map((index) => data.visits[index][DATE]).sort();
    if (!dates.length) return el("p", { class: "small" }, words.no_rows);
    const weekly = (toTime(dates[dates.length - 1]) - toTime(dates[0])) / DAY / 7 <= WEEKS_SHOWN;
    const slot = (date) => (weekly ? monday(date) : date.slice(0, 7));
    const columns = new Map();
    if (weekly) {
      for (let at = toTime(monday(dates[0])); at <= toTime(dates[dates.length - 1]); at += 7 * DAY) columns.set(toDate(at), []);
    }
    for (const date of dates) if (!columns.has(slot(date))) columns.set(slot(date), []);
    for (const index of dated) columns.get(slot(data.visits[index][DATE])).push(index);
    return [
      el("h3", { style: "margin-top:0" }, weekly ? words.outcomes_over_time : words.outcomes_by_month),
      outcomeLegend(),
      columnChart([...columns].sort(([a], [b]) => (a < b ? -1 : 1)), weekly),
      undated ? el("p", { class: "small" }, say("undated", { n: number(undated) })) : null,
    ];
  }
  function columnChart(columns, weekly) {
    const width = Math.max(280, Math.min(1040, byId("main").clientWidth - 70));
    const height = 200, left = 30, bottom = 22, top = 8;
    const highest = Math.max(1, ...columns.map(([, list]) => list.length));
    const step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].find((one) => highest / one <= 4) || 10000;
    const ceiling = Math.ceil(highest / step) * step;
    const y = (count) => top + (height - top - bottom) * (1 - count / ceiling);
    const pitch = (width - left) / columns.length;
    const thick = Math.min(34, pitch * 0.66);
    const every = Math.ceil(columns.length / Math.max(1, Math.floor((width - left) / 52)));
    const parts = [];
    for (let count = 0; count <= ceiling; count += step) {
      parts.push(shape("line", { x1: left, x2: width, y1: y(count), y2: y(count) }));
      parts.push(shape("text", { x: left - 8, y: y(count) + 4, "text-anchor": "end" }, number(count)));
    }
    columns.forEach(([name, list], at) => {
      const x = left + pitch * at + (pitch - thick) / 2;
      const counts = tally(list).counts;
      let base = 0;
      data.outcomes.forEach((outcome, kind) => {
        if (!counts[kind]) return;
        const rectangle = shape("rect", { x, width: thick, y: y(base + counts[kind]), height: y(base) - y(base + counts[kind]), class: `fill-${outcome}` });
        rectangle.append(shape("title", {}, `${name}　${outcomeLabel(kind)} ${counts[kind]}`));
        parts.push(rectangle);
        base += counts[kind];
      });
      if (at % every === 0) {
        parts.push(shape("text", { x: x + thick / 2, y: height - 5, "text-anchor": "middle" }, weekly ? name.slice(5).replace("-", "/") : name));
      }
    });
    const chart = drawing(width, height, weekly ? words.outcomes_over_time : words.outcomes_by_month, ...parts);
    chart.setAttribute("height", height);
    return chart;
  }

  // --- people --------------------------------------------------------------------------------------

  function rateTable(heading, indices, field, nameOf) {
    const groups = new Map();
    for (const index of indices) {
      const key = data.visits[index][field];
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(index);
    }
    const rows = [...groups].map(([key, list]) => ({ name: nameOf(key), ...tally(list) })).filter((row) => row.analysed);
    const rate = (row) => row.successes / row.analysed;
    const ranked = rows.filter((row) => row.analysed >= data.minRanked).sort((a, b) => rate(b) - rate(a) || b.analysed - a.analysed);
    const few = rows.filter((row) => row.analysed < data.minRanked).sort((a, b) => (a.name < b.name ? -1 : 1));
    const line = (row, rank) => el("tr", { class: rank ? null : "few" },
      el("td", { class: "n" }, rank || "–"),
      el("td", {}, el("bdi", {}, row.name)),
      el("td", { class: "n" }, number(row.analysed)),
      el("td", { class: "n" }, percent(row.successes, row.analysed)),
      el("td", { class: "n" }, percent(row.advances, row.analysed)),
      el("td", {}, stack(row.counts.map((count, kind) => [data.outcomes[kind], count]), row.analysed)));
    return el("div", { class: "card" },
      el("h3", { style: "margin-top:0" }, heading),
      el("div", { class: "scroll" }, el("table", {},
        el("thead", {}, el("tr", {}, [["rank", 1], ["name"], ["visits", 1], ["success_rate", 1], ["advance_rate", 1], ["outcome"]].map(
          ([key, right]) => el("th", { class: right ? "n" : null }, words[key])))),
        el("tbody", {},
          ranked.map((row, at) => line(row, at + 1)),
          few.length ? el("tr", { class: "divider" }, el("td", { colspan: 6 }, say("few", { n: data.minRanked }))) : null,
          few.map((row) => line(row, 0))))),
      rows.length ? null : el("p", { class: "small" }, words.no_rows));
  }
  function stack(parts, whole) {
    return el("div", { class: "stack" }, parts.filter(([, count]) => count).map(([name, count]) =>
      el("i", { class: `bg-${name}`, width: `${(100 * count) / whole}%`, title: `${words[`outcome_${name}`] || words[name]} ${count}` })));
  }
  const people = (picked) => [
    el("h2", {}, words.nav_people),
    outcomeLegend(),
    el("div", { class: "two" },
      rateTable(words.by_person, picked.visits, PERSON, person),
      data.teams.length > 1 || data.teams[0] ? rateTable(words.by_team, picked.visits, TEAM, team) : null),
  ];

  // --- concerns ------------------------------------------------------------------------------------

  function concerns(picked) {
    const counts = new Map();
    for (const index of picked.opportunities) {
      for (const point of data.opportunities[index].points) {
        const name = point[TOPIC_SURE] ? topicOf(point) : say("unspecific", { group: topicOf(point) });
        if (!counts.has(name)) counts.set(name, [0, 0]);
        counts.get(name)[point[IS_OPEN] ? 0 : 1] += 1;
      }
    }
    const rows = [...counts].sort(([a, [b, c]], [d, [e, f]]) => e + f - b - c || (a < d ? -1 : 1));
    const highest = Math.max(1, ...rows.map(([, [open, done]]) => open + done));
    return [
      el("h2", {}, words.concerns_by_topic),
      el("div", { class: "card" },
        el("p", { class: "legend" }, ["open", "addressed"].map((name) => el("span", {}, el("i", { class: `bg-${name}` }), words[name]))),
        el("div", { class: "topics" }, rows.map(([name, [open, done]]) => [
          el("span", {}, name),
          stack([["open", open], ["addressed", done]], highest),
          el("span", { class: "small" }, `${open} / ${open + done}`),
        ])),
        rows.length ? el("p", { class: "small" }, words.concerns_rule) : el("p", { class: "small" }, words.no_rows)),
    ];
  }
  const topicOf = (point) => (point[TOPIC_SURE] ? data.topics : data.groups)[point[TOPIC]];

  // --- opportunities -------------------------------------------------------------------------------

  const driftText = (one) => one.drift.map(([kind, n]) => say(`drift_${kind}`, { n })).join(" · ");
  const dots = (one) => el("span", { class: "dots", "aria-hidden": "true" }, one.visits.slice(-14).map((index) =>
    el("i", { class: `bg-${outcomeName(data.visits[index][OUTCOME])}`, title: `${data.visits[index][DATE] || ""} ${outcomeLabel(data.visits[index][OUTCOME])}` })));
  const chip = (kind, text) => el("span", { class: `chip ${kind}` }, text);
  const lastVisit = (one) => [...one.visits].reverse().find((index) => data.visits[index][OUTCOME] >= 0) ?? one.visits.at(-1);
  const link = (index) => el("button", { type: "button", class: "link", onclick: () => { location.hash = `o${index}`; } },
    el("bdi", {}, title(data.opportunities[index])));

  function drifts(picked) {
    const rows = picked.opportunities.filter((index) => data.opportunities[index].drift.length)
      .sort((a, b) => data.opportunities[b].streak - data.opportunities[a].streak);
    return [
      el("h2", {}, words.drift_title),
      el("div", { class: "card" }, rows.length ? listed("drift", rows, (index) => {
        const one = data.opportunities[index];
        return el("tr", {}, el("td", {}, link(index)), el("td", {}, dots(one)), el("td", { class: "warn" }, driftText(one)),
          el("td", { class: "small" }, person(data.visits[one.visits.at(-1)][PERSON])));
      }) : el("p", { class: "small" }, words.no_rows)),
    ];
  }
  function opportunities(picked) {
    const order = (one) => data.stages[one.stage] === "open" ? (one.drift.length ? 0 : 1) : data.stages[one.stage] === "won" ? 2 : 3;
    const newest = (index) => data.visits[data.opportunities[index].visits.at(-1)][DATE] || "";
    const rows = [...picked.opportunities].sort((a, b) =>
      order(data.opportunities[a]) - order(data.opportunities[b]) || (newest(a) < newest(b) ? 1 : newest(a) > newest(b) ? -1 : 0));
    const head = [words.opportunity, words.stage, words.last_visit, words.outcome, words.open, words.next_milestone, words.days_since_advance];
    return [
      el("h2", {}, `${words.nav_opportunities} `, el("span", { class: "small", id: "opportunity-count" }, number(rows.length))),
      el("div", { class: "card" }, rows.length ? listed("opportunities", rows, (index) => {
        const one = data.opportunities[index];
        const last = data.visits[lastVisit(one)];
        return el("tr", { "data-opportunity": index },
          el("td", {}, link(index), one.drift.length ? el("div", { class: "small warn" }, driftText(one)) : null),
          el("td", { class: "inline" }, chip(data.stages[one.stage], words[`stage_${data.stages[one.stage]}`])),
          el("td", { class: "small inline" }, newest(index) || words.no_date, el("br"), " ", dots(one)),
          el("td", { class: "inline" }, chip(outcomeName(last[OUTCOME]), outcomeLabel(last[OUTCOME]))),
          el("td", { class: "n", "data-name": words.open }, one.points.filter((point) => point[IS_OPEN]).length),
          el("td", { "data-name": words.next_milestone }, one.next < 0 ? "" : data.milestones[one.next]),
          el("td", { class: "n", "data-name": words.days_since_advance }, one.sinceAdvance === null ? "–" : say("days", { n: one.sinceAdvance })));
      }, head) : el("p", { class: "small" }, words.no_rows)),
    ];
  }
  // A table of the first rows, with a button for more.
  const limits = {};
  function listed(name, rows, line, head) {
    const limit = limits[name] || PAGE_SIZE;
    return [
      el("table", { class: "cards" },
        head ? el("thead", {}, el("tr", {}, head.map((text, at) => el("th", { class: at === 4 || at === 6 ? "n" : null }, text)))) : null,
        el("tbody", {}, rows.slice(0, limit).map(line))),
      moreButton(name, rows.length, limit),
    ];
  }
  function moreButton(name, total, limit) {
    if (total <= limit) return null;
    const n = Math.min(PAGE_SIZE, total - limit);
    return el("button", { type: "button", class: "more", onclick: () => { limits[name] = limit + PAGE_SIZE; render(); } }, say("more", { n }));
  }

  // --- one opportunity -----------------------------------------------------------------------------

  function sheet(index, paper) {
    const one = data.opportunities[index];
    const newest = data.visits[one.visits.at(-1)];
    const part = (heading, ...content) => [el("h3", {}, heading), el("div", { class: "card" }, content)];
    return el("article", { class: "sheet", "data-opportunity": index },
      el("h1", {}, el("bdi", {}, title(one))),
      el("p", { class: "facts" },
        chip(data.stages[one.stage], words[`stage_${data.stages[one.stage]}`]),
        el("span", {}, el("bdi", {}, person(newest[PERSON])), newest[TEAM] >= 0 && data.teams[newest[TEAM]] ? [" · ", el("bdi", {}, team(newest[TEAM]))] : null),
        el("span", {}, `${words.last_visit} ${newest[DATE] || words.no_date}`),
        one.sinceAdvance === null ? null : el("span", {}, `${words.days_since_advance} ${say("days", { n: one.sinceAdvance })}`),
        one.drift.length ? el("span", { class: "warn" }, driftText(one)) : null),
      one.promise ? el("p", { class: "facts" }, el("span", {}, `${words.promised}${words.colon}`, promised(one.promise))) : null,
      part(words.milestones, el("ol", { class: "track" }, one.milestones.map((state, at) => milestone(one, state, at)))),
      one.proposals.length ? part(words.next_commitment, one.proposals.slice(0, paper ? 1 : 2).map(proposal)) : null,
      part(words.checklist, checklist(one, paper)),
      one.benefits.length ? part(words.benefits, benefits(one, paper)) : null,
      part(words.timeline, timeline(one, paper)));
  }
  function milestone(one, state, at) {
    const status = data.statuses[state[STATUS]];
    const waits = state[MISSING].map((need) => data.milestones[need]);
    const points = state[WAITS_ON];
    const lines = [];
    if (status === "reached") lines.push(quote(state[PROOF]));
    else if (status === "passed") lines.push(words.milestone_passed);
    else if (status === "ready") lines.push(words.milestone_ready);
    else lines.push(`${words.waits_for}${words.colon}${waits.join(words.comma)} `, points.slice(0, 1).map(quote), points.length > 1 ? ` + ${points.length - 1}` : null);
    if (state[PROMISE] && status !== "reached") lines.push([el("br"), `${words.promised}${words.colon}`, promised(state[PROMISE])]);
    return el("li", { class: `${status}${at === one.next ? " next" : ""}` },
      el("b", {}, data.milestones[at]), el("span", { class: "small" }, lines));
  }
  const promised = (at) => [quote(at), at[3] ? el("span", {}, ` → ${at[3]}`) : null];
  function proposal(one) {
    const line = (key, text) => el("p", {}, el("span", { class: "small" }, `${words[key]}${words.colon}`), el("bdi", {}, text));
    return el("div", { class: "ask" },
      el("p", { class: "head" }, el("bdi", {}, one[ASK])),
      line("sentence", one[SENTENCE]),
      one[SETTLE] ? el("p", {}, el("span", { class: "small" }, `${words.settle_first}${words.colon}`), quote(one[SETTLE])) : null,
      line("reasons", one[REASONS].join(words.semicolon)),
      line("fallback", one[FALLBACK]));
  }
  function checklist(one, paper) {
    const group = (open, limit) => {
      const points = one.points.filter((point) => Boolean(point[IS_OPEN]) === open);
      const shown = paper ? points.slice(0, limit) : points;
      return [shown.map((point) => el("li", { class: open ? "open" : "done" },
        el("span", { class: "topic" }, topicOf(point)), quote(point[QUOTE]),
        point[ANSWER] ? el("div", {}, el("span", { class: "small" }, `${words.answer}${words.colon}`), quote(point[ANSWER])) : null,
        point[ECHO] ? el("div", {}, el("span", { class: "small check" }, `${words.echo}${words.colon}`), quote(point[ECHO])) : null,
        point[HISTORY].length && !paper ? el("div", { class: "small" }, `${words.history}${words.colon}`, point[HISTORY].map(([visit, start, end, isOpen]) =>
          el("div", {}, quote([visit, start, end]), " ", words[isOpen ? "open" : "addressed"]))) : null)),
      shown.length < points.length ? el("li", { class: "small" }, `+ ${points.length - shown.length}`) : null];
    };
    return [
      el("p", { style: "margin-top:0" }, one.points.length ? words.opening : words.no_concerns),
      el("ul", { class: "points" }, group(true, PAPER.open), group(false, PAPER.answered)),
      one.untouched.length ? el("p", { class: "small", style: "margin-bottom:0" }, `${words.untouched}${words.colon}${one.untouched.map((topic) => data.topics[topic]).join(words.comma)}`) : null,
    ];
  }
  function benefits(one, paper) {
    return el("div", { class: "scroll" }, el("table", { class: "benefits" },
      el("thead", {}, el("tr", {}, ["cares", "answer", "gain"].map((key) => el("th", {}, words[key])))),
      el("tbody", {}, one.benefits.slice(0, paper ? PAPER.answered : undefined).map(([point, answer, gain]) =>
        el("tr", {}, el("td", {}, quote(one.points[point][QUOTE])), el("td", {}, quote(answer)), el("td", {}, quote(gain)))))));
  }
  function timeline(one, paper) {
    const shown = [...one.visits].reverse().slice(0, paper ? PAPER.visits : undefined);
    return [
      paper ? null : legend(),
      el("ol", { class: "timeline" }, shown.map((index) => el("li", { class: outcomeName(data.visits[index][OUTCOME]) },
        meta(index), marked(index, paper ? PAPER.characters : 0)))),
      shown.length < one.visits.length ? el("p", { class: "small" }, say("earlier", { n: one.visits.length - shown.length })) : null,
    ];
  }
  function meta(index) {
    const visit = data.visits[index];
    return el("div", { class: "meta" },
      el("span", {}, visit[DATE] || words.no_date),
      chip(outcomeName(visit[OUTCOME]), outcomeLabel(visit[OUTCOME])),
      visit[REVIEW] ? chip("review", words.review) : null,
      visit[OUTCOME] >= 0 ? el("span", {}, say("confidence", { p: percent(visit[CONFIDENCE], 1) })) : null,
      el("bdi", {}, person(visit[PERSON])),
      el("span", {}, say("row", { n: visit[ROW] })));
  }
  const legend = () => el("p", { class: "key note" }, [["e", "evidence"], ["c o", "concern"], ["r", "response"], ["k", "commitment"]].map(
    ([kind, name]) => el("span", {}, el("span", { class: kind }, words[`legend_${name}`]))));

  // --- notes ---------------------------------------------------------------------------------------

  function notes(picked) {
    const rows = [...picked.visits].sort((a, b) => {
      const [one, other] = [data.visits[a][DATE] || "", data.visits[b][DATE] || ""];
      return one < other ? 1 : one > other ? -1 : b - a;
    });
    const limit = limits.notes || PAGE_SIZE;
    return [
      el("h2", {}, `${words.notes} `, el("span", { class: "small", id: "note-count" }, say("found", { n: number(rows.length) }))),
      el("div", { class: "card" }, legend(), rows.slice(0, limit).map(entry),
        rows.length ? null : el("p", { class: "small" }, words.no_rows), moreButton("notes", rows.length, limit)),
    ];
  }
  function entry(index) {
    const visit = data.visits[index];
    const head = meta(index);
    head.prepend(visit[OWNER] < 0 ? el("span", { class: "warn" }, words.unassigned) : link(visit[OWNER]));
    return el("div", { class: `entry ${outcomeName(visit[OUTCOME])}` }, head, marked(index));
  }
  function apart() {
    if (!data.problems.length) return [];
    return [
      el("h2", {}, words.apart),
      el("div", { class: "card" }, data.problems.slice(0, limits.apart || PAGE_SIZE).map(([index, problem]) => {
        const head = meta(index);
        head.prepend(el("bdi", { class: "warn" }, problem));
        return el("div", { class: "entry" }, head, marked(index));
      }), moreButton("apart", data.problems.length, limits.apart || PAGE_SIZE)),
    ];
  }

  // --- the page ------------------------------------------------------------------------------------

  let picked;
  function render() {
    picked = selection();
    const parts = { overview, people, concerns, drift: drifts, opportunities, notes, apart };
    for (const [id, make] of Object.entries(parts)) byId(id).replaceChildren(...make(picked).flat(Infinity).filter(Boolean));
    const active = ["from", "to", "team", "person", "stage"].filter((name) => chosen[name] !== "").length;
    byId("filter-count").hidden = !active;
    byId("filter-count").textContent = active;
  }
  let place = 0;
  function route() {
    const match = /^#o(\d+)$/.exec(location.hash);
    const index = match ? Number(match[1]) : -1;
    const open = index >= 0 && index < data.opportunities.length;
    if (open && byId("page").hidden) place = window.scrollY;
    byId("page").hidden = !open;
    byId("main").hidden = open;
    if (open) {
      const back = el("button", { type: "button", id: "back", onclick: () => { location.hash = ""; } }, `← ${words.back}`);
      byId("page").replaceChildren(el("p", {}, back), sheet(index, false));
      window.scrollTo(0, 0);
    } else if (location.hash.length > 1) {
      document.getElementById(location.hash.slice(1))?.scrollIntoView();
    } else {
      window.scrollTo(0, place);
    }
  }
  // The page in print: one for each customer that the filters leave, or for the one that is open.
  function toPaper() {
    const match = /^#o(\d+)$/.exec(location.hash);
    const chosenOnes = match && Number(match[1]) < data.opportunities.length ? [Number(match[1])] : picked.opportunities;
    const customers = new Map();
    for (const index of chosenOnes) {
      const one = data.opportunities[index];
      const key = one.customer || one.name;
      if (!customers.has(key)) customers.set(key, []);
      customers.get(key).push(index);
    }
    const pages = [...customers.values()].map((list) => el("div", { class: "customer" }, list.map((index) => sheet(index, true))));
    byId("paper").replaceChildren(...pages);
    const heights = pages.map((one) => one.offsetHeight);
    pages.forEach((one, at) => {
      if (heights[at] > PAPER.height) one.style.zoom = Math.max(PAPER.smallest, PAPER.height / heights[at]);
    });
  }

  function options(select, pairs) {
    select.replaceChildren(el("option", { value: "" }, words.all), ...pairs.map(([value, text]) => el("option", { value }, text)));
  }
  function listen() {
    const form = byId("filters");
    const read = () => {
      for (const name of Object.keys(chosen)) chosen[name] = byId(name).value;
      chosen.search = chosen.search.trim().toLowerCase();
      for (const name of Object.keys(limits)) delete limits[name];
      render();
    };
    let waiting = 0;
    form.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => { if (!byId("page").hidden) location.hash = ""; read(); }, 120);
    });
    form.addEventListener("reset", () => setTimeout(read));
    form.addEventListener("submit", (event) => event.preventDefault());
    byId("print-pages").addEventListener("click", () => window.print());
    window.addEventListener("beforeprint", toPaper);
    window.addEventListener("afterprint", () => byId("paper").replaceChildren());
    window.addEventListener("hashchange", route);
    let size = window.innerWidth;
    window.addEventListener("resize", () => {
      if (window.innerWidth === size) return;
      size = window.innerWidth;
      if (size > 640) byId("more-filters").open = true;
      render();
    });
  }
  async function load() {
    const node = byId("data");
    if (!node.dataset.packed) return JSON.parse(node.textContent);
    const bytes = Uint8Array.from(atob(node.textContent.trim()), (char) => char.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }
  async function start() {
    data = await load();
    words = data.words;
    const customers = new Set(data.opportunities.map((one) => one.customer || one.name)).size;
    byId("lead").replaceChildren(
      `${words.source} `, el("bdi", {}, data.source), `　${say("as_of", { day: data.asOf || words.no_day })}　`,
      say("counts", { visits: number(data.visits.length), opportunities: number(data.opportunities.length), customers: number(customers) }));
    options(byId("team"), data.teams.map((_, index) => [index, team(index)]));
    options(byId("person"), data.people.map((_, index) => [index, person(index)]));
    options(byId("stage"), [["drifting", words.drifting], ...data.stages.map((name) => [name, words[`stage_${name}`]])]);
    byId("report").hidden = false;
    byId("more-filters").open = window.innerWidth > 640; // the summary that opens it is there on a phone alone
    listen();
    render();
    route();
    document.documentElement.dataset.ready = "yes";
  }
  start().catch((error) => {
    byId("failure").hidden = false;
    throw error;
  });
})();
