// Keys that do what buttons do. A key counts only outside of fields, without Ctrl, Alt or Meta, and not while it is held
// down; people who speak to their computer can turn keys off (WCAG 2.1.4).
const OFF = "gristmill:keys-off";
export const KEYS = {
  a: "accept", e: "edit", b: "send_back", r: "reject", R: "reasons", p: "precedent", s: "skip", u: "undo",
  j: "next", ArrowRight: "next", k: "previous", ArrowLeft: "previous", "?": "help", "/": "search",
};

const isField = (element) => Boolean(element.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable]"));
// Up and down scroll the page; left and right scroll what is wide, and move a slider.
const keepsArrows = (element) => Boolean(element.closest?.(".long, .text[tabindex], dialog, meter"));

export function bindKeys(act) {
  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (event.isComposing) return;
    const panel = target.closest?.("[data-panel]");
    if (panel && key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      if (!event.repeat) act("save", { by: "Ctrl+Enter" });
      return;
    }
    if (key === "Escape" && document.querySelector("[data-panel]:not([hidden])") && !document.querySelector("dialog[open]")) {
      event.preventDefault();
      act("leave", { by: "Esc" });
      return;
    }
    const action = KEYS[key];
    if (!action || event.ctrlKey || event.altKey || event.metaKey || isField(target)) return;
    if (localStorage.getItem(OFF) && action !== "help") return;
    if (document.querySelector("dialog[open]") && action !== "help") return;
    if (key.startsWith("Arrow") && (keepsArrows(target) || event.shiftKey)) return;
    event.preventDefault();
    if (event.repeat && !["next", "previous"].includes(action)) return; // a held key is one decision
    act(action, { by: key, repeat: event.repeat });
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-do]");
    if (button && !button.disabled) act(button.dataset.do, { by: button.dataset.do.replaceAll("_", " "), button });
  });
  const box = document.getElementById("keys-on");
  if (box) {
    box.checked = !localStorage.getItem(OFF);
    box.addEventListener("change", () => (box.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "1")));
  }
}
