"""A SavedModel is loaded if all that can run in it is on the list, and what can read files reads its own alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sftkeras import runtime

runtime.start_tensorflow()

import pytest  # noqa: E402
import tensorflow as tf  # noqa: E402
import tensorflow_text  # noqa: E402, F401
from tensorflow.core.framework.op_def_pb2 import OpList  # noqa: E402
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel  # noqa: E402
from tensorflow.python.client import pywrap_tf_session  # noqa: E402

from sftkeras import exporting  # noqa: E402
from sftkeras.graphs.trusted import (  # noqa: E402
    UntrustedGraphError,
    check_functions,
    check_served,
    check_signatures,
    trusted_operations,
)

TEXTS = tf.TensorSpec([None], tf.string)
CHECKS = {"signatures": check_signatures, "functions": check_functions}
Function = Callable[[tf.Tensor], tf.Tensor]


@pytest.fixture(params=CHECKS)
def check(request: pytest.FixtureRequest) -> Callable[[Any], None]:
    return CHECKS[request.param]


def saved(folder: Path, module: tf.Module, function: Function) -> Any:
    """Writes a module that offers one function, both as a signature and to be called; gives its graph."""
    module.__call__ = tf.function(lambda text: {"out": function(text)}, input_signature=[TEXTS], autograph=False)
    tf.saved_model.save(module, str(folder), signatures=module.__call__)
    return graph_of(folder)


def graph_of(folder: Path) -> Any:
    (meta_graph,) = SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs
    return meta_graph


def read(text: tf.Tensor) -> tf.Tensor:
    return tf.io.read_file(text[0])


def within_a_call(text: tf.Tensor) -> tf.Tensor:
    return tf.function(read, autograph=False)(text)


def within_a_branch(text: tf.Tensor) -> tf.Tensor:
    return tf.cond(tf.size(text) > 1, lambda: read(text), lambda: text[0])


def within_a_loop(text: tf.Tensor) -> tf.Tensor:
    return tf.map_fn(tf.io.read_file, text)


def within_a_gradient(text: tf.Tensor) -> tf.Tensor:
    @tf.custom_gradient
    def identity(number: tf.Tensor) -> Any:
        return tf.identity(number), lambda upstream: upstream + tf.strings.to_number(read(text))

    return identity(tf.ones([]))


@pytest.mark.parametrize("function", [read, within_a_call, within_a_branch, within_a_loop])
def test_what_reads_files_is_found_wherever_it_stands(
    function: Function, check: Callable[[Any], None], tmp_path: Path
) -> None:
    graph = saved(tmp_path / "model", tf.Module(), function)
    with pytest.raises(UntrustedGraphError, match=r"its function \S+ runs the operation ReadFile"):
        check(graph)


def test_what_reads_files_is_found_in_a_gradient(check: Callable[[Any], None], tmp_path: Path) -> None:
    graph = saved(tmp_path / "model", tf.Module(), within_a_gradient)
    with pytest.raises(UntrustedGraphError, match="runs the operation ReadFile"):
        check(graph)


OTHERS: dict[str, Function] = {
    "EagerPyFunc": lambda text: tf.py_function(lambda value: value, [text], tf.string),
    "MatchingFiles": lambda text: tf.io.matching_files(text),
    "WriteFile": lambda text: with_control(tf.raw_ops.WriteFile(filename=text[0], contents=text[0]), text),
    "PrintV2": lambda text: with_control(tf.print(text, output_stream="file:///tmp/x"), text),
    "ImmutableConst": lambda text: tf.raw_ops.ImmutableConst(
        dtype=tf.uint8, shape=[9], memory_region_name="/etc/passwd"
    ),
    "RestoreV2": lambda text: tf.raw_ops.RestoreV2(
        prefix="/elsewhere", tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.string]
    )[0],
}


def with_control(operation: Any, text: tf.Tensor) -> tf.Tensor:
    with tf.control_dependencies([operation]):
        return tf.identity(text)


@pytest.mark.parametrize("operation", OTHERS)
def test_what_reaches_outside_is_refused(operation: str, check: Callable[[Any], None], tmp_path: Path) -> None:
    graph = saved(tmp_path / "model", tf.Module(), OTHERS[operation])
    with pytest.raises(UntrustedGraphError, match=operation):
        check(graph)


def test_what_nothing_calls_does_no_harm(tmp_path: Path) -> None:
    module = tf.Module()
    module.unused = tf.function(read, input_signature=[TEXTS], autograph=False)
    graph = saved(tmp_path / "model", module, tf.strings.upper)
    check_signatures(graph)
    with pytest.raises(UntrustedGraphError, match="ReadFile"):  # whoever loads the objects may call it
        check_functions(graph)


def test_only_the_graph_that_a_server_loads_is_looked_at(tmp_path: Path) -> None:
    saved(tmp_path / "model", tf.Module(), read)
    with pytest.raises(UntrustedGraphError, match="ReadFile"):
        check_served(tmp_path / "model")
    path = tmp_path / "model" / "saved_model.pb"
    model = SavedModel.FromString(path.read_bytes())
    model.meta_graphs[0].meta_info_def.tags[:] = ["train"]
    path.write_bytes(model.SerializeToString())
    check_served(tmp_path / "model")


def table_of(filename: Any) -> tf.lookup.StaticVocabularyTable:
    initializer = tf.lookup.TextFileInitializer(
        filename, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
    )
    return tf.lookup.StaticVocabularyTable(initializer, 1)


@pytest.fixture
def vocabulary(tmp_path: Path) -> Path:
    (tmp_path / "vocab.txt").write_text("good\nbad\n")
    return tmp_path / "vocab.txt"


def with_table(folder: Path, vocabulary: Path) -> Any:
    module = tf.Module()
    module.table = table_of(str(vocabulary))
    return saved(folder, module, module.table.lookup)


def test_a_table_is_filled_from_an_asset(check: Callable[[Any], None], vocabulary: Path, tmp_path: Path) -> None:
    check(with_table(tmp_path / "model", vocabulary))


def test_a_table_is_not_filled_from_any_other_file(
    check: Callable[[Any], None], vocabulary: Path, tmp_path: Path
) -> None:
    graph = with_table(tmp_path / "model", vocabulary)
    for function in graph.graph_def.library.function:
        for node in function.node_def:
            if node.op == "InitializeTableFromTextFileV2":
                path = function.node_def.add(name="elsewhere", op="Const")
                path.attr["dtype"].type = tf.string.as_datatype_enum
                path.attr["value"].tensor.CopyFrom(tf.make_tensor_proto("/etc/passwd"))
                node.input[1] = "elsewhere:output:0"
    with pytest.raises(UntrustedGraphError, match=r"not the model's own, by InitializeTableFromTextFileV2"):
        check(graph)


@pytest.mark.parametrize("filename", ["/etc/passwd", "../../secret.txt", "..\\secret.txt"])
def test_an_asset_is_within_the_folder(
    filename: str, check: Callable[[Any], None], vocabulary: Path, tmp_path: Path
) -> None:
    graph = with_table(tmp_path / "model", vocabulary)
    graph.asset_file_def[0].filename = filename
    with pytest.raises(UntrustedGraphError, match="outside of its folder"):
        check(graph)


def test_a_graph_of_v1_may_be_restored_and_filled_but_not_read_elsewhere(vocabulary: Path, tmp_path: Path) -> None:
    v1 = tf.compat.v1
    with v1.Session(graph=tf.Graph()) as session:
        text = v1.placeholder(tf.string, [None])
        weight = v1.get_variable("weight", initializer=1.0, use_resource=False)
        asset = tf.constant(str(vocabulary))
        v1.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, asset)
        table = v1.lookup.StaticHashTable(
            v1.lookup.TextFileInitializer(
                asset, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
            ),
            -1,
        )
        out = tf.cast(table.lookup(text), tf.float32) + weight
        describe = v1.saved_model.build_tensor_info
        signature = v1.saved_model.build_signature_def(
            {"text": describe(text)}, {"out": describe(out)}, tf.saved_model.PREDICT_METHOD_NAME
        )
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        builder = v1.saved_model.Builder(str(tmp_path / "model"))
        builder.add_meta_graph_and_variables(
            session,
            [tf.saved_model.SERVING],
            signature_def_map={"serving_default": signature},
            main_op=v1.tables_initializer(),
            assets_collection=v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS),
        )
        builder.save()
    graph = graph_of(tmp_path / "model")
    check_signatures(graph)
    # What is fed while it is loaded is a constant afterwards, which may say anything.
    (initial,) = (node.name for node in graph.graph_def.node if node.op.startswith("InitializeTable"))
    next(node for node in graph.graph_def.node if node.name == out.op.name).input.append(f"^{initial}")
    with pytest.raises(UntrustedGraphError, match="its main graph reads a file that is not the model's own"):
        check_signatures(graph)


def test_the_list_knows_what_exports_and_texts_need_and_nothing_that_does_not_exist() -> None:
    buffer = pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList())
    existing = {operation.name for operation in OpList.FromString(buffer).op}
    assert trusted_operations() <= existing
    servers = json.loads((Path(exporting.__file__).parent / "server_operations.json").read_text())
    assert set(servers["text_operations"]) <= trusted_operations()


OUTSIDE = """
    ReadFile WriteFile MatchingFiles PyFunc PyFuncStateless EagerPyFunc Print PrintV2 SaveV2 MergeV2Checkpoints
    TextLineDataset TFRecordReaderV2 LMDBReader GenerateVocabRemapping LoadAndRemapMatrix ImmutableConst RecordInput
    DecodeProtoV2 EncodeProto FixedUnigramCandidateSampler Skipgram DebugIdentityV3 DumpTensor Abort RemoteCall RpcCall
    RpcClient CollectiveReduceV2 CreateSummaryFileWriter WriteSummary FileSystemSetConfiguration XlaCustomCallV2
    XlaCallModule SleepOp
"""


def test_nothing_on_the_list_reaches_outside() -> None:
    assert not trusted_operations() & set(OUTSIDE.split())
