"""What a page owes people who use a keyboard, a screen reader, a telephone or weak eyes; asked of the browser itself.

Names come from Chromium's accessibility tree (what a screen reader is told), colours from what it computed. Levels are
those of WCAG 2.2 AA: contrast 4.5, and 3 for large text (1.4.3); names (4.1.2); headings (1.3.1); focus (2.4.7);
no scrolling sideways at 320 px, here 360 (1.4.10).
"""

from __future__ import annotations

from typing import Any

from playwright.async_api import Page

NAMED = {"button", "link", "textbox", "searchbox", "combobox", "checkbox", "radio", "slider", "spinbutton", "tab"}
NAMED |= {"img", "image", "menuitem", "switch", "dialog", "listbox", "meter", "progressbar", "table", "SvgRoot"}
STOPS = 60  # how many elements are tabbed through
STRUCTURE = """() => {
  const said = [];
  const visible = (one) => one.checkVisibility({ visibilityProperty: true });
  if (!document.documentElement.lang) said.push("the page has no language");
  if (!document.title.trim()) said.push("the page has no title");
  if (document.querySelectorAll("main").length !== 1) said.push("the page has not one <main>");
  const headings = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].filter(visible);
  if (headings.filter((one) => one.localName === "h1").length !== 1) said.push("the page has not one <h1>");
  headings.reduce((level, one) => {
    const own = Number(one.localName[1]);
    const text = one.textContent.trim().slice(0, 40);
    if (level && own > level + 1) said.push(`<${one.localName}> "${text}" follows <h${level}>`);
    return own;
  }, 0);
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  const twice = new Set(ids.filter((one, place) => ids.indexOf(one) !== place));
  for (const id of twice) said.push(`id "${id}" is there twice`);
  for (const name of ["aria-labelledby", "aria-describedby", "aria-controls", "aria-owns", "for"])
    for (const one of document.querySelectorAll(`[${name}]`))
      for (const id of one.getAttribute(name).split(/\\s+/).filter(Boolean))
        if (!document.getElementById(id)) said.push(`${name}="${id}" names nothing`);
  for (const one of document.querySelectorAll("[tabindex]"))
    if (one.tabIndex > 0) said.push(`tabindex=${one.tabIndex}: ${one.outerHTML.slice(0, 80)}`);
  for (const one of document.querySelectorAll("table"))
    if (visible(one) && !one.querySelector("th")) said.push("a table has no <th>");
  return said;
}"""
CONTRAST = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].map((one) => one / 255);
  };
  const over = (top, below) => [0, 1, 2].map((at) => top[at] * top[3] + below[at] * (1 - top[3]));
  const linear = (one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const ground = (one) => {
    if (!one) return [1, 1, 1, 1];
    const own = rgba(getComputedStyle(one).backgroundColor);
    return own[3] >= 0.999 ? own : over(own, ground(one.parentElement));
  };
  const left = ":disabled, [aria-disabled=true], [aria-hidden=true], svg, canvas, .visually-hidden, .skip-link";
  const visible = { visibilityProperty: true, opacityProperty: true };
  const seen = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement;
    const text = walker.currentNode.data.trim().slice(0, 40);
    if (!text || !one.checkVisibility(visible) || one.closest(left)) continue;
    const style = getComputedStyle(one);
    let opacity = 1;
    for (let at = one; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
    const below = ground(one);
    const color = rgba(style.color);
    color[3] *= opacity;
    const [high, low] = [light(over(color, below)), light(below)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    const size = parseFloat(style.fontSize);
    const least = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    const where = `<${one.localName} class="${one.className}">`;
    if (ratio < least) seen.set(where + style.color, `${ratio.toFixed(2)}:1 for "${text}" in ${where}`);
  }
  return [...seen.values()];
}"""
FOCUSED = """() => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const style = getComputedStyle(one);
  const box = one.getBoundingClientRect();
  const ring = (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2) || style.boxShadow !== "none";
  return { ring, seen: box.width > 0 && box.height > 0 && box.right > 0, what: one.outerHTML.slice(0, 100) };
}"""
SIDEWAYS = """() => document.documentElement.scrollWidth <= innerWidth ? [] : [
  `${document.documentElement.scrollWidth} px wide in a window of ${innerWidth}, by: ` +
  [...document.querySelectorAll("body *")]
    .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && one.checkVisibility())
    .slice(-3).map((one) => one.outerHTML.slice(0, 120)).join(" and ")]"""


async def complaints(page: Page) -> list[str]:
    """Returns everything that is wrong with the page as it is now: structure, names, contrast, width."""
    found = [*await page.evaluate(STRUCTURE), *await unnamed(page)]
    return [*found, *await page.evaluate(CONTRAST), *await page.evaluate(SIDEWAYS)]


async def unnamed(page: Page) -> list[str]:
    """Returns controls and pictures that a screen reader has no name for."""
    session = await page.context.new_cdp_session(page)
    tree = await session.send("Accessibility.getFullAXTree")
    found = []
    for node in tree["nodes"]:
        role, name = (str(node.get(part, {}).get("value", "")) for part in ("role", "name"))
        if role in NAMED and not node["ignored"] and not name.strip():
            found.append(f"a {role} has no name: {await markup(session, node)}")
    await session.detach()
    return found


async def markup(session: Any, node: dict[str, Any]) -> str:
    """The beginning of a node's HTML."""
    told = await session.send("DOM.getOuterHTML", {"backendNodeId": node["backendDOMNodeId"]})
    return str(told["outerHTML"])[:120]


async def without_a_ring(page: Page) -> list[str]:
    """Tabs through the page; returns the elements that take the focus and do not show it."""
    found = []
    await page.evaluate("() => document.activeElement?.blur()")
    for _ in range(STOPS):
        await page.keyboard.press("Tab")
        told = await page.evaluate(FOCUSED)
        if told is None:
            break
        if not told["ring"] or not told["seen"]:
            found.append(f"the focus is not to be seen on {told['what']}")
    return found
