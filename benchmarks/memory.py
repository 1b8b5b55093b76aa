"""Memory that `promptops.local.memory` predicts ÷ the resident memory of a process that loads the model and decodes.

    python benchmarks/memory.py

A model of random weights of about 135 million parameters in three quantizations. Each row is a process of its own: it
loads, fills the sequences, decodes a few single tokens for each, and says how much more it holds than
after the library was imported. A ratio of 1.00 is exact; under .90 or over 1.10 the row is marked.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from promptops.local.machine import this
from promptops.local.memory import predict, said
from promptops.local.model import model
from promptops.local.settings import EngineSettings
from promptops.testing.tiny_gguf import SMALL, Weights, tiny_gguf

KINDS = {"f32": 0, "f16": 1, "q4_0": 2, "q8_0": 8}
LEFT = 8
"""Cells of each sequence that single tokens are decoded into at the end."""


def cases(repack: bool) -> list[tuple[Weights, EngineSettings]]:
    plain = EngineSettings("", context=1024, sequences=1, repack=repack)
    small = replace(plain, key_type="q8_0", value_type="q8_0", flash_attention=True)
    return [
        ("Q4_0", plain),
        ("Q4_0", replace(plain, repack=False, context=512)),
        ("Q4_0", replace(plain, mmap=False, context=512)),
        ("Q4_0", replace(plain, context=256, sequences=8)),
        ("Q4_0", replace(plain, flash_attention=True, sequences=16)),
        ("Q8_0", replace(plain, context=256, sequences=2)),
        ("Q8_0", replace(plain, context=256, sequences=4, micro_batch=512)),
        ("Q8_0", replace(small, context=2048, sequences=4)),
        ("Q8_0", replace(plain, context=256, sequences=4, key_type="q8_0", mmap=False)),
        ("F16", replace(small, key_type="q4_0", value_type="q4_0", context=8192)),
        ("F16", replace(plain, flash_attention=True, sequences=8)),
        ("F16", replace(plain, mmap=False, context=256)),
    ]


def resident() -> int:
    """Bytes that this process holds."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


def load(settings: EngineSettings) -> Any:
    import llama_cpp as library

    given = library.llama_model_default_params()
    given.load_mode, given.use_extra_bufts, given.n_gpu_layers = int(settings.mmap), settings.repack, 0
    loaded = library.llama_model_load_from_file(settings.path.encode(), given)
    wanted = library.llama_context_default_params()
    wanted.n_ctx, wanted.n_seq_max = settings.context * settings.sequences, settings.sequences
    wanted.n_batch, wanted.n_ubatch, wanted.n_outputs_max = settings.batch, settings.micro_batch, settings.sequences
    wanted.type_k, wanted.type_v = KINDS[settings.key_type], KINDS[settings.value_type]
    wanted.flash_attn_type, wanted.kv_unified = int(settings.flash_attention), False
    wanted.n_threads = wanted.n_threads_batch = settings.threads
    return library.llama_init_from_model(loaded, wanted)


def decode(context: Any, settings: EngineSettings) -> None:
    """Fill all sequences but for a few cells, then go on with one token of each at a time.

    With flash attention one batch is enough: no buffer grows with what is filled.
    """
    import llama_cpp as library

    batch = library.llama_batch_init(settings.batch, 0, 1)
    at, most = 0, settings.batch // settings.sequences
    end = most + LEFT if settings.flash_attention else settings.context
    while at < end:
        step = 1 if at >= end - LEFT else min(most, end - LEFT - at)
        batch.n_tokens = step * settings.sequences
        for row in range(batch.n_tokens):
            sequence, place = divmod(row, step)
            batch.token[row], batch.pos[row] = (7 * place + sequence) % 500, at + place
            batch.n_seq_id[row], batch.seq_id[row][0], batch.logits[row] = 1, sequence, place == step - 1
        if status := library.llama_decode(context, batch):
            raise SystemExit(f"decoding failed with {status}")
        at += step


def child(settings: EngineSettings) -> None:
    """Load, decode, and print the bytes that it took."""
    import llama_cpp as library

    quiet = library.llama_log_callback(lambda *_: None)
    library.llama_log_set(quiet, None)
    library.llama_backend_init()
    before = resident()
    decode(load(settings), settings)
    print(resident() - before)


def measured(settings: EngineSettings) -> int:
    given = {**asdict(settings), "prefix_folder": None, "loras": []}
    done = subprocess.run(
        [sys.executable, __file__, "--child", json.dumps(given)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{said(settings)}: the process ended with {done.returncode}: {done.stderr[-400:]}")
    return int(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args().child
    if asked:
        child(EngineSettings(**json.loads(asked)))
        return
    machine = this()
    with tempfile.TemporaryDirectory() as folder:
        print(f"{'':74}{'MiB':>8}{'predicted':>11}{'ratio':>7}")
        for weights, settings in cases(repack=not machine.faulty):
            path = Path(folder, f"{weights}.gguf")
            if not path.exists():
                tiny_gguf(path, shape=SMALL, weights=weights, context=8192)
            case = replace(settings, path=str(path))
            wanted, took = predict(model(path), case, machine).total, measured(case)
            ratio = wanted / took
            words = f"{weights}, {said(case)}{'' if case.mmap else ', read'}{'' if case.repack else ', as is'}"
            mark = "" if 0.9 <= ratio <= 1.1 else "  *"
            print(f"{words:74}{took / 2**20:8.0f}{wanted / 2**20:11.0f}{ratio:7.2f}{mark}", flush=True)


if __name__ == "__main__":
    main()
