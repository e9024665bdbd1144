# SPDX-License-Identifier: MIT
"""Makes the checkpoints of this folder: one small CLIP as people save it while they train. Needs torch (written with 1.13)."""
import collections
import pathlib

import torch

HERE = pathlib.Path(__file__).parent
WIDTH, EMBED, LAYERS, HIDDEN = 4, 3, 2, 8


def block(prefix):
    shapes = {"attn.in_proj_weight": (3 * WIDTH, WIDTH), "attn.in_proj_bias": (3 * WIDTH,),
              "attn.out_proj.weight": (WIDTH, WIDTH), "attn.out_proj.bias": (WIDTH,),
              "ln_1.weight": (WIDTH,), "ln_1.bias": (WIDTH,), "ln_2.weight": (WIDTH,), "ln_2.bias": (WIDTH,),
              "mlp.c_fc.weight": (HIDDEN, WIDTH), "mlp.c_fc.bias": (HIDDEN,),
              "mlp.c_proj.weight": (WIDTH, HIDDEN), "mlp.c_proj.bias": (WIDTH,)}
    return {prefix + name: torch.full(shape, 0.25) for name, shape in shapes.items()}


def clip():
    tensors = collections.OrderedDict()
    tensors["visual.class_embedding"] = torch.full((WIDTH,), 0.5)
    tensors["visual.positional_embedding"] = torch.full((5, WIDTH), 0.5)
    tensors["visual.proj"] = torch.full((WIDTH, EMBED), 0.5)
    tensors["visual.conv1.weight"] = torch.full((WIDTH, 3, 2, 2), 0.5)
    for norm in ("visual.ln_pre", "visual.ln_post", "ln_final"):
        tensors[norm + ".weight"] = torch.ones(WIDTH)
        tensors[norm + ".bias"] = tensors["visual.class_embedding"]  # tied: one storage, several names
    tensors["token_embedding.weight"] = torch.full((6, WIDTH), 0.5)
    tensors["positional_embedding"] = torch.full((5, WIDTH), 0.5)
    tensors["text_projection"] = torch.tensor([[0.0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]).t()
    tensors["logit_scale"] = torch.tensor(1.0)
    for i in range(LAYERS):
        tensors.update(block(f"visual.transformer.resblocks.{i}."))
        tensors.update(block(f"transformer.resblocks.{i}."))
    return tensors


def named(prefix, tensors):
    return collections.OrderedDict((prefix + name, tensor) for name, tensor in tensors.items())


def optimizer_state():
    weight = torch.nn.Parameter(torch.zeros(3))
    adam = torch.optim.AdamW([weight])
    weight.sum().backward()
    adam.step()
    return adam.state_dict()


torch.save({"epoch": 3, "best": 0.5, "args": {"lr": 1e-4, "names": ["a", "b"]},
            "model": named("module._orig_mod.", clip()), "optimizer": optimizer_state(),
            "scaler": {"scale": 65536.0, "growth_factor": 2.0}}, HERE / "compiled_ddp.pt")
torch.save({"epoch": 1, "global_step": 20, "pytorch-lightning_version": "1.9.0",
            "state_dict": named("model.", {name: tensor.bfloat16() for name, tensor in clip().items()}),
            "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 1}}}},
            "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": torch.tensor(0.5).item()}},
            "optimizer_states": [optimizer_state()], "lr_schedulers": [{"last_epoch": 1, "_last_lr": [1e-4]}],
            "hparams_name": "kwargs", "hyper_parameters": {"lr": 1e-4, "width": WIDTH}}, HERE / "lightning.ckpt")
torch.serialization.location_tag = lambda storage: "cuda:0"  # as if it were on a GPU, which this machine need not have
torch.save({"state_dict": {name: tensor.half() for name, tensor in clip().items()}}, HERE / "cuda_half.pt")
