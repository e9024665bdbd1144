// SPDX-License-Identifier: MIT
#pragma once
// The style sheet of a report: system fonts, light and dark, from 320 pixels to wide screens, and on paper. Colours are
// of the palette of Okabe and Ito, which most colour-blind people can tell apart; text has a contrast of at least 4.5.

#include <string_view>

#include "../../base/version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

inline constexpr std::string_view kPageStyle = R"css(
:root{color-scheme:light dark;--page:#fbfbfa;--card:#fff;--text:#1b1f24;--soft:#565e68;--line:#dfe2e6;--grid:#e8eaed;
--accent:#0a5a9c;--wash:#eef4fa;--good:#0072b2;--bad:#a8480a;--bad-fill:#d55e00;--warn:#fdf1e7;--ring:#0a5a9c}
@media (prefers-color-scheme:dark){:root{--page:#131518;--card:#1a1d21;--text:#e8eaed;--soft:#a7afb9;--line:#31363d;
--grid:#2a2e34;--accent:#85bdf0;--wash:#1d2733;--good:#6cbcea;--bad:#f2a36b;--bad-fill:#e5813a;--warn:#2d221a;
--ring:#85bdf0}}
*{box-sizing:border-box}
html{font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",Arial,sans-serif;
-webkit-text-size-adjust:100%;scroll-padding-top:3.5rem;scrollbar-gutter:stable}
body{margin:0;background:var(--page);color:var(--text);font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
a{color:var(--accent);text-underline-offset:.15em;text-decoration-thickness:1px}
:focus-visible{outline:2px solid var(--ring);outline-offset:2px;border-radius:3px}
header,main,footer,nav ul{max-width:76rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:3rem;padding-bottom:1.5rem}
h1{font-size:clamp(1.6rem,1.2rem + 1.6vw,2.3rem);line-height:1.2;letter-spacing:-.015em;font-weight:650;margin:0 0 .75rem}
.verdict{font-size:clamp(1.05rem,1rem + .35vw,1.25rem);line-height:1.5;max-width:46rem;margin:0}
h2{font-size:1.35rem;line-height:1.3;letter-spacing:-.01em;font-weight:650;margin:0 0 .5rem}
h3{font-size:1rem;font-weight:650;margin:1.75rem 0 .25rem}
p{max-width:46rem;margin:.25rem 0 1rem}
.note{color:var(--soft);font-size:.9rem}
nav{position:sticky;top:0;z-index:2;background:var(--page);border-bottom:1px solid var(--line)}
nav ul{display:flex;gap:1.25rem;list-style:none;overflow-x:auto;scrollbar-width:none}
nav a{display:block;padding:.7rem 0;white-space:nowrap;text-decoration:none;color:var(--soft);font-size:.92rem}
nav a:hover{color:var(--accent)}
main>section{padding:2.5rem 0 1rem}
main>section+section{border-top:1px solid var(--line)}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:1rem;z-index:9;background:var(--card);padding:.5rem 1rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.25rem,1fr));gap:.75rem;margin:1rem 0 2rem;padding:0;
list-style:none}
.tiles li{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.8rem 1rem}
.tiles b{display:block;font-size:1.55rem;line-height:1.25;font-weight:600;letter-spacing:-.01em}
.tiles span{color:var(--soft);font-size:.85rem;display:block;line-height:1.35}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:10px;background:var(--card);margin:.75rem 0 1rem}
table{border-collapse:collapse;width:100%;font-size:.92rem}
caption{text-align:left;padding:.7rem .9rem .5rem;color:var(--soft);font-size:.9rem}
caption b{color:var(--text);font-weight:650}
th,td{padding:.5rem .9rem;text-align:left;border-top:1px solid var(--line);vertical-align:middle}
th{font-weight:600}
thead th{color:var(--soft);font-size:.82rem;font-weight:600;white-space:nowrap}
.n{text-align:right;white-space:nowrap;overflow-wrap:normal}
tbody th{font-weight:500}
tr.mean>*{font-weight:650;border-top:2px solid var(--line)}
.metrics tbody th,.metrics thead td,.metrics thead th[scope=row]{position:sticky;left:0;background:var(--card)}
.metrics tbody th{min-width:6.5rem;max-width:16rem}
th.group{text-align:center;border-left:1px solid var(--line)}
.first{border-left:1px solid var(--line)}
sup{line-height:0}sup a{text-decoration:none;padding:0 .15em}
details{border:1px solid var(--line);border-radius:10px;background:var(--card);margin:.6rem 0}
summary{cursor:pointer;padding:.7rem 1rem;display:flex;flex-wrap:wrap;gap:.15rem 1.25rem;align-items:baseline}
summary::-webkit-details-marker{display:none}
summary::before{content:"";width:.45rem;height:.45rem;border:solid var(--soft);border-width:0 1.5px 1.5px 0;
transform:rotate(-45deg);align-self:center;margin-right:-.5rem}
[open]>summary::before{transform:rotate(45deg)}
summary b{font-weight:600;flex:1 1 9rem}
summary span{color:var(--soft);font-size:.88rem}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(13rem,100%),1fr));gap:.75rem 1.5rem;padding:.25rem 1rem 1rem}
.alone .charts{padding:.25rem 0 1rem}
details h3,.alone h3{margin:.5rem 1rem .25rem;color:var(--soft);font-size:.88rem}
.alone h3{margin-left:0}
figure{margin:0;min-width:0}
figcaption{font-size:.88rem;line-height:1.4;margin-top:.35rem}
figcaption span{color:var(--soft)}
.chart{max-width:20rem}
.chart figcaption{margin:0 0 .35rem}
svg{display:block;width:100%;height:auto;font:11px system-ui,"Segoe UI",Roboto,"Liberation Sans",Arial,sans-serif}
svg text{fill:var(--soft)}svg .mid{text-anchor:middle}svg .end{text-anchor:end}svg .name{fill:var(--text)}
svg text{white-space:pre}
.grid{stroke:var(--grid);fill:none}.axis{stroke:var(--soft);fill:none}
.curve{stroke:var(--good);stroke-width:2;fill:none;stroke-linejoin:round}
.area{fill:var(--good);opacity:.1}
.chance{stroke:var(--soft);stroke-dasharray:3 4;fill:none}
.mark{fill:var(--card);stroke:var(--bad-fill);stroke-width:2.5}
.chart.lines{max-width:none;margin:1rem 0 1.75rem}.line{stroke-width:1.8;fill:none;stroke-linejoin:round;stroke-linecap:round}
.keys{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;list-style:none;margin:.5rem 0 0;padding:0;color:var(--soft);font-size:.88rem}
.keys svg{display:inline-block;width:1.75rem;height:.65rem;margin-right:.45rem}
.l0{stroke:var(--text);stroke-width:2.4}.l1{stroke:var(--good)}.l2{stroke:var(--bad-fill);stroke-dasharray:7 4}
.l3{stroke:var(--soft);stroke-dasharray:2 4}.l4{stroke:var(--accent);stroke-dasharray:10 3 2 3}.l5{stroke:var(--bad);stroke-dasharray:4 3}
.span{stroke:var(--good);stroke-width:2;fill:none}.span.shown{stroke:var(--bad-fill);stroke-width:3}
.dot{fill:var(--good)}.dot.shown{fill:var(--bad-fill)}
.limit{stroke:var(--text);stroke-dasharray:4 3;fill:none}
.whisker{stroke:var(--text);stroke-width:1.2;fill:none}.claim{stroke:var(--bad-fill);stroke-width:2.2}
svg .count{font-size:9px}.charts.reliabilities{padding-left:0}
rect.good{fill:var(--good)}rect.bad{fill:var(--bad-fill)}
.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(8.25rem,1fr));gap:1rem;list-style:none;margin:.5rem 0 2rem;
padding:0}
.tile{display:block;color:inherit;text-decoration:none;font-size:.82rem;line-height:1.35}
.tile img{width:100%;height:auto;aspect-ratio:1;object-fit:contain;background:var(--grid);border-radius:8px;display:block;
margin-bottom:.4rem}
.gallery:has(.broad){grid-template-columns:repeat(auto-fill,minmax(min(15rem,100%),1fr))}
.broad img{aspect-ratio:auto}
.tile:hover img,.thumb:hover{outline:2px solid var(--accent);outline-offset:1px}
.tile .where{color:var(--soft);display:block}
.mark-found,.mark-passed,.mark-flagged,.mark-unflagged,.mark-missed,.mark-alarm{white-space:nowrap}
.mark-missed,.mark-alarm{color:var(--bad)!important;font-weight:600}
form{display:none;flex-wrap:wrap;gap:.75rem 1rem;align-items:end;margin:1rem 0}
.js form{display:flex}
label{font-size:.85rem;color:var(--soft);display:grid;gap:.2rem;flex:1 1 9rem;max-width:18rem;min-width:0}
select,input,button{font:inherit;font-size:.95rem;color:var(--text);background:var(--card);border:1px solid var(--soft);
border-radius:7px;padding:.4rem .6rem;min-height:2.5rem;width:100%;min-width:0}
button{width:auto;cursor:pointer}
button:hover{background:var(--wash)}
::placeholder{color:var(--soft);opacity:1}
output{font-size:.9rem;color:var(--soft);flex:1 0 100%}
th button{border:0;background:none;color:inherit;font-size:inherit;font-weight:inherit;padding:.3rem 0;min-height:0;
white-space:nowrap}
th.n button{float:right}
th button::after{content:"";display:inline-block;width:0;margin-left:.35em;border:solid transparent;border-width:0 .3em .38em;
vertical-align:.12em;border-bottom-color:currentColor;opacity:.45}
[aria-sort] button{color:var(--text)}
[aria-sort] button::after{opacity:1}
[aria-sort=descending] button::after{transform:rotate(180deg)}
.pictures a,.pictures .plain{display:flex;gap:.75rem;align-items:center}
.thumb{display:none;flex:none;width:2.75rem;height:2.75rem;border-radius:5px;background:var(--grid);overflow:hidden}
.js .thumb{display:block}
.thumb img{width:100%;height:100%;object-fit:cover;object-position:right;display:block}
.js .views,.js .views+*{border:0}
.js .views{display:none}
.view{margin:0 0 3rem}
.facts{display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;margin:.25rem 0 .75rem;padding:0;list-style:none;color:var(--soft);
font-size:.92rem}
.facts b{color:var(--text);font-weight:600}
.says{border-left:3px solid var(--accent);background:var(--wash);padding:.6rem 1rem;border-radius:0 8px 8px 0;margin:.75rem 0 1rem}
.says p{margin:.15rem 0}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(16rem,100%),1fr));gap:1.25rem;margin:.75rem 0 1rem}
.figures.large{grid-template-columns:repeat(auto-fill,minmax(min(22rem,100%),1fr))}
.figures img{max-width:100%;height:auto;display:block;border-radius:6px;background:var(--grid)}
@media (min-width:40rem){.wide{grid-column:span 2}}
.view figure:not(.wide) img{width:100%}
dialog{border:0;padding:0;background:var(--page);color:var(--text);width:min(76rem,100vw);max-width:100vw;height:100dvh;
max-height:100dvh;margin:auto;overscroll-behavior:contain}
dialog::backdrop{background:#000a}
.bar{position:sticky;top:0;background:var(--page);border-bottom:1px solid var(--line);display:flex;gap:.5rem;
align-items:center;padding:.6rem 1.25rem;z-index:1}
.bar p{margin:0;flex:1;max-width:none;color:var(--soft);font-size:.9rem}
.slot{padding:1.25rem}
.slot .view{margin:0;scroll-margin-top:9rem}
.slot h3{margin-top:0;font-size:1.15rem;line-height:1.35}
dl{display:grid;grid-template-columns:minmax(7rem,auto) 1fr;gap:.4rem 1.5rem;margin:.75rem 0;font-size:.92rem}
dt{color:var(--soft)}dd{margin:0;min-width:0}
dd code{font:.88rem ui-monospace,"Cascadia Mono","DejaVu Sans Mono",Menlo,Consolas,monospace}
footer{padding-top:1.5rem;padding-bottom:3rem;color:var(--soft);font-size:.85rem}
@media (min-width:64rem){dialog{height:fit-content;max-height:94dvh;border-radius:12px;border:1px solid var(--line)}}
)css"
                                               R"css(
@media (max-width:64rem){.metrics th,.metrics td{padding:.5rem .55rem}}
@media (max-width:40rem){header{padding-top:1.75rem}header,main,footer,nav ul{padding-left:1rem;padding-right:1rem}
th,td{padding:.45rem .65rem}dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.6rem}
.pictures table,.pictures tbody{display:block}.pictures thead{display:block}
.pictures thead tr{display:flex;flex-wrap:wrap;gap:0 1.1rem;padding:.1rem .75rem .4rem}
.pictures thead th{border:0;padding:.1rem 0;text-align:left}
.pictures th.n button{float:none}
.pictures tbody tr{display:grid;grid-template-columns:1fr auto;gap:.1rem .75rem;border-top:1px solid var(--line);
padding:.6rem .75rem}
.pictures tbody tr[hidden]{display:none}
.pictures caption{display:block}
.pictures tbody th,.pictures tbody td{border:0;padding:0}
.pictures tbody th{grid-column:1/3}
.pictures tbody td{font-size:.85rem;color:var(--soft)}
.pictures tbody td.score{color:var(--text);font-weight:600;grid-column:2;grid-row:2}
.pictures tbody td.class{grid-column:1;grid-row:2}.pictures tbody td.truth{grid-column:1;grid-row:3}
.pictures tbody td.outcome{grid-column:2;grid-row:3;text-align:right}
.pictures tbody td.seconds{display:none}.slot,.bar{padding-left:1rem;padding-right:1rem}}
@media (prefers-reduced-motion:no-preference){html{scroll-behavior:smooth}}
@media print{:root{color-scheme:light;--page:#fff;--card:#fff;--text:#000;--soft:#444;--line:#bbb;--grid:#ddd;--accent:#000;
--wash:#fff;--good:#0072b2;--bad:#8a3a06;--bad-fill:#d55e00}
nav,form,.skip,dialog,.js .views{display:none!important}html{font-size:11px}
h2,h3,summary,h3+.note{break-after:avoid}.scroll{overflow:visible}tr,figure,.tiles li{break-inside:avoid}details::details-content{display:block;content-visibility:visible}
main>section{padding:1rem 0}}
)css";

}}  // namespace moeclip::abi_v0_1
