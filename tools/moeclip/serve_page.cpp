// SPDX-License-Identifier: MIT
// The page of `moeclip serve`: pictures are dropped on it, verdicts appear. It loads nothing from anywhere.

#include "serve.hpp"

namespace cli {

const char* const kServePage = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>moeclip</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body{font:16px/1.4 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#222;background:#fafafa}
#drop{border:2px dashed #888;border-radius:8px;padding:3rem;text-align:center;background:#fff;display:block;cursor:pointer}
#drop.over{border-color:#06c;background:#eef6ff}
#token{width:20rem}img{max-width:100%;margin-top:1rem}
table{border-collapse:collapse;width:100%;margin-top:1rem}td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ddd}
.defect{color:#b30000;font-weight:600}.good{color:#006b2d}
</style></head><body>
<h1>moeclip</h1>
<label id="drop" for="file">Drop pictures here, or choose them<input id="file" type="file" accept="image/*" multiple hidden></label>
<p id="ask" hidden><label>Token <input id="token" type="password"></label></p>
<p id="said" role="status"></p><div id="shown"></div>
<table><thead><tr><th>when</th><th>picture</th><th>verdict</th><th>score</th><th>ms</th></tr></thead><tbody id="last"></tbody></table>
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
async function judge(file){
  by('said').textContent='looking at '+file.name+' ...';
  const answer=await fetch('detect',{method:'POST',headers:headers({Accept:'image/png'}),body:file});
  if(!answer.ok){by('said').textContent=file.name+': '+await answer.text();}
  else{
    const image=document.createElement('img');
    image.alt='what was found in '+file.name;
    image.src=URL.createObjectURL(await answer.blob());
    image.onload=()=>URL.revokeObjectURL(image.src);
    by('shown').replaceChildren(image);
    by('said').textContent=file.name;
  }
  await last();
}
async function all(files){for(const file of files)await judge(file);}
by('file').onchange=()=>all(by('file').files);
by('drop').ondragover=e=>{e.preventDefault();by('drop').className='over'};
by('drop').ondragleave=()=>by('drop').className='';
by('drop').ondrop=e=>{e.preventDefault();by('drop').className='';all(e.dataTransfer.files)};
by('token').onchange=last;
last();
</script></body></html>
)html";

}  // namespace cli
