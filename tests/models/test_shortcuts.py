"""The shortcuts of section 4.1, compared with NumPy."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet_keras.models.build import build
from resnet_keras.models.layers import convolution
from resnet_keras.models.shortcuts import zero_padding_shortcut


def numbers(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.integers(1, 4),
    st.integers(1, 3), st.integers(0, 5),
)  # fmt: skip
def test_option_a(count, height, width, channels, stride, more):
    x = numbers((count, height, width, channels))
    expected = np.zeros((count, -(-height // stride), -(-width // stride), channels + more), "f4")
    expected[..., :channels] = x[:, ::stride, ::stride]
    result = zero_padding_shortcut(x, stride=stride, channels=channels + more)
    np.testing.assert_array_equal(np.asarray(result), expected, strict=True)


@pytest.mark.parametrize("side", [8, 9])
def test_option_a_in_a_network(side):
    model = build("resnet8", "A", input_shape=(side, side, 3))
    layer = model.get_layer("stage2_block1_shortcut")
    inner = keras.Model(model.input, [layer.input, layer.output])
    before, after = inner(numbers((2, side, side, 3)))
    before, after = np.asarray(before), np.asarray(after)
    np.testing.assert_array_equal(after[..., :16], before[:, ::2, ::2])
    assert not after[..., 16:].any()
    assert after.shape == (2, -(-side // 2), -(-side // 2), 32)
    assert layer.output.shape[1:] == after.shape[1:]
    assert before.any()
    assert not layer.weights


@pytest.mark.parametrize("height, width", [(8, 8), (9, 9), (8, 5), (32, 32), (1, 2)])
def test_stride_2_is_centred_on_the_pixels_that_option_a_samples(height, width):
    inputs = keras.Input((height, width, 3))
    model = keras.Model(inputs, convolution(inputs, 3, 3, 2, name="c"))
    kernel = np.zeros((3, 3, 3, 3), np.float32)
    kernel[1, 1] = np.eye(3)
    model.get_layer("c").set_weights([kernel])
    x = numbers((2, height, width, 3))
    np.testing.assert_array_equal(np.asarray(model(x)), x[:, ::2, ::2])


@pytest.mark.parametrize("kernel_size, stride", [(1, 2), (7, 2), (3, 1), (1, 1), (3, 3)])
def test_other_convolutions_are_centred_too(kernel_size, stride):
    inputs = keras.Input((12, 12, 3))
    model = keras.Model(inputs, convolution(inputs, 3, kernel_size, stride, name="c"))
    kernel = np.zeros((kernel_size, kernel_size, 3, 3), np.float32)
    kernel[kernel_size // 2, kernel_size // 2] = np.eye(3)
    model.get_layer("c").set_weights([kernel])
    x = numbers((2, 12, 12, 3))
    np.testing.assert_array_equal(np.asarray(model(x)), x[:, ::stride, ::stride])


@pytest.mark.parametrize("option", ["B", "C"])
def test_average_projection_starts_as_the_channel_mean(option):
    model = build("resnet8", option, projection="average", input_shape=(8, 8, 3))
    strides = {1: 1, 2: 2, 3: 2}
    for stage in (1, 2, 3) if option == "C" else (2, 3):
        layer = model.get_layer(f"stage{stage}_block1_projection")
        inner = keras.Model(model.input, [layer.input, layer.output])
        before, after = (np.asarray(x) for x in inner(numbers((2, 8, 8, 3))))
        stride = strides[stage]
        mean = before[:, ::stride, ::stride].astype(np.float64).mean(axis=-1, keepdims=True)
        np.testing.assert_allclose(after, np.broadcast_to(mean, after.shape), atol=1e-6)
        kernel, bias = layer.get_weights()
        np.testing.assert_array_equal(kernel, np.float32(1 / kernel.shape[2]))
        assert not bias.any() and layer.bias.trainable


@pytest.mark.parametrize("projection", ["conv_bn", "average"])
def test_projection_subsamples_as_option_a_does(projection):
    model = build("resnet8", "B", projection=projection, input_shape=(8, 8, 3))
    layer = model.get_layer("stage2_block1_projection")
    inner = keras.Model(model.input, [layer.input, layer.output])
    before, after = (np.asarray(x) for x in inner(numbers((2, 8, 8, 3))))
    expected = before[:, ::2, ::2] @ layer.kernel.numpy()[0, 0]
    np.testing.assert_allclose(after, expected, atol=1e-5)
    assert layer.use_bias == (projection == "average")


def test_a_block_adds_its_shortcut():
    # If gamma and beta of the last batch normalization are zero, the block is relu(shortcut).
    model = build("resnet8", "A", input_shape=(8, 8, 3))
    bn = model.get_layer("stage3_block1_bn2")
    bn.gamma.assign(keras.ops.zeros_like(bn.gamma))
    inner = keras.Model(
        model.input,
        [model.get_layer(name).output for name in ("stage2_block1_relu2", "stage3_block1_relu2")],
    )
    before, after = (np.asarray(x) for x in inner(numbers((2, 8, 8, 3))))
    expected = np.zeros_like(after)
    expected[..., :32] = np.maximum(before[:, ::2, ::2], 0)
    np.testing.assert_allclose(after, expected, atol=1e-6)
    assert before.any()


def test_plain_network_has_no_shortcut():
    model = build("plain8", input_shape=(8, 8, 3))
    bn = model.get_layer("stage3_block1_bn2")
    bn.gamma.assign(keras.ops.zeros_like(bn.gamma))
    inner = keras.Model(model.input, model.get_layer("stage3_block1_relu2").output)
    assert not np.asarray(inner(numbers((2, 8, 8, 3)))).any()


def test_loads_under_safe_mode(tmp_path):
    model = build("resnet8", "A", input_shape=(8, 8, 3))
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    x = numbers((2, 8, 8, 3))
    np.testing.assert_array_equal(np.asarray(again(x)), np.asarray(model(x)))
