"""The files of RocksDB in which the keyed state of one part is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bspump.abc.errors import ConfigError
from bspump.abc.extras import require

from .durable import make_directory
from .plain import decode, encode

_NUMBER = b"\xc1"
"""The key of the number of what was written last; no plain data begins with this byte."""

_GONE = encode(None, of="")
_BUFFER_BYTES, _CACHE_BYTES, _OPEN_FILES = 16 * 1024 * 1024, 32 * 1024 * 1024, 256
_BLOOM_BITS = 10
_LOG_FILES, _LOG_BYTES = 2, 1024 * 1024


class RocksdbFiles:
    """A directory of RocksDB, without a log: what is not flushed is lost in a crash.

    All calls may be made from any thread. One process at a time can write.

    Attributes:
        is_open: it is; before that it is empty.
    """

    def __init__(self) -> None:
        self._db: Any = None

    @property
    def is_open(self) -> bool:
        """Whether the directory was opened."""
        return self._db is not None

    def open(self, path: Path, *, is_read_only: bool = False) -> int:
        """Open a directory, and make it if it is not there; return the number in it.

        Raises:
            ConfigError: it cannot be used; it says why.
        """
        rocksdict = require("rocksdict", extra="rocksdb")
        try:
            if is_read_only:
                access = rocksdict.AccessType.read_only()
                self._db = rocksdict.Rdict(str(path), _options(rocksdict), access_type=access)
            else:
                make_directory(path.parent)
                self._db = rocksdict.Rdict(str(path), _options(rocksdict))
                path.chmod(0o700)
        except Exception as error:
            raise ConfigError(
                f"{path}: keyed state cannot be opened [{ConfigError.Code}]\n"
                f"  got: {error}\n"
                "  what to do: end the other program that uses it; or restore all of `var_dir`"
                " from a backup"
            ) from error
        if not is_read_only:
            unlogged = rocksdict.WriteOptions()
            unlogged.disable_wal = True
            self._db.set_write_options(unlogged)
        number = self._db.get(_NUMBER)
        return 0 if number is None else int(decode(number))

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key."""
        return None if self._db is None else self._db.get(key)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Iterate over all keys and values."""
        if self._db is not None:
            yield from (item for item in self._db.items() if item[0] != _NUMBER)

    def write(self, number: int, keys: Sequence[bytes], values: Sequence[bytes]) -> None:
        """Write changes; where a value is empty, or says `None`, the key is removed."""
        batch = require("rocksdict", extra="rocksdb").WriteBatch(raw_mode=True)
        for key, value in zip(keys, values, strict=True):
            if not value or value == _GONE:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(_NUMBER, encode(number, of="number"))
        self._db.write(batch)

    def flush(self) -> None:
        """Put on disk what was written; when it returns, it survives a failure of power."""
        self._db.flush(True)

    def close(self) -> None:
        """Release the directory. Twice is fine."""
        db, self._db = self._db, None
        if db is not None:
            db.close()


def _options(rocksdict: Any) -> Any:
    options = rocksdict.Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(_BUFFER_BYTES)
    options.set_max_write_buffer_number(2)
    options.set_max_open_files(_OPEN_FILES)
    options.set_keep_log_file_num(_LOG_FILES)
    options.set_max_log_file_size(_LOG_BYTES)
    blocks = rocksdict.BlockBasedOptions()
    blocks.set_block_cache(rocksdict.Cache(_CACHE_BYTES))
    blocks.set_bloom_filter(_BLOOM_BITS, False)
    # Counted with the cache, so that memory does not grow with what is stored.
    blocks.set_cache_index_and_filter_blocks(True)
    options.set_block_based_table_factory(blocks)
    return options
