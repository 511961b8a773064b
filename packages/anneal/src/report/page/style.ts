/**
 * The page's whole style. Colours follow the reader's system; letters are the system's own, because a font would be
 * a request or a hundred kilobytes. Blue is what steel turns to when it is tempered; grey is what it was before.
 */
export const pageStyle = `
:root{color-scheme:light dark;--page:#fff;--sheet:#f6f7f9;--ink:#18202a;--quiet:#5b6673;--rule:#dfe3e8;--grid:#e9ecf0;
--before:#7d8794;--after:#2a62c9;--good:#177245;--bad:#b3372b;--open:#8a5a00;--wash:#eaf0fb;--good-wash:#e5f3ea;--bad-wash:#fae9e6;--open-wash:#faf0dc}
@media (prefers-color-scheme:dark){:root{--page:#12161b;--sheet:#1a2027;--ink:#e4e8ed;--quiet:#98a3b0;--rule:#2d3640;--grid:#252d36;
--before:#8e99a7;--after:#6ea2ff;--good:#58bf85;--bad:#f0857a;--open:#e0b056;--wash:#1a2740;--good-wash:#152c20;--bad-wash:#361d1a;--open-wash:#30260f}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif;font-variant-numeric:tabular-nums;overflow-wrap:break-word}
.skip{position:absolute;left:-999px}.skip:focus{left:1rem;top:1rem;background:var(--page);padding:.5rem 1rem;z-index:2}
header,main,footer{max-width:1040px;margin:0 auto;padding:0 28px}
header{padding-top:36px}
.mark{font-size:13px;font-weight:650;letter-spacing:.02em;color:var(--quiet);margin:0}
h1{font-size:30px;line-height:1.2;letter-spacing:-.02em;margin:.1em 0 .25em;font-weight:680}
h2{font-size:21px;letter-spacing:-.012em;margin:0 0 .5em;font-weight:660}
h3{font-size:16px;margin:1.8em 0 .5em;font-weight:640}
p{margin:.5em 0;max-width:46em}
a{color:var(--after);text-underline-offset:2px}
:focus-visible{outline:2px solid var(--after);outline-offset:2px;border-radius:3px}
code,pre{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace;font-size:.875em}
code{background:var(--sheet);padding:.1em .3em;border-radius:4px}
pre{background:var(--sheet);padding:12px 14px;border-radius:8px;overflow-x:auto;white-space:pre-wrap;overflow-wrap:anywhere;margin:.6em 0}
pre code{background:none;padding:0}
.facts{color:var(--quiet);font-size:14px;margin:0}
nav{display:flex;flex-wrap:wrap;gap:4px 20px;margin:20px 0 0;padding:11px 0;border-block:1px solid var(--rule);font-size:14px}
nav a{color:var(--ink);text-decoration:none}nav a:hover{text-decoration:underline}
section{padding:44px 0 0;scroll-margin-top:8px}
.lead{font-size:17px;max-width:42em}
.quiet{color:var(--quiet)}.small{font-size:14px}
.hero{display:flex;flex-wrap:wrap;align-items:baseline;gap:4px 22px;margin:0 0 6px}
.hero strong{font-size:68px;line-height:1.05;letter-spacing:-.045em;font-weight:700;color:var(--good)}
.hero strong.bad{color:var(--bad)}.hero strong.plain{color:var(--ink)}
.hero span{font-size:19px}
.tiles{display:flex;flex-wrap:wrap;gap:1px;background:var(--rule);border:1px solid var(--rule);border-radius:10px;overflow:hidden;margin:22px 0 0}
.tile{flex:1 1 260px;background:var(--page);padding:14px 18px 13px}
.tile dt{font-size:13px;color:var(--quiet)}.tile dd{margin:2px 0 0;font-size:20px;font-weight:620;letter-spacing:-.01em}.tile dd small{display:block;font-size:13px;font-weight:400;letter-spacing:0;color:var(--quiet)}
.tile s{color:var(--before);text-decoration:none;font-weight:450}
ol.next{padding-left:1.3em;max-width:46em}ol.next li,ul li{margin:.3em 0}
ul{padding-left:1.2em;max-width:48em}
.figures{white-space:nowrap}
.scroll{overflow-x:auto;margin:.8em 0;max-width:100%}
table{border-collapse:collapse;width:100%;font-size:14px}
th{text-align:left;font-weight:550;color:var(--quiet);font-size:13px;white-space:nowrap;vertical-align:bottom}
th,td{padding:7px 18px 7px 0;border-bottom:1px solid var(--rule)}
td{vertical-align:top}td:last-child,th:last-child{padding-right:0}
tr:last-child td{border-bottom:0}
td.n,th.n{text-align:right;white-space:nowrap}
td.wide-text{min-width:21em}
td code{background:none;padding:0}
td:not(.n){min-width:8.5em;overflow-wrap:anywhere}td .known{white-space:normal}td .tag{white-space:normal}
.tag{display:inline-block;font-size:12.5px;line-height:1.5;padding:1px 8px;border-radius:5px;background:var(--sheet);color:var(--quiet);white-space:nowrap;font-weight:540}
.tag.good{background:var(--good-wash);color:var(--good)}.tag.bad{background:var(--bad-wash);color:var(--bad)}.tag.open{background:var(--open-wash);color:var(--open)}
.known{color:var(--quiet);font-size:12.5px;white-space:nowrap}
details{border-top:1px solid var(--rule)}details:last-of-type{border-bottom:1px solid var(--rule)}
summary{cursor:pointer;padding:12px 0;list-style:none;display:grid;grid-template-columns:18px 1fr auto;gap:2px 8px;align-items:baseline}
summary::-webkit-details-marker{display:none}
summary::before{content:"";width:7px;height:7px;border-right:1.6px solid var(--quiet);border-bottom:1.6px solid var(--quiet);transform:rotate(-45deg);align-self:center;justify-self:center}
details[open]>summary::before{transform:rotate(45deg)}
summary .where{grid-column:2/-1;color:var(--quiet);font-size:13.5px}
summary .title{font-weight:570}
.inside{padding:0 0 22px 26px}
.share{display:inline-block;min-width:4.2em;font-weight:640}
figure{margin:1.2em 0 0}figcaption{font-size:14px;color:var(--quiet);margin:0 0 .5em;max-width:50em}
.key{white-space:nowrap;margin-right:14px}.key::before{content:"";display:inline-block;width:9px;height:9px;margin-right:6px;border-radius:50%;border:2px solid var(--before)}
.key.after::before{background:var(--after);border-color:var(--after)}
.key.predicted::before{border-radius:0;transform:rotate(45deg) scale(.8);border-color:var(--before)}.key.measured::before{background:var(--ink);border-color:var(--ink)}
.key.delta::before{border-radius:2px;border:0;width:12px;height:12px;background:var(--grid)}.key.floor::before{border-radius:0;border:0;border-left:2px dotted var(--open);height:12px;width:2px}
svg{display:block;max-width:100%;height:auto}svg text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--ink)}
svg.bar{display:inline-block;vertical-align:baseline}
.narrow{display:none}
.tick{fill:var(--quiet)!important}.middle{text-anchor:middle}.end{text-anchor:end}svg .name{font-weight:550;font-size:13px}
.grid{stroke:var(--grid)}.zero{stroke:var(--quiet)}.diagonal{stroke:var(--quiet);stroke-dasharray:3 4}
.line{fill:none;stroke-width:2.2;stroke-linejoin:round}.line.before{stroke:var(--before)}.line.after{stroke:var(--after)}
.dot{stroke-width:2}.dot.before{fill:var(--page);stroke:var(--before)}.dot.after{fill:var(--after);stroke:var(--after)}
.span{stroke:var(--before);stroke-width:1;opacity:.55}
.mark{font-weight:560}svg .mark.after{fill:var(--after)}svg .mark.before{fill:var(--quiet)}
svg .mark{paint-order:stroke;stroke:var(--page);stroke-width:4px;stroke-linejoin:round}
.delta{fill:var(--grid)}.floor{stroke:var(--open);stroke-dasharray:2 3;fill:none}
line.predicted{stroke:var(--before);stroke-width:2}.diamond{fill:var(--page);stroke:var(--before);stroke-width:1.6}
line.measured{stroke-width:4;stroke-linecap:round}.whisker{stroke-width:1.4;opacity:.6}
line.good{stroke:var(--good)}line.bad{stroke:var(--bad)}line.open{stroke:var(--open)}
.point{stroke:var(--page);stroke-width:1.5}.point.good,.arrow.good{fill:var(--good)}.point.bad,.arrow.bad{fill:var(--bad)}.point.open,.arrow.open{fill:var(--open)}
.ring{fill:var(--page);stroke-width:2}.ring.bad{stroke:var(--bad)}
.dropped{opacity:.38}.cross{stroke:var(--quiet);stroke-width:1.6}
.track{fill:var(--grid)}.fill{fill:var(--after)}
.alert{border-left:3px solid var(--bad);padding:2px 0 2px 14px;margin:18px 0}
footer{color:var(--quiet);font-size:13px;padding-top:44px;padding-bottom:60px}
@media (max-width:680px){header,main,footer{padding-left:18px;padding-right:18px}.wide{display:none}.narrow{display:block}.narrow svg{width:100%;max-width:460px}
.hero strong{font-size:54px}.inside{padding-left:0}section{padding-top:36px}summary{grid-template-columns:18px 1fr}summary .tag{grid-column:2;justify-self:start}th,td{padding-right:12px}}
@media print{nav,.skip{display:none}body{font-size:12px}details{break-inside:avoid}section{padding-top:22px}}
`.trim();
