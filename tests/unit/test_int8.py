"""Token-wise int8 against the formula by hand, its error bound, and that no token knows another."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from onnx import helper, numpy_helper

from camembias.scoring import open_session
from export.int8 import quantise

WIDTH, OUT = 16, 5
WEIGHT = np.random.default_rng(0).normal(size=(WIDTH, OUT)).astype(np.float32)
WEIGHT[:, 4] = 0  # a column of zeros has no scale of its own


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    """x, (tweets, tokens, WIDTH) → its int8 product with WEIGHT."""
    folder = tmp_path_factory.mktemp("int8")
    shape = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["tweets", "tokens", WIDTH])
    out = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    node = helper.make_node("MatMul", ["x", "w"], ["y"], "/body/layer/MatMul")
    graph = helper.make_graph([node], "g", [shape], [out], [numpy_helper.from_array(WEIGHT, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, str(folder / "fp32.onnx"))
    quantise(folder / "fp32.onnx", {"body.layer"}, folder / "int8.onnx")
    session = open_session(folder / "int8.onnx")
    return lambda x: session.run(None, {"x": x})[0]


tokens = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 3), st.integers(1, 4), st.just(WIDTH)),
    elements=st.floats(-1e3, 1e3, width=32).filter(lambda value: value == 0 or abs(value) > 1e-6),
)


@settings(deadline=None)
@given(x=tokens)
def test_the_error_of_a_token_is_at_most_what_its_own_codes_round_off(product, x):
    scale = np.abs(WEIGHT).max(axis=0) / 127
    largest = np.abs(x).max(axis=-1, keepdims=True)
    of_activations = largest / 254 * np.abs(WEIGHT).sum(axis=0)
    of_weights = np.abs(x).sum(axis=-1, keepdims=True) * scale / 2
    of_both = WIDTH * largest / 254 * scale / 2
    allowed = of_activations + of_weights + of_both
    assert (np.abs(product(x) - x @ WEIGHT) <= 1.001 * allowed + 1e-6).all()
    assert (product(x)[..., 4] == 0).all()


@settings(deadline=None)
@given(x=tokens)
def test_a_token_is_the_same_whatever_stands_beside_it(product, x):
    together = product(x)
    for tweet in range(x.shape[0]):
        for token in range(x.shape[1]):
            alone = product(x[tweet : tweet + 1, token : token + 1])
            np.testing.assert_array_equal(alone[0, 0], together[tweet, token])


def test_by_hand(product):
    x = np.zeros((1, 1, WIDTH), np.float32)
    x[0, 0, :3] = 2.0, -1.0, 0.5  # over the largest, 2: codes 127, -64 (-63.5 to even), 32 (31.75)
    scale = np.abs(WEIGHT[:, :4]).max(axis=0) / np.float32(127)
    expected = np.array([127, -64, 32]) @ np.rint(WEIGHT[:3, :4] / scale) * scale * 2 / 127
    np.testing.assert_allclose(product(x)[0, 0, :4], expected, rtol=1e-5)


def test_what_is_not_a_number_spares_the_other_tokens(product):
    x = np.ones((1, 2, WIDTH), np.float32)
    x[0, 0, 0] = np.nan
    found = product(x)
    np.testing.assert_array_equal(found[0, 1], product(x[:, 1:])[0, 0])
