"""int8 against the formulas by hand, its error bounds, that no token knows another, and sums that are not exact."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from onnx import helper, numpy_helper

from camembias.scoring import open_session
from export import int8
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


GAIN = np.geomspace(0.5, 30, WIDTH).astype(np.float32)  # some channels are wide
LARGEST = 3 * GAIN
NARROWED = WEIGHT / GAIN[:, None]  # as a trained model's are: wide channels have small weights


def after(kind, tmp_path, ranges, largest_weight=127):
    """A session of z → (norm or GELU of z) · NARROWED in int8 with `ranges`, which also gives the activation, x."""
    nodes = {
        "norm": [helper.make_node("LayerNormalization", ["z", "gain"], ["x"], "norm", axis=-1)],
        "gelu": [
            helper.make_node("Div", ["z", "root"], ["over"], "over"),
            helper.make_node("Erf", ["over"], ["erf"], "erf"),
            helper.make_node("Add", ["erf", "one"], ["plus"], "plus"),
            helper.make_node("Mul", ["z", "plus"], ["twice"], "twice"),
            helper.make_node("Mul", ["twice", "half"], ["x"], "half_of"),
        ],
    }[kind]
    constants = {"w": NARROWED, "gain": GAIN, "root": np.float32(2**0.5), "one": np.float32(1), "half": np.float32(0.5)}
    read = {name for node in nodes for name in node.input} | {"w"}
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items() if name in read]
    z = helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, ["tweets", "tokens", WIDTH])
    outputs = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in ("y", "x")]
    product = helper.make_node("MatMul", ["x", "w"], ["y"], "/body/layer/MatMul")
    graph = helper.make_graph([*nodes, product], "g", [z], outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, str(tmp_path / "fp32.onnx"))
    quantise(tmp_path / "fp32.onnx", {"body.layer"}, tmp_path / "int8.onnx", ranges, largest_weight)
    kinds = {node.op_type for node in onnx.load(str(tmp_path / "int8.onnx")).graph.node}
    return open_session(tmp_path / "int8.onnx"), kinds


@pytest.mark.parametrize("kind", ["norm", "gelu"])
def test_wide_channels_do_not_spoil_the_codes_of_the_others(kind, tmp_path):
    """Within the range of the texts the error is smaller than with a scale for each token alone."""
    z = np.random.default_rng(1).normal(size=(4, 50, WIDTH)).astype(np.float32)
    if kind == "gelu":
        z *= GAIN
    session, kinds = after(kind, tmp_path, {"x": LARGEST})
    plain, plain_kinds = after(kind, tmp_path, None)
    assert "Abs" not in kinds
    assert "Abs" in plain_kinds
    errors = []
    for one in (session, plain):
        y, x = one.run(["y", "x"], {"z": z})
        errors.append(np.square(y - x @ NARROWED).mean())
    assert errors[0] < 0.7 * errors[1]


@pytest.mark.parametrize("kind", ["norm", "gelu"])
def test_a_token_beyond_the_ranges_changes_no_other(kind, tmp_path):
    session, _ = after(kind, tmp_path, {"x": LARGEST / 50})
    z = np.random.default_rng(2).normal(size=(3, 4, WIDTH)).astype(np.float32)
    together = session.run(["y"], {"z": z})[0]
    assert np.isfinite(together).all()
    for tweet in range(3):
        np.testing.assert_array_equal(session.run(["y"], {"z": z[tweet : tweet + 1]})[0][0], together[tweet])


def test_nothing_gelu_gives_is_clipped(tmp_path):
    """Where one value is 10,000, as where one is GELU's lowest: the error stays that of rounding codes."""
    session, _ = after("gelu", tmp_path, {"x": np.full(WIDTH, 5, np.float32)})
    z = np.full((1, 2, WIDTH), -0.75, np.float32)
    z[0, 1, 3] = 1e4
    y, x = session.run(["y", "x"], {"z": z})
    assert x.min() < -0.169
    largest = np.maximum(x.max(axis=-1, keepdims=True), 0.17 / 16 * 239)
    codes = largest / 239 * np.abs(NARROWED).sum(axis=0)  # a whole step, for half of one before smoothing
    weights = np.abs(x).sum(axis=-1, keepdims=True) * 2 * np.abs(NARROWED).max() / 127
    assert (np.abs(y - x @ NARROWED) <= codes + weights).all()


@pytest.mark.parametrize("largest_weight", [int8.WEIGHT_8_BITS, int8.WEIGHT_7_BITS])
def test_a_graph_says_whether_its_sums_are_exact(tmp_path, largest_weight):
    """Tried on the largest products: 7 bits are exact on every CPU, 8 where two products need not fit 16 bits."""
    session, _ = after("norm", tmp_path, {"x": LARGEST}, largest_weight)
    (exact,) = session.run([int8.SUMS_OUTPUT], {"z": np.ones((1, 1, WIDTH), np.float32)})
    assert exact.dtype == np.bool_
    if largest_weight == int8.WEIGHT_7_BITS:
        assert exact.all()
