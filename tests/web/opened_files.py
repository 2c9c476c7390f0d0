"""A page opened from the disk, and what it asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from playwright.async_api import Page

Open = Callable[..., Awaitable[Page]]


ALIVE = """() => [...document.querySelectorAll("*")].filter((one) => one.hasAttribute("data-canary")
  || one.getAttributeNames().some((name) => name.startsWith("on") || name === "srcdoc")
  || ["iframe", "object", "embed", "base", "form", "img", "a", "style", "script", "meta", "link"]
     .includes(one.localName)
     && !window.ours.has(one)
  || one.localName.includes("canary")).map((one) => one.outerHTML.slice(0, 200))"""


OURS = """() => { window.ours = new Set(document.querySelectorAll("form, a, style, script, meta, link")); }"""
