#!/usr/bin/env python3
"""bench.py OUT MODEL.gguf...: what bench.sh does; its settings come from the environment.

A round is each model with each number of threads by each program, which begins in turn. What one sample is:

    ppN   llama-bench: N random tokens in an empty context, after a pass of the same size that does not count. joulebench complete: time to the first token of a fresh process behind a
          prompt of N tokens: memory that is touched for the first time, and the choice of that token, are in ours.
    tgN   llama-bench: N steps from an empty context, no token is chosen. joulebench complete: N steps behind a prompt of three tokens and the first answer, each token chosen and written.
    start wall time of a process that loads the model, reads three tokens, answers with one, and ends (llama-cli --no-warmup); the file is in the page cache.
    peak  the largest resident set (wait4) of a process with a context of 512 that reads the shortest prompt above and answers with N tokens. Mapped pages of the file count.

Ratios are paired: ours over the peer's of the same round. The interval holds the median of the ratios with at least 95 %, whatever their distribution (order statistics); with fewer than
six rounds there is none. Shares of the roofline: bytes (decode) or operations (prefill) that the model needs at least, by joulebench's own account, over the most that
tests/llm/tools/roofline measured in the same rounds on the same CPUs (100 MB read over and over; VNNI from registers); both programs are divided by the same."""
import collections
import gzip
import json
import math
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

ENV = os.environ
ROUNDS, THREADS = int(ENV.get("ROUNDS", "7")), [int(t) for t in ENV.get("THREADS", "1 2").split()]
PROMPTS, GENERATE = [int(n) for n in ENV.get("PROMPTS", "128 512").split()], int(ENV.get("GENERATE", "64"))
PEER_PHASES = ENV.get("PEER_PHASES", "pp tg").split()
JOULEBENCH, ROOFLINE, LLAMA_BENCH, LLAMA_CLI = ENV["JOULEBENCH"], ENV["ROOFLINE"], ENV["LLAMA_BENCH"], ENV["LLAMA_CLI"]
SHORT = "The sea was"
CPUS = sorted(os.sched_getaffinity(0))


def fail(text):
    print(f"bench.py: {text}", file=sys.stderr)
    sys.exit(4)


class Bench:
    def __init__(self, out, models):
        self.out, self.models = pathlib.Path(out), models
        self.raw = self.out / "raw"
        self.raw.mkdir(parents=True, exist_ok=True)
        self.samples = collections.defaultdict(dict)  # (model, threads, phase, engine) -> {round: value}
        self.needs = {}                               # (model, phase) -> bytes or operations a token
        self.roof = collections.defaultdict(list)     # threads -> [(bytes/s, operations/s)]

    def run(self, name, threads, command):
        """stdout, wall seconds and peak bytes of a command on the first CPUs; what it printed is kept."""
        with open(self.raw / f"{name}.out", "w+") as out, open(self.raw / f"{name}.err", "w+") as err:
            began = time.monotonic()
            p = subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL, preexec_fn=lambda: os.sched_setaffinity(0, CPUS[:threads]))
            _, status, usage = os.wait4(p.pid, 0)
            p.returncode = os.waitstatus_to_exitcode(status)
            took = time.monotonic() - began
            if p.returncode:
                fail(f"{' '.join(command)} ended with {p.returncode}; see {self.raw}/{name}.err")
            out.seek(0)
            return out.read(), took, usage.ru_maxrss * 1024

    def add(self, model, threads, phase, engine, n_round, value):
        self.samples[model, threads, phase, engine][n_round] = value

    # The prompts: the committed test texts, cut where they are exactly so many tokens.

    def make_prompts(self):
        text = "\n\n".join(json.loads(line)["text"] for line in gzip.open("workloads/llm/data/test.jsonl.gz", "rt", encoding="utf-8"))
        scratch = self.raw / "prompt.txt"

        def tokens(n_characters):
            scratch.write_text(text[:n_characters], encoding="utf-8")
            done = subprocess.run([JOULEBENCH, "tokenize", self.models[0], "-f", str(scratch), "--ids"], capture_output=True, text=True)
            if done.returncode:
                fail(f"tokenize: {done.stderr.strip()}")
            return len(done.stdout.split())

        for n in PROMPTS:
            low, high = 0, 16 * n
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if tokens(middle) < n else (low, middle)
            length = next((c for c in range(high, high + 64) if tokens(c) == n), None)
            if length is None:
                fail(f"no beginning of the test texts has {n} tokens")
            (self.raw / f"prompt{n}.txt").write_text(text[:length], encoding="utf-8")
        scratch.unlink()

    # joulebench

    def complete(self, name, model, threads, *args):
        text, took, peak = self.run(name, threads, [JOULEBENCH, "complete", model, "--threads", str(threads), "--json", *args])
        return json.loads(text), took, peak

    def joulebench(self, n_round, model, t, name):
        for n in PROMPTS:
            r, _, _ = self.complete(f"{name}-pp{n}", model, t, "-f", str(self.raw / f"prompt{n}.txt"), "-n", "1")
            if r["n_prompt"] != n:
                fail(f"{name}: a prompt of {r['n_prompt']} tokens, not {n}")
            self.add(model, t, f"pp{n}", "joulebench", n_round, n / r["ttft_ns"] * 1e9)
            self.needs[model, f"pp{n}"] = 2 * (r["prompt_cost"]["macs"] + r["token_cost"]["macs"]) / n
        r, _, _ = self.complete(f"{name}-tg", model, t, "-p", SHORT, "-n", str(GENERATE + 1))
        if r["n_tokens"] != GENERATE + 1:
            fail(f"{name}: the model ended its text behind {r['n_tokens']} tokens, not {GENERATE + 1}")
        took = r["tokens"][-1]["at_ns"] - r["tokens"][0]["at_ns"]
        self.add(model, t, f"tg{GENERATE}", "joulebench", n_round, GENERATE / took * 1e9)
        self.needs[model, f"tg{GENERATE}"] = sum(x["bytes"] for x in r["tokens"][1:]) / GENERATE
        _, took, _ = self.complete(f"{name}-start", model, t, "-p", SHORT, "-n", "1", "--ctx", "512")
        self.add(model, t, "start", "joulebench", n_round, took)
        _, _, peak = self.complete(f"{name}-peak", model, t, "-f", str(self.raw / f"prompt{min(PROMPTS)}.txt"), "-n", str(GENERATE), "--ctx", "512")
        self.add(model, t, "peak", "joulebench", n_round, peak)

    # llama.cpp

    def llama(self, n_round, model, t, name):
        text, _, _ = self.run(f"{name}-bench", t, [LLAMA_BENCH, "-m", model, "-p", ",".join(map(str, PROMPTS)), "-n", str(GENERATE), "-t", str(t), "-r", "1", "-o", "json"])
        seen = set()
        for r in json.loads(text):
            phase = f"pp{r['n_prompt']}" if r["n_prompt"] else f"tg{r['n_gen']}"
            if r["n_threads"] != t:
                fail(f"{name}: {r['n_threads']} threads, not {t}")
            seen.add(phase)
            self.build = f"{r['build_commit']} ({r['build_number']})"
            if phase[:2] in PEER_PHASES:
                self.add(model, t, phase, "llama.cpp", n_round, r["samples_ts"][0])
        if seen != {f"pp{n}" for n in PROMPTS} | {f"tg{GENERATE}"}:
            fail(f"{name}: phases {sorted(seen)}")
        cli = [LLAMA_CLI, "-m", model, "-t", str(t), "-c", "512", "-no-cnv", "--no-warmup", "--temp", "0", "--simple-io"]
        _, took, _ = self.run(f"{name}-start", t, cli + ["-p", SHORT, "-n", "1"])
        self.add(model, t, "start", "llama.cpp", n_round, took)
        _, _, peak = self.run(f"{name}-peak", t, cli + ["-f", str(self.raw / f"prompt{min(PROMPTS)}.txt"), "-n", str(GENERATE), "--ignore-eos"])
        self.add(model, t, "peak", "llama.cpp", n_round, peak)

    def measure_roof(self, n_round, t):
        text, _, _ = self.run(f"{n_round}-roofline-{t}", t, [ROOFLINE, "--threads", str(t), "--seconds", "0.4"])
        r = json.loads(text)
        self.roof[t].append((r["read_gb_per_s"] * 1e9, r["ops_per_s"]))

    def all_rounds(self):
        engines = ["joulebench"] + (["llama"] if LLAMA_BENCH else [])
        for n_round in range(1, ROUNDS + 1):
            for t in THREADS:
                self.measure_roof(n_round, t)
                for model in self.models:
                    for engine in engines:
                        getattr(self, engine)(n_round, model, t, f"{n_round}-{engine}-{pathlib.Path(model).stem}-{t}")
            engines.reverse()
            print(f"round {n_round} of {ROUNDS}", file=sys.stderr, flush=True)

    # Results

    def write(self):
        with open(self.out / "samples.tsv", "w") as f:
            print("model", "threads", "phase", "engine", "round", "value", sep="\t", file=f)
            for (model, t, phase, engine), by_round in sorted(self.samples.items()):
                for n_round, value in sorted(by_round.items()):
                    print(pathlib.Path(model).name, t, phase, engine, n_round, f"{value:.6g}", sep="\t", file=f)
        cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
        version = subprocess.run([JOULEBENCH, "--version"], capture_output=True, text=True).stdout.splitlines()[0]
        (self.out / "environment.txt").write_text(f"{cpu}, {len(CPUS)} CPUs; {version}; llama.cpp {getattr(self, 'build', '-')}; {ROUNDS} rounds\n")
        (self.out / "table.md").write_text(self.speed_table() + "\n" + self.small_table() + "\n" + self.roof_line())

    def pair(self, model, t, phase):
        ours, peer = (self.samples.get((model, t, phase, e), {}) for e in ("joulebench", "llama.cpp"))
        return list(ours.values()), list(peer.values()), sorted(ours[r] / peer[r] for r in ours if r in peer)

    def speed_table(self):
        phases = [f"tg{GENERATE}"] + [f"pp{n}" for n in PROMPTS]
        lines = ["| model | threads | phase | llama.cpp tokens/s | joulebench tokens/s | ratio (95 %) | roofline, llama.cpp | joulebench |", "|---|---:|---|---:|---:|---:|---:|---:|"]
        for model in self.models:
            for phase in phases:
                for t in THREADS:
                    ours, peer, ratios = self.pair(model, t, phase)
                    most = max(r[0 if phase[:2] == "tg" else 1] for r in self.roof[t]) / self.needs[model, phase]
                    share = ["-" if not x else f"{100 * statistics.median(x) / most:.0f} %" for x in (peer, ours)]
                    lines.append(f"| {short(model)} | {t} | {phase} | {figure(peer)} | {figure(ours)} | {ratio(ratios)} | {share[0]} | {share[1]} |")
        return "\n".join(lines) + "\n"

    def small_table(self):
        lines = ["| model | threads | | llama.cpp | joulebench | ratio (95 %) |", "|---|---:|---|---:|---:|---:|"]
        for phase, what, scale in (("start", "start to one token, and end, ms", 1e3), ("peak", "peak memory, MB", 1e-6)):
            for model in self.models:
                for t in THREADS:
                    ours, peer, ratios = self.pair(model, t, phase)
                    lines.append(f"| {short(model)} | {t} | {what} | {figure([x * scale for x in peer])} | {figure([x * scale for x in ours])} | {ratio(ratios)} |")
        return "\n".join(lines) + "\n"

    def roof_line(self):
        parts = [f"{t} thread{'s' * (t > 1)}: {max(r[0] for r in self.roof[t]) * 1e-9:.1f} GB/s, {max(r[1] for r in self.roof[t]) * 1e-9:.0f} Gop/s (int8)" for t in THREADS]
        need = [f"{short(m)} {self.needs[m, f'tg{GENERATE}'] * 1e-6:.1f} MB" for m in self.models]
        return f"Roofline, {'; '.join(parts)}. Bytes a token in tg{GENERATE}: {', '.join(need)}.\n"


def short(model):
    return pathlib.Path(model).stem


def figure(values):
    """Median, and least to most."""
    if not values:
        return "-"
    digits = 1 if statistics.median(values) < 100 else 0
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def ratio(sorted_ratios):
    n = len(sorted_ratios)
    if n == 0:
        return "-"
    k, below = 0, 0.0  # the k-th least and k-th largest hold the median unless fewer than k of n coins fall on one side
    while k < n // 2 and 2 * (below + math.comb(n, k) / 2**n) <= 0.05:
        below += math.comb(n, k) / 2**n
        k += 1
    interval = f" ({sorted_ratios[k - 1]:.2f}-{sorted_ratios[n - k]:.2f})" if k else ""
    return f"{statistics.median(sorted_ratios):.2f}{interval}"


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    for model in sys.argv[2:]:
        if not os.access(model, os.R_OK):
            fail(f"{model} cannot be read")
    if max(THREADS) > len(CPUS):
        fail(f"{max(THREADS)} threads on {len(CPUS)} CPUs")
    bench = Bench(sys.argv[1], sys.argv[2:])
    bench.make_prompts()
    bench.all_rounds()
    bench.write()
    print((bench.out / "table.md").read_text(), end="")


main()
