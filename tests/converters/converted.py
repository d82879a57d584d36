"""A SavedModel converted, and the converted model as a function of named arrays.

Each function needs its extra of setup.cfg, and says so where it is not installed.
"""

import sys
import warnings

import pytest
import tensorflow as tf


def needed(module, extra):
    """The module, or a test that is skipped with the line that installs it."""
    reason = f"needs {module}: pip install '.[{extra}]', or make test-converters"
    return pytest.importorskip(module, reason=reason)


def litert(path, signature="numeric", examples=None):
    """By TensorFlow's converter; in int8 where examples are given."""
    file = path.with_suffix(".int8.tflite" if examples else ".tflite")
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(path), signature_keys=[signature]
    )
    if examples:
        count = len(next(iter(examples.values())))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            {name: value[i : i + 1] for name, value in examples.items()}
            for i in range(count)
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    with warnings.catch_warnings():
        # TensorFlow calibrates by its own interpreter, which it calls deprecated.
        warnings.simplefilter("ignore")
        file.write_bytes(converter.convert())
    return run_litert(file)


def run_litert(file):
    interpreter = needed("ai_edge_litert.interpreter", "litert").Interpreter(str(file))
    (signature,) = interpreter.get_signature_list()
    return lambda **inputs: interpreter.get_signature_runner(signature)(**inputs)


def onnx(path, signature="numeric"):
    """By the command of tf2onnx."""
    file = path.with_suffix(".onnx")
    run_tf2onnx(
        *("--saved-model", path), *("--signature_def", signature), *("--output", file)
    )
    return run_onnx(file)


def run_tf2onnx(*arguments):
    """Runs the command in this process, since TensorFlow starts slowly."""
    converter = needed("tf2onnx.convert", "onnx")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["tf2onnx.convert", *map(str, arguments)])
        converter.main()


def run_onnx(file):
    session = needed("onnxruntime", "onnx").InferenceSession(str(file))
    names = [output.name for output in session.get_outputs()]
    return lambda **inputs: dict(zip(names, session.run(None, inputs), strict=True))


def openvino(path, signature="numeric"):
    """By OpenVINO itself, from the signature in memory."""
    exported = tf.saved_model.load(str(path))
    converter = needed("openvino", "openvino")
    return run_openvino(converter.convert_model(exported.signatures[signature]))


def run_openvino(model):
    """In float32: by default OpenVINO computes in bfloat16 where a processor does."""
    precision = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = needed("openvino", "openvino").compile_model(model, "CPU", precision)

    def run(**inputs):
        answer = compiled(inputs)
        return {output.any_name: answer[output] for output in compiled.outputs}

    return run


EACH = {one.__name__: one for one in (litert, onnx, openvino)}
RUN = {"litert": run_litert, "onnx": run_onnx, "openvino": run_openvino}
