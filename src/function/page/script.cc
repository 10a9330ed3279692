#include "function/page/assets.h"

namespace wasmoor::function::page {
namespace {

// Nothing here makes markup of text: documents are parsed by XMLHttpRequest, which runs nothing of
// them, and what is told of a call is set as text. The page's policy (page.cc) forbids the rest.
constexpr std::string_view kScript = R"js("use strict";
(() => {
  const every = 1000, orderEvery = 5;
  const by = (id) => document.getElementById(id);
  document.documentElement.classList.add("live");

  // ---- What is shown is made what the server would show now, where it differs.

  let calm = true;  // Rows may move.
  let held = false;  // They would, and do not.

  const rowsOf = (list) => new Map([...list.children].map((row) => [row.dataset.key, row]));

  function mergeRows(old, fresh) {
    const had = rowsOf(old), now = rowsOf(fresh);
    for (const [key, row] of now) {
      if (had.has(key)) merge(had.get(key), row);
    }
    const same = had.size === now.size && [...had.keys()].every((key) => now.has(key));
    const inOrder = same && [...had.keys()].join("\n") === [...now.keys()].join("\n");
    if (inOrder || (same && !calm)) return;
    // Who is about to press something finds it where it was.
    held = old.matches(":hover, :focus-within");
    if (held) return;
    place(old, [...now].map(([key, row]) => had.get(key) ?? document.importNode(row, true)));
  }

  // These are its children from now on, in their order; those that are it already are not moved, so that they keep what
  // they have of their user's.
  function place(parent, children) {
    const kept = new Set(children);
    let at = parent.firstChild;
    for (const child of children) {
      while (at && !kept.has(at)) {
        const gone = at;
        at = at.nextSibling;
        gone.remove();
      }
      if (child === at) {
        at = at.nextSibling;
      } else {
        parent.insertBefore(child, at);
      }
    }
    while (at) {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    }
  }

  const kindOf = (node) => `${node.nodeName} ${node.id ?? ""} ${node.classList?.[0] ?? ""}`;

  function mergeChildren(old, fresh) {
    const before = [...old.childNodes], after = [...fresh.childNodes];
    if (before.length === after.length && before.every((node, i) => node.nodeName === after[i].nodeName)) {
      before.forEach((node, i) => merge(node, after[i]));
      return;
    }
    place(old, after.map((node) => {
      const found = before.findIndex((one) => kindOf(one) === kindOf(node));
      if (found < 0) return document.importNode(node, true);
      const [same] = before.splice(found, 1);
      merge(same, node);
      return same;
    }));
  }

  function mergeAttributes(old, fresh) {
    for (const {name, value} of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    for (const {name} of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
    }
  }

  function merge(old, fresh) {
    if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
      old.replaceWith(document.importNode(fresh, true));
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    if ("still" in old.dataset) return;
    if (old.nodeName !== "DETAILS" && old.nodeName !== "BODY") mergeAttributes(old, fresh);
    if ("rows" in old.dataset) {
      mergeRows(old, fresh);
      return;
    }
    mergeChildren(old, fresh);
  }

  // ---- Once a second.

  const told = by("told"), pause = by("pause");
  let paused = false, answered = new Date(), turn = 0, asking = null;

  function tell(text, lost) {
    if (told.textContent !== text) told.textContent = text;
    told.classList.toggle("lost", lost);
  }

  function ask() {
    if (paused || document.hidden || asking) return;
    asking = new XMLHttpRequest();
    asking.open("GET", location.href);
    asking.responseType = "document";
    asking.timeout = 10000;
    asking.onload = () => {
      const page = asking.status === 200 ? asking.responseXML : null;
      asking = null;
      if (!page) return lost();
      if (page.documentElement.dataset.version !== document.documentElement.dataset.version) {
        location.reload();
        return;
      }
      answered = new Date();
      calm = turn++ % orderEvery === 0;
      if (document.title !== page.title) document.title = page.title;
      held = false;
      merge(document.body, page.body);
      tell(held ? "live, rows stay while they are pointed at" : "live", false);
    };
    asking.onerror = asking.ontimeout = () => {
      asking = null;
      lost();
    };
    asking.send();
  }

  function lost() {
    tell(`no answer since ${answered.toLocaleTimeString()}`, true);
  }

  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Go on" : "Pause";
    if (paused) tell(`paused at ${new Date().toLocaleTimeString()}`, false);
    ask();
  });
  document.addEventListener("visibilitychange", ask);
  setInterval(ask, every);
  tell("live", false);

  // ---- Calls: a line of JSON and the body, there and back.

  const dialog = by("call"), reply = by("call-reply"), output = by("call-output"), save = by("call-save");
  const mostShown = 200000, mostBytes = 4096;
  let call = null;

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-call]");
    if (!button) return;
    by("call-form").reset();
    by("call-target").value = button.dataset.call;
    by("call-more").open = false;
    dialog.showModal();
    by("call-send").focus();
    send();
  });
  by("call-form").addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  by("call-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    if (call) call.abort();
    forget();
  });

  function fieldsOf(text) {
    return text.split("\n").filter((line) => line.trim() !== "").map((line) => {
      const colon = line.indexOf(":");
      return colon < 0 ? [line.trim(), ""] : [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
    });
  }

  // What cannot stand in a path is written so that it can; what is written so already stays.
  const targetOf = (text) => text.trim().replace(/[^!-~]+/gu, (part) => {
    try {
      return encodeURIComponent(part);
    } catch {
      return "";
    }
  });

  async function send() {
    if (call) call.abort();
    const file = by("call-file").files[0];
    const head = {
      method: by("call-method").value,
      target: targetOf(by("call-target").value),
      fields: fieldsOf(by("call-fields").value),
    };
    forget();
    tellOfCall("Invoking…");
    const request = call = new XMLHttpRequest();
    request.open("POST", "/invoke");
    request.setRequestHeader("wasmoor-page", "call");
    request.setRequestHeader("content-type", "application/octet-stream");
    request.responseType = "arraybuffer";
    request.onload = () => done(() => show(request.status, new Uint8Array(request.response)));
    request.onerror = () => done(() => tellOfCall("The server did not answer.", true));
    const done = (then) => {
      if (call !== request) return;
      call = null;
      then();
    };
    request.send(new Blob([JSON.stringify(head), "\n", file ?? by("call-body").value]));
  }

  function forget() {
    call = null;
    reply.classList.remove("told");
    output.hidden = save.hidden = by("call-got").hidden = true;
    output.textContent = "";
    by("call-usage").replaceChildren();
    if (save.href) URL.revokeObjectURL(save.href);
    save.removeAttribute("href");
  }

  function tellOfCall(text, bad) {
    reply.classList.add("told");
    by("call-status").textContent = text;
    by("call-status").classList.toggle("bad", Boolean(bad));
  }

  function show(status, bytes) {
    if (status !== 200) {
      tellOfCall(`Not invoked: ${new TextDecoder().decode(bytes).trim()}`, true);
      return;
    }
    const end = bytes.indexOf(10);
    const head = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
    const body = bytes.subarray(end + 1);
    const ends = {whole: "", broken: ", and broke off", cut: `, and was cut after ${body.length} bytes`};
    tellOfCall((head.status ? `Status ${head.status}` : "No response") + ends[head.end],
      head.end === "broken" || head.status >= 400 || !head.status);
    showUsage(head, body.length);
    by("call-got-fields").textContent = head.fields.map(([name, value]) => `${name}: ${value}`).join("\n");
    by("call-got").hidden = head.fields.length === 0;
    output.textContent = textOf(body);
    output.hidden = body.length === 0;
    save.href = URL.createObjectURL(new Blob([body], {type: "application/octet-stream"}));
    save.hidden = body.length === 0;
  }

  function showUsage(head, size) {
    const field = (name) => head.fields.find((one) => one[0].toLowerCase() === name)?.[1];
    const usage = [["took", `${(head.seconds * 1000).toFixed(2)} ms`]];
    for (const part of (field("server-timing") ?? "").split(",")) {
      const match = /^\s*(queue|cpu|run);dur=([\d.]+)$/.exec(part);
      if (match) usage.push([{queue: "queued", cpu: "CPU", run: "ran"}[match[1]], `${match[2]} ms`]);
    }
    const memory = Number(field("wasmoor-memory"));
    if (memory > 0) usage.push(["memory", `${(memory / 1048576).toFixed(2)} MiB`]);
    if (field("wasmoor-start")) usage.push(["start", field("wasmoor-start")]);
    usage.push(["body", `${size} bytes`]);
    by("call-usage").replaceChildren(...usage.map(([name, value]) => {
      const pair = document.createElement("div");
      const [term, told] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = name;
      told.textContent = value;
      pair.append(term, told);
      return pair;
    }));
  }

  function textOf(bytes) {
    const rest = (shown) => shown < bytes.length ? `\n… ${bytes.length - shown} more bytes` : "";
    try {
      new TextDecoder("utf-8", {fatal: true}).decode(bytes);
      if (!bytes.includes(0)) {
        return new TextDecoder().decode(bytes.subarray(0, mostShown)) + rest(Math.min(mostShown, bytes.length));
      }
    } catch {
      // It is no text.
    }
    const lines = [];
    for (let at = 0; at < Math.min(bytes.length, mostBytes); at += 16) {
      const part = [...bytes.subarray(at, at + 16)];
      const hex = part.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
      const plain = part.map((byte) => byte > 31 && byte < 127 ? String.fromCharCode(byte) : ".").join("");
      lines.push(`${at.toString(16).padStart(6, "0")}  ${hex.padEnd(48)} ${plain}`);
    }
    return lines.join("\n") + rest(Math.min(mostBytes, bytes.length));
  }
})();
)js";

}  // namespace

std::string_view Script() { return kScript; }

}  // namespace wasmoor::function::page
