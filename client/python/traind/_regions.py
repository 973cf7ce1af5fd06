"""The regions of fractional max pooling at test time, as traind draws them: Philox4x32-10 (Salmon et al. 2011), keyed
by the layer's name. core/layers/pooling_regions.cc has the same.
"""

from __future__ import annotations

import math
from typing import Any, List, Tuple

_WORD = 0xFFFFFFFF
_PURPOSE = 11  # Of fractional pooling, in traind's random numbers.


def _philox(index: int, key0: int, key1: int) -> Tuple[int, int, int, int]:
    counter = (index, 0, 0, 0)
    for _ in range(10):
        product0, product1 = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = (
            (product1 >> 32) ^ counter[1] ^ key0,
            product1 & _WORD,
            (product0 >> 32) ^ counter[3] ^ key1,
            product0 & _WORD,
        )
        key0, key1 = (key0 + 0x9E3779B9) & _WORD, (key1 + 0xBB67AE85) & _WORD
    return counter


def _stream(name: str) -> int:
    """FNV-1a, of 32 bits."""
    hash_ = 2166136261
    for byte in name.encode():
        hash_ = ((hash_ ^ byte) * 16777619) & _WORD
    return hash_


def draw(config: Any, layer: str, axis: int, size: int) -> List[Tuple[int, int]]:
    """Where the regions of an axis begin and end."""
    outputs = min(max(math.floor(size / config.ratio), (size + 1) // 2), max(size - 1, 1))
    span = size if config.disjoint else size - 1  # An overlapping region reaches one pixel further.
    overlap = 0 if config.disjoint else 1
    if span < outputs:
        return [(0, 1)]
    key0, key1 = (_PURPOSE * 0x9E3779B1) & _WORD, (_stream(layer) * 0x85EBCA77 + _PURPOSE) & _WORD
    first = axis << 30
    if config.sequence == config.SEQUENCE_PSEUDO_RANDOM:
        offset = (_philox(first, key0, key1)[0] >> 8) * span
        divisor = outputs << 24
        ceilings = [
            span * i // outputs + (((span * i % outputs) << 24) + offset + divisor - 1) // divisor
            for i in range(outputs + 1)
        ]
        starts = [one - ceilings[0] for one in ceilings]
    else:
        starts, twos = [0], span - outputs
        for i in range(outputs):
            words = _philox(first + i // 4, key0, key1)
            two = (words[i % 4] * (outputs - i)) >> 32 < twos
            twos -= two
            starts.append(starts[-1] + (2 if two else 1))
    return [(begin, end + overlap) for begin, end in zip(starts, starts[1:])]
