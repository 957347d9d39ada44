// Looks at a report in headless Chromium as readers do: on a phone, on a wide screen and on paper, light and dark, with
// and without scripts, sorting and filtering its table.
//
//     node look.mjs PAGE.html [OUT_DIR]
//
// Every problem is a line on stderr, and the exit status 1. Without any, stdout has a line for each way of looking.
// OUT_DIR receives screenshots. The packages puppeteer-core and axe-core are in the node_modules of the folder
// CONCENTRA_TEST_BROWSER, or in NODE_PATH; the browser is CONCENTRA_CHROMIUM.

import { createRequire } from "node:module";
import { mkdirSync, readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const MAX_BYTES = 1_000_000;
const AXE = { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] };
// Root in a container has no sandbox. There is no network, so nothing can come to depend on it.
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND"];
const ALPHABETS = [{}, { numeric: true }].map((options) => new Intl.Collator("en", options).compare);
// What no request may show: icons, preconnects, pictures that load late.
const ELSEWHERE = /(<link\b[^>]*\shref=|\s(src|srcset|poster)=|\burl\(|@import\s)["']?(?!data:|#)[^"')>]+/gi;

// Runs in the page, as the next one does: they see nothing else of this file.
function inspectPage() {
  const problems = [];
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const upwards = (el) => (el === null ? [] : [el, ...upwards(el.parentElement)]);
  const box = (el) => el.getBoundingClientRect();
  const visible = (el) => el.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const shown = (el) => visible(el) && box(el).width + box(el).height > 0;
  const outer = (el) => upwards(el).findLast((e) => e.localName === "svg") ?? el;
  const quote = (el) => `"${el.textContent.trim().replace(/\s+/g, " ").slice(0, 40)}"`;
  const where = (el) => quote(el) + (el.ownerSVGElement ? ` in chart ${quote(outer(el).firstElementChild)}` : "");
  const check = (els, isBad, what) => problems.push(...els.filter(isBad).map((el) => `${what}: ${where(el)}`));
  for (const folded of all("details")) folded.open = true;

  // Colours are red, green, blue and alpha. Those of gradients, of pictures and of what stays unpainted are unknown.
  const unknown = [NaN, NaN, NaN, 1];
  const over = (top, under) => [0, 1, 2].map((i) => (top[3] === 1 ? top[i] : under[i] + (top[i] - under[i]) * top[3]));
  const linear = (c) => (c <= 10.31 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const ratio = (one, two) => (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
  const contrast = (top, under) => ratio(luminance(over(top, under)), luminance(under));
  // Painting is what reads every notation of a colour.
  const pixel = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  function paint(el, property) {
    const { [property]: css, [`${property}Opacity`]: own = 1, backgroundImage } = getComputedStyle(el);
    if (css.startsWith("url(") || (property === "backgroundColor" && backgroundImage !== "none")) return unknown;
    pixel.reset();
    pixel.fillStyle = css === "none" ? "transparent" : css;
    pixel.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = pixel.getImageData(0, 0, 1, 1).data;
    return [r, g, b, upwards(el).reduce((part, e) => part * getComputedStyle(e).opacity, (own * a) / 255)];
  }
  // What an element stands on: the boxes around it and, at a point of a chart, the shapes drawn before it.
  const isSeries = (el) => [...el.classList].some((name) => name.startsWith("series"));
  const shapes = all("svg :is(rect, path, circle, ellipse, polygon, polyline)").filter(shown)
    .map((shape) => ({ shape, svg: outer(shape), fill: paint(shape, "fill"), toShape: shape.getScreenCTM().inverse() }))
    .filter(({ fill }) => fill[3] > 0);
  function ground(el, point, onSeries) {
    const root = outer(el);
    const layers = upwards(root).map((e) => paint(e, "backgroundColor"));
    const isUnder = ({ shape, svg, toShape }) => svg === root && (onSeries || !isSeries(shape))
      && shape.compareDocumentPosition(el) & Node.DOCUMENT_POSITION_FOLLOWING
      && shape.isPointInFill(point.matrixTransform(toShape));
    for (const { fill } of shapes.filter(isUnder)) layers.unshift(fill);
    return layers.reduceRight((under, layer) => over(layer, under), unknown);
  }

  // Wide content may scroll in a box of its own. Being cut off by `overflow: hidden` is no better than scrolling.
  const scrolls = (el) => el !== document.body && /auto|scroll/.test(getComputedStyle(el).overflowX);
  const sticksOut = (el) => box(el).right > innerWidth + 1 && !upwards(el.parentElement).some(scrolls);
  const isFirst = (el) => visible(el) && box(el).width > 1 && sticksOut(el) && !sticksOut(el.parentElement);
  check(all("body *:not(svg *)"), isFirst, "reaches out of the page");
  check([document.body], () => document.documentElement.scrollWidth > innerWidth, "the page scrolls sideways");
  if (!document.querySelector("[name=viewport][content*='=device-width']")) problems.push("no viewport meta");

  // The size of all text, and the contrast of that in charts, which axe does not judge.
  const hasText = (el) => [...el.childNodes].some((node) => node.nodeName === "#text" && node.data.trim() !== "");
  for (const el of all("body *").filter((e) => shown(e) && hasText(e))) {
    const inChart = el instanceof SVGTextContentElement;
    const matrix = inChart ? el.getScreenCTM() : new DOMMatrix();
    const scale = Math.min(Math.hypot(matrix.a, matrix.b), Math.hypot(matrix.c, matrix.d));
    const size = parseFloat(getComputedStyle(el).fontSize) * scale;
    if (size < 9.95) problems.push(`text of ${size.toFixed(1)} px: ${where(el)}`);
    const last = inChart ? el.getNumberOfChars() - 1 : 0;
    const least = Math.min(...(inChart ? [0, last >> 1, last] : []).map((i) => {
      const { x, y, width, height } = el.getExtentOfChar(i);
      const middle = new DOMPoint(x + width / 2, y + height / 2).matrixTransform(matrix);
      return contrast(paint(el, "fill"), ground(el, middle, true));
    }));
    if (!(least >= 4.5)) problems.push(`contrast of text is ${least.toFixed(2)}: ${where(el)}`);
  }
  const texts = all("svg text").filter(shown);
  for (const [i, text] of texts.entries()) {
    const a = box(text);
    const clips = (el) => el === outer(text) || /hidden|clip/.test(getComputedStyle(el).overflow);
    const beyond = (frame) => [frame.left - a.left, frame.top - a.top, a.right - frame.right, a.bottom - frame.bottom];
    const cut = Math.max(...upwards(outer(text)).filter(clips).map(box).flatMap(beyond));
    if (cut > 1) problems.push(`text cut off by ${cut.toFixed(1)} px: ${where(text)}`);
    for (const other of texts.slice(i + 1).filter((e) => e.ownerSVGElement === text.ownerSVGElement)) {
      const b = box(other);
      const width = Math.max(0, Math.min(a.right, b.right) - Math.max(a.left, b.left));
      const height = Math.max(0, Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top));
      const part = (width * height) / Math.min(a.width * a.height, b.width * b.height);
      const alike = text.parentNode === other.parentNode && text.classList.value === other.classList.value;
      const touch = width > 1 && height > 1 && alike && text.parentNode.localName === "g";
      if (part > 0.2 || touch) problems.push(`text over ${quote(other)}: ${where(text)}`);
    }
  }
  // Either of fill and stroke will do: an outline may carry a pale area. The fill of a <line> is never painted.
  const series = new Set(all("svg [class]").filter(isSeries).flatMap((el) => [el, ...all("*", el)]));
  const marks = [...series].filter((el) => el instanceof SVGGeometryElement && shown(el));
  for (const mark of marks) {
    const point = DOMPoint.fromPoint(mark.getPointAtLength(mark.getTotalLength() / 2));
    const under = ground(mark, point.matrixTransform(mark.getScreenCTM()), false);
    const paints = mark.localName === "line" ? ["stroke"] : ["fill", "stroke"];
    const ratios = paints.map((property) => contrast(paint(mark, property), under));
    if (ratios.some((ratio) => ratio >= 3)) continue;
    const name = mark.closest("[class*=series]").classList;
    problems.push(`contrast of "${name}" is ${Math.max(...ratios).toFixed(2)}: <${mark.localName}> ${where(mark)}`);
  }

  // Names, for those who do not see.
  const says = (el) => el.textContent.trim() !== "";
  const named = (el, ...children) => el.ariaLabel?.trim() || el.ariaLabelledByElements?.some(says)
    || children.every((name) => all(`:scope > ${name}`, el).some(says));
  const charts = all("svg:not(svg svg, [aria-hidden=true], [aria-hidden=true] *)");
  check(charts, (svg) => !svg.role, 'svg neither role="img" nor aria-hidden');
  check(charts, (svg) => !named(svg, "title", "desc"), "svg without title and desc");
  check(all("table"), (table) => !named(table, "caption"), "table without caption");
  check(all("table"), (table) => all("th", table).length === 0, "table without th");
  check(all("th"), (th) => !th.scope, "th without scope");

  // What there is to see and to use. A row of one wide cell says that no row is left. Boxes to tick may work by styles.
  const content = all("svg:not(svg svg, button svg), tbody tr:not(:has(> [colspan]:only-child))");
  const controls = all("button:not([popovertarget]), select, textarea, input:not([type=radio], [type=checkbox])");
  const count = (els) => els.filter((el) => visible(el) && box(el).width * box(el).height > 0).length;
  const summary = `${charts.length} charts with ${texts.length} texts and ${marks.length} marks of series`;
  const paper = luminance(ground(document.body));
  const looks = paper > 0.5 ? "light" : paper < 0.2 ? "dark" : "neither light nor dark";
  return { problems, summary, seen: count(content), total: content.length, usable: count(controls), looks };
}

function readTable(table) {
  const cells = [...table.querySelectorAll("tbody tr:not(:has(> [colspan]:only-child))")]
    .filter((row) => row.checkVisibility({ visibilityProperty: true })).map((row) => [...row.cells]
      .map((cell) => ({ text: cell.textContent.trim(), key: cell.dataset.value ?? cell.textContent.trim(), title: cell.title })));
  // What is shown shortened is found by all of it.
  const rows = cells.map((row) => row.map(({ text, title }) => `${text} ${title}`.trim()).join(" | ")).sort();
  const sorts = [...table.tHead.querySelectorAll("th")].map((th) => th.ariaSort ?? "none");
  return { cells, rows, sorts, lines: document.body.innerText.split("\n") };
}

// Missing values come last in both directions. Which alphabet the texts follow is the page's choice.
function isSorted(keys, direction) {
  const missing = (key) => /^([-–—]?|null|nan|n\/a)$/i.test(key);
  const present = keys.slice(0, keys.findLastIndex((key) => !missing(key)) + 1);
  const numbers = present.map((key) => Number(key.replace(/^0x.*|[,\s%]/g, "") || NaN));
  const values = numbers.some(Number.isNaN) ? present : numbers;
  const orders = [(a, b) => (a > b) - (a < b), ...(values === present ? ALPHABETS : [])];
  if (direction === "descending") values.reverse();
  return !present.some(missing) && orders.some((order) => values.every((v, i) => !i || order(values[i - 1], v) <= 0));
}

// Sorts and filters the table, by mouse and by keyboard.
async function useTable(page, say, whenEmpty) {
  const table = await page.$("table.sortable");
  if (table === null) return "no table to sort";
  // The page may take its time, but no more than a reader would notice.
  async function expect(how, troubleIn) {
    for (const end = Date.now() + 700; ; await new Promise((wake) => setTimeout(wake, 20))) {
      const state = await table.evaluate(readTable);
      const trouble = troubleIn(state);
      if (trouble && Date.now() > end) say(`${how}: ${trouble}`);
      if (!trouble || Date.now() > end) return state;
    }
  }
  const start = await table.evaluate(readTable);
  const changed = ({ rows }) => String(rows) !== String(start.rows) && "other rows than at first";
  const heads = await table.$$eval("thead th button", (buttons) => buttons.map((el) => el.closest("th").cellIndex));
  if (heads.length === 0) say("table has no buttons to sort it by");
  for (const [i, column] of heads.entries()) {
    let last = "";
    for (const press of ["click", "second click", "Enter"]) {
      const button = (await table.$$("thead th button"))[i];
      await (press === "Enter" ? button.press("Enter") : button.click());
      const how = `${press} on "${await button.evaluate((el) => el.textContent.trim())}"`;
      const { sorts } = await expect(how, (state) => {
        const direction = state.sorts[column];
        if (!/^(a|de)scending$/.test(direction) || direction === last) return `aria-sort is ${direction}`;
        if (state.sorts.some((sort, at) => at !== column && sort !== "none")) return "another column keeps aria-sort";
        if (!isSorted(state.cells.map((row) => row[column].key), direction)) return `rows are not ${direction}`;
        return changed(state);
      });
      last = sorts[column];
      if (!(await button.evaluate((el) => el === document.activeElement && el.tabIndex >= 0))) say(`${how}: no focus`);
    }
  }
  const input = await page.$(`[id="${await table.evaluate((el) => el.dataset.filter)}"] input[type=search]`);
  if (input === null) return say("no input[type=search] in what data-filter names");
  async function filter(text) {
    await input.click({ count: 3 });
    await page.keyboard.press("Backspace");
    await page.keyboard.type(text);
  }
  // A word that not all rows have. Whether capitals matter is the page's choice.
  const having = (word) => start.rows.filter((row) => row.includes(word));
  const words = start.cells.flat().map(({ text }) => text).filter((text) => text.length > 1);
  const word = words.find((text) => having(text).length < start.rows.length) ?? words[0] ?? "";
  function misfiltered({ rows }) {
    const odd = rows.find((row) => !row.toLowerCase().includes(word.toLowerCase()));
    return odd ? `shows ${odd}` : having(word).some((row) => !rows.includes(row)) && "hides rows that have it";
  }
  await filter(word);
  await expect(`filter by "${word}"`, misfiltered);
  if (heads.length > 0) await (await table.$("thead th button")).click();
  await expect(`sorting when filtered by "${word}"`, misfiltered);
  await filter("no such row zqx");
  const isNotice = (line) => /\b(no|0|none|nothing)\b/i.test(line) && !start.lines.includes(line);
  await expect("filter by what is nowhere", ({ rows, lines }) => (
    rows.length > 0 ? `shows ${rows.length} rows` : !lines.some(isNotice) && "gives no notice"));
  await whenEmpty();
  await filter("");
  await expect("clearing the filter", changed);
  return `${start.rows.length} rows sorted by ${heads.length} columns and filtered`;
}

async function open(width, scheme, say, scripts) {
  const page = await browser.newPage();
  page.on("console", (message) => /error|assert/.test(message.type()) && say(`console: ${message.text()}`));
  page.on("pageerror", (error) => say(`script: ${error.message}`));
  page.on("request", (request) => {
    if (request.url().startsWith("data:") || request.url().split("#")[0] === url) return request.continue();
    say(`requests ${request.url()}`);
    return request.abort();
  });
  await page.setRequestInterception(true);
  await page.setOfflineMode(true);
  await page.setJavaScriptEnabled(scripts);
  await page.setViewport({ width, height: 900 });
  const media = { "prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce" };
  await page.emulateMediaFeatures(Object.entries(media).map(([name, value]) => ({ name, value })));
  await page.goto(url);
  return page;
}

async function look(name, say) {
  const [width, scheme] = name.split("-");
  const page = await open(Number(width), scheme, say, true);
  await shoot(page, name);
  const first = await page.evaluate(inspectPage);
  first.problems.forEach(say);
  if (first.looks !== scheme) say(`the background is ${first.looks}`);
  async function runAxe(when) {
    const { violations } = await page.evaluate((options) => window.axe.run(options), AXE);
    for (const { id, nodes } of violations) say(`axe${when}: ${id}: ${nodes.map(({ target }) => target).join(", ")}`);
  }
  await page.evaluate(require("axe-core").source);
  await runAxe("");
  const table = await useTable(page, say, () => runAxe(" with no row left"));
  await page.close();

  const bare = await open(Number(width), scheme, say, false);
  const second = await bare.evaluate(inspectPage);
  const news = second.problems.filter((problem) => !first.problems.includes(problem));
  if (second.seen < Math.max(first.seen, second.total)) news.push("not all charts and rows are to be seen");
  if (second.usable > 0) news.push("there are controls, which do nothing");
  news.forEach((problem) => say(`without scripts: ${problem}`));
  return `${first.summary}, ${table}`;
}

const [file, shots] = process.argv.slice(2);
if (file === undefined) throw new Error("usage: node look.mjs PAGE.html [OUT_DIR]");
const folder = process.env.CONCENTRA_TEST_BROWSER;
const require = createRequire(folder ? pathToFileURL(`${folder}/any.js`) : import.meta.url);
const { default: puppeteer } = await import(pathToFileURL(require.resolve("puppeteer-core")));
const url = pathToFileURL(file).href;
const html = readFileSync(file, "utf8");
if (shots) mkdirSync(shots, { recursive: true });
const shoot = (page, name) => shots && page.screenshot({ path: `${shots}/${name}.png`, fullPage: true });
const executablePath = process.env.CONCENTRA_CHROMIUM ?? "/usr/bin/chromium";
const browser = await puppeteer.launch({ executablePath, args: FLAGS });
const problems = [...html.matchAll(ELSEWHERE)].map(([reference]) => `refers to ${reference.trim()}`);
if (Buffer.byteLength(html) >= MAX_BYTES) problems.push(`${Buffer.byteLength(html)} bytes`);
const seen = [];
const sayOf = (name) => (problem) => problems.push(`${name}: ${problem}`);
try {
  for (const name of ["400-light", "400-dark", "1400-light", "1400-dark"]) {
    const say = sayOf(name);
    await look(name, say).then((found) => seen.push(`${name}: ${found}`), (error) => say(error.message));
  }
  const sheet = await open(794, "light", sayOf("print"), true);
  await sheet.emulateMediaType("print");
  await shoot(sheet, "print");
  (await sheet.evaluate(inspectPage)).problems.forEach(sayOf("print"));
} finally {
  await browser.close();
}
for (const line of problems.length > 0 ? problems : seen) (problems.length > 0 ? console.error : console.log)(line);
process.exitCode = problems.length > 0 ? 1 : 0;
