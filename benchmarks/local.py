"""The local engine against what people use: processor time and prompt tokens, as ratios in the same run.

    python benchmarks/local.py                          # engine and sequential Llama, 1 to 16 sequences
    python benchmarks/local.py --workers 8              # and the engine in its own process, as promptops runs it
    python benchmarks/local.py --waiting --rounds 1     # and whether its threads should sleep or spin
    python benchmarks/local.py --langchain              # and LangChain's ChatLlamaCpp, one call after another
    python benchmarks/local.py --server PATH            # and llama-server (benchmarks/build_llama_server.py)

Random weights of a llama architecture (135 M parameters at 30 layers, Q4_0), greedy, fixed lengths. Threads wait
without spinning (OMP_WAIT_POLICY), so that processor time is work done, whatever else the machine does. Where a
processor announces AMX and faults on it, ``--no-repack`` loads the weights as they are, for every peer alike.
ChatLlamaCpp.batch at its default concurrency ends the process (one model from several threads), so it is not run.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before the library is loaded
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import llama_cpp
import llama_cpp.llama_cpp as low

from promptops.local.engine import Engine, Failed, Request
from promptops.local.settings import EngineSettings
from promptops.local.worker import Asked, Worker
from promptops.local.worker.loading import ENGINE, settings_frame
from promptops.testing.tiny_gguf import SMALL, tiny_gguf

PROMPTS = {"short": (150, 60), "long": (150, 600), "prefix": (1000, 60)}
"""Tokens that all prompts share, and those of each document."""
WORDS = ["river", "rain", "system", "market", "summary", "engine", "village", "harbour", "letter", "winter", "bridge"]
PORT = 18291


@dataclass(frozen=True)
class Load:
    prefix: int
    document: int
    output: int
    calls: int
    prompts: tuple[tuple[int, ...], ...]

    @property
    def context(self) -> int:
        return -(-(self.prefix + self.document + self.output + 1) // 256) * 256


def _load(model: str, prefix: int, document: int, output: int, calls: int) -> Load:
    """Prompts of words, so that ChatLlamaCpp, which takes texts, reads as many tokens as the others."""
    speller = llama_cpp.Llama(model, vocab_only=True, verbose=False)
    chance = random.Random(1)

    def tokens(count: int) -> list[int]:
        words = " ".join(chance.choice(WORDS) for _ in range(2 * count))
        return speller.tokenize((" " + words).encode(), add_bos=False)[:count]

    shared = tokens(prefix)
    prompts = tuple(tuple(shared + tokens(document)) for _ in range(calls))
    speller.close()
    return Load(prefix, document, output, calls, prompts)


def main() -> None:
    options = _options()
    if options.no_repack:
        _without_repacking()
    with tempfile.TemporaryDirectory() as folder:
        model = str(
            tiny_gguf(
                Path(folder) / "m.gguf", shape=replace(SMALL, layers=options.layers), weights="Q4_0", context=4096
            )
        )
        if options.waiting:
            _waiting(options, model)
            return
        for name in options.loads.split(","):
            for output in map(int, options.outputs.split(",")):
                prefix, document = PROMPTS[name]
                _compare(options, model, _load(model, prefix, document, output, options.calls))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loads", default="long,short,prefix")
    parser.add_argument("--outputs", default="64")
    parser.add_argument("--sequences", default="1,2,4,8,16")
    parser.add_argument("--workers", default="", help="sequences at which the engine's own process is measured too")
    parser.add_argument("--waiting", action="store_true", help="only how the worker's threads wait for each other")
    parser.add_argument("--calls", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layers", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--micro-batch", type=int, default=128)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--no-repack", action="store_true")
    parser.add_argument("--langchain", action="store_true")
    parser.add_argument("--server")
    return parser.parse_args()


def _compare(options: argparse.Namespace, model: str, load: Load) -> None:
    runs: dict[str, Callable[[], float]] = {"Llama": lambda: _llama(options, model, load)}
    evaluated: dict[str, float] = {}
    for number in map(int, options.sequences.split(",")):
        runs[f"engine, {number}"] = lambda number=number: _engine(options, model, load, number, evaluated)
    for number in map(int, filter(None, options.workers.split(","))):
        runs[f"in its process, {number}"] = lambda number=number: _worker(options, model, load, number)
    if options.langchain:
        runs["ChatLlamaCpp"] = lambda: _langchain(options, model, load)
    if options.server:
        runs["llama-server -np 8"] = lambda: _server(options, model, load)
        runs["llama-server tuned"] = lambda: _server(options, model, load, "-fa", "off", "-ub", "64")
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(options.rounds):
        for name, run in runs.items():
            times[name].append(run() / (times["Llama"][-1] if name != "Llama" else 1))
    print(
        f"\nprefix {load.prefix}, document {load.document}, output {load.output}, {load.calls} calls, "
        f"{options.layers} layers, {options.threads} threads"
    )
    for name in runs:
        ratio = 1.0 if name == "Llama" else statistics.median(times[name])
        share = f", {evaluated[name]:.3f} of the prompt tokens" if name in evaluated else ""
        print(f"  {name:22} {ratio:.2f} ({', '.join(f'{value:.2f}' for value in times[name])}){share}", flush=True)


def _waiting(options: argparse.Namespace, model: str) -> None:
    """The worker with threads that sleep and threads that spin, on a processor of its own and beside a busy process.

    libgomp spins 300,000 times by default; its own variable wins over the policy that the worker sets.
    """
    load = _load(model, 150, 60, 16, 8)
    for busy in (0, 1, 2):
        hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
        try:
            for _ in range(options.rounds):
                found = {spins: _timed(options, model, load, spins) for spins in ("0", "300000")}
                (wall, cpu), (base_wall, base_cpu) = found["300000"], found["0"]
                print(
                    f"  {busy} others: spinning ÷ sleeping {wall / base_wall:.2f} time, {cpu / base_cpu:.2f} processor"
                )
        finally:
            for hog in hogs:
                hog.kill()


def _timed(options: argparse.Namespace, model: str, load: Load, spins: str) -> tuple[float, float]:
    os.environ["GOMP_SPINCOUNT"] = spins
    begin = time.monotonic()
    spent = _worker(options, model, load, 8)
    return time.monotonic() - begin, spent


def _llama(options: argparse.Namespace, model: str, load: Load) -> float:
    llama = llama_cpp.Llama(
        model, n_ctx=load.context, n_threads=options.threads, n_threads_batch=options.threads, verbose=False
    )
    begin = time.process_time()
    for prompt in load.prompts:
        answer = llama.create_completion(list(prompt), max_tokens=load.output, temperature=0)
        _same(answer["usage"]["completion_tokens"], load.output)
    spent = time.process_time() - begin
    llama.close()
    return spent


def _settings(options: argparse.Namespace, model: str, load: Load, sequences: int) -> EngineSettings:
    return EngineSettings(
        model,
        context=load.context,
        sequences=sequences,
        threads=options.threads,
        batch=options.batch,
        micro_batch=options.micro_batch,
        repack=not options.no_repack,
    )


def _worker(options: argparse.Namespace, model: str, load: Load, sequences: int) -> float:
    """Both processes' time: frames out and back, pieces not asked for."""
    settings = settings_frame(_settings(options, model, load, sequences))
    worker = Worker({"kind": "load", "engine": ENGINE, "settings": settings}, "worker", silence=900)
    try:
        _answers(worker, [(5, 6, 7)], 1)  # which loads the model
        begin, theirs = time.process_time(), _spent(worker.pid or 0)
        for answer in _answers(worker, load.prompts, load.output):
            _same(answer["output"], load.output)
        return time.process_time() - begin + _spent(worker.pid or 0) - theirs
    finally:
        worker.close(even_busy=True)


def _answers(worker: Worker, prompts: Sequence[tuple[int, ...]], output: int) -> list[dict[str, Any]]:
    frame = {"kind": "ask", "most": output, "sampling": {"stop": []}, "schema": None, "expected": None}
    frame |= {"shift": False, "stream": False}
    asked = [Asked({**frame, "pieces": list(prompt)}, number) for number, prompt in enumerate(prompts)]
    for one in asked:
        worker.ask(one)
    return [one.answer.result(900) for one in asked]


def _engine(options: argparse.Namespace, model: str, load: Load, sequences: int, evaluated: dict[str, float]) -> float:
    engine = Engine(_settings(options, model, load, sequences))
    prompts = load.prompts
    begin = time.process_time()
    for number, prompt in enumerate(prompts):
        engine.submit(Request(number, tuple(prompt), load.output))
    while engine.busy:
        for event in engine.step():
            _same(0 if isinstance(event, Failed) else event.output_tokens, load.output)
    spent = time.process_time() - begin
    evaluated[f"engine, {sequences}"] = engine.evaluated / sum(map(len, prompts))
    engine.close()
    return spent


def _langchain(options: argparse.Namespace, model: str, load: Load) -> float:
    from langchain_community.chat_models import ChatLlamaCpp

    speller = llama_cpp.Llama(model, vocab_only=True, verbose=False)
    texts = [speller.detokenize(prompt).decode("utf-8", "replace") for prompt in load.prompts]
    chat = ChatLlamaCpp(
        model_path=model,
        n_ctx=4 * load.context,
        n_threads=options.threads,
        max_tokens=load.output,
        temperature=0,
        verbose=False,
        model_kwargs={"n_threads_batch": options.threads},
    )
    begin = time.process_time()
    read = 0
    for text in texts:
        chat.invoke(text)
        read += chat.client.n_tokens
    spent = time.process_time() - begin
    wanted = sum(map(len, load.prompts)) + load.calls * load.output
    print(f"  (ChatLlamaCpp: {read / wanted:.3f} of the tokens the others read and wrote)")
    return spent


def _server(options: argparse.Namespace, model: str, load: Load, *more: str) -> float:
    threads = str(options.threads)
    command = [options.server, "-m", model, "-np", "8", "-c", str(8 * load.context), "-t", threads, "-tb", threads]
    command += ["--port", str(PORT), *(["--no-repack"] if options.no_repack else []), *more]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _until_ready()
            begin = _spent(server.pid)
            with ThreadPoolExecutor(load.calls) as pool:
                list(pool.map(lambda prompt: _complete(prompt, load.output), load.prompts))
            return _spent(server.pid) - begin
        finally:
            server.kill()


def _complete(prompt: tuple[int, ...], output: int) -> None:
    body = {"prompt": list(prompt), "n_predict": output, "temperature": 0, "cache_prompt": True, "ignore_eos": True}
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}/completion", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=900) as reply:
        _same(json.load(reply)["tokens_predicted"], output)


def _until_ready() -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("llama-server did not start")


def _spent(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _same(found: int, wanted: int) -> None:
    if found != wanted:
        raise SystemExit(f"an answer has {found} tokens instead of {wanted}: times would not compare")


def _without_repacking() -> None:
    """The high-level object has no setting for it: change the defaults that it starts from."""
    defaults = low.llama_model_default_params

    def plain() -> low.llama_model_params:
        parameters = defaults()
        parameters.use_extra_bufts = False
        return parameters

    llama_cpp.llama_model_default_params = low.llama_model_default_params = plain


if __name__ == "__main__":
    main()
