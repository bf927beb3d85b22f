#!/usr/bin/env python3
"""answers.py OUT MODEL.gguf...: what answers.sh does; its settings come from the environment.

Bounds that are checked: not one token id differs; perplexity within 0.5 % of llama.cpp's; against the f32 run on the dequantized weights ours is not worse than llama.cpp by more than
chance: the paired difference of the mean KL and of the argmax agreement, with a 95 % interval over windows, does not lie wholly on the wrong side of 0; logits have the same bits for every
number of threads and every batch."""
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

ENV = os.environ
JOULEBENCH, BUILD, SOURCE, PYTHON = ENV["JOULEBENCH"], ENV["LLAMA_BUILD"], ENV["LLAMA_SOURCE"], ENV["PYTHON"]
CHUNKS, WINDOWS, THREADS = int(ENV.get("CHUNKS", "40")), int(ENV.get("WINDOWS", "24")), int(ENV.get("THREADS", str(len(os.sched_getaffinity(0)))))
SECTIONS = ENV.get("SECTIONS", "tokens perplexity reference independence").split()
LIBRARIES = ["src/libllama.a", "ggml/src/libggml.a", "ggml/src/libggml-cpu.a", "ggml/src/libggml-base.a"]


class Missing(Exception):
    pass


class Answers:
    def __init__(self, out, models):
        self.out, self.models = pathlib.Path(out), models
        self.raw = self.out / "raw"
        self.raw.mkdir(parents=True, exist_ok=True)
        self.text, self.ids = self.raw / "test.txt", self.raw / "test.ids"
        self.lines, self.bad, self.missing = [], [], []

    def say(self, *lines):
        self.lines += lines
        print(*lines, sep="\n", flush=True)

    def judge(self, good, text):
        if not good:
            self.bad.append(text)

    def run(self, name, command, ok=(0,)):
        """stdout; both outputs are kept."""
        with open(self.raw / f"{name}.out", "w") as out, open(self.raw / f"{name}.err", "w") as err:
            done = subprocess.run([str(c) for c in command], stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        if done.returncode not in ok:
            sys.exit(f"answers.py: {command[0]} ended with {done.returncode}; see {self.raw}/{name}.err")
        return (self.raw / f"{name}.out").read_text()

    def peer(self, name):
        path = pathlib.Path(BUILD) / "bin" / name
        if not BUILD or not os.access(path, os.X_OK):
            raise Missing(f"no {name} in LLAMA_BUILD/bin")
        return path

    def make_text(self):
        self.run("text", [sys.executable, "workloads/llm/data/make.py", "--text", "workloads/llm/data/test.jsonl.gz", self.text])
        self.ids.write_text(self.run("ids", [JOULEBENCH, "tokenize", self.models[0], "-f", self.text, "--ids"]))

    # Token ids

    def tokens(self):
        self.peer("llama-tokenize")
        text = self.run("tokens", [sys.executable, "tests/llm/tokens.py", JOULEBENCH, self.models[0], BUILD], ok=(0, 1))
        self.say("", "| pre-tokenizer | special tokens | bytes | tokens | ids that differ |", "|---|---|---:|---:|---:|")
        for row in re.findall(r"^(\S+) +(parsed|plain) +ALL +(\d+) +(\d+) +(\d+)", text, re.M):
            self.say("| " + " | ".join(row) + " |")
            self.judge(row[4] == "0", f"token ids of {row[0]}, {row[1]}: {row[4]} differ")

    # Perplexity

    def perplexity(self):
        peer = self.peer("llama-perplexity")
        self.say("", "| model | tokens scored | llama.cpp | joulebench | difference |", "|---|---:|---:|---:|---:|")
        for model in self.models:
            name = pathlib.Path(model).stem
            ours = json.loads(self.run(f"perplexity-joulebench-{name}", [JOULEBENCH, "perplexity", model, "-f", self.text, "--chunks", CHUNKS, "--threads", THREADS, "--json"]))
            self.run(f"perplexity-llama-{name}", [peer, "-m", model, "-f", self.text, "-c", 512, "-b", 512, "--chunks", CHUNKS, "-t", THREADS])
            printed = (self.raw / f"perplexity-llama-{name}.out").read_text() + (self.raw / f"perplexity-llama-{name}.err").read_text()
            theirs = re.search(r"Final estimate: PPL = ([\d.]+)", printed)
            if not theirs:
                sys.exit(f"answers.py: llama-perplexity printed no estimate for {model}")
            apart = ours["ppl"] / float(theirs[1]) - 1
            self.say(f"| {name} | {ours['tokens']} | {float(theirs[1]):.3f} | {ours['ppl']:.3f} | {100 * apart:+.2f} % |")
            self.judge(abs(apart) <= 0.005, f"perplexity of {name} is {100 * apart:+.2f} % from llama.cpp's")

    # Against f32

    def logits_program(self):
        program = self.raw / "llama_logits"
        libraries = [pathlib.Path(BUILD) / p for p in LIBRARIES]
        if not BUILD or not all(p.exists() for p in libraries):
            raise Missing("no static libraries of llama.cpp in LLAMA_BUILD (cmake -DBUILD_SHARED_LIBS=OFF)")
        self.run("compile", ["cc", "-std=c17", "-O2", "-I", f"{SOURCE}/include", "-I", f"{SOURCE}/ggml/include", "-c", "tests/peers/llama_logits.c", "-o", f"{program}.o"])
        self.run("link", ["c++", f"{program}.o", "-o", program, *libraries, "-fopenmp", "-lpthread", "-ldl", "-lm"])
        return program

    def reference(self):
        if subprocess.run([PYTHON, "-c", "import torch, numpy, gguf"], capture_output=True).returncode:
            raise Missing(f"{PYTHON} has no torch, numpy and gguf (PyPI)")
        program = self.logits_program()
        self.say("", f"| model | positions | | perplexity (f32: own) | argmax of f32 | mean KL(f32, it) | largest KL |", "|---|---:|---|---:|---:|---:|---:|")
        notes = []
        for model in self.models:
            name = pathlib.Path(model).stem
            f32, ours, theirs = (self.raw / f"{name}-{e}" for e in ("f32.npy", "joulebench.f32", "llama.f32"))
            self.run(f"reference-{name}", [PYTHON, "tests/llm/reference.py", "run", model, self.ids, f32, "--chunks", WINDOWS, "--threads", THREADS])
            self.run(f"logits-joulebench-{name}", [JOULEBENCH, "perplexity", model, "-f", self.text, "--chunks", WINDOWS, "--threads", THREADS, "--logits", ours])
            self.run(f"logits-llama-{name}", [program, model, self.ids, theirs, 512, WINDOWS, THREADS])
            figures = json.loads(self.run(f"compare-{name}", [PYTHON, "tests/llm/reference.py", "compare", f32, self.ids, f"llama.cpp={theirs}", f"joulebench={ours}", "--json"]))
            for path in (f32, ours, theirs):
                path.unlink()
            for engine, f in figures.items():
                self.say(f"| {name} | {f['positions']} | {engine} | {f['ppl']:.3f} ({f['ppl_reference']:.3f}) | {100 * f['argmax_agreement']:.2f} % | {1e3 * f['mean_kl']:.3f}e-3 +- {1e3 * f['mean_kl_standard_error']:.3f}e-3 | {f['max_kl']:.3f} |")
            d = figures["joulebench"]["minus_first"]
            notes.append(f"{name}: joulebench less llama.cpp, position by position: mean KL {1e3 * d['mean_kl']:+.3f}e-3 +- {1.96e3 * d['mean_kl_standard_error']:.3f}e-3, "
                         f"argmax {100 * d['argmax_agreement']:+.2f} % +- {196 * d['argmax_agreement_standard_error']:.2f} % (95 %, over windows).")
            self.judge(d["mean_kl"] <= 1.96 * d["mean_kl_standard_error"], f"{name}: mean KL is worse than llama.cpp's")
            self.judge(d["argmax_agreement"] >= -1.96 * d["argmax_agreement_standard_error"], f"{name}: argmax agreement is worse than llama.cpp's")
        self.say("", *notes)

    # Threads and batches

    def independence(self):
        self.say("", "| model | K/V | logits of 2 windows, sha256 | threads x batches with the same bits |", "|---|---|---|---|")
        for model in self.models:
            name = pathlib.Path(model).stem
            for kv in ("f16", "int8"):
                hashes = {}
                for threads, batch in [(1, 512), (1, 1), (2, 7), (2, 128), (3, 64)]:
                    path = self.raw / "logits.f32"
                    self.run(f"independence-{name}-{kv}-{threads}-{batch}", [JOULEBENCH, "perplexity", model, "-f", self.text, "--chunks", 2, "--kv", kv, "--threads", threads, "--batch", batch, "--logits", path])
                    with open(path, "rb") as f:
                        hashes[f"{threads}x{batch}"] = hashlib.file_digest(f, "sha256").hexdigest()[:16]
                    path.unlink()
                first = next(iter(hashes.values()))
                self.say(f"| {name} | {kv} | {first} | {', '.join(h for h in hashes if hashes[h] == first)} |")
                self.judge(len(set(hashes.values())) == 1, f"logits of {name}, K/V {kv}, differ: {hashes}")
        self.say("")
        for model in self.models:
            name = pathlib.Path(model).stem
            passes = json.loads(self.run(f"verify-{name}", [JOULEBENCH, "verify-cost", model, "--rounds", 1, "--json"], ok=(0, 3)))["passes"]
            same = sum(p["identical"] for p in passes)
            self.say(f"{name}: passes of 1 to {len(passes)} positions whose logits are those of single steps, to the bit: {same} of {len(passes)}.")
            self.judge(same == len(passes), f"{name}: a verify pass has other bits")


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    answers = Answers(sys.argv[1], sys.argv[2:])
    answers.make_text()
    for section in SECTIONS:
        try:
            getattr(answers, section)()
        except Missing as e:
            answers.missing.append(section)
            answers.say("", f"skipped: {section}: {e}")
    for text in answers.bad:
        answers.say(f"WRONG: {text}")
    (answers.out / "table.md").write_text("\n".join(answers.lines).strip() + "\n")
    sys.exit(2 if answers.bad else 77 if answers.missing else 0)


main()
