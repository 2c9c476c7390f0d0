// Keys that do what buttons do, on every page that has a help: what it shows is what is bound. A key counts only outside
// of fields, without Ctrl, Alt or Meta, and not while it is held down; people who speak to their computer can turn
// single keys off (WCAG 2.1.4).
const OFF = "gristmill:keys-off";
const help = () => document.getElementById("help");

const isField = (element) => Boolean(element.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable]"));
// Up and down scroll the page; left and right scroll what is wide, and move a slider.
const keepsArrows = (element) => Boolean(element.closest?.(".long, .text[tabindex], dialog, meter"));
const isBox = (element) => Boolean(element.matches?.("input[type=checkbox]"));

function bindings() {
  const lines = [...document.querySelectorAll("#help [data-keys]")];
  return new Map(lines.flatMap((line) => line.dataset.keys.split(" ").map((key) => [key, line.dataset.act])));
}

function showHelp() {
  if (help().open) help().close();
  else help().showModal();
}

// `actions` are functions by name; each is told by what it was called: the key, or the words of the button.
export function bindKeys(actions) {
  const keys = bindings();
  const act = (name, by) => (name === "help" ? showHelp() : actions[name]?.(by));
  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (event.isComposing || event.defaultPrevented) return;
    const open = document.querySelector("dialog[open]");
    if (target.closest?.("[data-panel]") && key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      if (!event.repeat) act("save", "Ctrl+Enter");
      return;
    }
    if (key === "Escape" && !open && document.querySelector("[data-panel]:not([hidden])")) {
      event.preventDefault();
      act("leave", "Esc");
      return;
    }
    const name = keys.get(key);
    if (!name || event.ctrlKey || event.altKey || event.metaKey) return;
    if (isField(target)) return key === "Escape" && !open ? target.blur() : undefined;
    if (open && (open !== help() || name !== "help")) return;
    if (localStorage.getItem(OFF) && key.length === 1 && name !== "help") return;
    if (key === "Enter" && !isBox(target)) return; // links and buttons know it
    if (key.startsWith("Arrow") && (keepsArrows(target) || event.shiftKey)) return;
    event.preventDefault();
    if (event.repeat && !["next", "previous"].includes(name)) return; // a held key is one decision
    act(name, key);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-do]");
    if (button && !button.disabled) act(button.dataset.do, button.dataset.do.replaceAll("_", " "));
  });
  const box = document.getElementById("keys-on");
  box.checked = !localStorage.getItem(OFF);
  box.addEventListener("change", () => (box.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "1")));
}
