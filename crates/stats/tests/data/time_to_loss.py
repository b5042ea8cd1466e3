#!/usr/bin/env python3
"""Second implementation of the statistics of time to loss, in plain Python, by brute force.

It checks the real one: `python3 time_to_loss.py vectors > time_to_loss.json` prints the vectors
that tests/stats/time_to_loss.rs reads. It takes some minutes.
"""

import json
import math
import multiprocessing
import random
import sys

SCALES = [3.0 * 10.0 ** (k / 4.0) for k in range(13)]
STAKES = (1.0, 0.6)
WINDOW = 1.15
ROUNDS = 50
GRID_POINTS = 20_001
COARSE_POINTS = 501
LOWEST = 20
FAR = 50.0
SCREEN_SEEDS, SCREEN_LOG_E, SCREEN_E_BELOW = 4, -1.0, 5.0


# The e-value of one sample of log ratios.


def log_factor(a, b, y):
    """ln(1 + b tanh(a y)); without cancellation where b = 1 and y is far below 0."""
    if b != 1.0:
        return math.log1p(b * math.tanh(a * y))
    z = 2.0 * a * y  # 1 + tanh(z / 2) = 2 / (1 + exp(-z))
    if z > 0.0:
        return math.log(2.0) - math.log1p(math.exp(-z))
    if z == -math.inf:
        return -math.inf
    return math.log(2.0) + z - math.log1p(math.exp(z))


def log_e(x, m):
    """ln of the e-value against "the centre of x is at most m"; x may hold infinities."""
    logs = [sum(log_factor(a, b, v - m) for v in x) for a in SCALES for b in STAKES]
    top = max(logs)
    return top + math.log(sum(math.exp(v - top) for v in logs) / len(logs))


def fast_e(x, m):
    """exp(log_e(x, m)) as plain products: for the search, which has no need of logarithms.

    Products of stake 1 may underflow to 0; those of stake 0.6 are at least 0.4 to the len(x).
    """
    total = 0.0
    for a in SCALES:
        whole = part = 1.0
        for v in x:
            z = 2.0 * a * (m - v)
            if z < 600.0:
                e = math.exp(z)
                whole *= 2.0 / (1.0 + e)
                part *= (1.6 + 0.4 * e) / (1.0 + e)
            else:
                whole = 0.0
                part *= 0.4
        total += whole + part
    return total / (2 * len(SCALES))


# Steps to the target.


def line_meets(curve, n, target):
    """Step at which the line of loss over ln(step) around n is at the target; None if there is no
    line, or it does not fall."""
    near = [
        (math.log(step), loss)
        for step, loss in curve
        if n / WINDOW <= step <= n * WINDOW and math.isfinite(loss)
    ]
    if len(near) < 3:
        return None
    mean_x = sum(x for x, _ in near) / len(near)
    mean_y = sum(y for _, y in near) / len(near)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in near) / sum(
        (x - mean_x) ** 2 for x, _ in near
    )
    if not slope < 0.0:
        return None
    log_n = mean_x + (target - mean_y) / slope
    return min(max(math.exp(min(log_n, 700.0)), n / WINDOW), n * WINDOW)


def crossing(curve, target):
    """The answer of steps_to_loss and the number of lines that it took."""
    threes = zip(curve, curve[1:], curve[2:])
    low = (float(b[0]) for a, b, c in threes if sorted((a[1], b[1], c[1]))[1] <= target)
    n = next(low, None)
    if n is None:
        return None, 0
    for rounds in range(ROUNDS):
        met = line_meets(curve, n, target)
        if met is None:
            return n, rounds
        before, n = n, met
        if n > curve[-1][0]:
            return None, rounds + 1
        if abs(math.log(n / before)) < 1e-9:
            return n, rounds + 1
    return n, ROUNDS


def steps_to_loss(curve, target):
    return crossing(curve, target)[0]


def steps_log_ratio(base, candidate):
    if base is None and candidate is None:
        return 0.0
    if candidate is None:
        return -math.inf
    if base is None:
        return math.inf
    return math.log(base / candidate)


def fixed_log_ratio(lengths, losses, margin, kappa):
    return math.log(lengths[0] / lengths[1]) - max(0.0, losses[1] - losses[0] + margin) / kappa


# Steps and step time together.


def log_mean_of_three(steps, blocks, m, c):
    """ln mean{E_time(c) E_steps(m - c), E_time(c), E_steps(m - c)}."""
    time, seeds = log_e(blocks, c), log_e(steps, m - c)
    top = max(time + seeds, time, seeds)
    three = sum(math.exp(v - top) for v in (time + seeds, time, seeds))
    return top + math.log(three / 3.0)


def fast_mean_of_three(steps, blocks, m, c):
    time, seeds = fast_e(blocks, c), fast_e(steps, m - c)
    return (time * seeds + time + seeds) / 3.0


def grid(steps, blocks, m, count):
    """Places of c: even ones from below the lowest sample to above the highest, some more around
    each sample, and ever wider ones up to 10 beyond all of them: the flattest bet still changes
    there."""
    places = [v for v in blocks if math.isfinite(v)]
    places += [m - v for v in steps if math.isfinite(v)]
    if not places:
        return []
    low, high = min(places) - 0.05, max(places) + 0.05
    points = [low + (high - low) * k / (count - 1) for k in range(count)]
    offsets = [1e-5 * 10.0 ** (k / 3.0) for k in range(12)]
    for v in set(places):
        points.append(v)
        points += [v + sign * d for d in offsets for sign in (-1.0, 1.0)]
    for d in (10.0 ** (k / 50.0 - 2.0) for k in range(151)):
        points += [low - d, high + d]
    return sorted(points)


def log_e_time_to_loss(steps, blocks, m, count=GRID_POINTS):
    """ln of the e-value against "the log ratio of time is at most m"; blocks None: step time is
    equal."""
    if blocks is None:
        return log_e(steps, m)
    points = grid(steps, blocks, m, count)
    values = [fast_mean_of_three(steps, blocks, m, c) for c in points]
    found = [-FAR, FAR]
    for at in sorted(range(len(points)), key=values.__getitem__)[:LOWEST]:
        low, high = points[max(at - 1, 0)], points[min(at + 1, len(points) - 1)]
        found.append(points[at])
        for _ in range(60):
            left, right = low + (high - low) / 3.0, high - (high - low) / 3.0
            left_e = fast_mean_of_three(steps, blocks, m, left)
            if left_e < fast_mean_of_three(steps, blocks, m, right):
                high = right
            else:
                low = left
        found.append(0.5 * (low + high))
    return min(log_mean_of_three(steps, blocks, m, c) for c in found)


def negated(x):
    return None if x is None else [-v for v in x]


def reaches(steps, blocks, m, need):
    """Whether log_e_time_to_loss is at least need. No place of c is below the infimum, so that a
    few places are often enough to say no."""
    few = log_e_time_to_loss(steps, blocks, m, COARSE_POINTS)
    return few >= need and log_e_time_to_loss(steps, blocks, m) >= need


def largest_m(steps, blocks, need):
    """The largest m in +-10 for which log_e_time_to_loss is at least need; None if there is none.

    Found by bisection with few places of c, and then proven with all of them, to 4e-8.
    """
    low, high = -10.0, 10.0
    if not reaches(steps, blocks, low, need):
        return None
    if reaches(steps, blocks, high, need):
        return None  # no end of them
    for _ in range(45):
        middle = 0.5 * (low + high)
        if log_e_time_to_loss(steps, blocks, middle, COARSE_POINTS) >= need:
            low = middle
        else:
            high = middle
    assert reaches(steps, blocks, low - 2e-8, need), "few places miss the infimum"
    assert not reaches(steps, blocks, low + 2e-8, need), "few places are above the infimum"
    return low


def judge_seeds(steps, blocks, min_speedup, alpha, threshold, screen, max_seeds, bound_seeds):
    minimum = math.log1p(min_speedup)
    need = math.log(1.0 / alpha)
    verdict, n, value = None, 0, 0.0
    while n < len(steps) and verdict is None:
        n += 1
        read = steps[:n]
        value = log_e_time_to_loss(read, blocks, minimum)
        if value >= math.log(threshold):
            verdict = "faster"
        elif reaches(negated(read), negated(blocks), 0.0, need):
            verdict = "slower"
        elif reaches(negated(read), negated(blocks), -minimum, need) and reaches(
            read, blocks, -minimum, need
        ):
            verdict = "same"
        elif (
            screen
            and n >= SCREEN_SEEDS
            and (
                value <= SCREEN_LOG_E
                or reaches(negated(read), negated(blocks), -minimum, math.log(SCREEN_E_BELOW))
            )
        ):
            verdict = "not_proven"
        elif n == max_seeds:
            verdict = "not_proven"
    if verdict == "faster":
        n = max(n, min(bound_seeds, max_seeds, len(steps)))
    read = steps[:n]
    at_least = largest_m(read, blocks, need)
    at_most = largest_m(negated(read), negated(blocks), need)
    return {
        "verdict": verdict,
        "n": n,
        "log_e": value,
        "at_least": None if at_least is None else math.expm1(at_least),
        "at_most": None if at_most is None else math.expm1(-at_most),
    }


# Vectors.


def power_law(rng, steps, noise, p=0.3, floor=2.0, height=6.0):
    """Points of floor + height step^-p, with normal noise."""
    return [(n, round(floor + height * n**-p + rng.gauss(0.0, noise), 5)) for n in steps]


def crossings(rng):
    target = 2.0 + 6.0 * 1000.0**-0.3
    every_20 = range(20, 1301, 20)
    cases = []

    def add(name, curve, target):
        cases.append({"name": name, "curve": curve, "target": round(target, 5)})

    add("clean", power_law(rng, every_20, 0.0), target)
    for noise in (0.002, 0.005, 0.01, 0.03):
        add(f"noise {noise}", power_law(rng, every_20, noise), target)
    dip = power_law(rng, every_20, 0.005)
    dip[20] = (dip[20][0], 2.5)
    add("early dip", dip, target)
    deep = power_law(rng, every_20, 0.002)
    deep[9] = (deep[9][0], 0.5)
    add("early deep dip", deep, target)
    add("never", power_law(rng, range(20, 901, 20), 0.002), target)
    add("barely, at the last point", [(800, 2.9), (850, 2.85), (900, 2.81), (950, 2.6)], 2.6)
    add("few points", power_law(rng, range(200, 2001, 200), 0.0), target)
    add("two points", [(100, 3.0), (200, 2.0)], 2.5)
    add("first point", [(1, 2.0), (2, 1.9), (3, 1.8)], 2.5)
    add("rising", [(90, 2.4), (95, 2.45), (100, 2.5), (105, 2.6), (110, 2.7)], 2.5)
    add("level", [(90, 2.5), (95, 2.5), (100, 2.5), (105, 2.5), (110, 2.5)], 2.5)
    add("at the target", [(90, 2.6), (95, 2.55), (100, 2.5), (105, 2.45), (110, 2.4)], 2.5)
    infinite = power_law(rng, every_20, 0.005)
    for at in (48, 51, 53):
        infinite[at] = (infinite[at][0], math.inf)
    add("infinite losses", infinite, target)
    add("all infinite", [(n, math.inf) for n in (10, 20, 30)], target)
    add("no points", [], target)
    # Window and line do not settle in 50 rounds.
    while sum(c["name"] == "no end in 50 rounds" for c in cases) < 2:
        curve = power_law(rng, every_20, 0.02)
        if crossing(curve, target)[1] == ROUNDS:
            add("no end in 50 rounds", curve, target)
    for case in cases:
        case["expect"] = steps_to_loss(case["curve"], case["target"])
        case["curve"] = [(n, v if math.isfinite(v) else None) for n, v in case["curve"]]
    return cases


def sample(rng, n, centre, sd):
    return [round(rng.gauss(centre, sd), 6) for _ in range(n)]


# Found by a search for cases with a narrow minimum.
OUTLIER_STEPS = [0.091917, 0.09363, 0.080716, 0.108146, 0.077204, 0.117865, -1.0]
SPREAD_BLOCKS = [-0.072515, 0.016666, 0.031286, 0.052146, -0.253076, -0.037714, -0.0538]
SPREAD_BLOCKS += [-0.023881, 0.052337, -0.065938, -0.075026, -0.166337, -0.118457, -0.073636]
SPREAD_BLOCKS += [-0.036602, -0.316166, -0.047345, -0.043805, -0.186701, -0.017831]
WIDE_STEPS = [0.385684, -0.579652, -0.1413, 0.090438, 0.624661, 0.333381, 0.618667, -0.396277]
WIDE_STEPS += [0.146395, 0.072892, 0.049869, -0.00485, -3.0]


def log_e_cases(rng):
    minimum = math.log1p(0.005)
    some = sample(rng, 10, 0.05, 0.04)
    equal = [
        ([], 0.0),
        ([0.02], 0.0),
        (some, minimum),
        (some, -0.3),
        (some, 10.0),
        (some + [-math.inf], minimum),
        (some + [math.inf, math.inf], minimum),
        ([math.inf] * 6, minimum),
        ([-math.inf] * 6, minimum),
        ([math.inf, -math.inf] * 3, 0.0),
        (sample(rng, 40, 0.0, 0.5), 0.0),
        ([minimum] * 12, minimum),
    ]
    quick = sample(rng, 12, 0.03, 0.005)
    measured = [
        ([], quick, minimum),
        (some, [], minimum),
        ([0.02], [0.03], 0.0),
        (sample(rng, 14, 0.0, 0.02), quick, minimum),
        (some, sample(rng, 8, 0.0, 0.01), minimum),
        (some, sample(rng, 8, -0.05, 0.01), minimum),
        (some, quick, minimum),
        (some, quick, 0.2),
        (some, quick, -0.2),
        (some, quick, 10.0),
        (some, quick, -10.0),
        (sample(rng, 20, -0.025, 0.03), sample(rng, 20, 0.03, 0.01), minimum),
        (sample(rng, 9, 0.1, 0.0), sample(rng, 9, -0.02, 0.0), 0.0),
        (sample(rng, 9, 0.1, 1e-4), sample(rng, 9, -0.02, 1e-4), 0.06),
        (sample(rng, 6, 0.4, 0.3), sample(rng, 6, -0.3, 0.3), 0.0),
        (sample(rng, 3, 0.5, 0.0) + sample(rng, 5, 0.0, 0.01), quick, minimum),
        (some + [-math.inf], quick, minimum),
        (some + [math.inf, math.inf], quick, minimum),
        ([math.inf] * 8, quick, minimum),
        ([-math.inf] * 8, quick, minimum),
        ([math.inf] * 8 + [-math.inf], sample(rng, 8, 0.0, 0.01), minimum),
    ]
    # Hard to find: the infimum is further than 0.05 from all samples, or in a narrow minimum of a
    # wide range.
    hard = [
        (measured[8][0], quick, -0.2),
        ([0.0], [0.0, 0.0, 0.0, 0.0], 0.0),
        (sample(rng, 8, 0.05, 0.001), sample(rng, 8, 0.4, 0.005), minimum),
        (sample(rng, 4, 0.1, 0.01), sample(rng, 4, 0.03, 0.02), minimum),
        (sample(rng, 1, 0.1, 0.2), [0.0] * 8, minimum),
        ([0.1] * 6 + [2.0], [-0.096999, -0.097653], minimum),
        (OUTLIER_STEPS, SPREAD_BLOCKS, minimum),
        (WIDE_STEPS, [0.4] * 8, minimum),
    ]
    del measured[8]
    return [(s, None, m) for s, m in equal] + measured, hard


def trials(rng):
    usual = dict(min_speedup=0.005, alpha=0.01, threshold=100.0, screen=False)
    usual |= dict(max_seeds=40, bound_seeds=0)

    def trial(name, steps, blocks=None, **rule):
        return {"name": name, "steps": steps, "blocks": blocks, **usual, **rule}

    quick = sample(rng, 12, 0.03, 0.004)
    level = sample(rng, 8, 0.0, 0.004)
    short = dict(max_seeds=16)
    dear = dict(alpha=0.05, threshold=1500.0)
    return [
        trial("faster", sample(rng, 40, 0.1, 0.03)),
        trial("faster, bounds", sample(rng, 40, 0.1, 0.03), bound_seeds=16),
        trial("faster, bounds cut", sample(rng, 40, 0.1, 0.03), max_seeds=12, bound_seeds=16),
        trial("faster, late", sample(rng, 40, 0.06, 0.04), bound_seeds=10, **dear),
        trial("slower, screened", sample(rng, 40, -0.08, 0.03), screen=True),
        trial("slower", sample(rng, 40, -0.08, 0.03)),
        trial("noise", sample(rng, 40, 0.005, 0.03)),
        trial("screened", sample(rng, 40, -0.03, 0.03), screen=True),
        trial("screened at once", [-math.inf] * 6, screen=True),
        trial("never there", [-math.inf] * 12),
        trial("base never there", [math.inf] * 12, bound_seeds=10),
        trial("one lost", sample(rng, 5, 0.1, 0.02) + [-math.inf] + sample(rng, 30, 0.1, 0.02)),
        trial("too few", sample(rng, 3, 0.05, 0.03)),
        trial("last seed", sample(rng, 7, 0.02, 0.03), max_seeds=7),
        trial("quick steps", sample(rng, 16, 0.0, 0.01), quick, **short),
        trial("both", sample(rng, 12, 0.08, 0.02), quick, bound_seeds=12, screen=True, **short),
        trial("quick but more of them", sample(rng, 10, -0.1, 0.02), quick, screen=True, **short),
        trial("slower by both", sample(rng, 10, -0.08, 0.02), negated(quick), **short),
        trial("level steps", sample(rng, 16, 0.08, 0.02), level, screen=True, **dear, **short),
        trial("one lost, measured", [-math.inf] + sample(rng, 10, 0.1, 0.02), quick, **short),
        trial("same", [0.0] * 40),
        trial("same, of little noise", [0.001, -0.0012, 0.0004, -0.0002] * 10, screen=True),
    ]


def of_log_e(case):
    return log_e_time_to_loss(*case)


def of_trial(trial):
    return judge_seeds(**{key: value for key, value in trial.items() if key != "name"})


def encoded(x):
    """Infinities as strings, which JSON does not have."""
    return None if x is None else [v if math.isfinite(v) else str(v) for v in x]


def vectors():
    rng = random.Random(20261128)
    curves = crossings(rng)
    (easy, hard), judged = log_e_cases(rng), trials(rng)
    cases = easy + hard
    with multiprocessing.Pool() as pool:
        expected = pool.map_async(of_trial, judged, chunksize=1)
        values = pool.map(of_log_e, cases, chunksize=1)
        verdicts = expected.get()
    fixed = [
        ((1000, 900), (3.0, 3.0), 0.0, 0.2),
        ((1000, 900), (3.0, 2.9), 0.01, 0.2),
        ((1000, 900), (3.0, 3.004), 0.006, 0.2),
        ((1000, 1000), (3.0, 3.1), 0.0, 0.25),
        ((1500, 500), (3.2, 3.2), 0.01, 0.15),
        ((900, 1000), (3.0, 2.5), 0.01, 0.2),
        ((1000, 500), (3.0, math.inf), 0.01, 0.2),
        ((1000, 900), (math.inf, 3.0), 0.01, 0.2),
    ]
    log_es = [
        {"steps": encoded(s), "blocks": encoded(b), "m": m, "expect": value}
        for (s, b, m), value in zip(cases, values)
    ]
    return {
        "crossings": curves,
        "log_e": log_es[: len(easy)],
        "log_e_hard": log_es[len(easy) :],
        "trials": [
            trial | {key: encoded(trial[key]) for key in ("steps", "blocks")} | {"expect": verdict}
            for trial, verdict in zip(judged, verdicts)
        ],
        "fixed": [
            dict(lengths=n, losses=encoded(loss), margin=margin, kappa=kappa)
            | {"expect": encoded([fixed_log_ratio(n, loss, margin, kappa)])[0]}
            for n, loss, margin, kappa in fixed
        ],
    }


def written(value, indent=0):
    """JSON at an indent of 1, with lists of numbers on one line."""
    inner = " " * (indent + 1)
    if isinstance(value, dict):
        parts = [f"{json.dumps(k)}: {written(v, indent + 1)}" for k, v in value.items()]
    elif isinstance(value, (list, tuple)) and any(isinstance(v, dict) for v in value):
        parts = [written(v, indent + 1) for v in value]
    else:
        return json.dumps(value, allow_nan=False)
    start, end = "{}" if isinstance(value, dict) else "[]"
    return start + "\n" + ",\n".join(inner + part for part in parts) + "\n" + " " * indent + end


if __name__ == "__main__":
    if sys.argv[1:] != ["vectors"]:
        sys.exit(__doc__)
    print(written(vectors()))
