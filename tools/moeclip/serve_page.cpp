// SPDX-License-Identifier: MIT
// The page of `moeclip serve`: pictures are dropped on it, verdicts appear. It loads nothing from anywhere.

#include "serve.hpp"

namespace cli {

const char* const kServePage = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>moeclip</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root{color-scheme:light dark;--ink:#222;--page:#fafafa;--box:#fff;--line:#ddd;--edge:#767676;--over:#eef6ff;--bad:#b30000;--fine:#006b2d}
@media(prefers-color-scheme:dark){:root{--ink:#e4e4e4;--page:#161616;--box:#222;--line:#444;--edge:#8a8a8a;--over:#16304d;--bad:#ff8a80;--fine:#7ddc9a}}
body{font:16px/1.4 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:var(--ink);background:var(--page)}
#drop{border:2px dashed var(--edge);border-radius:8px;padding:3rem 1rem;text-align:center;background:var(--box);display:block;cursor:pointer}
#drop.over,#drop:focus-within{border-color:#06c;background:var(--over)}
#file{position:absolute;opacity:0;width:1px}
#token{width:100%;max-width:20rem}img{max-width:100%;margin-top:1rem}
#said{overflow-wrap:anywhere;white-space:pre-line}.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;margin-top:1rem}td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line)}
td{white-space:nowrap}.defect{color:var(--bad);font-weight:600}.good{color:var(--fine)}
</style></head><body>
<h1>moeclip</h1>
<label id="drop" for="file">Drop pictures here, or choose them<input id="file" type="file" accept="image/*" multiple></label>
<form id="ask" hidden><label>Token <input id="token" type="password" autocomplete="off"></label></form>
<p id="said" role="status"></p><div id="shown"></div>
<div class="wide"><table><thead><tr><th>when</th><th>picture</th><th>verdict</th><th>score</th><th>ms</th></tr></thead><tbody id="last"></tbody></table></div>
<script>
const by=id=>document.getElementById(id);
const headers=more=>by('token').value?{...more,Authorization:'Bearer '+by('token').value}:more;
async function last(){
  const answer=await fetch('verdicts',{headers:headers({})});
  by('ask').hidden=answer.status!==401&&!by('token').value;
  if(!answer.ok)return;
  by('last').replaceChildren(...(await answer.json()).map(v=>{
    const row=document.createElement('tr'),verdict=v.is_anomalous===null?'no verdict':v.is_anomalous?'defect':'good';
    for(const text of[v.time,v.width+' x '+v.height,verdict,v.score.toFixed(3),v.milliseconds.toFixed(0)])
      row.appendChild(document.createElement('td')).textContent=text;
    row.children[2].className=verdict;
    return row;
  }));
}
async function why(answer){  // in a sentence
  const text=await answer.text();
  try{return JSON.parse(text).error.message}catch{return text}
}
async function judge(file){
  by('said').textContent='looking at '+file.name+' ...';
  const answer=await fetch('detect',{method:'POST',headers:headers({Accept:'image/png'}),body:file});
  if(answer.ok){
    const image=document.createElement('img');
    image.alt='what was found in '+file.name;
    image.src=URL.createObjectURL(await answer.blob());
    image.onload=()=>URL.revokeObjectURL(image.src);
    by('shown').replaceChildren(image);
  }
  const said=file.name+(answer.ok?'':': '+await why(answer));
  await last();
  return said;
}
async function all(files){
  const said=[];
  for(const file of files)said.push(await judge(file).catch(()=>file.name+': there is no answer; does the server run?'));
  by('said').textContent=said.join('\n');
  by('file').value='';
}
by('file').onchange=()=>all([...by('file').files]);
document.ondragover=e=>{e.preventDefault();by('drop').className='over'};
document.ondragleave=()=>by('drop').className='';
document.ondrop=e=>{e.preventDefault();by('drop').className='';all([...e.dataTransfer.files])};
by('token').onchange=last;
by('ask').onsubmit=e=>{e.preventDefault();last()};
last().catch(()=>{});
</script></body></html>
)html";

}  // namespace cli
