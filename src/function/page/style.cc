#include "function/page/assets.h"

namespace wasmoor::function::page {
namespace {

constexpr std::string_view kStyle = R"css(:root {
  color-scheme: light dark;
  --ground: #f4f6f8; --panel: #ffffff; --text: #1b2026; --quiet: #59636e; --line: #d8dee4;
  --link: #0b5cad; --good: #16703c; --bad: #b3261e; --warn: #8a5300; --shade: #eaeef2;
  --good-ground: #dcf3e4; --bad-ground: #fbe3e1;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0f1317; --panel: #171c22; --text: #dfe5eb; --quiet: #94a0ac; --line: #2b333c;
    --link: #77b7ff; --good: #7bd99b; --bad: #ff9087; --warn: #f0c069; --shade: #212932;
    --good-ground: #14301f; --bad-ground: #431a17;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 0 20px 24px; max-width: 1760px; background: var(--ground);
  color: var(--text); font: 13px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums;
}
code, pre, .path, tbody th, .title h2, #call-target, textarea {
  font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 12px;
}
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 1px; border-radius: 3px; }
.skip { position: absolute; left: -100vw; }
.skip:focus { left: 20px; top: 4px; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
html:not(.live) .scripted { display: none; }
.bad { color: var(--bad); }
.warn { color: var(--warn); }
.quiet, .times { color: var(--quiet); }
.bad a { color: inherit; }
h1, h2, h3, p, dl, dd, ol, ul, pre { margin: 0; padding: 0; }

.banner { display: flex; align-items: center; gap: 14px; padding: 12px 0; min-height: 52px; flex-wrap: wrap; }
h1 { font-size: 16px; font-weight: 650; letter-spacing: -0.01em; }
h1 a { color: inherit; }
.path, .up { color: var(--quiet); overflow-wrap: anywhere; }
.pill { padding: 1px 9px; border-radius: 99px; font-weight: 600; font-size: 12px; }
.pill.good { color: var(--good); background: var(--good-ground); }
.pill.bad { color: var(--bad); background: var(--bad-ground); }
.watch { margin-left: auto; display: flex; align-items: center; gap: 10px; color: var(--quiet); }
.watch .lost { color: var(--bad); font-weight: 600; }

button, input, select, textarea {
  font: inherit; color: inherit; background: var(--panel); border: 1px solid var(--line);
  border-radius: 5px; padding: 3px 9px;
}
button { cursor: pointer; background: var(--shade); }
button:hover { border-color: var(--quiet); }
button.main { background: var(--link); border-color: var(--link); color: var(--panel); font-weight: 600; }
button[aria-pressed="true"] { color: var(--warn); border-color: currentColor; }
button:disabled { opacity: 0.6; cursor: default; }

.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(172px, 1fr)); gap: 10px; }
.tile {
  position: relative; background: var(--panel); border: 1px solid var(--line); border-radius: 8px;
  padding: 9px 12px 34px; overflow: hidden; min-height: 108px;
}
.tile dt { color: var(--quiet); }
.tile dd { white-space: nowrap; }
.tile b { font-size: 20px; font-weight: 600; line-height: 1.25; letter-spacing: -0.01em; }
.tile.bad b { color: var(--bad); }
.tile.warn b { color: var(--warn); }
.tile dd > span { color: var(--quiet); }
.tile small { display: block; font-size: 12px; color: var(--quiet); white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.tile.bad, .tile.warn { color: inherit; }
.tile .states span { margin-left: 8px; }
.line { position: absolute; left: 0; right: 0; bottom: 5px; width: 100%; height: 26px; }
.line path { fill: none; stroke: var(--link); stroke-width: 1.5; vector-effect: non-scaling-stroke; }
.tile.bad .line path { stroke: var(--bad); }

.latest {
  display: flex; gap: 7px; margin-top: 10px; padding: 5px 12px; background: var(--panel);
  border: 1px solid var(--line); border-radius: 8px; white-space: nowrap;
}
.latest > span:not(.bad) { overflow: hidden; text-overflow: ellipsis; color: var(--quiet); }
.latest .all { margin-left: auto; }
body > nav { margin: 14px 0 0; border-bottom: 1px solid var(--line); }
nav ul { display: flex; gap: 4px; list-style: none; }
nav li a { display: block; padding: 6px 12px; color: var(--quiet); border-bottom: 2px solid transparent; margin-bottom: -1px; }
nav li a:hover { color: var(--text); text-decoration: none; }
nav li a[aria-current] { color: var(--text); font-weight: 600; border-color: var(--link); }
.count { font-weight: 400; font-size: 12px; color: var(--quiet); }

.search { display: flex; align-items: center; gap: 10px; padding: 10px 0; flex-wrap: wrap; }
.search label { color: var(--quiet); }
.search input { width: 240px; margin-left: 4px; }
.search output { color: var(--quiet); margin-left: auto; }
.chip { display: inline-block; padding: 2px 9px; border-radius: 99px; background: var(--shade); color: var(--text); }

.scroll { overflow-x: auto; background: var(--panel); border: 1px solid var(--line); border-radius: 8px; }
table { border-collapse: collapse; width: 100%; }
caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
th, td { padding: 3px 8px; text-align: right; white-space: nowrap; font-weight: 400; }
.text, tbody th { text-align: left; }
thead th { color: var(--quiet); font-size: 12px; vertical-align: bottom; }
thead a { color: inherit; }
th[aria-sort] a { color: var(--text); font-weight: 600; }
th[aria-sort="ascending"] a::after { content: " \2191"; }
th[aria-sort="descending"] a::after { content: " \2193"; }
.groups th { text-align: center; padding: 5px 8px 0; }
.groups th::after { content: ""; display: block; border-bottom: 1px solid var(--line); }
.groups td { padding: 0; }
.scroll thead tr:last-child > * { border-bottom: 1px solid var(--line); }
.scroll tbody tr + tr > * { border-top: 1px solid var(--shade); }
.scroll tbody tr:hover { background: var(--shade); }
tbody th { max-width: 340px; overflow: hidden; text-overflow: ellipsis; }
.scroll th:first-child { position: sticky; left: 0; background: var(--panel); padding-left: 12px; }
.scroll tbody tr:hover th { background: var(--shade); }
.problem {
  display: block; font-family: system-ui, sans-serif; color: var(--bad);
  overflow: hidden; text-overflow: ellipsis;
}
td.none { color: var(--quiet); opacity: 0.65; }
td .call { padding: 0 8px; font-size: 12px; }
td:has(> .call) { padding: 0 4px; }
.pager { display: flex; gap: 12px; padding: 10px 2px; color: var(--quiet); }
.pager a, .pager span { padding: 2px 0; }
.pager span { opacity: 0.5; }
.empty { padding: 28px 12px; color: var(--quiet); background: var(--panel); border: 1px solid var(--line); border-radius: 8px; }

.title { display: flex; align-items: center; gap: 14px; padding: 14px 0 6px; }
.title h2 { font-size: 17px; overflow-wrap: anywhere; }
h3 { font-size: 13px; font-weight: 600; padding: 0 0 6px; }
main > h3 { padding-top: 16px; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 10px; margin-top: 12px; align-items: start; }
.columns section { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 10px 12px; min-width: 0; }
.facts { display: grid; grid-template-columns: auto 1fr; gap: 2px 14px; }
.facts dt { color: var(--quiet); }
.facts dd { text-align: right; overflow-wrap: anywhere; }
.durations th, .durations td { padding: 1px 6px; }
.durations tbody th { text-align: right; color: var(--quiet); font-family: inherit; }
.durations thead th { padding-bottom: 4px; }
.bar { width: 30%; }
.bar svg { display: block; width: 100%; height: 8px; }
.bar rect { fill: var(--link); }

.failures { list-style: none; }
.failures li { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 8px 12px; margin-bottom: 8px; }
.what { display: flex; gap: 10px; align-items: baseline; }
.what time { color: var(--quiet); min-width: 110px; }
.what code { color: var(--quiet); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.status { font-weight: 600; color: var(--bad); white-space: nowrap; }
.why { overflow-wrap: anywhere; padding-top: 2px; color: var(--bad); }
.failures summary, dialog summary { color: var(--quiet); cursor: pointer; padding-top: 3px; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
.failures pre { padding: 4px 0 2px 14px; }

footer { margin-top: 22px; color: var(--quiet); font-size: 12px; }
footer a { margin-right: 8px; }

dialog {
  width: min(860px, calc(100vw - 32px)); max-height: calc(100vh - 64px); overflow: auto; padding: 16px 18px;
  color: var(--text); background: var(--panel); border: 1px solid var(--line); border-radius: 10px;
  box-shadow: 0 18px 60px rgb(0 0 0 / 0.35);
}
dialog::backdrop { background: rgb(0 0 0 / 0.35); }
dialog header { display: flex; justify-content: space-between; align-items: center; padding-bottom: 10px; }
dialog h2 { font-size: 15px; }
.line-one { display: flex; gap: 10px; align-items: end; }
dialog label { display: block; color: var(--quiet); }
dialog label > * { display: block; color: var(--text); margin-top: 2px; }
.wide { flex: 1; }
.wide input, textarea { width: 100%; }
dialog details label { padding-top: 8px; }
#call-reply { margin-top: 12px; border-top: 1px solid var(--line); padding-top: 10px; }
#call-reply:not(.told) { display: none; }
#call-status { font-weight: 600; }
#call-usage { display: flex; flex-wrap: wrap; gap: 2px 18px; color: var(--quiet); padding: 2px 0 4px; }
#call-usage div { display: flex; gap: 6px; }
#call-usage dd { color: var(--text); }
#call-output {
  margin-top: 8px; padding: 8px 10px; max-height: 44vh; overflow: auto; background: var(--ground);
  border: 1px solid var(--line); border-radius: 6px;
}
#call-got-fields { padding: 4px 0 0 14px; }
@media (max-width: 700px) {
  body { padding: 0 10px 16px; }
  .line-one { flex-wrap: wrap; }
  tbody th { max-width: 45vw; }
}
)css";

}  // namespace

std::string_view Style() { return kStyle; }

std::string_view Icon() {
  return R"svg(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="4" fill="#0b5cad"/><path d="M2.5 5.5 5 11l3-5 3 5 2.5-5.5" fill="none" stroke="#fff" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round"/></svg>
)svg";
}

}  // namespace wasmoor::function::page
