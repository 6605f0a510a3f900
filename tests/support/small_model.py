"""The network of test_model.h for tests in other languages."""
import pathlib
import re


def small_model():
    """The ONNX bytes."""
    text = pathlib.Path(__file__).with_name("test_model.h").read_text()
    return bytes(int(n) for n in re.search(r"test_model\[\] = \{(.*?)\}", text, re.S).group(1).split(","))
