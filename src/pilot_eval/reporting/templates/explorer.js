"use strict";
(() => {
  const grid = JSON.parse(document.getElementById("grid").textContent);
  const NAMES = { scenario: "Group", outcome: "Outcome", comparators: "Compared with",
    years: "Years before and after", method: "Level before the start", left_out: "Left out" };
  const KEYS = Object.keys(NAMES);
  const [LOW, HIGH, FROM, TO, P, TREATED, OTHERS, RATING, PLANNED] = [6, 7, 8, 9, 10, 11, 12, 13, 14];
  const root = document.getElementById("explorer");
  const [finding, standing, basis] = document.getElementById("result").children;
  const selects = {};

  const number = (value, places = 1) => value === null ? "no limit" : value.toLocaleString("en-GB",
    { minimumFractionDigits: places, maximumFractionDigits: places }).replace("-", "−");
  const range = (low, high) => low === high ? number(low) : `${number(low)} to ${number(high)}`;
  const middle = (row) => (row[LOW] + row[HIGH]) / 2;
  const chosen = () => KEYS.map((key) => Number(selects[key].value));
  const peers = (choice) => grid.rows.filter((row) => row[0] === choice[0] && row[1] === choice[1]);

  const make = (tag, attributes, text) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text) element.textContent = text;
    return element;
  };

  const offer = (at, rows, wanted) => {
    const there = [...new Set(rows.map((row) => row[at]))].sort((a, b) => a - b);
    const select = selects[KEYS[at]];
    select.replaceChildren(...there.map((place) => new Option(grid[KEYS[at]][place], place)));
    select.value = there.includes(wanted) ? wanted : there[0];
  };

  const refill = (choice) => {
    offer(0, grid.rows, choice[0]);
    offer(1, grid.rows.filter((row) => row[0] === Number(selects.scenario.value)), choice[1]);
    const own = peers(chosen());
    for (let at = 2; at < KEYS.length; at += 1) offer(at, own, choice[at]);
  };

  const plan = (choice) => {
    const own = peers(choice);
    const row = own.find((item) => item[PLANNED] && item[4] === choice[4])
      || own.find((item) => item[PLANNED]) || own[0];
    return row.slice(0, KEYS.length);
  };

  const draw = (rows, row, label) => {
    const place = document.getElementById("curve");
    const width = Math.max(place.clientWidth, 280), height = 260, left = 56, right = 10, top = 26;
    const known = rows.flatMap((item) => [item[LOW], item[HIGH]]);
    const least = Math.min(...known), most = Math.max(...known);
    const ends = [0, least, most, row[FROM], row[TO]].filter((value) => value !== null);
    const floor = Math.min(...ends), ceiling = Math.max(...ends), pad = (ceiling - floor || 1) * 0.08;
    const y = (value) => top + (height - 2 * top) * (ceiling + pad - value) / (ceiling - floor + 2 * pad);
    const end = (value, other) => Math.min(Math.max(y(value === null ? other : value), top), height - top);
    const x = (at) => left + (width - left - right) * (at + 0.5) / rows.length;
    const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label });
    const marks = [0];
    for (const value of [least, most, row[FROM], row[TO], 0]) {
      if (value === null || (value && marks.some((mark) => Math.abs(y(value) - y(mark)) < 18))) continue;
      marks.push(value);
      svg.append(make("line", { x1: left, x2: width - right, y1: y(value), y2: y(value), class: value ? "guide" : "zero" }));
      svg.append(make("text", { x: left - 6, y: y(value) + 5, "text-anchor": "end" }, number(value)));
    }
    const order = [...rows].sort((a, b) => middle(a) - middle(b));
    order.forEach((item, at) => {
      const kind = item === row ? "own" : "other";
      svg.append(make("line", { x1: x(at), x2: x(at), y1: end(item[FROM], -Infinity), y2: end(item[TO], Infinity), class: kind }));
      svg.append(make("circle", { cx: x(at), cy: y(middle(item)), r: item === row ? 5 : 2.5, class: kind }));
    });
    const at = x(order.indexOf(row));
    const anchor = at < width / 3 ? "start" : at > width * 2 / 3 ? "end" : "middle";
    svg.append(make("text", { x: at, y: 14, "text-anchor": anchor, class: "own" }, "your choice"));
    svg.append(make("text", { x: left, y: height - 6 }, "lowest"));
    svg.append(make("text", { x: width - right, y: height - 6, "text-anchor": "end" }, "highest estimate"));
    place.replaceChildren(svg);
  };

  const show = () => {
    const choice = chosen(), rows = peers(choice);
    const row = rows.find((item) => KEYS.every((_, at) => item[at] === choice[at]));
    document.getElementById("curve").replaceChildren();
    standing.textContent = basis.textContent = "";
    if (!row) {
      const own = plan(choice);
      const alone = choice[5] !== own[5] && (choice[2] !== own[2] || choice[3] !== own[3]);
      finding.textContent = alone
        ? "Not computed: one can be left out under the plan's own comparators and years only."
        : "Cannot be estimated: too few have figures.";
      return;
    }
    const unit = grid.unit[row[1]];
    const below = rows.filter((item) => middle(item) < middle(row)).length;
    const above = rows.filter((item) => middle(item) > middle(row)).length;
    const clear = rows.filter((item) => (item[FROM] !== null && item[FROM] > 0) || (item[TO] !== null && item[TO] < 0)).length;
    finding.textContent = `${range(row[LOW], row[HIGH])} ${unit} (${grid.percent} interval ${number(row[FROM])} to ${number(row[TO])}); rating ${row[RATING]} of 5`;
    standing.textContent = `${grid.outcome[row[1]]}, ${grid.scenario[row[0]]}. Of ${rows.length} ways to compare them, ${below} give a lower estimate and ${above} a higher one. `
      + `Estimates run from ${number(Math.min(...rows.map((item) => item[LOW])))} to ${number(Math.max(...rows.map((item) => item[HIGH])))}; `
      + `${clear} of ${rows.length} intervals leave out zero.`;
    basis.textContent = `${row[TREATED]} treated against ${row[OTHERS]} others, p ${number(row[P], 2)}. `
      + (row[PLANNED] ? "This is the plan's own choice." : "This is not what the plan chose.");
    draw(rows, row, `Every way to compare, from the lowest estimate to the highest: ${standing.textContent}`);
  };

  for (const key of KEYS) {
    const label = document.createElement("label"), select = document.createElement("select");
    select.id = `choose-${key}`;
    label.append(NAMES[key], select);
    selects[key] = select;
    root.querySelector(".choices").append(label);
    select.addEventListener("change", () => { refill(chosen()); show(); });
  }
  document.getElementById("planned").addEventListener("click", () => { refill(plan(chosen())); show(); });
  addEventListener("resize", show);
  const start = [grid.scenario.indexOf(grid.start[0]), grid.outcome.indexOf(grid.start[1])];
  const first = grid.rows.find((row) => row[0] === start[0] && row[1] === start[1]) || grid.rows[0];
  root.hidden = false;
  document.getElementById("fallback").open = false;
  refill(plan(first));
  show();
})();
