"""What the convolutional networks are made of, with the constants of PyTorch."""

import dataclasses
import math
import numbers

import keras

from keras_mixup import arguments
from keras_mixup.models.normalization import BatchNormalization


def check(input_shape, num_classes, width, weight_decay, smallest, any_size=True):
    """Raises unless these arguments describe a network for images.

    Args:
        input_shape: Should be (height, width, channels).
        num_classes: Should be an integer >= 1.
        width: Should be an integer >= 1.
        weight_decay: Should be a finite float >= 0.
        smallest: Height and width from which each pooling has something to pool.
        any_size: Whether height and width may be None, open.
    """
    check_data_format()
    for name, value in [("num_classes", num_classes), ("width", width)]:
        if not isinstance(value, numbers.Integral) or value < 1:
            raise ValueError(
                f"Invalid value received for argument `{name}`. "
                f"Expected an integer >= 1. Received: {name}={value!r}"
            )
    sizes = tuple(input_shape)
    least = (smallest, smallest, 1)
    fits = len(sizes) == 3 and all(
        (size is None and any_size and index < 2)
        or (isinstance(size, numbers.Integral) and size >= least[index])
        for index, size in enumerate(sizes)
    )
    if not fits:
        raise ValueError(
            "Invalid value received for argument `input_shape`. Expected (height, "
            f"width, channels) with height and width >= {smallest}. "
            f"Received: input_shape={input_shape}"
        )
    real = isinstance(weight_decay, numbers.Real)
    if not (real and math.isfinite(weight_decay) and weight_decay >= 0):
        raise ValueError(
            "Invalid value received for argument `weight_decay`. "
            f"Expected a finite float >= 0. Received: weight_decay={weight_decay}"
        )


def check_data_format():
    """Raises unless Keras takes the last axis of images as their channels.

    The layers of a network would read its images in another order otherwise, and
    nothing would say so.
    """
    found = keras.config.image_data_format()
    if found != "channels_last":
        raise ValueError(
            "The networks for images have their channels last. Expected "
            'keras.config.image_data_format() == "channels_last". '
            f"Received: {found!r}. Call keras.config.set_image_data_format("
            '"channels_last") before the network is built, and transpose images that '
            "have their channels first."
        )


def check_depth(depth):
    """Raises unless `depth = 6 n + 4`: three stages of n blocks of two convolutions."""
    if not isinstance(depth, numbers.Integral) or depth < 10 or depth % 6 != 4:
        raise ValueError(
            "Invalid value received for argument `depth`. Expected 6 n + 4 with an "
            f"integer n >= 1, such as 10 or 28. Received: depth={depth}"
        )


def torch_uniform():
    """`U(-1 / sqrt(fan_in), 1 / sqrt(fan_in))`, what PyTorch starts kernels from."""
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")


def he_normal():
    """`N(0, 2 / (size^2 filters))`: He et al. (2015), counted over what goes out."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


@dataclasses.dataclass(frozen=True)
class Parts:
    """Makes the layers of one network and applies them.

    PyTorch's SGD adds `w p` to the gradient of each parameter p; so does the penalty
    `w / 2 sum p^2`, and it is there only where w > 0. Each layer gets an initializer
    of its own: one that is used twice draws the same numbers twice.

    Args:
        initializer: Function without arguments that gives the convolutions' own.
        weight_decay: PyTorch's w.
        decay_norms: Whether w is for the gamma and beta of batch norms too.
    """

    initializer: object = torch_uniform
    weight_decay: float = 0.0
    decay_norms: bool = True

    def _penalty(self, wanted=True):
        if not (wanted and self.weight_decay):
            return None
        return keras.regularizers.L2(self.weight_decay / 2)

    def convolve(
        self, features, filters, size, name, strides=1, groups=1, bias=False, pad=True
    ):
        """A convolution with `size // 2` zeros on every side, or none.

        Keras's "same" is that at stride 1 alone: at stride 2 and an even height it
        pads below and not above.

        A 1x1 convolution with strides reads every `strides`-th place alone. Here these
        places are taken first, each as a pool of one, and the convolution has stride 1.
        The values are the same. It is done at every width, so that a network is the
        same at every width; it is needed where the features have fewer channels than
        one block of oneDNN (16 with AVX-512, 8 with AVX2). There oneDNN's gradient by
        the kernel of a 1x1 convolution with strides writes outside of its memory. On
        some numbers of threads the process crashes or hangs, or the gradient is wrong:
        https://github.com/uxlfoundation/oneDNN/issues/6035.
        """
        padding = "same" if pad else "valid"
        if size == 1 and strides > 1:
            layer = keras.layers.AveragePooling2D(1, strides, name=f"{name}_subsample")
            features, strides = layer(features), 1
        elif pad and strides > 1:
            layer = keras.layers.ZeroPadding2D(size // 2, name=f"{name}_padding")
            features, padding = layer(features), "valid"
        fan_in = size**2 * features.shape[-1] // groups
        return keras.layers.Conv2D(
            filters,
            size,
            strides=strides,
            padding=padding,
            groups=groups,
            use_bias=bias,
            kernel_initializer=self.initializer(),
            bias_initializer=torch_bias(fan_in),
            kernel_regularizer=self._penalty(),
            bias_regularizer=self._penalty(bias),
            name=name,
        )(features)

    def normalize(self, features, name, gamma="ones"):
        """A batch norm with PyTorch's momentum (0.1, in Keras 0.9) and epsilon."""
        return BatchNormalization(
            momentum=0.9,
            epsilon=1e-5,
            gamma_initializer=gamma,
            gamma_regularizer=self._penalty(self.decay_norms),
            beta_regularizer=self._penalty(self.decay_norms),
            name=name,
        )(features)

    def activate(self, features, name, relu=None):
        """`ReLU(BN(features))`; the layers are `<name>_norm` and `relu` or `<name>`."""
        features = self.normalize(features, f"{name}_norm")
        return keras.layers.ReLU(name=relu or f"{name}_relu")(features)

    def connect(self, features, units, name, kernel=None, bias=None, dtype=None):
        """A fully connected layer, begun as in PyTorch unless it is said how."""
        return keras.layers.Dense(
            units,
            kernel_initializer=kernel or torch_uniform(),
            bias_initializer=bias or torch_bias(features.shape[-1]),
            kernel_regularizer=self._penalty(),
            bias_regularizer=self._penalty(),
            dtype=dtype,
            name=name,
        )(features)

    def classify(self, features, num_classes, kernel=None, bias=None):
        """The logits, in float32 where the rest of the network is in 16 bits.

        In float64 where all of it is.
        """
        policy = keras.config.dtype_policy()
        dtype = keras.backend.result_type(policy.compute_dtype, "float32")
        return self.connect(features, num_classes, "logits", kernel, bias, dtype)


def torch_bias(fan_in):
    """`U(-1 / sqrt(fan_in), 1 / sqrt(fan_in))`, what PyTorch starts biases from."""
    bound = 1 / math.sqrt(fan_in)
    return keras.initializers.RandomUniform(-bound, bound)


def check_dropout(dropout):
    """Raises unless it is a drop probability."""
    arguments.check_share("dropout", dropout, "[0, 1)")
