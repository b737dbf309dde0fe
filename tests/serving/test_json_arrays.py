"""JSON to arrays and back, and the REST API's requests and answers, without a socket.

The examples are those of TensorFlow Serving's page "RESTful API" and of its tests.
"""

import base64
import json

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies

from tf_style.serving import json_arrays, paths, rest
from tf_style.serving.errors import RequestError, error_text
from tf_style.serving.signatures import Signature, TensorInfo

DTYPES = {
    "float32": np.float32, "float64": np.float64, "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16, "int8": np.int8, "uint8": np.uint8, "int16": np.int16,
    "int32": np.int32, "uint32": np.uint32, "int64": np.int64, "uint64": np.uint64,
    "bool": np.bool_, "string": object, "complex64": np.complex64,
}  # fmt: skip


def info(name, shape=None):
    return TensorInfo(dtype=np.dtype(DTYPES[name]), dtype_name=name, shape=shape)


def signature(inputs, outputs=(), defaults=()):
    return Signature(name="f", inputs=dict(inputs), outputs=dict(outputs), defaults=dict(defaults))


def inputs_of(text, *arguments, **named):
    document = rest.parse_body(text.encode(), max_values=1000)
    return rest.inputs_of(document, signature(*arguments, **named))


def refused(status, function, *arguments, **named):
    with pytest.raises(RequestError) as caught:
        function(*arguments, **named)
    assert caught.value.status == status
    return caught.value.message


# --- Paths ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method, path, expected",
    [
        ("GET", "/v1/models/m", ("status", "m", None, None)),
        ("GET", "/v1/models/m/versions/12", ("status", "m", 12, None)),
        ("GET", "/v1/models/m/labels/canary", ("status", "m", None, "canary")),
        ("GET", "/v1/models/m/metadata", ("metadata", "m", None, None)),
        ("GET", "/v1/models/m/versions/12/metadata", ("metadata", "m", 12, None)),
        ("POST", "/v1/models/m:predict", ("predict", "m", None, None)),
        ("POST", "/V1/Models/m/Versions/3:Predict", ("predict", "m", 3, None)),
        ("POST", "/v1/models/m/labels/a%20b:classify", ("classify", "m", None, "a b")),
        ("POST", "/v1/models/my%2Fmodel:regress", ("regress", "my/model", None, None)),
    ],
)
def test_paths_are_read_as_tensorflow_serving_reads_them(method, path, expected):
    call = paths.parse_path(method, path)
    assert (call.kind, call.model, call.version, call.label) == expected


@pytest.mark.parametrize(
    "method, path, text",
    [  # From TensorFlow Serving's `UnsupportedApiCalls`.
        ("GET", "/v1/foo", "Malformed request: GET /v1/foo"),
        ("POST", "/v1/foo", "Malformed request: POST /v1/foo"),
        ("GET", "/v1/models", "Missing model name"),
        ("GET", "/v1/models/debug/model_name", "Malformed request"),
        ("POST", "/v1/models", "Malformed request"),
        ("GET", "/v1/models/foo:predict", "Malformed request"),
        ("POST", "/v1/models/foo/version/50:regress", "Malformed request"),
        ("POST", "/v1/models/foo/versions/HELLO:regress", "Malformed request"),
        ("POST", f"/v1/models/foo/versions/{2**64 - 1}:regress", "Failed to convert version"),
        ("POST", f"/v1/models/foo/versions/{'9' * 5000}:regress", "Failed to convert version"),
        ("POST", "/v1/models/foo/metadata", "Malformed request"),
        ("POST", "/v1/models/foo/label/some_label:regress", "Malformed request"),
        ("POST", "/v1/models/foo/versions/50/labels/some_label:regress", "Malformed request"),
        ("DELETE", "/v1/models/foo", "Malformed request: DELETE"),
    ],
)
def test_other_paths_are_malformed_requests(method, path, text):
    assert refused(400, paths.parse_path, method, path).startswith(text)


# --- Requests: examples of TensorFlow Serving's tests and page --------------------------------


def test_a_plain_list_goes_to_the_only_input():
    arrays, as_rows = inputs_of('{"instances": [[1,2],[3,4],[5,6]]}', {"default": info("int32")})
    assert as_rows
    assert arrays["default"].dtype == np.int32
    np.testing.assert_array_equal(arrays["default"], [[1, 2], [3, 4], [5, 6]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_whole_and_decimal_numbers_may_be_mixed(dtype):
    arrays, _ = inputs_of(
        '{"instances": [1, 2.0, 3, 4, 5.003, 0.007, 0.0, 1e-3]}', {"x": info(dtype)}
    )
    expected = np.array([1, 2, 3, 4, 5.003, 0.007, 0, 0.001], DTYPES[dtype])
    np.testing.assert_array_equal(arrays["x"], expected)


def test_rows_have_their_inputs_by_name():
    arrays, _ = inputs_of(
        """{"instances": [
            {"int_tensor": [[1,2],[3,4],[5,6]], "str_tensor": ["foo", "bar"],
             "float_tensor": [1.0, NaN], "dbl_tensor": [NaN]},
            {"int_tensor": [[7,8],[9,0],[1,2]], "str_tensor": ["baz", "bat"],
             "float_tensor": [2.0, Infinity], "dbl_tensor": [-Infinity]}]}""",
        {
            "int_tensor": info("int32"),
            "str_tensor": info("string"),
            "float_tensor": info("float32"),
            "dbl_tensor": info("float64"),
        },
    )
    np.testing.assert_array_equal(
        arrays["int_tensor"], [[[1, 2], [3, 4], [5, 6]], [[7, 8], [9, 0], [1, 2]]]
    )
    assert arrays["str_tensor"].tolist() == [[b"foo", b"bar"], [b"baz", b"bat"]]
    np.testing.assert_array_equal(arrays["float_tensor"], np.float32([[1, np.nan], [2, np.inf]]))
    np.testing.assert_array_equal(arrays["dbl_tensor"], [[np.nan], [-np.inf]])


def test_columns_may_have_different_first_dimensions():
    arrays, as_rows = inputs_of(
        """{"inputs": {"int_tensor": [[[1,2],[3,4],[5,6]]], "str_tensor": ["foo", "bar"],
                       "bin_tensor": {"b64": "aGVsbG8="}}}""",
        {
            "int_tensor": info("int32"),
            "str_tensor": info("string"),
            "bin_tensor": info("string"),
        },
    )
    assert not as_rows
    assert arrays["int_tensor"].shape == (1, 3, 2)
    assert arrays["str_tensor"].tolist() == [b"foo", b"bar"]
    assert arrays["bin_tensor"].shape == ()
    assert arrays["bin_tensor"].item() == b"hello"


@pytest.mark.parametrize(
    "text, expected",
    [
        ('{"instances": [{"b64": "aGVsbG8="}, {"b64": "d29ybGQ="}]}', [b"hello", b"world"]),
        ('{"instances": [[{"b64": "aGVsbG8="}], [{"b64": "d29ybGQ="}]]}', [[b"hello"], [b"world"]]),
        ('{"instances": [{"x": [[{"b64": "aGVsbG8="}], ["world"]]}]}', [[[b"hello"], [b"world"]]]),
        ('{"inputs": {"b64": "aGVsbG8="}}', b"hello"),
        ('{"inputs": [{"b64": "aGVsbG8"}]}', [b"hello"]),  # Padding may be left out.
        ('{"inputs": [{"b64": "aGVs\\nbG8="}]}', [b"hello"]),
        ('{"inputs": ["", {"b64": ""}]}', [b"", b""]),
        ('{"inputs": [{"b64": "-_-_"}, {"b64": "+/+/"}]}', 2 * [b"\xfb\xff\xbf"]),
        ('{"inputs": [{"b64": "__4"}]}', [b"\xff\xfe"]),  # For the web: without padding, too.
        ('{"inputs": [{"b64": "data:image/png;base64,aGVsbG8="}]}', [b"hello"]),
        ('{"inputs": [{"b64": "DATA:;charset=x;BASE64,aGVs\\nbG8"}]}', [b"hello"]),
        ('{"inputs": "\\u00e9"}', "é".encode()),
    ],
)
def test_bytes_come_in_base64(text, expected):
    arrays, _ = inputs_of(text, {"x": info("string")})
    assert arrays["x"].tolist() == expected


def test_inputs_with_defaults_may_be_left_out():
    known = {"x": info("float32", (None,)), "steps": info("int32", (None,))}
    defaults = {"steps": np.array([7], np.int32)}
    for text in ('{"inputs": {"x": [1, 2]}}', '{"instances": [{"x": 1}, {"x": 2}]}'):
        arrays, _ = inputs_of(text, known, defaults=defaults)
        assert arrays["steps"].tolist() == [7]
        assert arrays["x"].tolist() == [1, 2]
    arrays, _ = inputs_of('{"instances": [{"x": 1, "steps": 3}]}', known, defaults=defaults)
    assert arrays["steps"].tolist() == [3]


@pytest.mark.parametrize(
    "dtype, text, words",
    [
        ("int32", '{"instances": [[1,2],[3,4],[5,6,7]]}', "`instances[2]` must be of the same"),
        ("int32", '{"instances": [[1,2],[3,4],[[5,6]]]}', "`instances[2]` must be of the same"),
        ("int32", '{"instances": [[1],[[2]]]}', "`instances[1][0]` must be of the same"),
        ("int32", '{"instances": [1, [1]]}', "`instances[1]` must be of the same"),
        ("int32", '{"instances": [[1,2],["a", "b"]]}', "`instances[1][0]` must be a whole number"),
        ("int32", '{"instances": [1.0]}', "`instances[0]` must be a whole number"),
        ("int32", '{"instances": [true]}', "Received: instances[0]=true"),
        ("int32", '{"instances": [2147483648]}', "must lie within -2147483648..2147483647"),
        ("uint8", '{"instances": [-1]}', "must lie within 0..255. Received: instances[0]=-1"),
        ("uint64", '{"instances": [18446744073709551616]}', "must lie within 0..18446744073709"),
        ("bool", '{"instances": [1]}', "must be true or false. Received: instances[0]=1"),
        ("float32", '{"instances": [null]}', "must be a number, for float32. Received: "),
        ("float32", '{"instances": ["x"]}', 'Received: instances[0]="x"'),
        ("float32", '{"instances": [{"b64": "aGVsbG8="}]}', "must be a number"),
        ("float32", f'{{"instances": [{1.7976931348623157e308}]}}', "without loss of precision"),
        ("float32", '{"instances": [16777217]}', "without loss of precision"),
        ("float64", '{"instances": [9007199254740993]}', "without loss of precision"),
        ("float64", f'{{"instances": [1{"0" * 400}]}}', "without loss of precision"),
        ("float64", '{"instances": [1e400]}', "Number too big to be stored in double"),
        ("float16", '{"instances": [70000.0]}', "without loss of precision"),
        ("bfloat16", '{"instances": [257]}', "without loss of precision"),
        ("string", '{"instances": [1]}', "must be a string, or"),
        ("string", '{"instances": [{"b64": 1}]}', "have the key"),
        ("string", '{"inputs": [{"b64": "aGVsb"}]}', "`inputs.x[0].b64` must be base64"),
        ("string", '{"inputs": [{"b64": "aGV*bG8="}]}', "must be base64"),
        ("string", '{"inputs": [{"b64": "é"}]}', "must be base64"),
        ("string", '{"inputs": [{"b64": "aGV*bG8="}]}', "with '*' among them."),
        ("string", '{"inputs": [{"b64": "aG=VsbG8"}]}', "with '=' among them."),
        ("string", '{"inputs": [{"b64": "data:text/plain,hello"}]}', "if it is a data URL"),
        ("string", '{"inputs": [{"b64": "data:image/png;base64"}]}', "if it is a data URL"),
        ("string", '{"inputs": [{"c64": ""}]}', "must be a string, or"),
        ("string", '{"inputs": ["\\ud800"]}', "must be valid Unicode"),
        ("string", '{"instances": [["a"], {"x": ["b"]}]}', "`instances[1]` must be a value or a"),
        ("string", '{"instances": [{"x": "a"}, "b"]}', "`instances[1]` must be an object"),
        ("string", '{"instances": [{"y": "a"}]}', "an object with the unknown key 'y'"),
        ("string", '{"instances": [{}]}', "Received: instances[0]=an object without 'x'"),
        ("string", '{"instances": []}', "must be a list with at least one entry"),
        ("string", '{"instances": {"x": "a"}}', "must be a list with at least one entry"),
        ("string", '{"instances": [1], "inputs": [1]}', "either `instances`"),
        ("string", '{"signature_name": "f"}', "Missing 'inputs' or 'instances' key"),
        ("string", "", "JSON Parse error: The document is empty"),
        ("string", "instances = [1, 2]", "JSON Parse error: "),
        ("string", "[1, 2]", "`body` must be a JSON object. Received: body=a list of 2"),
        ("string", '{"inputs": ' + "[" * 40 + "]" * 40 + "}", "at most 32 dimensions"),
        ("string", '{"inputs": ' + "[" * 990, "JSON Parse error: "),
    ],
)
def test_errors_say_what_is_wrong_and_where(dtype, text, words):
    assert words in refused(400, inputs_of, text, {"x": info(dtype)})


def test_several_inputs_must_be_given_by_name():
    known = {"a": info("int32"), "b": info("int32")}
    for text in ('{"instances": [1]}', '{"inputs": [1]}', '{"inputs": {"b64": "aGVsbG8="}}'):
        assert "give inputs by name" in refused(400, inputs_of, text, known)
    assert "an object without 'b'" in refused(400, inputs_of, '{"inputs": {"a": 1}}', known)
    message = refused(400, inputs_of, '{"instances": [{"a": 1, "B": 2}]}', known)
    assert message.endswith("Did you mean 'b'?") or "unknown" in message


def test_rows_must_have_the_same_keys():
    known = {"x": info("int32"), "n": info("int32")}
    text = '{"instances": [{"x": 1}, {"x": 1, "n": 2}]}'
    message = refused(400, inputs_of, text, known, defaults={"n": np.array([1])})
    assert message.startswith("`instances[1]` must have the same keys as the first ('x')")


def test_shapes_are_checked_against_the_signature():
    known = {"x": info("float32", (None, 2))}
    assert "have the shape [?, 2]. Received: inputs.x=an array of shape [1, 3]" in refused(
        400, inputs_of, '{"inputs": [[1, 2, 3]]}', known
    )
    assert "Put a single row into a list." in refused(400, inputs_of, '{"inputs": [1, 2]}', known)


def test_numbers_that_a_float_holds_pass_however_many_digits_they_have():
    arrays, _ = inputs_of(f'{{"inputs": [{2**24}, {-(2**100)}]}}', {"x": info("float32")})
    np.testing.assert_array_equal(arrays["x"], np.float32([2.0**24, -(2.0**100)]))


def test_input_types_without_json_values_are_not_implemented():
    assert "complex64" in refused(501, inputs_of, '{"inputs": [1]}', {"x": info("complex64")})


def test_a_deep_or_long_document_is_refused_before_parsing():
    nested = ('{"inputs": ' + "[" * 100_000).encode()
    assert "nested too deeply" in refused(400, rest.parse_body, nested, max_values=10**9)
    long = b'{"inputs": [' + b"0," * 1000 + b"0]}"
    assert "at most 1000 values" in refused(413, rest.parse_body, long, max_values=1000)
    assert len(rest.parse_body(long, max_values=1010)["inputs"]) == 1001


def test_text_that_is_not_utf8_is_refused():
    assert "JSON Parse error" in refused(400, rest.parse_body, b'{"a": "\xff"}', max_values=9)


def test_the_signature_is_found_by_name():
    known = {"serving_default": signature({}), "stylize": signature({})}
    assert rest.signature_of({}, known) is known["serving_default"]
    assert rest.signature_of({"signature_name": "stylize"}, known) is known["stylize"]
    message = refused(400, rest.signature_of, {"signature_name": "stilize"}, known)
    assert 'Serving signature name: "stilize" not found in signature def' in message
    assert message.endswith("Did you mean 'stylize'?")
    assert '"a\\nb" not found' in refused(400, rest.signature_of, {"signature_name": "a\nb"}, known)
    assert "be a string" in refused(400, rest.signature_of, {"signature_name": 5}, known)


# --- Answers ----------------------------------------------------------------------------------


def answer(outputs, dtypes, *, as_rows):
    known = {name: info(dtype) for name, dtype in dtypes.items()}
    arrays = {name: np.array(value, DTYPES[dtypes[name]]) for name, value in outputs.items()}
    return rest.response_text(arrays, signature({}, known), as_rows=as_rows)


def test_one_output_is_given_without_its_name():
    outputs = {"y": [[[1, 2], [3, 4], [5, 6]], [[7, 8], [9, 0], [1, 2]]]}
    rows = answer(outputs, {"y": "int32"}, as_rows=True)
    assert json.loads(rows) == {"predictions": outputs["y"]}
    columns = answer(outputs, {"y": "int32"}, as_rows=False)
    assert json.loads(columns) == {"outputs": outputs["y"]}


def test_several_outputs_are_given_by_name():
    outputs = {
        "double_scalar_tensor": [8.0, 9.0],
        "int_tensor": [[[1, 2]], [[3, 4]]],
        "str_tensor": [[b"foo", b"bar"], [b"baz", b"bat"]],
        "str_tensor_bytes": [[b"hello", b"world"], [b"tf", b"serving"]],
        "flag": [True, False],
    }
    dtypes = {
        "double_scalar_tensor": "float64",
        "int_tensor": "int32",
        "str_tensor": "string",
        "str_tensor_bytes": "string",
        "flag": "bool",
    }
    assert json.loads(answer(outputs, dtypes, as_rows=True)) == {
        "predictions": [
            {
                "double_scalar_tensor": 8.0,
                "int_tensor": [[1, 2]],
                "str_tensor": ["foo", "bar"],
                "str_tensor_bytes": [{"b64": "aGVsbG8="}, {"b64": "d29ybGQ="}],
                "flag": True,
            },
            {
                "double_scalar_tensor": 9.0,
                "int_tensor": [[3, 4]],
                "str_tensor": ["baz", "bat"],
                "str_tensor_bytes": [{"b64": "dGY="}, {"b64": "c2VydmluZw=="}],
                "flag": False,
            },
        ]
    }
    columns = json.loads(answer(outputs, dtypes, as_rows=False))["outputs"]
    assert columns["str_tensor_bytes"][0] == [{"b64": "aGVsbG8="}, {"b64": "d29ybGQ="}]
    assert columns["double_scalar_tensor"] == [8.0, 9.0]


def test_floats_are_written_digit_for_digit_as_tensorflow_serving_writes_them():
    outputs = {"y": [[9000000, 999999, 0.5], [0.0003, 0.00003, 555557.5]]}
    text = answer(outputs, {"y": "float32"}, as_rows=True)
    assert text == '{"predictions": [[9e+06, 999999.0, 0.5], [0.0003, 3e-05, 555557.5]]}'
    text = answer({"y": [1 / 3, 0.1]}, {"y": "float32"}, as_rows=False)
    assert text == '{"outputs": [0.333333343, 0.1]}'
    text = answer({"y": [1 / 3, 0.1]}, {"y": "float64"}, as_rows=False)
    assert text == '{"outputs": [0.33333333333333331, 0.1]}'


def test_numbers_that_are_not_finite_are_the_apis_tokens():
    outputs = {"y": [[np.nan, np.inf], [3.0, -np.inf]]}
    text = answer(outputs, {"y": "float32"}, as_rows=True)
    assert text == '{"predictions": [[NaN, Infinity], [3.0, -Infinity]]}'


@pytest.mark.parametrize(
    "shape, rows, columns",
    [
        ((0, 2), [], []),
        ((2, 0), [[], []], [[], []]),
        ((2, 0, 3), [[], []], [[], []]),
        ((1, 2, 0), [[[], []]], [[[], []]]),
    ],
)
def test_empty_arrays_keep_their_shape(shape, rows, columns):
    outputs = {"y": np.zeros(shape)}
    assert json.loads(answer(outputs, {"y": "float32"}, as_rows=True)) == {"predictions": rows}
    assert json.loads(answer(outputs, {"y": "float32"}, as_rows=False)) == {"outputs": columns}


def test_outputs_without_a_common_batch_cannot_be_rows():
    dtypes = {"a": "int32", "b": "int32"}
    for outputs in ({"a": [1, 2], "b": [1]}, {"a": [1], "b": 1}, {"a": np.zeros([0]), "b": [1]}):
        message = refused(400, answer, outputs, dtypes, as_rows=True)
        assert "Send `inputs` instead of `instances`." in message
        assert json.loads(answer(outputs, dtypes, as_rows=False))


def test_scalars_stay_scalars():
    assert answer({"y": 2.5}, {"y": "float32"}, as_rows=False) == '{"outputs": 2.5}'


def test_bytes_that_are_not_text_need_the_suffix_bytes():
    message = refused(500, answer, {"text": [b"\xff"]}, {"text": "string"}, as_rows=True)
    assert "'_bytes'" in message


def test_output_types_without_json_values_are_not_implemented():
    refused(501, answer, {"z": [1j]}, {"z": "complex64"}, as_rows=True)


def test_errors_are_json_objects():
    assert json.loads(error_text('Bad key: "key"')) == {"error": 'Bad key: "key"'}


@settings(deadline=None, max_examples=200)
@given(
    array=st.sampled_from(
        [np.float32, np.float64, np.float16, np.int8, np.uint64, np.bool_]
    ).flatmap(
        lambda dtype: numpy_strategies.arrays(
            dtype, numpy_strategies.array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=4)
        )
    )
)
def test_every_array_survives_the_round_trip(array):
    name = array.dtype.name
    text = json_arrays.text(array, name="y", dtype_name=name)
    back = json_arrays.to_array(json.loads(text), info(name), "y")
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=50))
def test_all_bytes_survive_the_round_trip(data):
    array = np.array([data, b"x"], object)
    text = json_arrays.text(array, name="png_bytes", dtype_name="string")
    assert json.loads(text)[0] == {"b64": base64.b64encode(data).decode()}
    back = json_arrays.to_array(json.loads(text), info("string"), "y")
    assert back.tolist() == [data, b"x"]


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(width=64)
    | st.text(max_size=3)
    | st.just({"b64": "aGVsbG8="})
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["x", "n", "b64", "other"]), inner, max_size=3)
    ),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(
    st.sampled_from(["instances", "inputs", "signature_name", "other"]), VALUES, max_size=2
)


@settings(deadline=None, max_examples=500)
@given(DOCUMENTS, st.sampled_from(sorted(DTYPES)))
def test_any_document_gives_fitting_arrays_or_is_refused(document, dtype):
    known = {"x": info(dtype), "n": info("int32", (None,))}
    default = {"n": np.array([1], np.int32)}
    for inputs in (known, {"x": known["x"]}):
        try:
            arrays, _ = rest.inputs_of(document, signature(inputs, defaults=default))
        except RequestError as error:
            assert error.status in (400, 501)
            assert len(error.message) < 1000
        else:
            assert arrays.keys() == inputs.keys()
            for name, array in arrays.items():
                assert array.dtype == inputs[name].dtype
                assert inputs[name].fits(array.shape)


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=20))
def test_any_body_is_an_object_or_is_refused(text):
    try:
        rest.parse_body(text.encode("utf-8", "surrogatepass"), max_values=100)
    except RequestError as error:
        assert error.status == 400
