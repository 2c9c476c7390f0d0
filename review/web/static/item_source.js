// The source passages of an item's page: what is cited comes into view within each pane, at once and without motion.
// The page itself stays where it is.
const ABOVE = 3; // lines of text that stay in view above what is cited

export function bringCitedIntoView(article) {
  for (const pane of article.querySelectorAll(".passage > .text")) {
    const mark = pane.querySelector("mark.cited") ?? pane.querySelector("mark");
    if (!mark || pane.scrollHeight <= pane.clientHeight) continue;
    const line = parseFloat(getComputedStyle(pane).lineHeight) || 24;
    const top = mark.getBoundingClientRect().top - pane.getBoundingClientRect().top;
    const below = top + mark.offsetHeight > pane.clientHeight;
    if (below) pane.scrollTop += top - ABOVE * line;
  }
}
