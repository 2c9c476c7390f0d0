// A search field with a list of what it finds (the combobox pattern of the WAI-ARIA practices).
"use strict";

/** `to` has find(text), which resolves to {nodes, among}, open(id), and failed(error). */
export function makeSearch(field, list, to) {
  let turn = 0;
  let timer = 0;
  let at = -1;

  const options = () => [...list.querySelectorAll("[role=option]")];
  const close = () => {
    turn += 1; // an answer that is still under way is not shown
    list.hidden = true;
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  };
  const mark = (place) => {
    const all = options();
    if (!all.length) return;
    at = (place + all.length) % all.length;
    all.forEach((one, number) => one.setAttribute("aria-selected", String(number === at)));
    field.setAttribute("aria-activedescendant", all[at].id);
    all[at].scrollIntoView({ block: "nearest" });
  };
  const choose = (option) => {
    if (!option) return;
    close();
    field.value = "";
    to.open(option.dataset.id);
  };

  async function find() {
    const text = field.value.trim();
    if (!text) return close();
    const mine = ++turn;
    try {
      const found = await to.find(text);
      if (mine === turn) show(found);
    } catch (error) {
      if (mine === turn) to.failed(error);
    }
  }

  function show({ nodes, among }) {
    const lines = nodes.map((node, number) => {
      const line = document.createElement("li");
      line.id = `graph-found-${number}`;
      line.dataset.id = node.id;
      line.setAttribute("role", "option");
      line.setAttribute("aria-selected", "false");
      const swatch = document.createElement("span");
      swatch.className = `swatch ${node.level}`;
      const name = document.createElement("bdi");
      name.textContent = node.name; // never as HTML: models wrote it
      const type = document.createElement("span");
      type.className = "dim";
      type.textContent = node.type;
      line.append(swatch, name, type);
      return line;
    });
    if (among > nodes.length || !among) {
      const rest = document.createElement("li");
      rest.className = "dim";
      rest.setAttribute("role", "presentation");
      rest.textContent = among ? `${(among - nodes.length).toLocaleString("en")} more; go on typing` : "no entity is called that";
      lines.push(rest);
    }
    list.replaceChildren(...lines);
    list.hidden = false;
    at = -1;
    field.setAttribute("aria-expanded", "true");
    field.removeAttribute("aria-activedescendant");
  }

  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(find, 120);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault(); // it finds, the form filters
      if (!list.hidden) choose(options()[Math.max(0, at)]);
      else find();
    } else if (event.key === "Escape") {
      close();
    } else if (event.key === "ArrowDown" && !list.hidden) {
      event.preventDefault();
      mark(at + 1);
    } else if (event.key === "ArrowUp" && !list.hidden) {
      event.preventDefault();
      mark(at < 0 ? -1 : at - 1);
    }
  });
  list.addEventListener("pointerdown", (event) => {
    event.preventDefault(); // the field keeps the focus until something is chosen
    choose(event.target.closest("[role=option]"));
  });
  field.addEventListener("blur", close);
}
