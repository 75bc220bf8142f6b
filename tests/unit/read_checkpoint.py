"""Reads the checkpoint that test_checkpoint.c wrote with the safetensors package, as a user would.

Exit code 77: the package is not installed. Any other failure is a file that Python cannot read.
"""

import sys

try:
    import numpy
    from safetensors import safe_open
    from safetensors.numpy import load_file
except ImportError as error:
    print(error, file=sys.stderr)
    sys.exit(77)

path = sys.argv[1]
with safe_open(path, framework="numpy") as file:
    metadata = file.metadata()
tensors = load_file(path)

assert metadata["format"] == "braid-checkpoint-1", metadata
assert metadata["model"] == "limarec" and metadata["d"] == "8", metadata
assert metadata["generation"] == "1" and metadata["seed"] == "7", metadata

ids = tensors["dictionary.item_ids"].tobytes()
offsets = tensors["dictionary.item_offsets"]
items = [ids[begin:end].decode() for begin, end in zip(offsets, offsets[1:])]
assert items == ["alien", "", "br\u00e9zil"], items
assert tensors["dictionary.item_categories"].tolist() == [1, 0, 3]  # 3: the first list of several

embedding = tensors["item.embedding"]
assert embedding.shape == (1 + 2 + 3, 8) and embedding.dtype == numpy.float32
assert not embedding[0].any() and numpy.abs(embedding[1:]).min() > 0
assert (tensors["final_norm.weight"] == 1).all()
