// Makes an element like another, touching only what differs: focus, selection, open details and transitions stay.
"use strict";

export function morph(old, anew) {
  if (old.isEqualNode(anew)) return;
  if (old.nodeType !== anew.nodeType || old.nodeName !== anew.nodeName) {
    old.replaceWith(document.importNode(anew, true));
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.data = anew.data;
    return;
  }
  attributes(old, anew);
  const [here, there] = [[...old.childNodes], [...anew.childNodes]];
  there.forEach((child, place) => {
    if (place < here.length) morph(here[place], child);
    else old.append(document.importNode(child, true));
  });
  here.slice(there.length).forEach((child) => child.remove());
}

function attributes(old, anew) {
  for (const { name, value } of anew.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!anew.hasAttribute(name) && !(old.nodeName === "DETAILS" && name === "open")) old.removeAttribute(name);
  }
}
