"""Nested rules for integrals over [0, 1]: 7 nodes, then 15, 31 and 63, each holding all nodes of the one before.

The 7 are Gauss's; Kronrod (1965) added 8, and Patterson (1968, Mathematics of Computation 22) 16 and 32, each time so
that polynomials of the highest possible degree are integrated exactly (13, 23, 47 and 95). An integral that
turns out to need more nodes pays for the new ones only.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

# On [-1, 1], without the sign: what each level adds.
_ADDED = (
    (0.0, 0.4058451513773972, 0.7415311855993945, 0.9491079123427585),
    (0.2077849550078985, 0.5860872354676911, 0.8648644233597691, 0.9914553711208126),
    (
        *(0.1045282738107807, 0.3085792479105878, 0.498636786552832, 0.6673480981043002),
        *(0.8076889391724376, 0.9122048827832628, 0.9753835882088934, 0.9986871096784667),
    ),
    (
        *(0.0523446654598305, 0.1563926403360814, 0.2585596187544725, 0.3577148315860333),
        *(0.4528556328496072, 0.5430823509867011, 0.6275454213822933, 0.7053824093748503),
        *(0.7756739083583348, 0.8374568325601446, 0.8898093648749427, 0.9319846573806652),
        *(0.9635649536133962, 0.9846371438756442, 0.9960402386259686, 0.9998092141980435),
    ),
)
LEVELS = (7, 15, 31, 63)  # nodes


@lru_cache
def rule(count: int) -> tuple[list[float], list[float]]:
    """Nodes and weights on [0, 1] of the rule of `count` nodes: first those of the rules before it, then its own."""
    level = LEVELS.index(count)
    halves = np.array(
        [
            node
            for added in _ADDED[: level + 1]
            for node in dict.fromkeys(signed for size in added for signed in (-size, size))
        ]
    )  # -0.0 == 0.0: the middle counts once
    # The weights are those that integrate the first `count` Legendre polynomials: 2 for the constant, else 0.
    moments = np.zeros(count)
    moments[0] = 2.0
    weights = np.linalg.solve(np.polynomial.legendre.legvander(halves, count - 1).T, moments)
    return ((halves + 1) / 2).tolist(), (weights / 2).tolist()
