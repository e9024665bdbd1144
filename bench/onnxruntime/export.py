import torch, torch.nn as nn, torch.nn.functional as F, sys, math
sys.path.insert(0,'/work/shared/golden'); import goldgen as gg, numpy as np
S=int(sys.argv[1]); D,L,H=1024,24,16; g=S//14
class Block(nn.Module):
    def __init__(s):
        super().__init__(); s.ln_1=nn.LayerNorm(D); s.ln_2=nn.LayerNorm(D); s.qkv=nn.Linear(D,3*D); s.out=nn.Linear(D,D); s.fc=nn.Linear(D,4*D); s.pr=nn.Linear(4*D,D)
    def forward(s,x):
        T=x.shape[1]; q,k,v=s.qkv(s.ln_1(x)).reshape(1,T,3,H,64).permute(2,0,3,1,4)
        a=torch.softmax((q*0.125)@k.transpose(-1,-2),-1)@v
        x=x+s.out(a.permute(0,2,1,3).reshape(1,T,D))
        return x+s.pr(F.gelu(s.fc(s.ln_2(x))))
class V(nn.Module):
    def __init__(s):
        super().__init__(); s.conv=nn.Conv2d(3,D,14,14,bias=False); s.cls=nn.Parameter(torch.zeros(1,1,D)); s.pos=nn.Parameter(torch.zeros(1,1+g*g,D)); s.pre=nn.LayerNorm(D); s.blocks=nn.ModuleList([Block() for _ in range(L)])
    def forward(s,im):
        x=s.conv(im).flatten(2).transpose(1,2); x=s.pre(torch.cat([s.cls,x],1)+s.pos)
        for b in s.blocks: x=b(x)
        return x
m=V().eval(); w=gg.load_safetensors('/tmp/lead/full/clip.safetensors'); t=lambda n: torch.from_numpy(w[n].copy())
with torch.no_grad():
    m.conv.weight.copy_(t('visual.conv1.weight')); m.cls.copy_(t('visual.class_embedding')[None,None]); m.pre.weight.copy_(t('visual.ln_pre.weight')); m.pre.bias.copy_(t('visual.ln_pre.bias'))
    pe=t('visual.positional_embedding'); gr=pe[1:].reshape(1,24,24,D).permute(0,3,1,2)
    gr=F.interpolate(gr,size=(g,g),mode='bicubic',antialias=True,align_corners=False) if g!=24 else gr
    m.pos.copy_(torch.cat([pe[:1],gr[0].permute(1,2,0).reshape(-1,D)])[None])
    for i,b in enumerate(m.blocks):
        p='visual.transformer.resblocks.%d.'%i
        for a,n in((b.ln_1,'ln_1'),(b.ln_2,'ln_2'),(b.out,'attn.out_proj'),(b.fc,'mlp.c_fc'),(b.pr,'mlp.c_proj')): a.weight.copy_(t(p+n+'.weight')); a.bias.copy_(t(p+n+'.bias'))
        b.qkv.weight.copy_(t(p+'attn.in_proj_weight')); b.qkv.bias.copy_(t(p+'attn.in_proj_bias'))
x=torch.zeros(1,3,S,S)
torch.onnx.export(m,x,'/tmp/lead/ort/vit%d.onnx'%S,opset_version=17,input_names=['image'],output_names=['tokens'],do_constant_folding=True)
print('ok')
