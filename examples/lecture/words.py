"""Tables, and sentences that say what the numbers say, whichever way they point."""
import math
import statistics


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def spread(values):
    """Standard deviation. That of a single value is not known."""
    return statistics.stdev(values) if len(values) > 1 else math.inf


def percent(values):
    """Mean and standard deviation of shares, in percent."""
    if len(values) == 1:
        return f"{100 * values[0]:.2f} (one run)"
    return f"{100 * statistics.mean(values):.2f} ± {100 * spread(values):.2f}"


def difference(values, others):
    """Of two means of shares, and its standard error, in points."""
    error = math.sqrt(sum(spread(v) ** 2 / len(v) for v in (values, others)))
    return 100 * (statistics.mean(values) - statistics.mean(others)), 100 * error


def paired_difference(values, others):
    """As difference(), where the two numbers of each pair have everything in common but what is compared."""
    differences = [a - b for a, b in zip(values, others, strict=True)]
    return 100 * statistics.mean(differences), 100 * spread(differences) / math.sqrt(len(differences))


def told_apart(points, error):
    return abs(points) > 2 * error and points != 0


def sentence(points, error, than, unit=" points"):
    """ "higher than without by 1.2 ± 0.4 points". """
    if not told_apart(points, error):
        return f"not told apart from {than} ({points:+.2f} ± {error:.2f}{unit})"
    return f"{'higher' if points > 0 else 'lower'} than {than} by {abs(points):.2f} ± {error:.2f}{unit}"


def compared(values, others, than):
    return sentence(*difference(values, others), than)


def paired(values, others, than):
    return sentence(*paired_difference(values, others), than)


def paired_numbers(values, others, than):
    """Of numbers that are no shares, such as losses."""
    return sentence(*(number / 100 for number in paired_difference(values, others)), than, unit="")


def explained(points):
    """Of [(x, y)]: the share of y's variance that the means of y over each x have (the correlation ratio, eta squared)."""
    groups = {}
    for x, y in points:
        groups.setdefault(x, []).append(y)
    values = [y for _, y in points]
    mean, total = statistics.mean(values), statistics.pvariance(values)
    between = sum(len(group) * (statistics.mean(group) - mean) ** 2 for group in groups.values()) / len(values)
    return between / total if total else 0.0
