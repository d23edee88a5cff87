"""The optimizer of small bases: which parameters it updates by which rule, and that it resumes."""

import copy

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from bench.training.muon import MuonAdamW, divided


def model():
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(vocab_size=50, n_embd=16, n_layer=1, n_head=2, n_positions=16))


def step(net, optimizer, seed):
    torch.manual_seed(seed)
    ids = torch.randint(50, (4, 8))
    net.eval()
    loss = net(input_ids=ids, labels=ids).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return float(loss.detach())


def test_embeddings_norms_and_biases_are_no_matrices_of_the_layers():
    net = model()
    matrices, others = divided(net)
    names = {id(p): name for name, p in net.named_parameters()}
    assert {names[id(p)].split(".")[-2] for p in matrices} == {"c_attn", "c_proj", "c_fc"}
    assert len(matrices) + len(others) == len(list(net.parameters()))


def test_the_other_parameters_move_as_adamw_moves_them():
    ours, theirs = model(), model()
    optimizer = MuonAdamW(ours, 0.02, 0.01, 0.0)
    _, others = divided(theirs)
    reference = torch.optim.AdamW(others, 0.01, betas=(0.9, 0.95), weight_decay=0.0)
    step(ours, optimizer, 1)
    step(theirs, reference, 1)
    assert torch.allclose(ours.transformer.wte.weight, theirs.transformer.wte.weight, atol=1e-6)


def test_it_learns():
    net = model()
    optimizer = MuonAdamW(net, 0.02, 0.01, 0.0)
    losses = [step(net, optimizer, 3) for _ in range(20)]
    assert losses[-1] < losses[0] / 2


def test_a_resumed_optimizer_goes_on_as_an_unbroken_one():
    net = model()
    optimizer = MuonAdamW(net, 0.02, 0.01, 0.1)
    step(net, optimizer, 1)
    other = copy.deepcopy(net)
    resumed = MuonAdamW(other, 0.5, 0.5, 0.0)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert step(net, optimizer, 2) == step(other, resumed, 2)
    for one, two in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)
