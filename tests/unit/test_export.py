"""The shortened graph is the model, the bounds keep their promise, and the gate says no."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from camembias.bundle import Layout, Manifest
from camembias.scoring import open_session
from export import bounds, card, graph, parity
from export.texts import parity_texts

PLAIN = Manifest("m", ("a", "b", "c"), "tiny", 128, {}, {})
SMALL = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64, "num_labels": 3}
PAD = 1
KINDS = {
    "camembert": (transformers.CamembertConfig(vocab_size=50, max_position_embeddings=40, **SMALL), True),
    "roberta": (transformers.RobertaConfig(vocab_size=50, max_position_embeddings=40, **SMALL), True),
    "distilbert": (transformers.DistilBertConfig(vocab_size=50, dim=32, n_layers=2, n_heads=2, num_labels=3), False),
}


@pytest.fixture(scope="module", params=KINDS)
def exported(request, tmp_path_factory):
    """A random classifier in PyTorch, a session of its graph, whether the last layer was to be and was shortened."""
    torch.manual_seed(0)
    config, expected = KINDS[request.param]
    model = transformers.AutoModelForSequenceClassification.from_config(config).eval()
    layout = Layout(tmp_path_factory.mktemp(request.param))
    model.save_pretrained(layout.checkpoint)
    shortened = graph.export_fp32(layout, layout.root / "model.onnx")
    return model, open_session(layout.root / "model.onnx"), expected, shortened


batches = st.lists(st.lists(st.integers(5, 49), min_size=1, max_size=30), min_size=1, max_size=6)


@settings(max_examples=25, deadline=None)
@given(batch=batches)
def test_the_shortened_graph_is_exact_for_any_batch(exported, batch):
    model, session, expected, shortened = exported
    assert shortened is expected
    longest = max(map(len, batch))
    ids = np.array([row + [PAD] * (longest - len(row)) for row in batch])
    mask = np.array([[1] * len(row) + [0] * (longest - len(row)) for row in batch])
    with torch.inference_mode():
        reference = model(input_ids=torch.tensor(ids), attention_mask=torch.tensor(mask)).logits.numpy()
    feed = {"input_ids": ids, "attention_mask": mask}
    found = session.run(None, {item.name: feed[item.name] for item in session.get_inputs()})[0]
    assert np.abs(found - reference).max() < 1e-5


def test_only_graphs_of_the_known_form_are_edited():
    foreign = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"], "relu")], "g", [], [])
    model = onnx.helper.make_model(foreign)
    before = model.SerializeToString()
    assert not graph.keep_first_token(model)
    assert model.SerializeToString() == before


logits = arrays.arrays(np.float32, (20, 3), elements=st.floats(-8, 8, width=32))
errors = arrays.arrays(np.float32, (20, 3), elements=st.floats(-1, 1, width=32))


@given(exact=logits, first=errors, second=errors, threshold=st.none() | st.floats(0.34, 0.99), t=st.floats(0.5, 3))
def test_no_label_and_no_abstention_differs_where_the_bounds_were_measured(exact, first, second, threshold, t):
    manifest = replace(PLAIN, abstain_below=threshold, temperature=t)
    runs = [exact + first, exact + second]
    found = bounds.measure(exact, runs, manifest)
    assert (found.p is None) == (threshold is None)
    stored = [bounds.stored(exact, run, found, manifest) for run in runs]
    assert all(bounds.decisions_that_differ(exact, run, manifest) == 0 for run in stored)


def test_a_tie_that_rounding_hides_is_scored_again():
    exact = np.array([[0, 1e-20, 0]], dtype=np.float32)
    run = exact + np.float32(1)  # adding 1 loses the difference, and the error seen is the same for all labels
    stored = bounds.stored(exact, run, bounds.measure(exact, [run], PLAIN), PLAIN)
    assert bounds.decisions_that_differ(exact, stored, PLAIN) == 0


def test_bounds_of_the_other_half_do_not_know_its_errors():
    """The error that flips the third label is as large as none in the other half: only the held-out count tells."""
    exact = np.array([[1.0, 0, 0], [1, 0, 0], [0.2, 0, 0], [1, 0, 0]], dtype=np.float32)
    run = exact.copy()
    run[2] = [0, 1, 0]
    assert bounds.decisions_that_differ(exact, run, PLAIN) == 1
    stored = bounds.stored(exact, run, bounds.measure(exact, [run], PLAIN), PLAIN)
    assert bounds.decisions_that_differ(exact, stored, PLAIN) == 0
    (by_others,) = bounds.stored_by_the_other_half(exact, [run], PLAIN)
    assert bounds.decisions_that_differ(exact, by_others, PLAIN) == 1
    assert (by_others[[0, 1, 3]] == exact[[0, 1, 3]]).all()


def test_the_factor_widens_until_no_held_out_label_differs():
    """A held-out flip at a margin of 0.18, where the other half erred by 0.1: 1.5 times that misses it, twice not."""
    exact = np.array([[1.0, 0, 0], [1, 0, 0], [0, 0.05, 0], [1, 0, 0]], dtype=np.float32)
    run = exact + np.array([[0, 0, 0], [0.1, 0, 0], [0.23, 0, 0], [0, 0, 0]], dtype=np.float32)
    narrow = bounds.stored_by_the_other_half(exact, [run], PLAIN)
    assert bounds.decisions_that_differ(exact, narrow[0], PLAIN) == 1
    safety, (wide,) = bounds.holding(exact, [run], PLAIN)
    assert safety == 2
    assert bounds.decisions_that_differ(exact, wide, PLAIN) == 0


def test_only_errors_of_the_best_labels_lead_count():
    exact = np.array([[3.0, 0, 0]], dtype=np.float32)
    run = np.array([[3.1, 0.2, -0.2]], dtype=np.float32)  # the others are 0.4 apart, but no lead moved by more than 0.3
    assert bounds.measure(exact, [run], PLAIN).margin == pytest.approx(1.5 * 0.3, abs=2e-4)


def test_bounds_by_hand():
    exact = np.array([[2.0, 0, 0], [0, 1, 0]], dtype=np.float32)
    run = exact + np.array([[0.1, -0.1, 0], [0, 0, 0]], dtype=np.float32)
    assert bounds.measure(exact, [exact, run], PLAIN).margin == pytest.approx(1.5 * 0.2, abs=1e-4)
    assert bounds.Bounds(1.5, None).rescored(exact, PLAIN).tolist() == [False, True]


def test_agreement_and_macro_f1_by_hand():
    one = np.eye(3, dtype=np.float32)
    reference, served = one[[0, 0, 1, 1]], one[[0, 1, 1, 1]]
    found = parity.compare(reference, served, ("a", "b", "c"))
    assert found["agreement"] == 0.75
    assert found["agreement_per_label"] == {"a": 0.5, "b": 1.0, "c": None}
    assert found["macro_f1_drop"] == pytest.approx(1 - (2 / 3 + 4 / 5) / 2)


@pytest.mark.parametrize(
    ("agreement", "differ", "drop", "rescored", "word"),
    [
        (0.94, 0, 0.0, 0.1, "94.0%"),
        (float("nan"), 0, 0.0, 0.1, "label"),
        (0.995, 1, 0.0, 0.1, "1 stored"),
        (0.995, 0, 0.01, 0.1, "macro-F1"),
        (0.995, 0, 0.001, 0.4, "again"),
    ],
)
def test_the_gate_says_why_it_refuses(agreement, differ, drop, rescored, word):
    assert word in (parity.refusal(agreement, differ, drop, rescored) or "")
    assert parity.refusal(0.96, 0, 0.001, 0.3) is None


def test_parity_texts_are_the_given_ones_first_and_then_invented():
    texts = parity_texts(["un  tweet", "un tweet", " ", "deux"], 50)
    assert texts[:2] == ["un tweet", "deux"]
    assert len(texts) == len(set(texts)) == 50


def test_the_section_of_the_card_is_replaced_and_the_rest_kept(tmp_path: Path, monkeypatch):
    path = tmp_path / "MODEL_CARD.md"
    path.write_text("# name\n\nTrained.\n", encoding="utf-8")
    for text in ("first", "second"):
        monkeypatch.setattr(card, "section", lambda manifest, text=text: text)
        card.write_section(path, PLAIN)
    assert path.read_text(encoding="utf-8").startswith("# name\n\nTrained.\n\n<!--")
    assert "second" in path.read_text(encoding="utf-8")
    assert "first" not in path.read_text(encoding="utf-8")
