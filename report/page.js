"use strict";
// Draws the page from the figures: tiles, charts and tables of the chosen period and account.

const figures = JSON.parse(document.getElementById("figures").textContent);
const ALL = "*";
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const OUTCOMES = ["accepted", "declined", "expired", "ignored", "cancelled", "no agent"];
const BLUE = "#3b82c4", ORANGE = "#e07b39", RED = "#d1495b", GREEN = "#2a9d5c";
const COLOURS = [GREEN, ORANGE, "#c9a227", "#8d99ae", "#b5485d", "#6c4f9c"];
const dark = matchMedia("(prefers-color-scheme: dark)");
const chosen = { weeks: 0, account: ALL };
const byId = (id) => document.getElementById(id);

// The figures

/** Returns the rows of a table as objects. */
function rowsOf(name) {
  const { columns, rows } = figures[name];
  return rows.map((row) => Object.fromEntries(columns.map((column, at) => [column, row[at]])));
}

const tables = Object.fromEntries(
  Object.keys(figures).filter((name) => figures[name].rows).map((name) => [name, rowsOf(name)]),
);
const [status] = tables.status;
const allAccounts = { account_id: ALL, account_name: "All accounts" };
const accounts = [allAccounts, ...named(tables.accounts, "account")];

/** Returns rows with a label each: the name, and the id if the name is missing or not unique. */
function named(rows, what) {
  const count = new Map();
  for (const row of rows) count.set(row[`${what}_name`], (count.get(row[`${what}_name`]) ?? 0) + 1);
  return rows.map((row) => {
    const name = row[`${what}_name`], id = row[`${what}_id`] || "unknown";
    return { ...row, label: name && count.get(name) === 1 ? name : `${name ?? ""} (${id})`.trim() };
  });
}

const ofChoice = (rows) => rows.filter(({ weeks, account }) =>
  weeks === chosen.weeks && (chosen.account === ALL || account === chosen.account));
const exactly = (rows) => rows.filter(({ account }) => account === chosen.account);
const period = (part) => tables.periods.find((each) => each.weeks === chosen.weeks && each.part === part);
const summary = (part, account = chosen.account) => tables.summary.find((each) =>
  each.weeks === chosen.weeks && each.part === part && each.account === account) ?? {};
const total = (rows, column) => rows.reduce((sum, row) => sum + (row[column] ?? 0), 0);
const ratio = (part, whole) => (part == null || !whole ? null : part / whole);

// Numbers and days as people write them

const NOTHING = "\u2013";
const digits = (value, most) => value.toLocaleString("en-GB", { minimumFractionDigits: most, maximumFractionDigits: most });
const FORMATS = {
  text: (value) => value ?? NOTHING,
  count: (value) => (value == null ? NOTHING : digits(value, 0)),
  /** One decimal where it says something: 2.4, but 24. */
  number: (value) => (value == null ? NOTHING : digits(value, Math.abs(value) < 9.95 ? 1 : 0)),
  share: (value) => {
    if (value == null) return NOTHING;
    const percent = value * 100, extreme = (percent > 0 && percent < 9.95) || (percent > 99 && percent < 100);
    return `${digits(percent, extreme ? 1 : 0)}%`;
  },
  seconds: (value) => {
    if (value == null) return NOTHING;
    if (value < 99.5) return `${digits(value, value < 19.95 ? 1 : 0)} s`;
    const whole = Math.round(value);
    return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  },
  day: (value) => (value ? shortDay(value) : NOTHING),
  moment: (value) => (value ? `${longDay(value.slice(0, 10))}, ${value.slice(11, 16)}` : NOTHING),
};
// Days are dates without a zone: as UTC, no browser moves them.
const isoWeekday = (day) => new Date(`${day}T00:00:00Z`).getUTCDay() || 7;
const partsOf = (day) => [Number(day.slice(8, 10)), MONTHS[Number(day.slice(5, 7)) - 1], day.slice(0, 4)];
const longDay = (day) => partsOf(day).join(" ");
const shortDay = (day) => [WEEKDAYS[isoWeekday(day) - 1].slice(0, 3), ...partsOf(day).slice(0, 2)].join(" ");
/** Returns two days, without repeating their month and year: 4 to 31 Oct 2026. */
function spanText({ first_day, last_day }) {
  const same = (length) => first_day.slice(0, length) === last_day.slice(0, length);
  const first = partsOf(first_day).slice(0, same(7) ? 1 : same(4) ? 2 : 3).join(" ");
  return `${first} to ${longDay(last_day)}`;
}

const hourText = (hour) => `${String(hour).padStart(2, "0")}:00`;
const targetText = `${figures.target_seconds} seconds`;

/** Makes an element; text is never parsed as HTML. */
function element(name, text = "", attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  return Object.assign(made, attributes);
}

// The header

const TILES = [
  // label, format, value of a summary, whether more is better (1), worse (-1) or neither
  ["Chats", "count", (each) => each.chats, 0],
  ["Chat requests", "count", (each) => each.reactive, 0],
  ["Missed requests", "count", (each) => each.missed, -1],
  ["Requests accepted", "share", (each) => ratio(each.reactive_accepted, each.reactive), 1],
  ["Invitations accepted", "share", (each) => ratio(each.proactive_accepted, each.proactive), 1],
  ["Median first response", "seconds", (each) => each.first_response_p50, -1],
  [`Response within ${figures.target_seconds}\u00a0s`, "share", (each) => ratio(each.within_target, each.responded), 1],
  ["Occupancy of agents", "share", (each) => ratio(each.busy_seconds, each.online_seconds), 0],
];

/** Returns what has changed, in words, and whether that is good. */
function changed(now, before, format, better) {
  if (now == null || before == null) return ["no earlier figure to compare with", ""];
  const difference = now - before, was = FORMATS[format](before);
  if (FORMATS[format](now) === was) return [`about the same as before (${was})`, ""];
  let amount;
  if (format === "share") amount = `${digits(Math.abs(difference) * 100, 1)} points`;
  else if (format === "seconds") amount = FORMATS.seconds(Math.abs(difference));
  else amount = before ? FORMATS.share(Math.abs(difference) / before) : FORMATS.count(Math.abs(difference));
  const verdict = better * Math.sign(difference);
  const word = verdict > 0 ? ", better" : verdict < 0 ? ", worse" : "";
  return [
    `${difference > 0 ? "\u25b2" : "\u25bc"} ${amount}${word} (${was} before)`,
    verdict > 0 ? "good" : verdict < 0 ? "bad" : "",
  ];
}

function header() {
  const current = period("current"), previous = period("previous");
  byId("sandbox").hidden = !status.made_up;
  const where = chosen.account === ALL ? "" : ` of ${accounts.find((each) => each.account_id === chosen.account).label}`;
  document.querySelector("h1").textContent = current ? `Chats${where}, ${spanText(current)}` : "There are no data with dates";
  document.title = `CoBrowser.net: ${document.querySelector("h1").textContent}`;
  const unfinished = current && status.last_day > current.last_day
    ? ` ${longDay(status.last_day)} may not be over and is left out.` : "";
  byId("period").textContent = !current ? "" : [
    previous ? `Compared with ${spanText(previous)}. ` : "The data do not go back far enough to compare with the period before. ",
    `Data up to ${FORMATS.moment(status.data_until)} (${figures.timezone}).${unfinished}`,
  ].join("");
  // without days, only what has been loaded can be shown
  for (const each of document.querySelectorAll("header > div, section:not(:last-child)")) each.hidden = !current;
  const now = summary("current"), before = summary("previous");
  document.querySelector(".tiles").replaceChildren(...TILES.map(([label, format, value, better]) => {
    const tile = element("div", label, { className: "tile" });
    tile.prepend(element("b", FORMATS[format](value(now))));
    const [text, className] = changed(value(now), value(before), format, better);
    tile.append(element("span", text, { className }));
    return tile;
  }));
  for (const each of document.querySelectorAll(".target")) each.textContent = targetText;
  for (const each of document.querySelectorAll(".goal")) each.textContent = FORMATS.share(figures.goal);
}

/** Fills a list of choices, which draws the page again. */
function choices(name, options) {
  const list = byId(name);
  list.replaceChildren(...options.map(([value, text]) => element("option", text, { value, selected: value === chosen[name] })));
  list.addEventListener("change", () => {
    chosen[name] = options[list.selectedIndex][0];
    draw();
  });
}

// Tables

/** Shows a table. `columns` are pairs of a title and the name of a format. */
function table(id, columns, rows) {
  const made = element("table"), scroll = element("div", "", { className: "scroll", tabIndex: 0 });
  const head = made.createTHead().insertRow(), body = made.createTBody();
  head.append(...columns.map(([title]) => element("th", title, { scope: "col" })));
  for (const row of rows) {
    body.insertRow().append(...columns.map(([, format], at) =>
      element(at ? "td" : "th", FORMATS[format](row[at]), at ? {} : { scope: "row" })));
  }
  const button = element("button", "Copy as CSV", { type: "button" });
  button.addEventListener("click", async () => {
    const lines = [columns.map(([title]) => title), ...rows];
    await copy(lines.map((line) => line.map(csvCell).join(",")).join("\r\n"));
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy as CSV"; }, 2000);
  });
  scroll.append(made);
  byId(id).replaceChildren(...(rows.length ? [scroll, button] : [element("p", "No data for this choice.")]));
}

function csvCell(value) {
  const text = typeof value === "number" ? String(Number(value.toFixed(4))) : String(value ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {  // not allowed for this file in this browser
    const area = element("textarea", text);
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

// Charts

const PLAIN = ",.10~g"; // 200, not 2e+2
const tip = (field, title, format) => ({ field, title, ...(format ? { type: "quantitative", format } : { type: "nominal" }) });
const series = (field, colours) => ({
  field, type: "nominal", title: null,
  scale: { domain: Object.keys(colours), range: Object.values(colours) },
  legend: { orient: "top", columns: innerWidth < 600 ? 2 : 3 },
});

/** Returns an axis of days: each day has a band, and the label is in its middle. */
function dayAxis(days) {
  const few = days.length <= 14;
  const values = few ? days : days.filter((day) => (days.length <= 100 ? isoWeekday(day) === 1 : day.endsWith("-01")));
  return {
    field: "day", type: "ordinal", title: null, scale: { domain: days },
    axis: {
      values, labelAngle: 0, labelOverlap: true, tickBand: "center",
      labelExpr: `utcFormat(utcParse(datum.value, '%Y-%m-%d'), '${days.length > 100 ? "%b %Y" : few ? "%a %-d" : "%-d %b"}')`,
    },
  };
}

function volume(days) {
  const kinds = { "chats from requests": BLUE, "chats from invitations": GREEN, "missed requests": RED };
  const columns = ["reactive_accepted", "proactive_accepted", "missed"];
  const values = days.flatMap((row) => Object.keys(kinds).map((kind, order) =>
    ({ day: row.day, text: FORMATS.day(row.day), kind, order, chats: row[columns[order]] })));
  return {
    description: "Chats and missed requests per day.", height: 220, data: { values }, mark: "bar",
    encoding: {
      x: dayAxis(days.map(({ day }) => day)),
      y: { field: "chats", type: "quantitative", title: "Per day", axis: { tickMinStep: 1 } },
      color: series("kind", kinds), order: { field: "order" },
      tooltip: [tip("text", "Day"), tip("kind", "Kind"), tip("chats", "Number", ",.0f")],
    },
  };
}

/** Returns lines over days. A day without a figure interrupts the line. */
function lines(days, description, title, format, columns, { zero = true, extra = [] } = {}) {
  const values = days.flatMap((row) => Object.entries(columns).map(([kind, [, value]]) =>
    ({ day: row.day, text: FORMATS.day(row.day), kind, value: value(row) })));
  const colours = Object.fromEntries(Object.entries(columns).map(([kind, [colour]]) => [kind, colour]));
  return {
    description, height: 200, data: { values },
    layer: [{
      mark: { type: "line", point: days.length <= 100, invalid: "break-paths-show-path-domains" },
      encoding: {
        x: dayAxis(days.map(({ day }) => day)),
        y: { field: "value", type: "quantitative", title, axis: { format }, scale: { zero } },
        color: Object.keys(columns).length > 1 ? series("kind", colours) : { value: Object.values(colours)[0] },
        tooltip: [tip("text", "Day"), tip("kind", "What"), tip("value", title, format === "%" ? ".0%" : ",.1f")],
      },
    }, ...extra],
  };
}

function heat(rows, description, title, scheme) {
  const values = rows.map((row) => ({ ...row, weekday: WEEKDAYS[row.weekday - 1], hour: hourText(row.hour_of_day) }));
  return {
    description, height: 175, data: { values }, mark: "rect",
    encoding: {
      x: { field: "hour_of_day", type: "ordinal", title: "Hour", axis: { labelAngle: 0, labelOverlap: true } },
      y: { field: "weekday", type: "ordinal", title: null, sort: WEEKDAYS, axis: { labelExpr: "slice(datum.label, 0, 3)" } },
      color: { field: "value", type: "quantitative", title, scale: { scheme, domainMin: 0 }, legend: { gradientLength: 120, tickCount: 4 } },
      tooltip: [tip("weekday", "Day"), tip("hour", "Hour"), tip("value", title, ",.1f")],
    },
  };
}

function bars(rows, description, title, format) {
  return {
    description, height: Math.max(60, 24 * rows.length), data: { values: rows },
    mark: { type: "bar", color: BLUE },
    encoding: {
      x: { field: "value", type: "quantitative", title, axis: { format, tickCount: 6 } },
      y: { field: "label", type: "nominal", title: null, sort: null, axis: { labelLimit: 140, labelOverlap: false } },
      tooltip: [tip("label", "Name"), tip("value", title, format === "%" ? ".0%" : ",.1f")],
    },
  };
}

function outcomes(rows) {
  const values = rows.flatMap((row) => OUTCOMES.map((outcome, order) =>
    ({ label: row.label, outcome, order, invitations: row[outcome.replace(" ", "_")] ?? 0 })));
  return {
    description: "Outcomes of invitations, as shares, by filter.", height: Math.max(60, 32 * rows.length), data: { values }, mark: "bar",
    encoding: {
      x: { field: "invitations", type: "quantitative", stack: "normalize", title: "Share of outcomes", axis: { format: "%", tickCount: 6 } },
      y: { field: "label", type: "nominal", title: null, sort: null, axis: { labelLimit: 140, labelOverlap: false } },
      color: series("outcome", Object.fromEntries(OUTCOMES.map((outcome, at) => [outcome, COLOURS[at]]))),
      order: { field: "order" },
      tooltip: [tip("label", "Filter"), tip("outcome", "Outcome"), tip("invitations", "Invitations", ",.0f")],
    },
  };
}

function completeness() {
  const most = new Map();
  for (const row of tables.coverage) most.set(row.stream, Math.max(most.get(row.stream) ?? 0, row.row_count));
  const values = tables.coverage.map((row) => ({
    stream: row.stream, day: row.day, text: FORMATS.day(row.day), rows: row.row_count,
    share: row.row_count ? row.row_count / most.get(row.stream) : null,
  }));
  return {
    description: "Rows by stream and day. Days without rows are red.", height: 24 * Math.max(most.size, 2), data: { values }, mark: "rect",
    encoding: {
      x: dayAxis([...new Set(values.map(({ day }) => day))].sort()),
      y: { field: "stream", type: "nominal", title: null, axis: { labelLimit: 130 } },
      color: {
        condition: { test: "datum.rows === 0", value: RED },
        field: "share", type: "quantitative", title: "Of busiest day", scale: { scheme: "greens", domain: [0, 1] },
        legend: { format: ".0%", gradientLength: 120, tickCount: 3 },
      },
      tooltip: [tip("stream", "Stream"), tip("text", "Day"), tip("rows", "Rows", ",.0f")],
    },
  };
}

// The parts of the page: each shows its tables, and returns its charts

function days() {
  const { first_day, last_day } = period("current");
  const rows = exactly(tables.days).filter(({ day }) => day >= first_day && day <= last_day);
  const level = (row) => ratio(row.within_target, row.responded);
  table("days", [
    ["Day", "day"], ["Requests", "count"], ["Missed", "count"], ["Invitations", "count"], ["Chats", "count"],
    [`Within ${figures.target_seconds} s`, "share"], ["Median", "seconds"], ["90th percentile", "seconds"],
  ], rows.map((row) => [row.day, row.reactive, row.missed, row.proactive, row.chats, level(row), row.first_response_p50, row.first_response_p90]));
  const goal = {
    data: { values: [{ goal: figures.goal }] }, mark: { type: "rule", strokeDash: [6, 4], color: ORANGE },
    encoding: { y: { field: "goal", type: "quantitative" }, tooltip: [tip("goal", "Goal", ".0%")] },
  };
  return {
    volume: volume(rows),
    service: lines(rows, "Share of chats with a first response within the target, by day.", "Within target", "%", { "service level": [BLUE, level] }, { zero: false, extra: [goal] }),
    acceptance: lines(rows, "Accepted requests and invitations as a share of all, by day.", "Accepted", "%", {
      requests: [BLUE, (row) => ratio(row.reactive_accepted, row.reactive)],
      invitations: [GREEN, (row) => ratio(row.proactive_accepted, row.proactive)],
    }),
    waits: lines(rows, "Seconds until the first response, by day: median and 90th percentile.", "Seconds", PLAIN, {
      median: [BLUE, (row) => row.first_response_p50], "90th percentile": [ORANGE, (row) => row.first_response_p90],
    }),
    weekdays: weekdays(rows),
  };
}

function weekdays(rows) {
  const found = WEEKDAYS.map((label, at) => {
    const own = rows.filter(({ day }) => isoWeekday(day) === at + 1), hours = exactly(ofChoice(tables.hours)).filter(({ weekday }) => weekday === at + 1);
    const busiest = hours.reduce((best, each) => (each.chats / each.hours > (best ? best.chats / best.hours : 0) ? each : best), null);
    return { label, own, value: ratio(total(own, "chats"), own.length), busiest };
  }).filter(({ own }) => own.length);
  table("week", [
    ["Weekday", "text"], ["Chats per day", "number"], ["Requests per day", "number"], ["Missed", "share"], [`Within ${figures.target_seconds} s`, "share"], ["Busiest hour", "text"],
  ], found.map(({ label, own, value, busiest }) => [
    label, value, ratio(total(own, "reactive"), own.length), ratio(total(own, "missed"), total(own, "reactive")),
    ratio(total(own, "within_target"), total(own, "responded")), busiest && hourText(busiest.hour_of_day),
  ]));
  return bars(found, "Chats on an average day, by weekday.", "Chats per day", PLAIN);
}

function week() {
  const rows = exactly(ofChoice(tables.hours)).map((row) => ({
    ...row,
    average: Object.fromEntries(["chats", "reactive", "missed"].map((column) => [column, ratio(row[column], row.hours)])),
    online: ratio(row.online_seconds ?? 0, 3600 * row.hours),
  }));
  const most = [...rows].sort((one, other) => other.average.missed - one.average.missed || one.weekday - other.weekday || one.hour_of_day - other.hour_of_day);
  table("staffing", [
    ["Hour of the week", "text"], ["Missed per hour", "number"], ["Requests per hour", "number"], ["Missed", "share"], ["Agents online", "number"], ["Chats per hour", "number"],
  ], most.map((row) => [
    `${WEEKDAYS[row.weekday - 1]} ${hourText(row.hour_of_day)}`, row.average.missed, row.average.reactive, ratio(row.missed, row.reactive), row.online, row.average.chats,
  ]));
  const of = (value) => rows.map((row) => ({ weekday: row.weekday, hour_of_day: row.hour_of_day, value: value(row) }));
  return {
    hours: heat(of((row) => row.average.chats), "Chats in an average hour, by weekday and hour of the day.", "Chats", "blues"),
    missed: heat(of((row) => row.average.missed), "Missed requests in an average hour, by weekday and hour of the day.", "Missed", "reds"),
    online: heat(of((row) => row.online), "Agents online in an average hour, by weekday and hour of the day.", "Agents", "greens"),
  };
}

function byAccount() {
  const rows = accounts.filter(({ account_id }) => chosen.account === ALL || account_id === chosen.account)
    .map(({ account_id, account_name, label }) => ({ label: label ?? account_name, now: summary("current", account_id), before: summary("previous", account_id) }));
  const accepted = (each) => ratio(each.reactive_accepted, each.reactive), level = (each) => ratio(each.within_target, each.responded);
  table("requests", [
    ["Account", "text"], ["Requests", "count"], ["Missed", "count"], ["Requests accepted", "share"], ["Before", "share"], ["Invitations", "count"], ["Invitations accepted", "share"],
  ], rows.map(({ label, now, before }) => [
    label, now.reactive, now.missed, accepted(now), accepted(before), now.proactive, ratio(now.proactive_accepted, now.proactive),
  ]));
  table("responses", [
    ["Account", "text"], ["Chats with a response", "count"], ["Median", "seconds"], ["90th percentile", "seconds"], [`Within ${figures.target_seconds} s`, "share"], ["Before", "share"],
  ], rows.map(({ label, now, before }) => [label, now.responded, now.first_response_p50, now.first_response_p90, level(now), level(before)]));
}

function agents() {
  const rows = named(ofChoice(tables.agents), "agent").map((row) => ({ ...row, value: ratio(row.busy_seconds, row.online_seconds) }))
    .sort((one, other) => (other.value ?? -1) - (one.value ?? -1));
  table("people", [
    ["Agent", "text"], ["Hours online", "number"], ["Occupancy", "share"], ["Chats at once", "number"], ["Chats", "count"], ["Ignored", "share"], ["Abandoned", "share"],
  ], rows.map((row) => [
    row.label, ratio(row.online_seconds, 3600), row.value, ratio(row.used_slot_seconds, row.busy_seconds), row.chats, ratio(row.ignored, row.chats), ratio(row.abandoned, row.chats),
  ]));
  return { agents: bars(rows.filter(({ value }) => value != null), "Time with a chat as a share of the time online, by agent.", "Occupancy", "%") };
}

function filters() {
  const rows = named(ofChoice(tables.filters), "filter").map((row) => ({ ...row, value: ratio(row.accepted, row.invited) }))
    .sort((one, other) => (other.value ?? -1) - (one.value ?? -1));
  const steps = ["matches", "invited", "accepted", "declined", "expired", "ignored", "cancelled", "no_agent"];
  const titles = ["Matches", "Invitations", "Accepted", "Declined", "Expired", "Ignored", "Cancelled", "No agent"];
  table("funnel", [["Filter", "text"], ["Share accepted", "share"], ...titles.map((title) => [title, "count"])],
    rows.map((row) => [row.label, row.value, ...steps.map((step) => row[step])]));
  return { filters: outcomes(rows.filter(({ invited }) => invited)) };
}

function streams() {
  table("streams", [
    ["Stream", "text"], ["Rows", "count"], ["Last row", "moment"], ["Days", "count"], ["Days without rows", "count"],
  ], [...tables.streams].sort((one, other) => !one.days - !other.days).map((row) => [row.stream, row.row_count, row.last_row, row.days || null, row.days ? row.empty_days : null]));
  return { coverage: completeness() };
}

// Drawing

const views = new Map();

async function draw() {
  document.body.dataset.drawn = "";
  header();
  const specs = period("current") ? { ...days(), ...week(), ...agents(), ...filters(), ...streams() } : streams();
  if (period("current")) byAccount();
  const style = getComputedStyle(document.documentElement);
  const [ink, dim, line] = ["--ink", "--dim", "--line"].map((name) => style.getPropertyValue(name).trim());
  const config = {
    background: null, font: "system-ui, sans-serif", view: { stroke: null },
    axis: { labelColor: dim, titleColor: dim, gridColor: line, domainColor: line, tickColor: line },
    legend: { labelColor: ink, titleColor: dim },
  };
  const options = { actions: false, renderer: "svg", config, tooltip: { theme: dark.matches ? "dark" : "light" } };
  for (const each of document.querySelectorAll(".chart")) {
    const { id } = each, spec = specs[id];
    views.get(id)?.finalize();
    views.delete(id);
    const empty = !spec || !spec.data.values.some((row) =>
      [row.value, row.chats, row.invitations, row.rows].some((value) => value != null));
    each.hidden = empty;
    each.replaceChildren();
    if (!empty) views.set(id, await vegaEmbed(each, { width: "container", ...spec }, options));
  }
  performance.mark("drawn");
  document.body.dataset.drawn = dark.matches ? "dark" : "light";
}

const lengths = [...new Set(tables.periods.map(({ weeks }) => weeks))].sort((one, other) => one - other);
chosen.weeks = lengths.includes(4) ? 4 : lengths.at(-1);
choices("weeks", lengths.map((weeks) => [weeks, weeks === 1 ? "1 week" : `${weeks} weeks`]));
choices("account", accounts.map(({ account_id, account_name, label }) => [account_id, label ?? account_name]));
dark.addEventListener("change", draw);
draw();
