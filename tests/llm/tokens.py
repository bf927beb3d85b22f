#!/usr/bin/env python3
"""Token ids of joulebench against those of llama.cpp, on made text of many kinds, and against each pre-tokenizer.

  tokens.py JOULEBENCH MODEL LLAMA_BUILD [DIR]

MODEL: a GGUF with a byte-level BPE vocabulary. LLAMA_BUILD: a build directory of llama.cpp that holds bin/llama-tokenize. DIR: where texts and
vocabularies go (default: a temporary directory). The arguments may come from JOULEBENCH, MODEL and LLAMA_BUILD in the environment instead.
The texts are the same on every machine. For pre-tokenizers other than the model's own, its vocabulary is copied with that key rewritten.
Exit code: 0 all equal, 1 a difference, 77 something is missing (said on stdout). Nothing is fetched or built."""
import os
import resource
import struct
import subprocess
import sys
import tempfile

PRES = ["smollm", "gpt-2", "llama-bpe"]


class Dice:
    """xorshift64*: the same numbers on every machine and in every Python."""

    def __init__(self, seed):
        self.s = seed * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF | 1

    def under(self, n):
        self.s ^= self.s >> 12
        self.s ^= self.s << 25 & 0xFFFFFFFFFFFFFFFF
        self.s ^= self.s >> 27
        return ((self.s * 0x2545F4914F6CDD1D & 0xFFFFFFFFFFFFFFFF) >> 20) % n

    def of(self, things):
        return things[self.under(len(things))]


ENGLISH = """the of and to a in that it was is for on as with he be at by had not are but from or have an they which one were all her she there would their we
him been has when who will more no if out so said what up its about into than them can only other new some could time these two may then do first any my now
such like our over man me even most made after also did many before must through back years where much your way well down should because each just those people
mister how too little state good very make world still own see men work long get here between both life being under never day same another know while last might
us great old year off come since against go came right used take three states himself few house use during without again place American around however home small
found Mrs. thought went say part once general high upon school every don't does got united left number course war until always away something fact though water
less public put think almost hand enough far took head yet government system better set told nothing night end why called didn't eyes find going look asked later
kilowatt joule threshold certificate lighthouse harpoon whale mast rigging quarter-deck forecastle Nantucket unspeakable antidisestablishmentarianism""".split()
MARKS = [". ", ", ", "; ", ": ", "? ", "! ", " -- ", "\u2014", "... ", ".\n", ".\n\n", " (", ") ", ' "', '" ', " \u201c", "\u201d ", "\u2019s ", "/", " & "]
CONTRACTIONS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'T", "'RE", "'Ve", "'M", "'lL", "'D", "'", "''", "'x", "' s", "\u2019s", "'\u017f", "'s's", "'l", "'r", "'v", "'re-", "'ll'd"]
CODE = ["int main(void)\n{\n    return 0;\n}\n", "for (size_t i = 0; i < n; i++)\n\tsum += x[i] * y[i];\n", "#include <stdio.h>\n", "def f(x, *, y=None):\n    '''doc'''\n    return {k: v for k, v in x.items()}\n",
        "SELECT a.id, COUNT(*) FROM t AS a WHERE a.x >= 10 GROUP BY 1;\n", "<div class=\"row\">\r\n  <a href='#'>x</a>\r\n</div>\r\n", "const f = async (x) => { await g(x?.y ?? 0); };\n",
        "fn main() -> Result<(), Box<dyn Error>> { Ok(()) }\n", "if [[ -n \"$x\" && ${#y[@]} -gt 0 ]]; then echo \"$((x<<2))\"; fi\n", "{\"a\": [1, 2.5e-10, null], \"b\": {\"c\": \"\\u00e9\\n\"}}\n",
        "\\begin{equation} \\frac{\\partial f}{\\partial x_i} = 0 \\end{equation}\n", "MOV EAX, [EBX+4*ECX-0x1F] ; load\n", "s/^\\s+(\\w+)\\s*=\\s*(.*)$/$1 => $2/gx;\n", "    \t  \t\n\n\n", "//====----====//\n",
        "__attribute__((aligned(64))) static const uint8_t k_table[256] = { 0x00, 0xff };\n", "x = x if x!=-1 else ~x^0b1010|0o17  # why?\n"]
WORLD = ["Der Bär fließt über die Straße, außer sonntags. ", "L'été dernier, nous étions à Nîmes; où étiez-vous\u202f? ", "El niño pidió jalapeños y una piñata. ¿Cuándo? ¡Mañana! ", "Zażółć gęślą jaźń. ",
         "Příliš žluťoučký kůň úpěl ďábelské ódy. ", "Съешь же ещё этих мягких французских булок, да выпей чаю. ", "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. ", "Flygande bäckasiner söka hwila på mjuka tuvor. ",
         "Pijamalı hasta yağız şoföre çabucak güvendi; Iğdır'da İstanbul'da. ", "Árvíztűrő tükörfúrógép. ", "Kæmi ný öxi hér, ykist þjófum nú bæði víl og ádrepa. "]
CJK = ["我能吞下玻璃而不伤身体。", "今日は良い天気ですね。", "カタカナと、ひらがなと、漢字。", "다람쥐 헌 쳇바퀴에 타고파. ", "人人生而自由,在尊严和权利上一律平等。", "第１２３４章　", "二〇二六年十一月", "㈠㊀㍿㌔", "ｶﾀｶﾅ ﾊﾝｶｸ", "한국어", "𠮷野家", "々〆〇", "\u3000\u3000", "「」『』【】"]
ARABIC = ["يولد جميع الناس أحرارا متساوين في الكرامة والحقوق. ", "١٢٣٤٥٦٧٨٩٠ ", "۰۱۲۳۴۵ ", "السَّلَامُ عَلَيْكُمْ ", "می\u200cخواهم ", "كُلُّ ", "\u200f\u202babc\u202c ", "דג סקרן שט בים מאוכזב ", "שָׁלוֹם ", "ـــ", "لا إله ", "؟ ،؛"]
INDIC = ["सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतंत्रता प्राप्त है। ", "१२३ ", "தமிழ் மொழி ", "বাংলা ভাষা ", "ไม่มีเว้นวรรคในภาษาไทยทั้งประโยค", "ᠮᠣᠩᠭᠣᠯ\u180e ", "မြန်မာ ", "አማርኛ ", "ᏣᎳᎩ ", "ខ្មែរ ", "བོད་ཡིག ", "ქართული "]
EMOJI = ["😀", "👍🏽", "👩‍👩‍👧‍👦", "🇩🇪🇯🇵", "❤️", "☃", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "1️⃣", "🤷🏾‍♀️", "™", "©", "→", "∑", "√2", "½", "²", "Ⅷ", "①", "🜁", "𝟘𝟙𝟚", "𝔘𝔫𝔦", "🧑‍🚀", "\ufe0f", "\u200d"]
SPACES = [" ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", "\r", " \n", "\n ", "\u00a0", "\u2003", "\u3000", "\u0085", "\u2028", "\x0b", "\x0c", "\u200b", "\ufeff", "\u180e", "\x1c", "\u1680", "\u202f", "    " * 5, "\n" * 7]
SPECIAL = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|im_start|>user\n", "<|im_end|>\n", "<|im_", "<|", "|>", "<|im_start|", "<|<|im_end|>|>", "<|im_end|><|im_end|>", "<repo_name>", "<file_sep>", "<issue_start>",
           "<jupyter_code>", "<empty_output>", "<reponame>", "<filename>", "<gh_stars>", "<|END|>", "< |im_end|>", "<jupyter_output>", "<jupyter_text>", "</s>", "<s>", "<unk>"]


def words(d, size, things, glue):
    out, n = [], 0
    while n < size:
        w = d.of(things)
        if d.under(9) == 0:
            w = w.capitalize() if d.under(3) else w.upper()
        w += d.of(glue)
        out.append(w)
        n += len(w.encode())
    return "".join(out)


def numbers(d, size):
    out, n = [], 0
    while n < size:
        k = d.under(6)
        w = ("%d" % d.under(10 ** (1 + d.under(12)))) if k < 3 else "%d.%0*d" % (d.under(1000), 1 + d.under(9), d.under(1000)) if k == 3 else "%x" % d.under(1 << 40) if k == 4 else d.of(["٣", "५", "½", "１", "Ⅳ", "²", "𝟗", "〇"])
        w += d.of([" ", "  ", ",", ".", "", "", "\n", "%", "-", ":", " x ", "e+"])
        out.append(w)
        n += len(w.encode())
    return "".join(out)


def combining(d, size):
    out, n = [], 0
    while n < size:
        c = chr(d.of([0x61 + d.under(26), 0xe0 + d.under(30), 0x3b1 + d.under(24), 0x915 + d.under(30), 0x5d0 + d.under(26)]))
        c += "".join(chr(d.of([0x300 + d.under(0x70), 0x591 + d.under(30), 0x93e + d.under(16), 0x20d0 + d.under(32), 0xfe20 + d.under(16)])) for _ in range(d.under(5)))
        c += d.of(["", "", "", " ", "\n"])
        out.append(c)
        n += len(c.encode())
    return "".join(out)


def every_character(d):
    """Each character of the planes that hold some, and one in 61 of the others, each between changing neighbours."""
    out = []
    around = [("", ""), (" ", ""), ("a", "b"), ("1", "2"), (" ", " "), ("'", "s"), ("\n", ""), (".", "."), ("  ", "x"), ("", "\n")]
    for c in range(0x110000):
        if 0xD800 <= c < 0xE000 or (c >> 16 not in (0, 1, 2, 3, 14) and c % 61) or (0x34000 <= c < 0x40000 and c % 61) or (0xE0200 <= c < 0xF0000 and c % 61):
            continue
        before, behind = around[(c + c // 10) % 10]
        out.append(before + chr(c) + behind)
    return "".join(out)


def invalid(d, size):
    """Well-formed text with bytes that are not, of every sort; but no form above U+10FFFF, which llama.cpp's library throws at."""
    good = [w.encode() for w in ENGLISH[:60] + WORLD + CJK + ARABIC + EMOJI + SPACES + SPECIAL]
    bad = [b"\x80", b"\xbf\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\xaf", b"\xe0\x9f\xbf", b"\xf0\x80\x80\xaf", b"\xf0\x8f\xbf\xbf", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xed\xa0\xbd\xed\xb8\x80", b"\xf4\x8f\xbf",
           b"\xff", b"\xfe", b"\xf8\x88\x80\x80\x80", b"\xfc", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xe2", b"\xf0\x9f", b"\xc3(", b"\xe2\x28\xa1", b"\xc0\xaf", b"\xc0\x8a", b"\xc1\x81", b"\xe0\x80\xa0", b"\xf5", b"\xf7\x80"]
    out, n = [], 0
    while n < size:
        w = d.of(good) if d.under(3) else d.of(bad) if d.under(3) else bytes(d.under(256) for _ in range(1 + d.under(6)))
        out.append(w + (b" " if d.under(3) == 0 else b""))
        n += len(out[-1])
    s = bytearray(b"".join(out))
    for i in range(len(s) - 3):
        if s[i] >> 3 == 0x1E and all(b >> 6 == 2 for b in s[i + 1:i + 4]) and ((s[i] & 7) << 18 | (s[i + 1] & 63) << 12) > 0x10FFFF:
            s[i] = 0xF9
    return bytes(s)


def texts():
    d = Dice(20261122)
    k = 200000
    yield "prose", words(d, k, ENGLISH, [" "] * 30 + MARKS)
    yield "contractions", words(d, k, ENGLISH[:80] + ["I", "you", "O"], CONTRACTIONS + [" "] * 5 + ["' "])
    yield "code", words(d, k, CODE, ["", "", "", "    ", "\t", "\n"])
    yield "numbers", numbers(d, k)
    yield "european", words(d, k, WORLD, ["", "", "\n", " - "])
    yield "cjk", words(d, k, CJK, ["", "", "", " ", "\n", "a", "1"])
    yield "arabic, hebrew", words(d, k, ARABIC, ["", "", " ", "\n", "a", "1"])
    yield "other scripts", words(d, k, INDIC, ["", "", " ", "\n", "a", "1"])
    yield "emoji, symbols", words(d, k, EMOJI, ["", "", "", " ", "a", "'s"])
    yield "combining marks", combining(d, k)
    yield "white space", words(d, k, SPACES, SPACES + ["a", "1", ".", "'s", "", ""])
    yield "control characters", "".join(d.of([chr(d.under(32)), chr(d.under(32)), chr(0x7f + d.under(34)), d.of(ENGLISH), " "]) for _ in range(k // 2))
    yield "special tokens", words(d, k, SPECIAL + ENGLISH[:20], ["", "", " ", "\n"])
    yield "every character", every_character(d)
    yield "invalid UTF-8", invalid(d, k)
    yield "no white space", "".join(chr(97 + d.under(26)) for _ in range(k))
    yield "one letter", "a" * k
    yield "only spaces", " " * k + "x" + "\n" * 1000 + " \n" * (k // 4)
    yield "punctuation", "".join(chr(33 + d.under(15)) for _ in range(k))
    yield "empty", ""


def rewritten(model, pre):
    """The model's metadata, without its tensors, with another pre-tokenizer."""
    data = open(model, "rb").read()
    at = 8
    n_tensors, n_keys = struct.unpack_from("<QQ", data, at)
    at = 24
    out = [data[:8], struct.pack("<QQ", 0, n_keys)]
    size = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

    def string(at):
        n, = struct.unpack_from("<Q", data, at)
        return data[at + 8:at + 8 + n], at + 8 + n

    for _ in range(n_keys):
        start = at
        key, at = string(at)
        kind, = struct.unpack_from("<I", data, at)
        value = at + 4
        if kind == 8:
            _, at = string(value)
        elif kind == 9:
            element, n = struct.unpack_from("<IQ", data, value)
            at = value + 12
            if element == 8:
                for _ in range(n):
                    _, at = string(at)
            else:
                at += n * size[element]
        else:
            at = value + size[kind]
        if key == b"tokenizer.ggml.pre":
            out.append(data[start:value] + struct.pack("<Q", len(pre)) + pre.encode())
        else:
            out.append(data[start:at])
    whole = b"".join(out)
    return whole + bytes(-len(whole) % 32)


def run(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        return None, 0.0, done.stderr.decode("utf-8", "replace")[-300:]
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return [int(x) for x in done.stdout.replace(b"[", b" ").replace(b"]", b" ").replace(b",", b" ").split()], seconds, ""


def compare(ours, peer, name):
    if ours[0] is None or peer[0] is None:
        return "%s: %s failed: %s" % (name, "joulebench" if ours[0] is None else "llama.cpp", ours[2] or peer[2])
    for i, (a, b) in enumerate(zip(ours[0], peer[0])):
        if a != b:
            return "%s: token %d is %d, llama.cpp has %d" % (name, i, a, b)
    return None if len(ours[0]) == len(peer[0]) else "%s: %d tokens, llama.cpp has %d" % (name, len(ours[0]), len(peer[0]))


def mismatches(a, b):
    return sum(x != y for x, y in zip(a or [], b or [])) + abs(len(a or []) - len(b or []))


def main():
    names = ["JOULEBENCH", "MODEL", "LLAMA_BUILD"]
    given = dict(zip(names, sys.argv[1:4]))
    program, model, build = (given.get(n) or os.environ.get(n, "") for n in names)
    peer = os.path.join(build, "bin", "llama-tokenize")
    for what, path in (("joulebench", program), ("model", model), ("llama.cpp's llama-tokenize", peer)):
        if not os.path.isfile(path):
            print("tokens: skipped: no %s (%s)" % (what, path or "not given"))
            return 77
    with tempfile.TemporaryDirectory() as scratch:
        where = sys.argv[4] if len(sys.argv) > 4 else scratch
        os.makedirs(where, exist_ok=True)
        return table(program, model, peer, where)


def table(program, model, peer, where):
    files = []
    for name, text in texts():
        path = os.path.join(where, name.replace(",", "").replace(" ", "-") + ".txt")
        with open(path, "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        files.append((name, path, os.path.getsize(path)))
    total, wrong, faults = 0, 0, []
    print("%-10s %-8s %-20s %9s %9s %10s %9s %9s" % ("pre", "special", "text", "bytes", "tokens", "mismatches", "ours MB/s", "llama.cpp"))
    for pre in PRES:
        vocabulary = os.path.join(where, "vocabulary-%s.gguf" % pre)
        with open(vocabulary, "wb") as f:
            f.write(rewritten(model, pre))
        for parsed in (True, False):
            mine = [program, "tokenize", vocabulary, "--ids"] + ([] if parsed else ["--no-parse-special", "--no-add-special"])
            theirs = [peer, "-m", vocabulary, "--ids", "--no-escape", "--log-disable"] + ([] if parsed else ["--no-parse-special", "--no-bos"])
            empty = files[-1][1]
            start = min(run(mine + ["-f", empty])[1] for _ in range(3)), min(run(theirs + ["-f", empty])[1] for _ in range(3))
            sums = [0, 0, 0, 0.0, 0.0]
            for name, path, size in files:
                a, b = run(mine + ["-f", path]), run(theirs + ["-f", path])
                fault = compare(a, b, "%s, %s, %s" % (pre, "parsed" if parsed else "plain", name))
                n_wrong = mismatches(a[0], b[0]) if fault else 0
                faults += [fault] if fault else []
                t = max(a[1] - start[0], 1e-4), max(b[1] - start[1], 1e-4)
                speed = ["%.1f" % (size / 1e6 / s) if s > 0.05 else "-" for s in t]  # less is lost in the noise of starting a program
                print("%-10s %-8s %-20s %9d %9d %10d %9s %9s" % (pre, "parsed" if parsed else "plain", name, size, len(a[0] or []), n_wrong, *speed), flush=True)
                sums = [x + y for x, y in zip(sums, [size, len(a[0] or []), n_wrong, t[0], t[1]])]
            print("%-10s %-8s %-20s %9d %9d %10d %9.1f %9.1f" % (pre, "parsed" if parsed else "plain", "ALL", *sums[:3], sums[0] / 1e6 / sums[3], sums[0] / 1e6 / sums[4]), flush=True)
            total, wrong = total + sums[0], wrong + sums[2]
    for fault in faults:
        print("DIFFERENT: " + fault)
    print("%d bytes tokenized in all, %d mismatches; speeds are CPU seconds less those of an empty text, ids printed" % (total, wrong))
    return 1 if faults else 0


sys.exit(main())
