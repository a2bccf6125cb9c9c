"""Reading files of tensors: three formats give the same, and whatever is wrong with a file is one sentence."""

import io
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file

from reference.audit import files
from reference.audit.files import read_tensors
from reference.objectives import InputError

GOOD = {"tokens": torch.tensor([[2, 3, 1], [2, 1, 0]]), "mask": torch.tensor([[0.0, 1.0, 1.0], [0.0, 1.0, 0.0]])}


def refused(path) -> str:
    with pytest.raises(InputError) as error:
        read_tensors(str(path))
    words = str(error.value)
    assert "\n" not in words and len(words) < 400
    return words


def test_three_formats_hold_the_same(tmp_path):
    save_file(GOOD, tmp_path / "a.safetensors")
    torch.save(GOOD, tmp_path / "a.pt")
    np.savez(tmp_path / "a.npz", **{name: value.numpy() for name, value in GOOD.items()})
    for file in tmp_path.iterdir():
        found = read_tensors(str(file))
        assert found.keys() == GOOD.keys()
        assert all(found[name].equal(value) for name, value in GOOD.items()), file


def test_what_a_file_is_does_not_go_by_its_name(tmp_path):
    torch.save(GOOD, tmp_path / "a.npz")
    assert read_tensors(str(tmp_path / "a.npz"))["tokens"].equal(GOOD["tokens"])


def test_nested_dictionaries_are_joined_by_dots_and_numbers_are_kept(tmp_path):
    torch.save(
        {"batch": {"tokens": GOOD["tokens"], 3: torch.ones(1)}, "num_tokens": 5, "who": "me", "list": [1]},
        tmp_path / "a",
    )
    assert read_tensors(str(tmp_path / "a")).keys() == {"batch.tokens", "batch.3", "num_tokens"}


def test_numpy_s_dtypes_become_torch_s(tmp_path):
    np.savez(tmp_path / "a.npz", tokens=np.array([[1, 2]], dtype=">u2"), mask=np.array([[0, 1]], dtype=np.float16),
             words=np.array(["a"]))  # fmt: skip
    found = read_tensors(str(tmp_path / "a.npz"))
    assert found["tokens"].tolist() == [[1, 2]] and found["tokens"].dtype == torch.int64
    assert found["mask"].dtype == torch.float32 and "words" not in found


def test_paths_that_are_no_files(tmp_path):
    assert "there is no file" in refused(tmp_path / "none.pt")
    assert "is a folder" in refused(tmp_path)
    assert "is empty" in refused(written(tmp_path, b""))
    assert "name one" in refused("-")
    assert "no plain file" in refused("/dev/null")


def written(folder, data: bytes):
    path = folder / "file"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"hello, this is text", "is neither safetensors"),
        (b'{"tokens": [[1, 2]]}', "JSON"),
        (b"PAR1" + b"\0" * 20, "Parquet"),
        (b"\x1f\x8b" + b"\0" * 20, "gzip"),
        (b"\x93NUMPY" + b"\0" * 20, "one array of numpy"),
        (b"PK\3\4" + b"\0" * 50, "truncated or damaged"),
        (struct.pack("<Q", 10**9) + b'{"a":1}' + b" " * 20, "truncated"),
        (struct.pack("<Q", 12) + b'{"a":1}     ' + b" " * 20, "truncated or damaged"),
        (b"\x80\x02" + b"garbage", "truncated or damaged, as a file of torch (Unsupported operand 103)"),
    ],
)
def test_bytes_that_are_no_tensors(tmp_path, data, says):
    assert says in refused(written(tmp_path, data))


@pytest.mark.parametrize("kind", ["pt", "npz", "safetensors"])
@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
def test_a_file_that_ends_too_early(tmp_path, kind, share):
    buffer = io.BytesIO()
    if kind == "pt":
        torch.save(GOOD, buffer)
    elif kind == "npz":
        np.savez(buffer, **{name: value.numpy() for name, value in GOOD.items()})
    data = save(GOOD) if kind == "safetensors" else buffer.getvalue()
    assert "truncated" in refused(written(tmp_path, data[: int(share * len(data))]))


class Evil:
    def __reduce__(self):
        return (print, ("this must not be printed",))


def test_a_pickle_with_other_objects_is_not_opened(tmp_path, capsys):
    torch.save({"tokens": Evil()}, tmp_path / "a.pt")
    assert "not opened, since it can run code" in refused(tmp_path / "a.pt")
    assert "not opened" in refused(written(tmp_path, pickle.dumps({"tokens": Evil()}, protocol=2)))
    np.savez(tmp_path / "b.npz", tokens=np.array([Evil()], dtype=object))
    assert "an array of Python objects" in refused(tmp_path / "b.npz")
    assert capsys.readouterr().out == ""


def test_files_without_a_tensor(tmp_path):
    torch.save({"a": 1}, tmp_path / "a.pt")
    torch.save(torch.ones(2), tmp_path / "b.pt")
    torch.save([torch.ones(2)], tmp_path / "c.pt")
    np.savez(tmp_path / "d.npz", words=np.array(["a"]))
    save_file({}, tmp_path / "e.safetensors")
    for file in tmp_path.iterdir():
        assert "no tensor with a name" in refused(file), file
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as archive:
        archive.writestr("a.txt", "text")
    assert "without arrays" in refused(tmp_path / "f.zip")


def test_dictionaries_that_never_end(tmp_path):
    inner: dict = {}
    inner["again"] = inner
    torch.save({"tokens": GOOD["tokens"], "more": inner}, tmp_path / "a.pt")
    assert "more than 8 deep" in refused(tmp_path / "a.pt")


def test_sizes_that_a_file_only_claims_to_have(tmp_path, monkeypatch):
    torch.save({"tokens": torch.zeros(1, dtype=torch.long).expand(10**6, 10**6)}, tmp_path / "a.pt")
    assert "1073741824 numbers, most of them in tokens" in refused(tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "b.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tokens.npy", b"\0" * 10**6)
    assert (tmp_path / "b.npz").stat().st_size < 10**4
    monkeypatch.setattr(files, "LARGEST", 10**5)
    assert "unpacks to more" in refused(tmp_path / "b.npz")
    (tmp_path / "c").write_bytes(b"PK" * 10**5)
    assert "has more than 4 GiB" in refused(tmp_path / "c")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pt", "npz", "safetensors"])
def test_bytes_that_are_changed_give_tensors_or_a_sentence(tmp_path, kind):
    """A few hundred files with one to four bytes changed: none gives a traceback, and none is read for long."""
    import random

    buffer, rng = io.BytesIO(), random.Random(0)
    torch.save(GOOD, buffer) if kind == "pt" else np.savez(buffer, **{n: v.numpy() for n, v in GOOD.items()})
    data = save(GOOD) if kind == "safetensors" else buffer.getvalue()
    for _ in range(300):
        changed = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        try:
            read_tensors(str(written(tmp_path, bytes(changed))))
        except InputError as error:
            assert "\n" not in str(error)
